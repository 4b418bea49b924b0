"""The history on a page: what is alike is told together, and nothing is lost by it."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from metalmatrix.cells.cell import Cell
from metalmatrix.table.overview import overview
from metalmatrix.table.terminal import print_overview
from metalmatrix.verdicts.evidence import Evidence
from metalmatrix.verdicts.report import CellReport, cell_report
from tests.samples import HOSTILE

if TYPE_CHECKING:
    from collections.abc import Callable

LOADS = Evidence("linked", "", "ok", "dyld finds all", "2026-11-20", "wheels")
REFUSED = Evidence("linked", "", "fails", "Symbol not found: _X (X; gone since 2.18.0)", "", "wheels", "link")


def item(
    name: str, *more: Evidence, blame: str = "", floor: tuple[str, str] | None = ("12.0", "x 1 (tagged 12.0)")
) -> CellReport:
    """The report of a cell that installs, or does not because of *blame*."""
    stage = "resolve" if blame else ""
    outcome = "fails" if blame else "ok"
    resolved = [
        Evidence("resolved", which, outcome, f"no {blame}", "2026-11-20", "uv", stage, blame=blame)  # type: ignore[arg-type]
        for which in ("pinned", "plain")
    ]
    return cell_report(Cell.parse(name), [*resolved, *more], floor=None if blame else floor)


ITEMS = (
    item("py3.10-tf2.15.0-nometal"),
    item("py3.12-tf2.15.0-nometal", blame="tensorflow-macos"),
    item("py3.10-tf2.15.0-metal1.0.1", REFUSED),
    item("py3.10-tf2.15.0-metal1.1.0", LOADS, floor=("12.1", "x 1 (built for 12.1, tagged 12.0)")),
    item("py3.10-tf2.15.1-nometal"),
    item("py3.12-tf2.15.1-nometal", blame="numpy"),
    item("py3.10-tf2.15.1-metal1.0.1", REFUSED),
    item("py3.10-tf2.15.1-metal1.1.0", LOADS),
    item("py3.10-tf2.18.0-nometal"),
    item("py3.10-tf2.18.0-metal1.0.1", REFUSED),
    item("py3.10-tf2.18.0-metal1.1.0", REFUSED),
)


def test_neighbours_that_fare_alike_share_a_row() -> None:
    """Two frameworks with equal fields are one row; the third, which differs in one field, is its own."""
    found = overview(ITEMS)
    assert [name for name, _ in found.rows] == ["2.15.0-2.15.1", "2.18.0"]
    assert found.columns == ("no plugin", "metal 1.0.1", "metal 1.1.0")


def test_plugins_that_fare_alike_share_a_column() -> None:
    """A range of plugins is headed by its first and last."""
    names = [f"py3.10-tf2.15.0-metal{version}" for version in ("0.1.0", "0.1.1", "0.1.2")]
    assert overview([item(name, REFUSED) for name in names]).columns == ("metal 0.1.0-0.1.2",)


def test_plugins_of_other_names_share_no_column() -> None:
    """Releases of one plugin are a range; where another plugin begins a column does."""
    names = ("metal1.2.0", "tensorflow_metal_plugin-0.1.0", "tensorflow_metal_plugin-0.1.1")
    made = [item(f"py3.10-tf2.17.0-{name}", REFUSED) for name in names]
    assert overview(made).columns == ("metal 1.2.0", "tensorflow-metal-plugin 0.1.0-0.1.1")


def test_an_sdist_that_does_not_take_a_python_lacks_no_wheel() -> None:
    """What is compiled has no wheels: why it cannot be installed is told as it is."""
    made = item("py3.9-tf2.17.0-tensorflow_metal_plugin-0.1.0", blame="tensorflow-metal-plugin")
    assert overview([made]).refusals == (("tensorflow-metal-plugin does not take this Python", 1),)


def test_only_neighbours_share() -> None:
    """What is alike on both sides of something else is not a range over it."""
    made = [
        item(f"py3.10-tf{v}-metal1.1.0", LOADS if v != "2.16.1" else REFUSED)
        for v in ("2.15.0", "2.16.1", "2.17.0")
    ]
    assert [name for name, _ in overview(made).rows] == ["2.15.0", "2.16.1", "2.17.0"]


def test_what_cannot_be_installed_is_told_where_nothing_else_can() -> None:
    """A field without any other verdict says so; else the Pythons that have none are left out."""
    rows = dict(overview(ITEMS).rows)
    assert [[(line.word, line.pythons) for line in lines] for lines in rows["2.15.0-2.15.1"]] == [
        [("likely", "3.10")],
        [("broken", "3.10")],
        [("likely", "3.10")],
    ]
    alone = overview([item("py3.12-tf2.15.0-nometal", blame="tensorflow-macos")])
    assert [[line.word for line in lines] for _, fields in alone.rows for lines in fields] == [
        ["not-installable"]
    ]


def test_what_it_comes_down_to() -> None:
    """Cells by verdict, what dyld says, the two kinds of refusal, and the macOS by who demands it."""
    found = overview(ITEMS)
    assert found.counts == {"likely": 5, "broken": 4, "not-installable": 2}
    assert list(found.counts) == ["likely", "broken", "not-installable"]
    assert found.failures == (("Symbol not found: _X", 4),)
    assert found.refusals == (
        ("tensorflow-macos has no wheel for this Python", 1),
        ("a dependency has no wheel that would do: numpy", 1),
    )
    assert found.macos == (
        ("12.1", 1, "x 1 (built for 12.1, tagged 12.0)"),
        ("12.0", 8, "x 1 (tagged 12.0)"),
    )


def test_what_came_later_is_no_missing_wheel() -> None:
    """As of a day before the upload, the day is to blame and not the Python."""
    made = item("py3.11-tf2.18.0-nometal", blame="tensorflow")
    before = replace(made, evidence=tuple(replace(e, date="2024-01-01") for e in made.evidence))
    assert overview([before]).refusals == (("tensorflow was uploaded after that day", 1),)
    after = replace(made, evidence=tuple(replace(e, date="2026-11-20") for e in made.evidence))
    assert overview([after]).refusals == (("tensorflow has no wheel for this Python", 1),)


def test_all_that_is_broken_has_a_reason(capsys: pytest.CaptureFixture[str]) -> None:
    """What fails only after dyld is told too, with its stage: the numbers add up to the broken cells."""
    loaded = replace(REFUSED, stage="import", message="a field (of a struct) must be set. (264 bytes)")
    name = "py3.10-tf2.7.0-metal"
    found = overview([*ITEMS, item(f"{name}0.1.0", loaded), item(f"{name}0.1.2", loaded)])
    assert found.later == (("import: a field (of a struct) must be set.", 2),)
    assert sum(number for _, number in (*found.failures, *found.later)) == found.counts["broken"]
    print_overview(found, "2026-11-20")
    title = "What fails where dyld is content, at the stage named\n"
    assert f"{title}      2  import: a field (of a struct) must be set.\n" in capsys.readouterr().out


def test_a_head_is_not_broken_within_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    """The name of a plugin breaks at its hyphens; a blank line stands between the blocks of columns."""
    names = [f"metal0.{minor}.0" for minor in range(1, 7)]
    made = [item(f"py3.10-tf2.15.0-{name}", *[REFUSED] * (at % 2)) for at, name in enumerate(names)]
    print_overview(overview([*made, item("py3.10-tf2.15.0-tensorflow_metal_plugin-0.4.1")]), "2026-11-20")
    lines = capsys.readouterr().out.splitlines()
    first, second = (at for at, line in enumerate(lines) if line.startswith("framework"))
    above = [line.split()[-1] for line in lines[second - 2 : second]]
    assert [*above, lines[second].split()[-1]] == ["tensorflow-", "metal-plugin", "0.4.1"]
    assert "" in lines[first : second - 2]


def test_no_line_ends_in_blanks(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing fills the lines up; a long reason goes on below itself."""
    long = item("py3.10-tf2.15.0-metal1.1.0", replace(REFUSED, message="word " * 40))
    print_overview(overview([*ITEMS, long]), "2026-11-20")
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line != line.rstrip()] == []
    assert sum(line.startswith(" " * 9 + "word") for line in lines) >= 2


