"""`when` and `repair` end to end: real uv, real environments, and an index whose uploads break things."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from metalmatrix.cells.cell import Cell
from metalmatrix.files import write_atomic
from metalmatrix.resolving import repairs
from metalmatrix.resolving.repairs import load_repairs
from metalmatrix.searching import breaks, commands
from metalmatrix.searching.breaks import parse_breaks
from metalmatrix.searching.repair_file import dump_repair
from tests.clone import HERE, MATRIX, TAG, Clone, entries
from tests.fake_index import FakeIndex, FakeWheel
from tests.samples import NUMPY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

CELL = f"py{HERE}-tf2.20.0-nometal"
PASTS = parse_breaks(breaks.DATA.read_text(encoding="utf-8"))[:2]
REPAIRS = load_repairs()[:2]
CODE = """\
import six, left
if six.V >= 2:
    raise TypeError("six is too new")
class version:
    VERSION = GIT_VERSION = COMPILER_VERSION = "1"
class sysconfig:
    get_build_info = staticmethod(dict)
"""
NOTHING = "V = {}\n"


def six(version: str, uploaded: str) -> FakeWheel:
    """A release of a package that TensorFlow imports."""
    return FakeWheel("six", version, uploaded=uploaded, files={"six.py": NOTHING.format(version[0])})


def left(version: str, uploaded: str) -> FakeWheel:
    """A release of one that moves on the same day, and is innocent."""
    return FakeWheel("left", version, uploaded=uploaded, files={"left.py": NOTHING.format(version[0])})


WHEELS = (
    *(six("1.16.0", "2025-01-01"), six("1.17.0", "2025-11-01")),
    *(six("2.0.0", "2026-02-03"), six("2.1.0", "2026-06-01")),
    *(left("1.0", "2025-01-01"), left("2.0", "2026-02-03")),
    FakeWheel(
        "tensorflow", "2.20.0", f"{TAG}-{TAG}-macosx_12_0_arm64", ("six", "left"), uploaded="2025-08-13"
    ),
    FakeWheel(
        "tensorflow-cpu",
        "2.20.0",
        requires=("six", "left"),
        files={"tensorflow/__init__.py": CODE},
        uploaded="2025-08-13",
    ),
)


@contextlib.contextmanager
def made(tmp_path: Path, wheels: Sequence[FakeWheel]) -> Iterator[Clone]:
    """A clone whose checks are the import alone, with a cache of its own and an index of these *wheels*."""
    axes = {"pythons": [HERE], "frameworks": [], "plugins": ["none"]}
    matrix = MATRIX.format(**{key: entries(value) for key, value in axes.items()}, seconds=30, rest="")
    matrix = matrix.replace("tensorflow-macos = [\n\n]", 'tensorflow = [\n  "2.20.0",\n]')
    with FakeIndex(wheels) as index:
        clone = Clone.make(tmp_path, index.url, matrix)
        run = clone.root / "checks" / "run.py"
        text = run.read_text(encoding="utf-8")
        only, changed = re.subn(r"(?s)^ORDER = \(.*?\)", 'ORDER = ("import",)', text, flags=re.MULTILINE)
        assert changed == 1
        run.write_text(only, encoding="utf-8")
        yield clone


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[Clone]:
    """One whose index breaks things."""
    with made(tmp_path, WHEELS) as clone:
        yield clone


def test_the_upload_that_broke_it_is_found_kept_and_never_searched_for_again(clone: Clone) -> None:
    """The day, the one upload to blame, the bound, the data; and the second time no rehearsal."""
    code, output = clone.metalmatrix("when", CELL, "--force")
    assert code == 0, output
    assert output.splitlines()[:2] == [
        f"a plain install of {CELL} fails at import since 2026-02-03: six 2.0.0",
        "  TypeError: six is too new",
    ]
    assert "six<2 mends it; it holds six at 1.17.0 of 2025-11-01" in output
    text = (clone.root / "metalmatrix" / "data" / "breaks.jsonl").read_text(encoding="utf-8")
    (past,) = [past for past in parse_breaks(text) if past.cell.id == CELL]
    assert [(one.upload, one.bound, one.beside) for one in past.breaks] == [("six 2.0.0", "six<2", ())]
    code, output = clone.metalmatrix("when", CELL, "--json")
    (again,) = json.loads(output)
    assert again["rehearsals"] == 0
    assert again["breaks"] == past.to_json()["breaks"]


def test_a_search_that_was_killed_goes_on_where_it_stopped(clone: Clone) -> None:
    """Killed with SIGKILL in the middle, it makes up only for the rehearsal that it was in."""
    command = [sys.executable, "-m", "metalmatrix", "when", CELL, "--json"]
    probes = clone.root.parent / "cache" / "metalmatrix" / "probes"
    with subprocess.Popen(
        command, cwd=clone.root, env=clone.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        until = time.monotonic() + 60
        while len(list(probes.glob("*.json"))) < 2 and time.monotonic() < until:
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
    kept = len(list(probes.glob("*.json")))
    assert kept >= 2
    code, output = clone.metalmatrix("when", CELL, "--json")
    assert code == 0, output
    (found,) = json.loads(output)
    assert found["known"] >= kept - 1
    assert [one["version"] for one in found["breaks"]] == ["2.0.0"], found


def test_an_index_that_is_down_ends_the_search_and_keeps_what_is_known(clone: Clone) -> None:
    """Exit code 3, a sentence, and no answer that might be wrong."""
    code, output = clone.metalmatrix("when", CELL, UV_DEFAULT_INDEX="http://127.0.0.1:9/simple")
    assert code == 3
    assert "the package index could not be asked" in output
    assert "goes on where it stopped" in output


def test_the_bound_is_found_written_and_proved(clone: Clone) -> None:
    """Without a neighbour to learn from: searched, written as an entry, and proved anew from there."""
    data = clone.root / "metalmatrix" / "data" / "repairs.toml"
    before = data.read_text(encoding="utf-8")
    data.write_text(before[: before.index("[[repair]]")] + "# a comment that stays\n", encoding="utf-8")
    code, output = clone.metalmatrix("repair", CELL, "--force")
    assert code == 0, output
    assert output.startswith(f"{CELL}: six<2 (compared with the set of 2025-08-13)\n")
    assert '# a comment that stays\n\n[[repair]]\nbound = "six<2"\n' in data.read_text(encoding="utf-8")
    code, output = clone.metalmatrix("repair", "--check")
    assert code == 0
    assert output.splitlines() == [
        f"+ six<2 for ==2.20.0 ({CELL}): needed; suffices; as wide as can be: six 2.0.0 fails",
        "1 of 1 entries hold as of 2026-11-19",
    ]
    code, output = clone.metalmatrix("repair", CELL, "--json")
    (told,) = json.loads(output)
    assert (code, told["bounds"], told["suffices"], told["rehearsals"]) == (0, ["six<2"], True, 0)
    assert [(entry["bound"], entry["proof"]) for entry in told["entries"]] == [("six<2", CELL)]
    # Two that do not: one too narrow, and one that nothing needs.
    text = data.read_text(encoding="utf-8")
    entry = text[text.index("[[repair]]") :]
    bad = text.replace("six<2", "six<1.17") + "\n" + entry.replace("six<2", "left<2")
    data.write_text(bad, encoding="utf-8")
    code, output = clone.metalmatrix("repair", "--check")
    assert code == 1
    narrow, needless, *summary = output.splitlines()[:4]
    assert narrow.startswith("! six<1.17 for ==2.20.0")
    assert narrow.endswith("needed; suffices; too narrow: six 1.17.0 passes")
    assert needless.startswith(f"! left<2 for ==2.20.0 ({CELL}): nothing needs it any more: import passes ")
    assert summary == [
        "0 of 2 entries hold as of 2026-11-19",
        "take out of repairs.toml: left<2 for ==2.20.0",
    ]


def test_another_day_has_another_answer(clone: Clone) -> None:
    """On the eve of the upload it passes, and nothing is to be mended; nothing is written of either."""
    code, output = clone.metalmatrix("when", CELL, "--as-of", "2026-02-02")
    assert (code, output.splitlines()[0]) == (
        0,
        f"a plain install of {CELL} passes as of 2026-02-02, as it did on 2025-08-13",
    )
    code, output = clone.metalmatrix("repair", CELL, "--as-of", "2026-02-02")
    assert (code, output.splitlines()[0]) == (0, f"{CELL}: no bound (a plain install passes)")
    for command in ("when", "repair"):
        code, output = clone.metalmatrix(command, CELL, "--as-of", "2026-02-02", "--force")
        assert code == 2
        assert "the data is as of 2026-11-19" in output


def test_what_cannot_be_installed_is_unknown_and_nothing_is_written(tmp_path: Path) -> None:
    """The wheel on the index is not the one that it says: no answer, exit code 5, and the data as it was."""
    broken = [
        replace(wheel, sha256="0" * 64) if wheel.name == "tensorflow-cpu" else wheel for wheel in WHEELS
    ]
    with made(tmp_path, broken) as clone:
        data = clone.root / "metalmatrix" / "data"
        before = {path.name: path.read_bytes() for path in data.iterdir() if path.is_file()}
        for command in ("when", "repair"):
            code, output = clone.metalmatrix(command, CELL, "--force")
            assert code == 5, output
            assert output.startswith(f"{CELL}: unknown: it could not be installed: ")
            assert "the same command goes on where it stopped" in output
            code, output = clone.metalmatrix(command, CELL, "--force", "--json")
            (told,) = json.loads(output[: output.rindex("]") + 1])
            assert (code, told["cell"]) == (5, CELL)
            assert told["unknown"].startswith("it could not be installed: ")
        assert {path.name: path.read_bytes() for path in data.iterdir() if path.is_file()} == before
        entry = dump_repair(replace(NUMPY, bound="six<2", frameworks="==2.20.0", proof=CELL))
        (data / "repairs.toml").write_text(entry, encoding="utf-8")
        code, output = clone.metalmatrix("repair", "--check")
        assert code == 5
        assert output.startswith(f"? six<2 for ==2.20.0 ({CELL}): unknown without it: it could not be inst")
        assert "0 of 1 entries hold" in output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["repair"], "name cells to mend, or give --check"),
        (["repair", CELL, "--check"], "name cells to mend, or give --check"),
        (["when", "py3.11-tf2.99.0-nometal"], "no release 2.99.0 of tensorflow"),
        (["when", "py3.6-tf2.20.0-nometal"], "no Python 3.6 on this machine"),
        (["when", CELL, "--as-of", "2025-08-12"], "is of 2025-08-13, and not there as of 2025-08-12"),
        (["repair", CELL, "--as-of", "2025-08-12"], "is of 2025-08-13, and not there as of 2025-08-12"),
        (["when", CELL, "--as-of", "last week"], "is no day: write it like 2026-11-20"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_a_sentence(clone: Clone, arguments: list[str], said: str) -> None:
    """No traceback, and an exit code that is not that of a finding."""
    code, output = clone.metalmatrix(*arguments, PYENV_ROOT="/nowhere")
    assert code in {2, 5}
    assert said in output
    assert "Traceback" not in output


@pytest.mark.tensorflow
def test_a_real_break_is_found(tmp_path: Path) -> None:
    """TensorFlow 2.20.0 on this Python: TensorBoard's plugins went with setuptools 82, on 2026-02-08."""
    cell = Cell.parse("py3.13-tf2.20.0-nometal" if HERE == "3.13" else f"py{HERE}-tf2.20.0-nometal")
    axes = {"pythons": [HERE], "frameworks": [], "plugins": ["none"]}
    matrix = MATRIX.format(**{key: entries(value) for key, value in axes.items()}, seconds=180, rest="")
    matrix = matrix.replace("tensorflow-macos = [\n\n]", 'tensorflow = [\n  "2.20.0",\n]')
    clone = Clone.make(tmp_path, None, matrix)
    code, output = clone.metalmatrix("when", cell.id, "--json")
    assert code == 0, output
    (found,) = json.loads(output)
    (one,) = found["breaks"]
    assert (one["since"], one["package"], one["failure"]["check"]) == (
        "2026-02-08",
        "setuptools",
        "tensorboard",
    )
    assert one["bound"] in {repair.bound for repair in load_repairs()}


