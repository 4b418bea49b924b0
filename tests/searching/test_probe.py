"""Probes on disk: what was seen comes back, and what nobody wrote, or a bad day wrote, does not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from metalmatrix.errors import RehearsalError
from metalmatrix.running import checklist
from metalmatrix.running.checklist import check_digest
from metalmatrix.searching import probe
from metalmatrix.searching.probe import Result, Seen, failures, probe_path, recall, remember
from tests.samples import check, lock

if TYPE_CHECKING:
    from pathlib import Path

RAISED = Result("import", "failed", "exception", "no", "TypeError")
PASSED = Result("fit", "passed")
ENTRY = {**vars(RAISED), "sources": check_digest("import")}
GOOD = {"schema": 1, "results": [ENTRY]}


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the probe of a set is kept, in a cache of the test's own."""
    monkeypatch.setattr(probe, "cache_dir", lambda: tmp_path)
    return probe_path(lock("six==1.17.0"), "3.11", "linux-x86_64")


def test_what_is_kept_comes_back(path: Path) -> None:
    """All of it, by check."""
    remember(path, [RAISED, PASSED])
    assert recall(path) == {"import": RAISED, "fit": PASSED}


def test_the_name_is_made_of_all_that_the_outcome_depends_on(path: Path) -> None:
    """Another set, Python or platform is another probe; all are below the cache."""
    others = {
        probe_path(lock("six==1.16.0"), "3.11", "linux-x86_64"),
        probe_path(lock("six==1.17.0"), "3.12", "linux-x86_64"),
        probe_path(lock("six==1.17.0"), "3.11", "linux-aarch64"),
    }
    assert len(others - {path}) == 3
    assert {other.parent for other in others} == {path.parent}


@pytest.mark.parametrize("how", ["hang", "memory", "output"])
def test_what_may_be_the_machines_fault_is_not_kept(path: Path, how: str) -> None:
    """A hang on a busy day is looked at again; the rest stays."""
    remember(path, [PASSED, Result("import", "failed", how, "too slow")])
    assert recall(path) == {"fit": PASSED}


def test_what_was_skipped_behind_an_import_that_hung_is_not_kept(path: Path) -> None:
    """The import is tried again; what it kept from being run would else count as seen for ever."""
    remember(path, [Result("import", "failed", "hang", "too slow"), Result("fit", "skipped", message="no")])
    assert recall(path) == {}
    skipped = Result("tensorboard", "skipped", message="it is not installed")
    remember(path, [Result("import", "passed"), skipped])
    assert recall(path)["tensorboard"] == skipped


@pytest.mark.parametrize(
    ("how", "exception", "signal", "kept"),
    [
        ("exception", "TypeError", "", True),
        ("exception", "ImportError", "", True),
        ("exception", "OSError", "", False),
        ("exception", "MemoryError", "", False),
        ("exception", "tensorflow.python.framework.errors_impl.ResourceExhaustedError", "", False),
        ("signal", "", "SIGSEGV", True),
        ("signal", "", "SIGILL", True),
        ("signal", "", "SIGTERM", False),
        ("signal", "", "SIGHUP", False),
        ("mismatch", "", "", True),
    ],
)
def test_what_tells_of_the_machine_is_not_kept(
    path: Path, how: str, exception: str, signal: str, *, kept: bool
) -> None:
    """A full disk, and whoever ended the process from outside, say nothing of the set tomorrow."""
    result = Result("save", "failed", how, "no", exception, signal=signal)
    remember(path, [Result("import", "passed"), result])
    assert ("save" in recall(path)) == kept
    # Nor is it believed where an earlier release has kept it.
    text = {**vars(result), "sources": check_digest("save")}
    imported = {**vars(Result("import", "passed")), "sources": check_digest("import")}
    path.write_text(json.dumps({"schema": 1, "results": [imported, text]}), encoding="utf-8")
    assert ("save" in recall(path)) == kept


def test_a_probe_from_before_signals_were_kept_is_read(path: Path) -> None:
    """It has no such field; only a crash is looked at again."""
    old = [{k: v for k, v in vars(r).items() if k != "signal"} for r in (RAISED, PASSED)]
    entries = [{**entry, "sources": check_digest(str(entry["check"]))} for entry in old]
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"schema": 1, "results": entries}), encoding="utf-8")
    assert recall(path) == {"import": RAISED, "fit": PASSED}


@pytest.mark.parametrize(
    ("message", "exception", "wants"),
    [
        ("[Errno 28] No space left on device: 'x'", "OSError", True),
        ("x; No space left on device", "tensorflow.python.framework.errors_impl.InternalError", True),
        ("", "MemoryError", True),
        ("[Errno 2] No such file or directory: 'x'", "FileNotFoundError", False),
    ],
)
def test_a_full_machine_is_told_from_a_broken_set(message: str, exception: str, *, wants: bool) -> None:
    """Whatever raised it; a file that a package forgot is the package's own matter."""
    assert Result("save", "failed", "exception", message, exception).of_the_machine == wants
    assert not Result("save", "passed", message=message).of_the_machine


