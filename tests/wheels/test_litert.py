"""What dyld makes of LiteRT's own libraries, and what its cells come to."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from metalmatrix.asking.commands import meant
from metalmatrix.cells import history
from metalmatrix.cells.cell import Cell
from metalmatrix.cells.matrix_file import parse
from metalmatrix.cli import main
from metalmatrix.doctor.rules import load_rules
from metalmatrix.errors import MatrixError, UsageError
from metalmatrix.searching.subjects import bench
from metalmatrix.verdicts.explain import Explainer
from metalmatrix.wheels.link import link_cell
from metalmatrix.wheels.macho import Dependency
from metalmatrix.wheels.wheel_facts import Facts, load_facts
from metalmatrix.wheels.wheel_libraries import brought_along, imported

if TYPE_CHECKING:
    from metalmatrix.verdicts.report import CellReport

BROKEN, GOOD = Cell.parse("py3.11-litert2.0.3"), Cell.parse("py3.11-litert2.3.0")
OLD = Cell.parse("py3.11-tflite_runtime2.14.0")
MATRIX = """as-of = 2026-11-20
[axes]
python = ["3.11", "3.12"]
tensorflow = ["2.18.1"]
tensorflow-metal = ["none"]
"""


class Members:
    """A wheel of these members."""

    def __init__(self, *names: str, source: str = "") -> None:
        self.names = ("ai_edge_litert/interpreter.py", *names)
        self.source = source

    def text(self, _name: str, _limit: int) -> str:
        """The interpreter's source."""
        return self.source


def only(cell: Cell) -> CellReport:
    """The report of one cell."""
    (query, _, explainer) = meant([cell.id])
    (report,) = explainer.reports(query.cells)
    return report


def test_ids() -> None:
    """Each cell of the history is read from its id, and has tags of its own."""
    found = history.litert()
    assert all(Cell.parse(cell.id) == cell for cell in found)
    assert len({cell.id for cell in found}) == len(found) > 100
    assert (GOOD.distribution, GOOD.route, GOOD.tags) == (
        "ai-edge-litert",
        "litert",
        ("py3_11", "litert2_3", "litert"),
    )
    with pytest.raises(UsageError, match=r"no release 2.3.9 of ai-edge-litert is known") as refused:
        Cell.parse("py3.11-litert2.3.9")
    assert "2.3.0" in refused.value.hint


@pytest.mark.parametrize(
    "words", ["3.11 litert 2.3.0", "3.11 ai-edge-litert==2.3.0", "lite-rt2.3.0 3.11", GOOD.id]
)
def test_words(words: str) -> None:
    """However it is typed, it is that cell."""
    assert [cell.id for cell in meant(words.split())[0].cells] == [GOOD.id]


@pytest.mark.parametrize(("typed", "instead"), [("litrt", "litert"), ("3.11 tflit", "3.11 tflite")])
def test_a_slip(typed: str, instead: str) -> None:
    """A name that is nearly LiteRT's is told with the command to type."""
    with pytest.raises(UsageError) as refused:
        meant(typed.split())
    assert refused.value.hint.endswith(f"explain -- {instead}")
    assert meant(instead.split())[0].cells


def test_another_word_is_no_slip() -> None:
    """Two slips away is too far for so short a name: latest is not litert."""
    with pytest.raises(UsageError) as refused:
        meant(["latest"])
    assert "did you mean" not in refused.value.hint


def test_a_list_of_it_has_no_column_for_plugins(capsys: pytest.CaptureFixture[str]) -> None:
    """Its head speaks of libraries, since none of these cells has TensorFlow or a plugin."""
    assert main(["explain", "litert", "3.11"]) == 0
    _, head, first, *_ = capsys.readouterr().out.splitlines()
    assert head.split() == ["verdict", "Python", "library"]
    assert first.split()[2:] == ["3.11", "LiteRT", first.split()[-1]]


def test_axes() -> None:
    """The axes may be left out, and each version is crossed with each Python, behind TensorFlow."""
    assert [cell.id for cell in parse(MATRIX).cells] == ["py3.12-tf2.18.1-nometal", "py3.11-tf2.18.1-nometal"]
    cells = parse(MATRIX + 'ai-edge-litert = ["2.3.0"]\n[[include]]\ncell = "py3.9-litert1.3.0"\n').cells
    assert [cell.id for cell in cells[2:]] == [
        "py3.9-litert1.3.0",
        "py3.12-litert2.3.0",
        "py3.11-litert2.3.0",
    ]
    with pytest.raises(MatrixError, match=r"ai-edge-litert 2.3.9 was never published"):
        parse(MATRIX + 'ai-edge-litert = ["2.3.9"]\n')


