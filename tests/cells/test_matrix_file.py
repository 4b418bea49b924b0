from __future__ import annotations

import datetime as dt
import itertools
import re
from dataclasses import FrozenInstanceError, replace
from typing import TYPE_CHECKING

import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from metalmatrix.cells.cell import SUFFIXES, VENV, Cell
from metalmatrix.cells.matrix import Expect
from metalmatrix.cells.matrix_file import default_path, load, parse
from metalmatrix.errors import MatrixError, UsageError
from metalmatrix.published import releases
from metalmatrix.running.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BASE = """\
as-of = 2026-11-20
[axes]
python = ["3.11"]
tensorflow = ["2.15.1"]
tensorflow-metal = ["none"]
"""


def declared(old: str = "", new: str = "", more: str = "") -> str:
    """`BASE` with one place changed, and *more* from line 6 on."""
    assert old in BASE
    return BASE.replace(old, new, 1) + more


def refusal(text: str) -> str:
    """What is said of a text that is refused."""
    with pytest.raises(MatrixError) as caught:
        parse(text)
    return str(caught.value)


class TestShipped:
    def test_it_round_trips_byte_for_byte(self) -> None:
        """A program that reads the file with tomlkit and writes it again changes no byte."""
        data = default_path().read_bytes()
        assert tomlkit.dumps(tomlkit.parse(data.decode("utf-8"))).encode() == data

    def test_it_has_one_entry_a_line(self) -> None:
        """No array stands on one line, so that a change of one entry is a change of one line."""
        lines = default_path().read_text(encoding="utf-8").splitlines()
        assert not [line for line in lines if "= [" in line and "]" in line]

    def test_it_has_exactly_the_cells_that_were_asked_for(self) -> None:
        """The last patch of each minor from 2.12 to 2.20, five plugins: 200; 24 of LiteRT; 3 by conda."""
        frameworks = {
            "tensorflow-macos": ["2.12.0", "2.13.1", "2.14.1", "2.15.0"],
            "tensorflow": ["2.15.1", "2.16.2", "2.17.1", "2.18.1", "2.19.1", "2.20.0"],
        }
        wanted = {
            Cell(python, framework, plugin, name)
            for python in ("3.9", "3.10", "3.11", "3.12")
            for name, versions in frameworks.items()
            for framework in versions
            for plugin in ("none", "0.8.0", "1.0.1", "1.1.0", "1.2.0")
        }
        matrix = load()
        lite = [cell for cell in matrix.cells if cell.lite]
        by_conda = [cell for cell in matrix.cells if cell.route in SUFFIXES]
        assert (len(matrix.cells), len(lite)) == (227, 24)
        assert set(matrix.cells) - {*lite, *by_conda} == wanted
        assert [cell.id for cell in by_conda] == [
            "py3.9-tf2.12.0-metal0.8.0-conda",
            "py3.11-tf2.19.1-metal1.2.0-conda",
            "py3.11-tf2.19.1-metal1.2.0-conda-forge",
        ]
        assert {replace(cell, route=VENV) for cell in by_conda} < wanted  # beside the same cell without conda
        assert "py3.9-tf2.12.0-metal0.8.0" in {cell.id for cell in matrix.cells}

    def test_each_framework_is_listed_by_its_real_name(self) -> None:
        """The ids of the shipped cells are read as the cells that they are."""
        assert all(Cell.parse(cell.id) == cell for cell in load().cells)

    def test_each_framework_is_the_last_patch_of_its_name(self) -> None:
        """No later patch release of a listed minor holds binaries under the same name as of the day."""
        matrix = load()
        for name, version in {(cell.distribution, cell.framework) for cell in matrix.cells}:
            minor = ".".join(version.split(".")[:2])
            known = releases.published(name)
            found = [
                v
                for v in releases.expand(name, f"=={minor}.*", matrix.as_of)
                if releases.has_binaries(known[v])
            ]
            if name != "tflite-runtime":  # which has no wheel for Macs
                assert version == found[-1]

    def test_the_newest_python_of_a_framework_comes_first(self) -> None:
        """The order that rehearsals depend on: frameworks ascending, and in each the newest Python first."""
        cells = [cell for cell in load().cells if not cell.lite]
        assert load().cells[: len(cells)] == tuple(cells)  # LiteRT comes last
        cells = [cell for cell in cells if cell.route == VENV]
        assert [cell.framework for cell in cells[:20]] == ["2.12.0"] * 20
        assert [cell.python for cell in cells[:20]] == ["3.12"] * 5 + ["3.11"] * 5 + ["3.10"] * 5 + [
            "3.9"
        ] * 5
        frameworks = [name for name, _ in itertools.groupby(cells, key=lambda cell: cell.framework)]
        assert frameworks == sorted(set(frameworks), key=lambda text: tuple(map(int, text.split("."))))

    def test_it_is_read_once(self) -> None:
        """The matrix is read once in a process, though nox reads its file for each cell."""
        assert load() is load()

    def test_it_changes_none_of_the_defaults(self) -> None:
        """The limits that the file tells are those that hold without it."""
        assert load().limits == Limits()