@pytest.fixture
def meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[threading.Thread]]:
    """A thread put here begins when a search has read the data, its own here, and not yet written it."""
    threads: list[threading.Thread] = []

    def late(path: Path, text: str) -> None:
        if threads[0].ident is None:
            threads[0].start()
            threads[0].join(1)
        write_atomic(path, text)

    with monkeypatch.context() as patched:
        patched.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        patched.setattr(breaks, "DATA", tmp_path / "breaks.jsonl")
        patched.setattr(repairs, "DATA", tmp_path / "repairs.toml")
        patched.setattr(commands, "write_atomic", late)
        yield threads
    breaks.load_breaks.cache_clear()
    load_repairs.cache_clear()


def test_two_pasts_found_at_once_are_both_kept(meanwhile: list[threading.Thread]) -> None:
    """Each search writes the whole file: the one that ends second begins with what the first wrote."""
    one, two = PASTS
    meanwhile.append(threading.Thread(target=commands._keep, args=(two,)))
    commands._keep(one)
    meanwhile[0].join()
    assert set(breaks.load_breaks()) == {one, two}


def test_two_repairs_found_at_once_are_both_kept(meanwhile: list[threading.Thread]) -> None:
    """The same for the bounds that two searches write."""
    one, two = REPAIRS
    repairs.DATA.touch()
    meanwhile.append(threading.Thread(target=commands._write, args=(two, Cell.parse(two.proof))))
    assert commands._write(one, Cell.parse(one.proof)) == "added"
    meanwhile[0].join()
    assert set(load_repairs()) == {one, two}
