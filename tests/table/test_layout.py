from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metalmatrix.cells.cell import Cell
from metalmatrix.table.layout import Line, grid, python_span, sections, short, warnings
from metalmatrix.verdicts.report import CellReport, Report, cell_report
from metalmatrix.verdicts.verdict import Verdict
from tests.samples import DAY, evidence, realistic


def item(
    cell_id: str, word: str = "likely", plain: str = "", message: str = "m", untested: str = ""
) -> CellReport:
    """A report of one cell."""
    verdict, worse = Verdict(word, "fit", message), Verdict(plain or word, "import", f"plain {message}")
    return CellReport(Cell.parse(cell_id), verdict, worse, None, "", (), untested)


def report(*items: CellReport) -> Report:
    """A report of these cells."""
    return Report(DAY, items)


def notes(made: Report, title: str) -> list[tuple[str, str]]:
    """What stands under a title."""
    return [
        (note.cells, note.text)
        for section in sections(made)
        if section.title == title
        for note in section.notes
    ]


class TestPythonSpan:
    @given(st.sets(st.integers(0, 30), min_size=1))
    def test_it_names_exactly_these_pythons(self, minors: set[int]) -> None:
        """Read back, a span holds the Pythons it was made of, in ascending order."""
        read: list[int] = []
        for part in python_span([f"3.{minor}" for minor in minors]).split(", "):
            first, _, last = part.partition("-")
            low, high = (int(text.removeprefix("3.")) for text in (first, last or first))
            assert low < high or not last
            read += range(low, high + 1)
        assert read == sorted(minors)

    @pytest.mark.parametrize(
        ("pythons", "span"),
        [
            (["3.11"], "3.11"),
            (["3.10", "3.9"], "3.9-3.10"),
            (["3.9", "3.12", "3.10", "3.11"], "3.9-3.12"),
            (["3.9", "3.11"], "3.9, 3.11"),
            (["3.8", "3.10", "3.11", "3.13"], "3.8, 3.10-3.11, 3.13"),
        ],
    )
    def test_neighbours_are_told_together(self, pythons: list[str], span: str) -> None:
        """3.10 comes after 3.9, and a gap is shown."""
        assert python_span(pythons) == span


class TestGrid:
    def test_versions_are_in_order(self) -> None:
        """2.9 stands above 2.10, and no plugin before the first one."""
        made = grid(
            report(
                item("py3.9-tf2.10.0-metal1.1.0"),
                item("py3.9-tf2.9.0-metal0.8.0"),
                item("py3.9-tf2.9.0-nometal"),
            ).cells
        )
        assert made.frameworks == ("2.9.0", "2.10.0")
        assert made.plugins == ("no plugin", "metal 0.8.0", "metal 1.1.0")
        assert ("2.10.0", "no plugin") not in made.fields

    def test_plugins_of_other_names_have_columns_of_their_own(self) -> None:
        """Two plugins of one version are two columns: metal first, then the others by name."""
        same = Cell("3.11", "2.21.0", "1.1.0", "tensorflow", "tensorflow-metal-plugin")
        metal = item("py3.11-tf2.21.0-metal1.1.0")
        made = grid(report(replace(metal, cell=same), metal, item("py3.11-tf2.21.0-metal1.2.0")).cells)
        assert made.plugins == ("metal 1.1.0", "metal 1.2.0", "tensorflow-metal-plugin 1.1.0")
        assert {len(lines) for lines in made.fields.values()} == {1}

    def test_routes_stand_beside_each_other(self) -> None:
        """The same framework and plugin by conda has its own column, right of the one in a venv."""
        made = grid(
            report(
                item("py3.11-tf2.15.1-metal1.1.0-conda", "works"),
                item("py3.11-tf2.15.1-metal1.2.0"),
                item("py3.11-tf2.15.1-metal1.1.0"),
                item("py3.11-tf2.15.1-nometal-conda"),
                item("py3.11-tf2.15.1-nometal"),
            ).cells
        )
        columns = ("no plugin", "no plugin conda", "metal 1.1.0", "metal 1.1.0 conda", "metal 1.2.0")
        assert made.plugins == columns
        words = [made.fields["2.15.1", plugin][0].word for plugin in made.plugins]
        assert words == ["likely", "likely", "likely", "works", "likely"]

    def test_a_field_has_a_line_for_each_verdict(self) -> None:
        """Pythons of one verdict share a line; the best comes first, and what cannot be installed last."""
        made = grid(
            report(
                item("py3.12-tf2.15.1-nometal", "not-installable"),
                item("py3.11-tf2.15.1-nometal", "broken"),
                item("py3.10-tf2.15.1-nometal", "likely"),
                item("py3.9-tf2.15.1-nometal", "likely"),
                item("py3.8-tf2.15.1-nometal", "unknown"),
            ).cells
        )
        assert [(line.label, line.pythons) for line in made.fields["2.15.1", "no plugin"]] == [
            ("+ likely", "3.9-3.10"),
            ("✗ broken", "3.11"),
            ("? unknown", "3.8"),
            ("- not-installable", "3.12"),
        ]

    def test_a_worse_plain_install_has_its_own_line_and_mark(self) -> None:
        """Two Pythons of one verdict that differ in the plain install are not told together."""
        made = grid(
            report(item("py3.11-tf2.15.1-nometal", plain="broken"), item("py3.10-tf2.15.1-nometal")).cells
        )
        assert made.fields["2.15.1", "no plugin"] == (
            Line("likely", plain_worse=False, pythons="3.10"),
            Line("likely", plain_worse=True, pythons="3.11"),
        )
        assert made.fields["2.15.1", "no plugin"][1].label == "+ likely*"

    def test_no_cell_is_lost(self) -> None:
        """Every cell of the report is in exactly one line."""
        made = grid(realistic().cells)
        pythons = [line.pythons.split(", ") for lines in made.fields.values() for line in lines]
        assert sum(len(spans) + sum("-" in span for span in spans) for spans in pythons) == len(
            realistic().cells
        )


