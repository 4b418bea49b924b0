"""What only a Mac shows, as far as it can be tried here: the machine is made believe, the rest is real."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from metalmatrix.cells import matrix_file
from metalmatrix.errors import ResultError
from metalmatrix.running.plan import Options
from metalmatrix.running.results import Store
from metalmatrix.running.run import Runner
from metalmatrix.verdicts.observe import from_linked, from_resolved, from_results
from metalmatrix.verdicts.verdict import verdict
from metalmatrix.wheels.wheel_facts import load_facts
from tests.clone import HERE, MATRIX, SIX, entries
from tests.fake_index import FakeIndex, FakeWheel
from tests.samples import MAC, QUIET
from tests.tiny_sdist import FakeSdist

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from metalmatrix.running.conditions import Conditions

CELL = f"py{HERE}-tf2.15.0-metal1.1.0"
RAISES = {"tensorflow/__init__.py": "raise ImportError('Symbol not found: _TF_X')\n"}
WHEELS = (
    SIX,
    FakeWheel("tensorflow-macos", "2.15.0", requires=("six", "setuptools"), files=RAISES),
    FakeWheel("tensorflow-metal", "1.1.0", requires=("six",)),
    FakeWheel("setuptools", "81.0.0"),
    FakeWheel("setuptools", "82.0.0", uploaded="2026-02-08"),
)


class OnAMac(Runner):
    """A runner that takes this machine for a Mac; the wheels of the index are for any platform."""

    host = MAC

    def conditions(self, python: Path | None) -> Conditions:
        """Those of a Mac that may vote."""
        return QUIET if python else replace(QUIET, interpreter="")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An index, a cache and a uv of the test's own."""
    with FakeIndex(WHEELS) as fake:
        monkeypatch.setenv("UV_DEFAULT_INDEX", fake.url)
        monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        monkeypatch.setattr("metalmatrix.files.cache_dir", lambda: tmp_path / "cache")
        monkeypatch.setenv("METALMATRIX_RUN", tmp_path.name)
        yield


def runner(tmp_path: Path, options: Options) -> OnAMac:
    """A runner of a matrix of one framework, with and without a plugin."""
    axes = {
        "pythons": entries([HERE]),
        "frameworks": entries(["2.15.0"]),
        "plugins": entries(["none", "1.1.0"]),
    }
    matrix = matrix_file.parse(MATRIX.format(**axes, seconds=30, rest=""))
    return OnAMac(matrix, Store(tmp_path / "results"), options, lambda _: None)


@pytest.mark.usefixtures("index")
def test_a_mac_runs_the_pinned_lock_itself(tmp_path: Path) -> None:
    """On Apple silicon the cell's own lock is installed, plugin included, and what is seen counts as ran."""
    run = runner(tmp_path, Options())
    cell = run.matrix.cell(CELL)
    record = run.cell(cell, run.plan(lambda: run.matrix.cells))
    pinned, plain = record.sets["pinned"], record.sets["plain"]
    assert pinned.run is not None
    assert pinned.run.kind == "ran"
    assert pinned.environment == pinned.resolved.lock
    assert plain.run is None
    assert plain.untested == "the plain set runs with --plain"
    lock = run.store.lock(MAC.slug, pinned.environment or "")
    assert lock is not None
    assert set(lock.versions) == {"setuptools", "six", "tensorflow-macos", "tensorflow-metal"}
    results = run.store.load(MAC.slug)
    found = verdict(cell, from_results(record, results, fresh=True, current={"pinned": pinned.resolved.lock}))
    assert (found.word, found.stage) == ("broken", "import")
    assert "Symbol not found: _TF_X" in found.message