def test_no_sign_turns_into_that_of_unknown() -> None:
    """A terminal that has only ASCII gets other signs: a question mark means unknown, and nothing else."""
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    print_overview(overview(ITEMS), "2026-11-20", out)
    out.flush()
    text = raw.getvalue().decode("ascii")
    assert "x 3.10" in text
    assert "?" not in text


def test_nothing_gives_nothing() -> None:
    """No cells are an empty page, not an error."""
    assert overview(()).rows == ()
    print_overview(overview(()), "2026-11-20", io.StringIO())


def test_in_a_terminal(golden: Callable[[str, str], None]) -> None:
    """What a person sees."""
    out = io.StringIO()
    print_overview(overview(ITEMS), "2026-11-20", out)
    golden("overview.txt", out.getvalue())


@pytest.mark.parametrize("text", HOSTILE)
def test_messages_stay_text(text: str) -> None:
    """No message can colour, move or link in the terminal."""
    out = io.StringIO()
    made = item(
        "py3.10-tf2.15.0-metal1.1.0",
        Evidence("linked", "", "fails", text, "", "", "link"),
        floor=("12.0", text),
    )
    print_overview(overview([made]), "2026-11-20", out)
    assert "\x1b" not in out.getvalue()
    assert "\x07" not in out.getvalue()