class TestReading:
    def test_what_is_left_out_has_a_default(self) -> None:
        """Only the day and the axes are needed."""
        matrix = parse(BASE)
        assert [cell.id for cell in matrix.cells] == ["py3.11-tf2.15.1-nometal"]
        assert matrix.as_of == dt.date(2026, 11, 20)
        assert matrix.limits == Limits()
        assert matrix.rehearse.per == "framework"
        assert matrix.rehearse.stand_in == {"linux-x86_64": "tensorflow-cpu", "linux-aarch64": "tensorflow"}
        assert (matrix.excluded, matrix.expects) == ((), ())

    def test_a_specifier_stands_for_the_releases_that_hold_binaries(self) -> None:
        """2.13 to 2.16 of tensorflow begin with empty wheels for macOS: these are no cells."""
        matrix = parse(declared('"2.15.1"', '">=2.15,<2.18"'))
        assert [cell.framework for cell in matrix.cells] == ["2.15.1", "2.16.1", "2.16.2", "2.17.0", "2.17.1"]

    def test_a_specifier_ends_with_the_day(self) -> None:
        """What was uploaded after the day of the matrix is not in it."""
        text = declared('"2.15.1"', '">=2.17,<2.19"').replace("2026-11-20", "2024-07-31")
        assert [cell.framework for cell in parse(text).cells] == ["2.17.0"]

    def test_a_specifier_of_pythons_is_expanded(self) -> None:
        """Pythons come from a list, since no index knows them."""
        matrix = parse(declared('"3.11"', '">=3.10,<3.13", "3.9"'))
        assert [cell.python for cell in matrix.cells] == ["3.12", "3.11", "3.10", "3.9"]

    def test_the_expansion_of_plugins_names_each_release(self) -> None:
        """A specifier of plugins and `none` stand side by side."""
        matrix = parse(declared('["none"]', '["none", ">=1.1,<1.3"]'))
        assert [cell.plugin for cell in matrix.cells] == ["none", "1.1.0", "1.2.0"]

    def test_an_axis_may_be_of_any_plugin(self) -> None:
        """Each plugin has an axis of its own, exact or by a specifier; one of them is enough."""
        beside = declared("[axes]", '[axes]\ntensorflow-metal-plugin = [">=0.1.2,<0.4", "0.4.1"]')
        assert [cell.plugin_name for cell in parse(beside).cells] == [
            *("no plugin", "tensorflow-metal-plugin 0.1.2", "tensorflow-metal-plugin 0.2.0"),
            "tensorflow-metal-plugin 0.4.1",
        ]
        alone = declared('tensorflow-metal = ["none"]', 'tensorflow-metal-plugin = ["none", "0.4.1"]')
        assert [cell.id for cell in parse(alone).cells] == [
            *("py3.11-tf2.15.1-nometal", "py3.11-tf2.15.1-tensorflow_metal_plugin-0.4.1"),
        ]

    def test_a_cell_with_another_plugin_is_included_by_its_id(self) -> None:
        """Rules speak of such cells as of all others."""
        cell = "py3.12-tf2.21.0-tensorflow_metal_plugin-0.4.1"
        rules = f'[[include]]\ncell = "{cell}"\n[[expect]]\ncell = "*-tensorflow_metal_plugin-*"\n'
        matrix = parse(declared(more=f'{rules}verdict = "works"\nnote = "it says so"\n'))
        assert matrix.cells[-1] == Cell.parse(cell)
        assert matrix.expectation(matrix.cells[-1]) is not None
        assert "was uploaded on 2026-09-22" in refusal(declared("2026-11-20", "2026-09-01", rules))

    def test_an_included_cell_joins_the_others(self) -> None:
        """A cell outside of the axes is added by its id, and stands in the order of all."""
        matrix = parse(BASE + '[[include]]\ncell = "py3.9-tf2.12.0-metal0.8.0"\n')
        assert [cell.id for cell in matrix.cells] == ["py3.9-tf2.12.0-metal0.8.0", "py3.11-tf2.15.1-nometal"]

    def test_an_excluded_cell_is_kept_with_its_reason(self) -> None:
        """What a rule takes out is no cell, and the table can still say why."""
        text = declared('"3.11"', '"3.10", "3.11"')
        matrix = parse(text + '[[exclude]]\ncell = "py3.10-*"\nreason = "nobody asks for it"\n')
        assert [cell.id for cell in matrix.cells] == ["py3.11-tf2.15.1-nometal"]
        assert [(cell.id, reason) for cell, reason in matrix.excluded] == [
            ("py3.10-tf2.15.1-nometal", "nobody asks for it")
        ]

    def test_an_expectation_speaks_of_the_cells_of_its_pattern(self) -> None:
        """The first expectation that matches is the cell's; the others have none."""
        text = declared('"3.11"', '"3.10", "3.11"')
        rule = (
            '[[expect]]\ncell = "py3.11-*"\nverdict = "broken"\nnote = "why"\nurl = "https://example.com/1"\n'
        )
        matrix = parse(text + rule)
        first, second = matrix.cells
        assert matrix.expectation(first) == Expect("py3.11-*", "broken", "why", "https://example.com/1")
        assert matrix.expectation(second) is None

    def test_two_expectations_that_agree_are_no_contradiction(self) -> None:
        """A wide and a narrow pattern may say the same; the first one's note is told."""
        again = RULE.replace('"py3.11-*"', '"*"').replace('"n"', '"other"')
        assert [expect.note for expect in parse(BASE + RULE + again).expects] == ["n", "other"]

    @pytest.mark.parametrize(
        "pattern", ["py3.11", "py3.11-tf2.15.1-metal1.1", "*nometal", "PY3.11-*", "py3.?-*"]
    )
    def test_a_pattern_is_held_against_the_whole_id(self, pattern: str) -> None:
        """A part of an id, or one in capitals, is no pattern of it."""
        assert not Expect(pattern, "", "").matches(Cell.parse("py3.11-tf2.15.1-metal1.1.0"))
        assert Expect("py3.1?-tf2.15.*-metal[01]*", "", "").matches(Cell.parse("py3.11-tf2.15.1-metal1.1.0"))

    def test_limits_are_read(self) -> None:
        """Each limit of the file is the one that holds; a dtype that is left out keeps its tolerance."""
        text = (
            "[limits]\nseconds = 1.5\nmemory-mb = 2\ndevice-memory-mb = 3\nspeed-ratio = 0.5\n"
            "[limits.tolerance]\nfloat32 = 1\n"
        )
        assert parse(BASE + text).limits == Limits(1.5, 2, 3, 0.5, {**Limits().tolerance, "float32": 1})

    def test_the_rehearsal_is_read(self) -> None:
        """How many rehearsals, and of what, is the file's to say."""
        text = '[rehearse]\nper = "none"\n[rehearse.stand-in]\nlinux-aarch64 = "tensorflow"\n'
        rehearse = parse(BASE + text).rehearse
        assert (rehearse.per, rehearse.stand_in) == ("none", {"linux-aarch64": "tensorflow"})

    def test_a_cell_is_found_by_its_id(self) -> None:
        """An id of the matrix gives its cell, another one a refusal."""
        matrix = parse(BASE)
        assert matrix.cell("py3.11-tf2.15.1-nometal") is matrix.cells[0]
        with pytest.raises(UsageError, match=r"py3.12-tf2.15.1-nometal is not in the matrix\n.*nox -l"):
            matrix.cell("py3.12-tf2.15.1-nometal")

    def test_a_matrix_is_not_changed(self) -> None:
        """What was validated stays as it was."""
        with pytest.raises(FrozenInstanceError):
            parse(BASE).as_of = dt.date.min  # type: ignore[misc]

    @given(st.permutations(["3.9", "3.10", "3.11", "3.12"]))
    def test_the_order_of_the_file_does_not_matter(self, pythons: list[str]) -> None:
        """The cells have one order, however the axes are written."""
        text = declared('["3.11"]', str(pythons).replace("'", '"'))
        assert [cell.python for cell in parse(text).cells] == ["3.12", "3.11", "3.10", "3.9"]


