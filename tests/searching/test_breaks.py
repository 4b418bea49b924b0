"""What was found is data: it comes back as it was written, and what nobody wrote is refused with its line."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from packaging.version import Version

from metalmatrix.cells import history
from metalmatrix.cells.cell import Cell
from metalmatrix.errors import MatrixError
from metalmatrix.published.releases import STAND_IN, published
from metalmatrix.resolving.repairs import Repair, load_repairs
from metalmatrix.searching.breaks import (
    DATA,
    Break,
    Held,
    Past,
    dated,
    dump_breaks,
    held_back,
    load_breaks,
    parse_breaks,
    upload_days,
)
from metalmatrix.searching.probe import Failure
from metalmatrix.searching.sentences import told
from tests.fake_lab import day
from tests.samples import NUMPY, lock

if TYPE_CHECKING:
    from collections.abc import Iterable

FAILURE = Failure("import", "import", "no", "TypeError")
BREAK = Break(
    day("2024-06-16"),
    day("2024-06-15"),
    "numpy",
    "2.0.0",
    "1.26.4",
    FAILURE,
    "numpy<2",
    beside=("wheel",),
    held=Held("1.26.4", day("2024-02-05"), "2.4.6", day("2026-05-18")),
)
PAST = Past(
    Cell.parse("py3.11-tf2.14.0-nometal"),
    day("2023-09-27"),
    day("2023-10-07"),
    "a note",
    day("2026-11-20"),
    always=(replace(FAILURE, check="save", stage="fit"),),
    breaks=(BREAK,),
    left=(FAILURE,),
)
NEVER = Past(Cell.parse("py3.8-tf2.21.0-nometal"), day("2026-03-06"), None, "no wheels", day("2026-11-20"))


def test_what_was_found_comes_back() -> None:
    """Every field but the cost of the search, the oldest framework first."""
    text = dump_breaks([replace(NEVER, made=3, known=4), PAST])
    assert parse_breaks(text) == (PAST, NEVER)
    assert dump_breaks(parse_breaks(text)) == text


def entry(**changes: object) -> str:
    """A line of the data that is sound but for these changes."""
    return json.dumps({**PAST.to_json(), **changes})


@pytest.mark.parametrize(
    ("line", "number"),
    [
        ("{", 2),
        ("[]", 2),
        ("null", 2),
        (entry(cell="numpy"), 2),
        (entry(as_of="soon"), 2),
        (entry(breaks=[{}]), 2),
        (entry(breaks=[{**PAST.to_json()["breaks"][0], "more": 1}]), 2),
        (entry(always=["import"]), 2),
        (f"{entry()}\n{{}}", 3),
    ],
)
def test_a_damaged_line_is_refused_with_its_number(line: str, number: int) -> None:
    """Nothing of such a file is used; the message says how it is made anew."""
    with pytest.raises(MatrixError, match=f"line {number} of breaks.jsonl is damaged") as caught:
        parse_breaks(f'{{"schema": 2}}\n{line}\n')
    assert "metalmatrix when --force" in str(caught.value)


@pytest.mark.parametrize("header", ["", "[]", '{"schema": 1}', "{}"])
def test_another_file_is_refused(header: str) -> None:
    """What has no header of ours is not read."""
    with pytest.raises(MatrixError, match=r"breaks\.jsonl"):
        parse_breaks(f"{header}\n")


@pytest.mark.parametrize(
    ("newest", "age"),
    [
        ("2024-02-05", "of less than a month up"),
        ("2024-03-08", "of 1 month up"),
        ("2025-02-05", "of 1 year up"),
        ("2026-05-18", "of 2 years and 3 months up"),
    ],
)
def test_a_bound_says_how_old_it_keeps_a_package(newest: str, age: str) -> None:
    """In years and months, as people count."""
    assert age in Held("1.26.4", day("2024-02-05"), "2.4.6", day(newest)).told("numpy")


def test_what_tells_nothing_of_a_mac_says_so() -> None:
    """A crash of this platform's own build is not laid at a Mac's door."""
    native = replace(BREAK, failure=replace(FAILURE, portable=False))
    assert (
        "import (here; it tells nothing of a Mac) since 2024-06-16"
        in told(replace(PAST, breaks=(native,)))[0]
    )


def test_a_span_of_days_is_told_as_one() -> None:
    """Where days could not be judged, no single day is claimed."""
    wide = replace(BREAK, before=day("2024-06-01"), beside=())
    assert told(replace(PAST, breaks=(wide,)))[0].endswith(
        "since 2024-06-16 or earlier, after 2024-06-01 (no day between that was tried could be judged): "
        "numpy 2.0.0"
    )


def test_what_was_mended_is_told_last_and_is_not_what_fails_today() -> None:
    """A person with a plain install of today does not meet it."""
    lines = told(replace(PAST, breaks=(replace(BREAK, mended=True),), left=()))
    assert not any(line.startswith("a plain install") for line in lines)
    assert (
        lines[0]
        == "it failed at import from 2024-06-16: numpy 2.0.0, together with wheel; a later upload mended that"
    )


def test_a_repair_has_the_day_of_the_cell_that_it_is_told_of() -> None:
    """The very framework and Python, with any plugin; elsewhere it is as the repair has it."""
    later = replace(PAST, breaks=(replace(BREAK, since=day("2025-01-01"), let_in="scipy 1.0"),))
    (told_of,) = dated([NUMPY], Cell.parse("py3.11-tf2.14.0-metal1.1.0"), [later])
    assert (told_of.since, told_of.upload) == ("2025-01-01", "numpy 2.0.0, let in by scipy 1.0")
    assert dated([NUMPY], Cell.parse("py3.10-tf2.14.0-nometal"), [later]) == (NUMPY,)
    assert dated([replace(NUMPY, bound="six<2")], PAST.cell, [later])[0].since == NUMPY.since


class TestWhatIsHeldBack:
    PINNED, PLAIN = lock("numpy==1.26.4"), lock("numpy==2.4.6")

    def test_a_bound_that_holds_something_back_says_what_and_for_how_long(self) -> None:
        """With the days where they are known, and without where they are not."""
        days = upload_days([PAST])
        (dated_one,) = held_back(PAST.cell, self.PINNED, self.PLAIN, (NUMPY,), days)
        assert dated_one == f"numpy<2: {BREAK.held.told('numpy') if BREAK.held else ''}"
        assert "it holds numpy at 1.26.4 of 2024-02-05" in dated_one
        assert dated_one.endswith("included, of 2 years and 3 months up to 2.4.6 of 2026-05-18")
        (undated,) = held_back(PAST.cell, self.PINNED, self.PLAIN, (NUMPY,), {})
        assert undated.startswith("numpy<2: it holds numpy at 1.26.4, and so holds back the fixes")
        assert undated.endswith("included, up to 2.4.6")

    def test_a_bound_that_holds_nothing_back_says_nothing(self) -> None:
        """Another cell's bound, the same version either way, or no set at all."""
        other = Cell.parse("py3.11-tf2.15.1-nometal")
        assert held_back(other, self.PINNED, self.PLAIN, (NUMPY,), {}) == ()
        assert held_back(PAST.cell, self.PLAIN, self.PLAIN, (NUMPY,), {}) == ()
        assert held_back(PAST.cell, None, self.PLAIN, (NUMPY,), {}) == ()
        assert held_back(PAST.cell, self.PINNED, lock("six==1.17.0"), (NUMPY,), {}) == ()