class TestSections:
    def test_what_is_said_of_many_cells_is_said_once(self) -> None:
        """Cells of which the same is said are told together, by what they have in common."""
        made = report(
            *(item(f"py3.{minor}-tf2.15.1-metal1.1.0", "broken", message="no") for minor in (9, 10, 11))
        )
        assert notes(made, "Why cells fail") == [
            ("2.15.1, metal 1.1.0, Python 3.9-3.11 (3 cells)", "broken at fit: no")
        ]

    def test_frameworks_are_named_or_counted(self) -> None:
        """Up to three frameworks are named, of more the first and the last."""
        versions = ["2.9.0", "2.10.0", "2.12.0", "2.13.0"]
        made = [item(f"py3.9-tf{version}-nometal", "broken") for version in versions]
        assert (
            notes(report(*made[:3]), "Why cells fail")[0][0]
            == "2.9.0, 2.10.0, 2.12.0, no plugin, Python 3.9 (3 cells)"
        )
        assert notes(report(*made), "Why cells fail")[0][0] == (
            "4 frameworks from 2.9.0 to 2.13.0, no plugin, Python 3.9 (4 cells)"
        )

    def test_the_stage_is_told_once(self) -> None:
        """A check that has its stage's name is not named twice."""
        made = report(item("py3.9-tf2.15.1-nometal", "broken", message="fit: it hangs"))
        assert notes(made, "Why cells fail") == [("py3.9-tf2.15.1-nometal", "broken at fit: it hangs")]

    def test_a_failure_has_the_command_that_shows_it_again(self) -> None:
        """What ran is run again with its environment kept; what does not resolve is asked again."""
        made = report(
            item("py3.9-tf2.15.1-nometal", "broken"), item("py3.12-tf2.15.1-nometal", "not-installable")
        )
        (section,) = sections(made)
        assert [note.command for note in section.notes] == [
            'nox -s "matrix(py3.9-tf2.15.1-nometal)" -- --fresh --keep',
            "nox -s explain -- py3.12-tf2.15.1-nometal",
        ]

    def test_a_plain_install_that_fares_worse_is_told(self) -> None:
        """What breaks without the pins, with its stage."""
        made = report(item("py3.9-tf2.15.1-nometal", plain="broken"), item("py3.10-tf2.15.1-nometal"))
        assert notes(made, "Plain installs that break, where the pins mend it") == [
            ("py3.9-tf2.15.1-nometal", "broken at import: plain m")
        ]

    @pytest.mark.parametrize(
        ("found", "text"),
        [
            (
                evidence("rehearsed", "ok", run=True, message="passed: fit; skipped: x"),
                "rehearsed on a test: passed: fit",
            ),
            (evidence("ran", "fails", "fit", run=True, message="fit: no"), "ran on a test: fit: no"),
            (
                evidence("rehearsed", "fails", "fit", run=True, portable=False, message="fit: SIGSEGV"),
                "rehearsed on a test: fit: SIGSEGV (which tells nothing of a Mac)",
            ),
            (
                evidence("rehearsed", "unknown", run=True, message="disk full"),
                "rehearsed on a test: disk full (which tells nothing of a Mac)",
            ),
        ],
    )
    def test_every_run_is_told_however_it_ended(self, found: object, text: str) -> None:
        """A crash, a hang and a failed installation have a place in the table, whether they count or not."""
        cell = Cell.parse("py3.9-tf2.15.1-nometal")
        made = report(cell_report(cell, [found], floor=None))  # type: ignore[list-item]
        assert notes(made, "Runs of the checks, pinned sets") == [(cell.id, text)]

    def test_why_a_cell_was_not_run_is_told(self) -> None:
        """The reason is told, but not of what cannot be installed at all: that is told as such."""
        made = report(
            item("py3.9-tf2.15.1-nometal", untested="no Python 3.9"),
            item(
                "py3.12-tf2.15.1-nometal", "not-installable", untested="there is no set of wheels to install"
            ),
        )
        assert notes(made, "Not run, and why") == [("py3.9-tf2.15.1-nometal", "no Python 3.9")]

    def test_a_failure_that_was_reported_has_its_link(self) -> None:
        """Who says so stands beside what was said; the command explains the cell, since no run shows it."""
        made = [item(f"py3.9-tf2.15.{patch}-metal1.1.0") for patch in (0, 1)]
        links = ["https://example.com/1", "https://example.com/2"]
        degraded = [
            replace(one, verdict=Verdict("degraded", "fit", "slow", link), plain=Verdict("degraded", "", "x"))
            for one, link in zip(made, links, strict=True)
        ]
        (section,) = sections(report(*degraded))
        assert [(note.text, note.source, note.command) for note in section.notes] == [
            ("degraded: slow", link, f"nox -s explain -- {one.cell.id}")
            for one, link in zip(made, links, strict=True)
        ]

    def test_an_empty_report_has_nothing_below(self) -> None:
        """No title stands without something under it."""
        assert sections(report()) == []
        assert sections(report(item("py3.9-tf2.15.1-nometal"))) == []

    def test_the_realistic_report_has_every_section(self) -> None:
        """The sample of the golden files shows each kind of thing that can be said."""
        assert [section.title for section in sections(realistic())] == [
            "Surprises",
            "Why cells fail",
            "Plain installs that break, where the pins mend it",
            "Fixes that the pins hold back",
            "Runs of the checks, pinned sets",
            "Runs of the checks, plain sets",
            "Notes of the checks, which change no verdict",
            "Why cells are unknown",
            "Not run, and why",
            "Left out",
        ]