RULE = '[[expect]]\ncell = "py3.11-*"\nverdict = "broken"\nnote = "n"\n'
REFUSED = {
    # Keys and types
    "an unknown key of the file": declared(more="[axis]\n"),
    "an unknown axis": declared(more='jax = ["0.4.1"]\n'),
    "an unknown key of an exclusion": declared(more='[[exclude]]\ncell = "*"\nreason = "r"\nverdict = "x"\n'),
    "an unknown key of an inclusion": declared(
        more='[[include]]\ncell = "py3.9-tf2.15.1-nometal"\nnote = "x"\n'
    ),
    "an unknown key of an expectation": declared(more=RULE + 'urls = ["x"]\n'),
    "an unknown limit": declared(more="[limits]\nminutes = 3\n"),
    "an unknown dtype": declared(more="[limits.tolerance]\nfloat8 = 3\n"),
    "an unknown key of the rehearsal": declared(more='[rehearse]\nevery = "framework"\n'),
    "an unknown platform": declared(more='[rehearse.stand-in]\nlinux-x86-64 = "tensorflow-cpu"\n'),
    "no day": declared("as-of = 2026-11-20\n"),
    "no axes": "as-of = 2026-11-20\n",
    "no axis of Pythons and of plugins": 'as-of = 2026-11-20\n[axes]\ntensorflow = ["2.15.1"]\n',
    "no reason": declared(more='[[exclude]]\ncell = "py3.9-*"\n'),
    "no cell": declared(more="[[include]]\n"),
    "an expectation without a note": declared(more=RULE.replace('note = "n"\n', "")),
    "a day in quotes": declared("2026-11-20", '"2026-11-20"'),
    "a time instead of a day": declared("2026-11-20", "2026-11-20T10:00:00Z"),
    "axes that are a list": 'as-of = 2026-11-20\naxes = ["3.11"]\n',
    "an axis that is a string": declared('["3.11"]', '"3.11"'),
    "rules that are a string": 'exclude = "*"\n' + BASE,
    "rules that are strings": 'expect = ["py3.11-*"]\n' + BASE,
    "a rule that is a table": declared(more='[exclude]\ncell = "*"\nreason = "r"\n'),
    "a pattern that is a list": declared(more='[[include]]\ncell = ["py3.9-tf2.15.1-nometal"]\n'),
    "limits that are a number": "limits = 3\n" + BASE,
    "a limit in quotes": declared(more='[limits]\nseconds = "180"\n'),
    "a limit that is a bool": declared(more="[limits]\nseconds = true\nmemory-mb = false\n"),
    "a fraction of a megabyte": declared(more="[limits]\nmemory-mb = 1.5\n"),
    "a tolerance that is a bool": declared(more="[limits.tolerance]\nfloat32 = true\n"),
    "tolerances that are a number": declared(more="[limits]\ntolerance = 1e-5\n"),
    "a stand-in that is a number": declared(more="[rehearse.stand-in]\nlinux-x86_64 = 1\n"),
    # Versions
    "a number in an axis": declared('["3.11"]', "[3.11]"),
    "an empty axis": declared('["3.11"]', "[]"),
    "an empty axis of plugins": declared('["none"]', "[]"),
    "an empty axis of another plugin": declared("[axes]", "[axes]\ntensorflow-metal-plugin = []"),
    "no plugin twice": declared("[axes]", '[axes]\ntensorflow-metal-plugin = ["none"]'),
    "a release of another plugin that is none": declared(
        "[axes]", '[axes]\ntensorflow-metal-plugin = ["0.4.2"]'
    ),
    "a plugin that is not known": declared("[axes]", '[axes]\ntensorflow-metl-plugin = ["0.4.1"]'),
    "no framework": declared('tensorflow = ["2.15.1"]\n'),
    "an empty axis of frameworks": declared('["2.15.1"]', "[]"),
    "a version that was never published": declared('"2.15.1"', '"2.15.7"'),
    "half a version": declared('"2.15.1"', '"2.15"'),
    "a plugin that was never published": declared('"none"', '"none", "1.1.1"'),
    "a Python that is none": declared('"3.11"', '"3.7"'),
    "a patch release of Python": declared('"3.11"', '"3.11.7"'),
    "another spelling of a version": declared('"2.15.1"', '"v2.15.1"'),
    "a zero too many": declared('"3.11"', '"3.09"'),
    "no version at all": declared('"2.15.1"', '"latest"'),
    "an empty entry": declared('"2.15.1"', '""'),
    "none as a framework": declared('"2.15.1"', '"none"'),
    "a version uploaded after the day": declared("2026-11-20", "2023-11-30"),
    "an included version uploaded after the day": declared(
        "2026-11-20", "2024-02-01", '[[include]]\ncell = "py3.12-tf2.20.0-metal1.2.0"\n'
    ),
    "a specifier that matches nothing": declared('"2.15.1"', '">=2.15,<2.15.1"'),
    "a specifier of Pythons that matches nothing": declared('"3.11"', '"<3.8"'),
    "a specifier of plugins that matches nothing": declared('"none"', '">99"'),
    # Duplicates
    "an entry twice": declared('"3.11"', '"3.11", "3.11"'),
    "an entry and a specifier": declared('["2.15.1"]', '[\n  "2.15.1",\n  "==2.15.*",\n]'),
    "two specifiers": declared('"none"', '"<1.1,>1.0", "==1.0.*"'),
    "a framework under both names": declared(more='tensorflow-macos = [\n  "2.15.0",\n  "2.15.1",\n]\n'),
    "an inclusion of what is in the axes": declared(more='[[include]]\ncell = "py3.11-tf2.15.1-nometal"\n'),
    "an inclusion twice": declared(more='[[include]]\ncell = "py3.9-tf2.15.1-nometal"\n' * 2),
    # Rules
    "an inclusion of no cell": declared(more='[[include]]\ncell = "py3.9-*"\n'),
    "an inclusion of an Intel Mac": declared(more='[[include]]\ncell = "py3.9-tf2.16.2-nometal-x86_64"\n'),
    "an inclusion of an unknown Python": declared(more='[[include]]\ncell = "py3.99-tf2.15.1-nometal"\n'),
    "an inclusion of an unknown release": declared(more='[[include]]\ncell = "py3.9-tf2.15.9-nometal"\n'),
    "an exclusion of nothing": declared(more='[[exclude]]\ncell = "py3.12-*"\nreason = "r"\n'),
    "an exclusion of everything": declared(more='[[exclude]]\ncell = "*"\nreason = "r"\n'),
    "included and excluded": declared(
        more='[[include]]\ncell = "py3.9-tf2.15.1-nometal"\n[[exclude]]\ncell = "py3.9-*"\nreason = "r"\n'
    ),
    "excluded twice": declared(
        '"3.11"', '"3.10", "3.11"', '[[exclude]]\ncell = "py3.10-*"\nreason = "r"\n' * 2
    ),
    "expected two ways": declared(more=RULE + RULE.replace("broken", "works")),
    "an expectation of an excluded cell": declared(
        '"3.11"', '"3.10", "3.11"', RULE + '[[exclude]]\ncell = "py3.11-*"\nreason = "r"\n'
    ),
    "an expectation of nothing": declared(more=RULE.replace("3.11", "3.13")),
    "a verdict that is none": declared(more=RULE.replace("broken", "fine")),
    "a verdict that cannot be expected": declared(more=RULE.replace("broken", "unknown")),
    "an address without https": declared(more=RULE + 'url = "http://example.com"\n'),
    "an address with a blank": declared(more=RULE + 'url = "https://example.com/ x"\n'),
    "an address that is code": declared(more=RULE + 'url = "javascript:alert(1)"\n'),
    # Limits
    "limits of nothing": declared(more="[limits]\nseconds = 0\nmemory-mb = -1\n"),
    "limits that are no numbers": declared(
        more="[limits]\nseconds = nan\n[limits.tolerance]\nfloat32 = nan\nfloat64 = inf\n"
    ),
    # Rehearsal
    "rehearsals per something else": declared(more='[rehearse]\nper = "cell"\n'),
    "a stand-in that is an option": declared(more='[rehearse.stand-in]\nlinux-x86_64 = "--index-url=x"\n'),
    "a stand-in with a version": declared(
        more='[rehearse.stand-in]\nlinux-x86_64 = "tensorflow-cpu==2.15"\n'
    ),
    # Syntax
    "a slip": declared('= ["3.11"]', '["3.11"]'),
    "a table that never ends": declared(more="[limits"),
    "a key twice": declared(more='python = ["3.9"]\n'),
    "a day that is none": declared("2026-11-20", "2026-13-40"),
    "a number without end": declared(more="[limits]\nseconds = " + "9" * 5000 + "\n"),
    "several at once": declared(
        '"2.15.1"',
        '"2.15.7"',
        'jax = []\n[limits]\nseconds = 0\n[rehearse]\nper = "x"\n' + RULE.replace("broken", "fine"),
    )
    .replace('"3.11"', '"3.7"')
    .replace("as-of", "as_of"),
}


