"""Explanations: what is said of one cell and of many, whole, and that nothing in it is more than text."""

from __future__ import annotations

import io
import re
import unicodedata
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from metalmatrix.asking import asked, explanation
from metalmatrix.asking.explanation import Explained, explained, line
from metalmatrix.asking.nearest import Near
from metalmatrix.asking.words import Query
from metalmatrix.cells.cell import Cell
from metalmatrix.published.targets import ARM64, X86_64
from metalmatrix.reported.neighbours import Neighbour
from metalmatrix.resolving.floor import KNOWN
from metalmatrix.resolving.question import MACOS_TARGET
from metalmatrix.table.terminal import WIDTH, print_lines
from metalmatrix.text import plain
from metalmatrix.verdicts.evidence import Evidence
from metalmatrix.verdicts.observe import from_linked, resolver
from metalmatrix.verdicts.report import CellReport, cell_report
from metalmatrix.verdicts.verdict import VERDICTS
from metalmatrix.wheels.link import link_release
from metalmatrix.wheels.wheel_facts import load_facts
from tests.samples import HOSTILE, cell_of, evidence, lock, realistic, report_of
from tests.universe import PYTHONS, Asked, report, universe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

CELLS = universe()


def shown(*items: Explained, reports: Sequence[CellReport] = (), notes: tuple[str, ...] = ()) -> str:
    """The answer about some cells, where nobody is looking."""
    stream = io.StringIO()
    found = tuple(reports) or [item.report for item in items]
    query = Query(tuple(one.cell for one in found), notes)
    print_lines(asked.answer(query, found, items, load_facts()), stream)
    return stream.getvalue()


def words(text: str) -> str:
    """The text as it reads, wherever its lines break."""
    return " ".join(text.split())


def test_the_resolver_says_for_which_macos() -> None:
    """What installs depends on the macOS that was resolved for: evidence names it, as uv was told it."""
    assert resolver(ARM64) == "the resolver, for macOS 13.0 on arm64"
    assert MACOS_TARGET in resolver(X86_64)


def test_a_floor_says_how_far_it_goes() -> None:
    """Where a macOS is asked for, that other wheels are known by their tags alone stands below; else not."""
    cell = Cell.parse("py3.11-tf2.14.0-metal1.1.0")
    known = (evidence("resolved", "ok"),)
    asked_for = words(shown(Explained(cell_report(cell, known, floor=("13.0", "x 1 (tagged 13.0)")))))
    assert f"asked for by x 1 (tagged 13.0). {KNOWN}" in asked_for
    assert KNOWN not in words(shown(Explained(cell_report(cell, known, floor=None))))


def rotten(cell: str) -> tuple[Evidence, ...]:
    """What is known of a cell that installs, and whose plain set breaks a bound."""
    found = from_linked(Cell.parse(cell), load_facts())
    return (
        evidence("resolved", "ok", source=resolver(ARM64)),
        evidence("resolved", "ok", set="plain", source=resolver(ARM64)),
        *(
            [Evidence("linked", "", found.outcome, found.message, "2026-11-21", found.source, found.stage)]
            if found
            else []
        ),
        evidence(
            "rehearsed",
            "fails",
            "fit",
            set="plain",
            message="tensorboard: No module named 'pkg_resources' (setuptools<82 mends it)",
            source="the repairs, proved by a rehearsal of py3.12-tf2.20.0-nometal",
            degrades=True,
        ),
    )


def of(cell: str, *found: Evidence, rule: Callable[[Cell], str] = lambda _: "broken") -> Explained:
    """The explanation of a cell, with what is near it by a rule."""
    made = cell_report(Cell.parse(cell), found, floor=("12.0", "tensorflow, tensorflow-metal"))
    return explained(made, CELLS, Asked(rule))


LINK = "py3.11-tf2.18.0-metal1.1.0"


def links(cell: Cell) -> str:
    """A rule of verdicts: whether the published wheels link."""
    return (
        "likely"
        if link_release(load_facts(), cell.python, cell.framework, cell.plugin).outcome == "ok"
        else "broken"
    )