class TestWarnings:
    def test_a_run_that_was_cut_off_says_that_it_is_partial(self) -> None:
        """One cell has, two cells have no new result."""
        one, two = (warnings(Report(DAY, (), missing=missing))[0] for missing in (("a",), ("a", "b")))
        assert one.startswith("partial: ")
        assert "1 of its cells has no new result" in one
        assert "2 of its cells have no new result" in two

    def test_a_file_that_was_set_aside_is_named(self) -> None:
        """Each damaged file is told with its reason."""
        assert warnings(Report(DAY, (), problems=("a: x", "b: y"))) == ["set aside: a: x", "set aside: b: y"]

    def test_a_whole_report_warns_of_nothing(self) -> None:
        """Where nothing is missing nothing is said."""
        assert warnings(Report(DAY, ())) == []


class TestShort:
    @pytest.mark.parametrize(
        ("message", "begins"),
        [
            ("Because a has no wheels and you require a, we can conclude that x.", "Because a has no wheels"),
            ("Because a needs b>=2, we can conclude that x.", "Because a needs b>=2"),
            (
                "Because b has no usable wheels and only the following versions of b are available: 1",
                "Because b has no usable wheels",
            ),
            ("It is so. And because of that, no.", "It is so."),
            ("it just fails", "it just fails"),
        ],
    )
    def test_a_derivation_is_told_by_what_it_begins_with(self, message: str, begins: str) -> None:
        """The first statement names the package and what it lacks; the rest is in the explanation."""
        assert short(message) == begins

    def test_what_mends_it_is_never_cut_off(self) -> None:
        """A long message loses its end, and keeps the advice."""
        told = short("x" * 500 + " (numpy<2 mends it)")
        assert told.endswith("…" + " (numpy<2 mends it)")
        assert len(told) < 200

    @given(st.text(max_size=300))
    def test_anything_can_be_shortened(self, message: str) -> None:
        """Whatever the message, no more than the limit comes of it."""
        assert len(short(message, 40)) <= 40