class TestRefusing:
    def test_each_refusal_tells_the_line_the_reason_and_what_to_type(
        self, golden: Callable[[str, str], None]
    ) -> None:
        """What is said of each text that is refused, whole."""
        told = "".join(f"# {name}\n{refusal(text)}\n\n" for name, text in REFUSED.items())
        golden("refusals.txt", told)

    @pytest.mark.parametrize("name", REFUSED)
    def test_each_problem_is_a_line_that_an_editor_can_follow(self, name: str) -> None:
        """Every line names the file and a line that it has; only the hint of a syntax error follows."""
        lines = (
            refusal(REFUSED[name]).removesuffix("\n  hint: see https://toml.io for the syntax").split("\n")
        )
        for line in lines:
            match = re.match(r"matrix\.toml:(\d+): \S", line)
            assert match
            assert 1 <= int(match[1]) <= len(REFUSED[name].splitlines())

    def test_all_problems_are_told_at_once(self) -> None:
        """Whoever mends a file does not have to run it once for each slip."""
        lines = [line.split(":")[1] for line in refusal(REFUSED["several at once"]).splitlines()]
        assert lines == ["1", "1", "3", "4", "6", "8", "10", "12"]

    def test_what_follows_from_another_problem_is_not_told(self) -> None:
        """A rule about a cell is not blamed for the slip in the axes that keeps the cell away."""
        rules = RULE + '[[exclude]]\ncell = "py3.10-*"\nreason = "r"\n'
        told = refusal(declared('"3.11"', '"3.111"', rules))
        assert "3.111 is not known" in told
        assert "matches no cell" not in told

    def test_a_file_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        """A missing file is refused by name, with what to do."""
        with pytest.raises(MatrixError, match=r"other\.toml cannot be read: .*\n  hint: run this in a clone"):
            load(tmp_path / "other.toml")

    def test_a_file_that_is_not_utf_8_is_refused(self, tmp_path: Path) -> None:
        """TOML is UTF-8; what is not is told, not guessed at."""
        path = tmp_path / "matrix.toml"
        path.write_bytes(BASE.encode() + b"# \xff\n")
        with pytest.raises(MatrixError, match=r"matrix\.toml cannot be read: 'utf-8' codec"):
            load(path)

    def test_a_file_is_called_by_its_own_name(self, tmp_path: Path) -> None:
        """A refusal names the file that was read, by name and without its folder."""
        path = tmp_path / "mine.toml"
        path.write_text("x = 1\n" + BASE, encoding="utf-8")
        with pytest.raises(MatrixError, match=r"^mine\.toml:1: unknown key 'x'"):
            load(path)

    @given(st.text(max_size=60))
    def test_any_entry_is_read_or_refused(self, entry: str) -> None:
        """Whatever stands in an axis, nothing but a refusal comes of it, on one line for each problem."""
        text = tomlkit.dumps(
            {
                "as-of": dt.date(2026, 11, 20),
                "axes": {"python": [entry], "tensorflow": [entry], "tensorflow-metal": [entry]},
            }
        )
        told = refusal(text)
        assert all(line.startswith("matrix.toml:") for line in told.split("\n"))