class TestOne:
    def test_a_plugin_that_cannot_be_loaded(self, golden: Callable[[str, str], None]) -> None:
        """The whole of it: dyld's lines, since when, the nearest that are better and the command."""
        golden("explain-link.txt", shown(of(LINK, *rotten(LINK), rule=links)))

    def test_a_likely_cell(self, golden: Callable[[str, str], None]) -> None:
        """The whole of it: what is known, what a plain install does, the command."""
        name = "py3.11-tf2.15.1-metal1.1.0"
        golden("explain-likely.txt", shown(of(name, *rotten(name))))

    def test_a_cell_that_cannot_be_installed(self, golden: Callable[[str, str], None]) -> None:
        """The whole of it: the resolver's sentence once, and what to take instead."""
        name = "py3.12-tf2.14.0-nometal"
        found = cell_of(realistic(), name)
        golden("explain-not-installable.txt", shown(explained(found, CELLS, Asked(links_or_none))))

    def test_runs_on_a_mac_and_elsewhere(self, golden: Callable[[str, str], None]) -> None:
        """A rotten plain set and a crash, whole."""
        names = ("py3.11-tf2.14.0-nometal", "py3.12-tf2.17.1-metal1.1.0")
        golden("explain-runs.txt", shown(*(Explained(cell_of(realistic(), name)) for name in names)))

    def test_the_message_is_the_loaders(self) -> None:
        """Each of dyld's lines is in it as it is printed, on a line of its own."""
        message = link_release(load_facts(), "3.11", "2.18.0", "1.1.0").message
        assert message.count("\n") == 2
        told = shown(of(LINK, *rotten(LINK))).splitlines()
        assert [text for text in told if text[2:] in message.splitlines()] == [
            f"  {text}" for text in message.splitlines()
        ]

    @pytest.mark.parametrize(
        ("name", "said"),
        [
            (
                "py3.12-tf2.20.0-metal1.2.0",
                "The library @rpath/_pywrap_tensorflow_internal.so is missing; TensorFlow has no longer",
            ),
            (
                "py3.9-tf2.18.1-metal0.5.0",
                "It was expected in any library that is loaded; TensorFlow has no longer",
            ),
            ("py3.9-tf2.8.0-metal1.1.0", "; no earlier TensorFlow for this Python is known to have had it."),
        ],
    )
    def test_what_is_missing_is_told_with_where_and_since_when(self, name: str, said: str) -> None:
        """A library, a symbol that any library may have, and one that came later than this framework."""
        assert said in words(shown(of(name, *rotten(name))))

    def test_what_ran_counts_before_the_loaders_rules(self) -> None:
        """Where a Mac failed at another stage, its message is what is seen."""
        name = "py3.11-tf2.15.1-metal1.1.0"
        ran = evidence("ran", "fails", "fit", message="fit: the process was ended by SIGSEGV")
        told = shown(of(name, *rotten(name), ran))
        assert "The GPU multiplies, but a small Keras model does not train." in told
        assert "What is seen\n  fit: the process was ended by SIGSEGV\n" in told

    @pytest.mark.parametrize("word", VERDICTS)
    def test_each_verdict_has_a_sentence(self, word: str) -> None:
        """The first line has sign and word, the second says what it means."""
        made = report(CELLS[0], word, "the reason", "fit" if word == "broken" else "")
        first, second, *_ = shown(Explained(made)).splitlines()
        assert word in first
        assert re.fullmatch(r"(It|The GPU) [a-z].*\.?", second)

    def test_neighbours_have_their_place(self) -> None:
        """Reports that change no verdict are told behind the evidence, each with its source."""
        near = Neighbour("2.18.1", "fails", "as well", "2024-12-02", "https://example.com/1", counts=True)
        made = of(LINK, *rotten(LINK), rule=links)
        told = shown(replace(made, report=replace(made.report, neighbours=(near,))))
        at = told.index(
            "Reported near it, which changes no verdict\n  2.18.1: as well\n    2024-12-02, https://"
        )
        assert told.index("How that is known") < at < told.index("What to take instead of it")

    def test_a_report_that_decides_is_told_with_its_address(self) -> None:
        """What is seen is somebody's words, and where they stand."""
        name = "py3.11-tf2.15.1-metal1.1.0"
        said = evidence(
            "reported", "fails", "numerics", message="gives wrong results", source="https://example.com/2"
        )
        told = shown(of(name, *rotten(name), replace(said, degrades=True)))
        assert "What is seen\n  gives wrong results\n  reported at https://example.com/2\n" in told
        assert "  Somebody reports: gives wrong results\n    reported, pinned set, 2026-11-20, https" in told

    def test_much_evidence_is_bounded(self) -> None:
        """Of fifty observations a dozen are told, and how many more there are."""
        many = [
            evidence("ran", "ok", message=f"run {number}", source=f"host {number}") for number in range(50)
        ]
        told = shown(of("py3.11-tf2.18.0-nometal", *many))
        assert "38 more: --json has them all" in told
        assert told.count("On a Mac the checks did well") == 12

    def test_the_same_of_both_sets_is_told_once(self) -> None:
        """And it is said that it holds for both."""
        told = shown(of(LINK, *rotten(LINK)))
        assert told.count("a set of published wheels for macOS arm64 satisfies it") == 1
        assert "resolved, pinned and plain sets, 2026-11-20" in told

    def test_commands_are_whole_however_narrow(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What is to be copied is not broken; all else keeps to the width."""
        monkeypatch.setenv("COLUMNS", "60")
        monkeypatch.setenv("FORCE_COLOR", "1")
        made = of(LINK, *rotten(LINK), rule=links)
        text = re.sub(r"\x1b\[[0-9;]*m", "", shown(made))
        wide = [one for one in text.splitlines() if cell_len(one) > 60]
        assert all(re.match(r"  (uv pip|python -m pip|dlopen|  Referenced|  Expected)", one) for one in wide)
        assert any(
            one.startswith('  uv pip install --only-binary :all: "tensorflow==2.18.0"') for one in wide
        )

    def test_no_line_ends_in_blanks(self) -> None:
        """A file that it is piped into has none either."""
        for text in (shown(of(LINK, *rotten(LINK), rule=links)), listed()):
            assert not re.search(r"[ \t]$", text, re.MULTILINE)


def links_or_none(cell: Cell) -> str:
    """A rule of verdicts: wheels for that Python, and nothing of a plugin."""
    known = load_facts().wheel(cell.distribution, cell.framework, cell.python)
    return "likely" if known else "not-installable"


class TestJson:
    def test_it_has_the_nearest_and_the_commands(self) -> None:
        """Beside all that the report has."""
        made = of(LINK, *rotten(LINK), rule=links).to_json()
        assert made["cell"] == LINK
        assert made["nearest"][0] == {
            "cell": "py3.11-tf2.18.0-metal1.2.0",
            "verdict": "likely",
            "change": "the same Python and TensorFlow, tensorflow-metal 1.2.0 instead of 1.1.0",
        }
        assert made["install"][0] == "uv venv --python 3.11"
        assert '"tensorflow-metal==1.2.0"' in made["install"][1]

    def test_bounds_are_those_of_the_lock(self) -> None:
        """A package that is not in the pinned set of what is installed gets no bound."""
        made = explained(
            report(CELLS[0], "likely"), CELLS, Asked(lambda _: "broken"), lambda _: lock("numpy==1.26.4")
        )
        assert made.to_json()["install"][1].endswith('"tensorflow-macos==2.9.0" "numpy<2"')

    def test_a_good_cell_is_what_is_installed(self) -> None:
        """It has no nearest, and nothing is asked."""
        asked = Asked(lambda _: "works")
        made = explained(report(CELLS[0], "works"), CELLS, asked)
        assert (made.near, made.to_install, asked.cells) == ((), CELLS[0], [])

    def test_without_anything_near_there_is_nothing_to_install(self) -> None:
        """Both lists are empty, and neither is missing."""
        made = Explained(report(CELLS[0], "broken")).to_json()
        assert (made["nearest"], made["install"]) == ([], [])


def verdicts(cell: Cell) -> CellReport:
    """A made-up verdict for each cell of the universe, with reasons as they are."""
    if cell.python == "3.13":
        tag = "because it is new"
        message = f"Because {cell.distribution}=={cell.framework} has no wheels with a matching tag {tag}"
        return report(cell, "not-installable", message, "resolve")
    if cell.framework == "2.22.0rc0":
        return report(cell, "unknown", "it could not be asked", "resolve")
    if cell.plugin in {"0.8.0", "1.0.0"}:
        return report(cell, "broken", "Symbol not found: _TF_X (tensorflow::X(int); gone since 2.15)", "link")
    return report(cell, plain="degraded" if cell.framework < "2.15" else "")


def listed(cells: Iterable[Cell] = CELLS) -> str:
    """The list of some cells."""
    return shown(reports=[verdicts(cell) for cell in cells])


class TestList:
    def test_it_reads_like_this(self, golden: Callable[[str, str], None]) -> None:
        """The whole list of the small universe."""
        golden("explain-list.txt", listed())

    def test_few_cells_are_told_in_full(self) -> None:
        """Up to a few; one more makes it a list."""
        cells = [cell for cell in CELLS if cell.framework == "2.18.0"][: asked.IN_FULL + 1]
        few = [Explained(verdicts(cell)) for cell in cells[: asked.IN_FULL]]
        assert shown(*few).count("How that is known") == asked.IN_FULL
        assert "How that is known" not in listed(cells)

    def test_cells_that_differ_only_in_python_are_one_line(self) -> None:
        """Five Pythons, one of which differs in its verdict, are two lines."""
        told = listed(cell for cell in CELLS if (cell.framework, cell.plugin) == ("2.18.0", "1.1.0"))
        assert words(told).startswith(f"{len(PYTHONS)} cells: + 4 likely, - 1 not-installable")
        assert re.search(r"^\+ likely +3\.9-3\.12 +2\.18\.0 +metal 1\.1\.0$", told, re.MULTILINE)
        assert re.search(r"^- not-installable +3\.13 +2\.18\.0 +metal 1\.1\.0 ", told, re.MULTILINE)

    def test_plugins_that_follow_each_other_and_share_all_else_are_one_line(self) -> None:
        """What lies between two that are alike parts them."""
        told = listed(cell for cell in CELLS if (cell.framework, cell.python) == ("2.18.0", "3.11"))
        assert "2.18.0      metal 0.8.0-1.0.0" in told
        assert "2.18.0      metal 1.1.0-1.2.0" in told
        assert re.search(r"2\.18\.0 +none$", told, re.MULTILINE)

    def test_the_best_and_newest_come_first(self) -> None:
        """By verdict, final releases first, newest framework first."""
        found = re.findall(r"^\S (\S+)(?: at link)? +\S+ +(2\.\S+)", listed(), re.MULTILINE)
        assert found[0] == ("likely", "2.18.1")
        assert [word for word, _ in found] == sorted((word for word, _ in found), key=list(VERDICTS).index)

    def test_a_long_list_is_cut(self) -> None:
        """After so many lines it is told how many more there are, and how to see less."""
        frameworks = [f"2.{minor}.0" for minor in range(20)]
        cells = universe(frameworks=frameworks, plugins=("0.8.0", "1.1.0"))
        told = listed(cells)
        assert len(told.splitlines()) < asked.MOST * 2 + 6
        match = re.search(r"^(\d+) more lines, (\d+) cells: add words", told, re.MULTILINE)
        assert match
        assert int(match[1]) == len(frameworks) * 3 - asked.MOST

    def test_a_list_without_a_good_cell_says_what_to_take(self) -> None:
        """The nearest to the newest of them, and the command."""
        bad = [verdicts(cell) for cell in CELLS if cell.python == "3.13"]
        (need,) = asked.to_tell(bad)
        assert need.cell.id == "py3.13-tf2.18.1-metal1.2.0"
        item = explained(need, CELLS, Asked(lambda cell: verdicts(cell).verdict.word))
        told = shown(item, reports=bad)
        assert f"What to take instead of {need.cell.id}, the nearest first" in told
        assert f"  + likely  {item.near[0].cell.id}" in told

    def test_a_list_with_a_good_cell_needs_nothing(self) -> None:
        """Then nothing is looked for; of few cells, all are."""
        made = [verdicts(cell) for cell in CELLS]
        assert asked.to_tell(made) == ()
        assert asked.to_tell(made[:2]) == made[:2]
        assert asked.to_explain(made[:20], 20) == made[:20]
        assert asked.to_explain(made[:21], 20) == ()

    def test_the_score_stands_below_what_is_linked(self) -> None:
        """How often `linked` was right is told where it is evidence, and nowhere else."""
        made = of(LINK, *rotten(LINK))
        for item, expected in ((made, ["linked agreed"]), (Explained(report(CELLS[0])), [])):
            query = Query((item.report.cell,))
            told = list(asked.answer(query, [item.report], [item], load_facts(), "linked agreed"))
            assert [one.parts[0][0] for one in told if one.parts[0][0] == "linked agreed"] == expected

    def test_a_note_comes_first(self) -> None:
        """What is to be said of a name stands above the answer."""
        told = shown(reports=[verdicts(cell) for cell in CELLS], notes=("there is no such name",))
        assert told.startswith("note: there is no such name\n\n")


class TestHostile:
    @pytest.mark.parametrize("message", HOSTILE)
    def test_what_others_wrote_is_text(self, message: str) -> None:
        """No escape, no control, nothing that reorders a line; markup is shown, and not obeyed."""
        item, *_ = report_of(message).cells
        near = (Near(item.cell, "likely", "no change"),)
        for text in (
            shown(Explained(item, near)),
            shown(reports=report_of(message).cells * 2, notes=(message,)),
        ):
            harmful = {c for c in text if unicodedata.category(c) in {"Cc", "Cf", "Cs"}} - {"\n"}
            assert not harmful
            assert words(plain(message, 400)) in words(text)

    @given(st.text(max_size=80))
    def test_anything_can_be_printed(self, message: str) -> None:
        """Whatever the text, no line is wider than allowed."""
        for text in (
            shown(Explained(report_of(message).cells[0])),
            shown(reports=report_of(message).cells * 2),
        ):
            assert max(map(cell_len, text.splitlines())) <= WIDTH

    def test_a_long_word_is_folded(self) -> None:
        """A message without a blank keeps to the width as well."""
        assert max(map(cell_len, shown(Explained(report_of("x" * 5000).cells[0])).splitlines())) <= WIDTH


class TestLines:
    def print(self, *made: explanation.TextLine) -> list[str]:
        """Lines as they are printed."""
        stream = io.StringIO()
        print_lines(made, stream)
        return stream.getvalue().splitlines()

    def test_what_goes_on_below_hangs(self) -> None:
        """The first line begins at the indent, the others further in, and no word is lost."""
        text = " ".join(f"word{number}" for number in range(40))
        first, *rest = self.print(line(text, indent=2, hang=4))
        assert first.startswith("  word0")
        assert all(re.match(r" {6}word", one) for one in rest)
        assert words("".join([first, *rest])) == text

    def test_an_aside_stands_beside_where_there_is_room(self) -> None:
        """And else below, further in."""
        assert self.print(explanation.TextLine((("short", ""),), aside="aside")) == ["short  aside"]
        assert self.print(explanation.TextLine((("x" * 90, ""),), hang=4, aside="a" * 20)) == [
            "x" * 90,
            f"    {'a' * 20}",
        ]