class TestTheDataThatShips:
    def test_it_is_as_the_machine_writes_it(self) -> None:
        """In order, complete, and with the command that makes it anew."""
        pasts = load_breaks()
        assert len({past.cell.id for past in pasts}) == len(pasts) > 20
        text = DATA.read_text(encoding="utf-8")
        assert dump_breaks(pasts) == text
        assert text.startswith('{"regenerate": "python -m metalmatrix when --force"')

    def test_it_has_every_final_framework_that_can_be_rehearsed(self) -> None:
        """Each that was there on the day of the data: a new one is missed here, `when --force` adds it."""

        def missing(pasts: Iterable[Past]) -> set[str]:
            day = max(past.as_of for past in load_breaks())
            final = {
                version
                for name, version in history.frameworks()
                if not Version(version).is_prerelease and version in published(STAND_IN)
                if published(name)[version].uploaded <= day.isoformat()
            }
            return final - {past.cell.framework for past in pasts}

        assert missing(load_breaks()) == set()
        assert missing(load_breaks()[:-1]) == {load_breaks()[-1].cell.framework}

    def test_it_explains_every_cell(self) -> None:
        """Nothing that fails is left unexplained where a set can be had, and every break has its bound."""
        for past in load_breaks():
            assert past.first is None or not past.left, past.cell.id
            assert all(one.bound and one.package and one.held for one in past.breaks), past.cell.id

    def test_it_agrees_with_the_repairs(self) -> None:
        """The bounds that `when` found for a cell are those of its repairs, of their day or let in later."""
        for past in load_breaks():
            repairs = {r.bound: r for r in load_repairs() if r.applies(past.cell)}
            found = {one.bound: one for one in past.breaks if not one.mended}
            assert past.first is None or set(found) == set(repairs), past.cell.id
            for bound, one in found.items():
                assert one.failure.check == repairs[bound].check
                assert str(one.since) >= repairs[bound].since
                assert str(one.since) == repairs[bound].since or one.let_in

    def test_every_repair_is_needed_by_some_cell(self) -> None:
        """An entry that no break asks for any more is to go; a made-up one shows that the rule sees it."""
        asked = [(past.cell, one.bound) for past in load_breaks() for one in past.breaks if not one.mended]

        def needed(repair: Repair) -> bool:
            return any(repair.applies(cell) and bound == repair.bound for cell, bound in asked)

        assert [repair for repair in load_repairs() if not needed(repair)] == []
        assert not needed(replace(NUMPY, bound="six<2"))