@pytest.mark.usefixtures("index")
def test_what_a_run_was_made_under_is_recorded_and_told(tmp_path: Path) -> None:
    """A run over SSH is kept with its conditions, told as one that does not count, and made again later."""
    told: list[str] = []
    asked: list[Path | None] = []

    class OverSsh(OnAMac):
        def conditions(self, python: Path | None) -> Conditions:
            asked.append(python)
            return replace(QUIET, session="Background")

    quiet = runner(tmp_path, Options())
    run = OverSsh(quiet.matrix, quiet.store, Options(), told.append)
    cell = run.matrix.cell(CELL)
    record = run.cell(cell, run.plan(lambda: run.matrix.cells))
    made = record.sets["pinned"].run
    assert made is not None
    assert made.conditions == replace(QUIET, session="Background")
    assert asked[0] is None
    assert [path.name for path in asked[1:] if path] == ["python"]
    assert "pinned: recorded, not counted: a Background session, without the graphical login" in told
    assert quiet.store.read(MAC.slug, CELL) == record
    assert run.cell(cell, run._make_plan([cell])) == record
    again = quiet.cell(cell, quiet._make_plan([cell])).sets["pinned"].run
    assert again is not None
    assert again.conditions == QUIET


@pytest.mark.parametrize("word", ["user", "host", "secret", "home"])
def test_what_is_private_does_not_reach_the_disk(
    word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An environment that prints and raises all it can learn of who runs it leaves no file with it."""
    own = {
        "user": "getpass.getuser()",
        "host": "socket.gethostname()",
        "secret": "os.environ['MY_API_TOKEN']",
        "home": "os.environ['HOME'] + '/x'",
    }
    values = {
        "user": "quentin",
        "host": "quentins-mac.local",
        "secret": "tr0ub4dor&3xyz",
        "home": "/srv/quentin",
    }
    code = f"import getpass, os, socket\nsocket.gethostname = lambda: {values['host']!r}\n"
    code += f"print({own[word]}, flush=True)\nraise ImportError('I know ' + {own[word]} + ' now')\n"
    wheels = [SIX, FakeWheel("setuptools", "81.0.0")]
    wheels += [
        FakeWheel("tensorflow-macos", "2.15.0", requires=("six",), files={"tensorflow/__init__.py": code})
    ]
    for name, value in {
        "LOGNAME": values["user"],
        "MY_API_TOKEN": values["secret"],
        "HOME": values["home"],
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("metalmatrix.running.private.socket.gethostname", lambda: values["host"])
    with FakeIndex(wheels) as index:
        monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
        monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        monkeypatch.setenv("METALMATRIX_RUN", tmp_path.name)
        run = runner(tmp_path, Options())
        cell = run.matrix.cell(f"py{HERE}-tf2.15.0-nometal")
        record = run.cell(cell, run.plan(lambda: [cell]))
    made = record.sets["pinned"].run
    assert made is not None
    assert any("I know " in check.message and " now" in check.message for check in made.checks)
    written = [path.read_text(encoding="utf-8") for path in (tmp_path / "results").rglob("*.json")]
    assert not [text for text in written if values[word] in text or "quentin" in text]


@pytest.mark.usefixtures("index")
def test_a_mac_runs_the_plain_set_when_asked(tmp_path: Path) -> None:
    """With --plain it is the other set that is installed and run."""
    run = runner(tmp_path, Options(plain=True))
    record = run.cell(run.matrix.cell(CELL), run.plan(lambda: run.matrix.cells))
    assert record.sets["plain"].run is not None
    assert record.sets["pinned"].run is None
    assert record.sets["pinned"].untested == "the pinned set runs without --plain"


@pytest.mark.usefixtures("index")
def test_neither_set_of_a_mac_loses_the_others_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pinned, then plain, then pinned again: both runs stay, and the third makes none."""
    made = []
    for number, options in enumerate((Options(), Options(plain=True), Options())):
        monkeypatch.setenv("METALMATRIX_RUN", f"{tmp_path.name}-{number}")
        run = runner(tmp_path, options)
        made.append(run.cell(run.matrix.cell(CELL), run.plan(lambda r=run: r.matrix.cells)))  # type: ignore[misc]
    assert [[bool(record.sets[which].run) for which in ("pinned", "plain")] for record in made] == [
        [True, False],
        [True, True],
        [True, True],
    ]
    assert made[2].sets["pinned"].run == made[0].sets["pinned"].run


@pytest.mark.usefixtures("index")
def test_a_result_of_a_newer_metalmatrix_is_left_as_it_is(tmp_path: Path) -> None:
    """It cannot be read, so it must not be overwritten."""
    run = runner(tmp_path, Options())
    path = tmp_path / "results" / MAC.slug / f"{CELL}.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"schema": 3}', encoding="utf-8")
    with pytest.raises(ResultError, match="newer metalmatrix"):
        run.cell(run.matrix.cell(CELL), run.plan(lambda: run.matrix.cells))
    assert path.read_text(encoding="utf-8") == '{"schema": 3}'


@pytest.mark.usefixtures("index")
def test_a_damaged_lock_is_written_again(tmp_path: Path) -> None:
    """A lock that is not what its name says stands in nobody's way for long."""
    run = runner(tmp_path, Options())
    plan = run.plan(lambda: run.matrix.cells)
    for path in (tmp_path / "results").glob("*/locks/*.json"):
        path.write_text("[]", encoding="utf-8")
    with pytest.raises(ResultError, match="is gone"):
        run.cell(run.matrix.cell(CELL), plan)
    run._make_plan(run.matrix.cells)
    assert run.cell(run.matrix.cell(CELL), plan).sets["pinned"].run


@pytest.mark.usefixtures("index")
def test_every_cell_of_a_mac_has_an_environment_of_its_own(tmp_path: Path) -> None:
    """A plugin makes another environment, so nothing is shared between the two cells."""
    run = runner(tmp_path, Options())
    plan = run.plan(lambda: run.matrix.cells)
    records = [run.cell(cell, plan) for cell in run.matrix.cells]
    assert len({record.sets["pinned"].environment for record in records}) == 2
    assert all(record.sets["pinned"].run for record in records)


@pytest.mark.parametrize(
    ("plugin", "outcome"),
    [("0.1.0", "ok"), ("0.4.1", "unknown")],  # they declare tensorflow>=2.16, and tensorflow==2.21.*
)
def test_a_plugin_that_would_be_compiled_has_a_result(
    plugin: str, outcome: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the resolver to a file: nothing is built or run on the Mac, and a doubt is kept as a result."""
    cell_id = f"py{HERE}-tf2.16.2-tensorflow_metal_plugin-{plugin}"
    wheels = [FakeWheel("tensorflow", "2.16.2"), FakeWheel("tensorflow", "2.21.0", uploaded="2026-03-01")]
    with FakeIndex([*wheels, FakeSdist("tensorflow-metal-plugin", plugin)]) as index:
        monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
        monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        monkeypatch.setattr("metalmatrix.files.cache_dir", lambda: tmp_path / "cache")
        monkeypatch.setenv("METALMATRIX_RUN", tmp_path.name)
        axes = {"pythons": entries([HERE]), "frameworks": entries(["2.16.2"]), "plugins": entries([plugin])}
        text = MATRIX.format(**axes, seconds=30, rest="").replace("tensorflow-macos", "tensorflow")
        matrix = matrix_file.parse(text.replace("tensorflow-metal", "tensorflow-metal-plugin"))
        run = OnAMac(matrix, Store(tmp_path / "results"), Options(), lambda _: None)
        cell = matrix.cell(cell_id)
        record = run.cell(cell, run.plan(lambda: [cell]))
        asked = {path for _, path in index.requests}
    pinned = record.sets["pinned"]
    assert (pinned.resolved.outcome, pinned.environment, pinned.run) == (outcome, None, None)
    assert not any("metal" in path for path in asked)
    assert run.store.load(MAC.slug).records[cell_id] == record
    assert run.store.load(MAC.slug).missing == ()
    evidence = [from_resolved(pinned.resolved, "pinned", record.as_of)]
    linked = from_linked(cell, load_facts())
    assert linked is not None
    found = verdict(cell, [*evidence, linked])
    assert (found.word, found.stage) == ("unknown", "link" if outcome == "ok" else "resolve")