@pytest.mark.parametrize(
    ("signal", "outside"), [("SIGKILL", True), ("SIGTERM", True), ("SIGSEGV", False), ("", False)]
)
def test_a_process_that_was_ended_from_outside_tells_nothing_of_the_set(
    signal: str, *, outside: bool
) -> None:
    """The kernel ends whoever takes the last memory; a crash is the set's own."""
    assert Result("fit", "failed", "memory", "killed", signal=signal).of_the_machine == outside


def test_a_check_that_has_changed_is_run_again_and_the_others_are_not(path: Path) -> None:
    """What was said by other sources is not what these would say."""
    remember(path, [RAISED, PASSED])
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(check_digest("import"), "0" * 64), encoding="utf-8")
    assert recall(path) == {"fit": PASSED}


def test_what_a_check_says_depends_on_what_it_imports_and_on_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own source and those that it imports, directly or not; another check's is none of them."""
    monkeypatch.setattr(checklist, "checks_dir", lambda: tmp_path)
    sources = {
        "check_a_b": "import one\n",
        "one": "from two import x\n",
        "two": "import one, os\n",
        "other": "",
    }
    for name, source in sources.items():
        (tmp_path / f"{name}.py").write_text(source, encoding="utf-8")

    def digest() -> str:
        check_digest.cache_clear()
        return check_digest("a-b")

    before = digest()
    for name, source in sources.items():
        path = tmp_path / f"{name}.py"
        path.write_text(f"{source}# changed\n", encoding="utf-8")
        assert (digest() == before) == (name == "other")
        path.write_text(source, encoding="utf-8")
    check_digest.cache_clear()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "[]",
        "[" * 100_000,
        json.dumps({**GOOD, "schema": 2}),
        json.dumps({"schema": 1, "results": [{}]}),
        json.dumps({"schema": 1, "results": [{**ENTRY, "outcome": "perhaps"}]}),
        json.dumps({"schema": 1, "results": [{**ENTRY, "message": 7}]}),
        json.dumps({"schema": 1, "results": [{**ENTRY, "message": "x" * 2000}]}),
        json.dumps({"schema": 1, "results": [{**ENTRY, "portable": "yes"}]}),
        json.dumps({"schema": 1, "results": [{**ENTRY, "check": "../../etc"}]}),
        " " * (9 * 2**20),
    ],
    ids=lambda text: text[:40],
)
def test_a_file_that_nobody_wrote_is_nothing(path: Path, text: str) -> None:
    """A damaged or foreign file is as if it were not there."""
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(GOOD), encoding="utf-8")
    assert recall(path) == {"import": RAISED}
    path.write_text(text, encoding="utf-8")
    assert recall(path) == {}


def test_a_file_that_is_not_there_is_nothing(path: Path) -> None:
    """As before the first probe."""
    assert recall(path) == {}


def test_failures_come_in_the_order_of_the_checks_with_their_stage() -> None:
    """An import that fails comes before all else, whatever order they are told in."""
    results = [Result("tensorboard", "failed", "exception", "late"), PASSED, RAISED]
    found = failures(results)
    assert [(one.check, one.stage) for one in found.values()] == [
        ("import", "import"),
        ("tensorboard", "fit"),
    ]


def test_a_crash_tells_nothing_of_a_mac() -> None:
    """The rule is that of every rehearsal (`verdicts.observe.portable`)."""
    assert not Result.of(check("failed", how="signal", signal="SIGSEGV", message="ended")).portable
    assert Result.of(check("failed", how="exception", exception="TypeError", message="no")).portable
    assert Result.of(check("passed")).portable


def test_who_has_to_know_is_not_told_that_nothing_fails() -> None:
    """A set that could not be tried has no failures, and is none that passes."""
    failed = failures([RAISED])
    assert [one.check for one in Seen(lock("six==1.17.0"), failed).new(())] == ["import"]
    assert Seen(lock("six==1.17.0"), failed).new({"import"}) == []
    untried = Seen(None, {}, "no wheel for this platform")
    with pytest.raises(RehearsalError, match="no wheel for this platform"):
        untried.new(())
    with pytest.raises(RehearsalError):
        untried.known  # noqa: B018 - asking is the test


def test_a_set_that_was_not_installed_is_not_judged() -> None:
    """Neither passed nor failed: a check that another matter kept from running."""
    failed = failures([RAISED])
    assert Seen(None, {}).passes("import") is None
    assert Seen(lock("six==1.17.0"), failed).passes("import") is False
    assert Seen(lock("six==1.17.0"), failed).passes("fit") is None
    assert Seen(lock("six==1.17.0"), {}).passes("fit") is True