def test_a_library_that_the_wheel_lacks() -> None:
    """It is the line that dyld prints; with the library in the wheel, there is none."""
    facts = load_facts()
    broken = link_cell(facts, BROKEN)
    assert broken.line == "Library not loaded: @rpath/libpywrap_litert_common.dylib"
    assert broken.message.startswith(
        "dlopen(ai_edge_litert/_pywrap_tensorflow_interpreter_wrapper.so, 0x0002): "
    )
    assert link_cell(facts, GOOD).outcome == "ok"
    wheel = facts.wheel("ai-edge-litert", "2.3.0", "3.11")
    assert wheel
    without = replace(wheel, libraries=tuple(lib for lib in wheel.libraries if "common" not in lib.path))
    assert link_cell(Facts(wheels=(without,)), GOOD).library == broken.library
    common = next(lib for lib in wheel.libraries if "common" in lib.path)
    needy = replace(common, dependencies=(Dependency("@rpath/libgone.dylib", "load"),))
    nested = replace(wheel, libraries=(wheel.libraries[0], needy))
    found = link_cell(Facts(wheels=(nested,)), GOOD)
    assert found.line == "Library not loaded: @rpath/libgone.dylib"
    assert f"> {common.path}" in found.message
    assert "dlopen(ai_edge_litert/_pywrap" in found.message


def replace_name(dependencies: tuple[object, ...]) -> object:
    """A dependency on a library that is nowhere."""
    from metalmatrix.wheels.macho import Dependency

    assert all(isinstance(one, Dependency) for one in dependencies)
    return Dependency("@rpath/libgone.dylib", "load")


def test_unknown_and_empty() -> None:
    """A wheel that nobody has read is unknown; one without what its interpreter imports fails."""
    assert link_cell(Facts(), GOOD).outcome == "unknown"
    wheel = load_facts().wheel("ai-edge-litert", "2.3.0", "3.11")
    assert wheel
    found = link_cell(Facts(wheels=(replace(wheel, libraries=()),)), GOOD)
    assert (found.outcome, found.library) == ("fails", "")


def test_what_is_imported() -> None:
    """Compiled modules of its own package alone, wherever the import stands; none where one is lacking."""
    source = "if a:\n  from x import _y\nelse:\n  from ai_edge_litert import _wrap as w, more\n"
    names = (
        "ai_edge_litert/_wrap.cpython-311-darwin.so",
        "ai_edge_litert/more.py",
        "ai_edge_litert/_other.so",
    )
    assert imported(Members(*names, source=source)) == names[:1]  # type: ignore[arg-type]
    assert imported(Members(*names[1:], source=source)) == ()  # type: ignore[arg-type]
    found = brought_along(Members("ai_edge_litert/libA.dylib", "ai_edge_litert/aot/libB.so"))  # type: ignore[arg-type]
    assert found == ("ai_edge_litert/libA.dylib",)


def test_verdicts() -> None:
    """Likely, broken at link, and not installable in the doctor's words with what to take instead."""
    assert only(GOOD).verdict.word == "likely"
    assert (only(BROKEN).verdict.word, only(BROKEN).verdict.stage) == ("broken", "link")
    old = only(OLD).verdict
    assert old.word == "not-installable"
    assert old.message.startswith(load_rules().rules["tflite-runtime"].what.rstrip("."))
    assert "from ai_edge_litert.interpreter import Interpreter" in old.message


def test_every_cell_has_its_answer_in_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole history is told offline, and nothing that installs is unknown."""
    monkeypatch.setattr("metalmatrix.resolving.resolve.ask", lambda question: pytest.fail(str(question)))
    reports = Explainer(parse(MATRIX).as_of).reports(history.litert())
    assert {report.verdict.word for report in reports} == {"likely", "broken", "not-installable"}


def test_what_is_not_about_it(capsys: pytest.CaptureFixture[str]) -> None:
    """Repairs are TensorFlow's; a search refuses it."""
    with pytest.raises(UsageError, match="searched for TensorFlow alone, and this is LiteRT"):
        bench(GOOD, parse(MATRIX).as_of)
    assert main(["pins", GOOD.id]) == UsageError.exit_code
    assert "pins are sets of TensorFlow, and py3.11-litert2.3.0 is LiteRT" in capsys.readouterr().err
