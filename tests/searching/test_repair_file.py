"""Writing repairs: what is there stays as it is, and what comes out is what was meant."""

from __future__ import annotations

import datetime as dt
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from metalmatrix.cells.cell import Cell
from metalmatrix.resolving.repairs import DATA, Repair
from metalmatrix.searching.mend import Mend, Mended
from metalmatrix.searching.probe import Failure
from metalmatrix.searching.repair_file import dump_repair, entry_of, refusal, widened, with_repair
from tests.samples import HOSTILE, NUMPY

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FRAMEWORKS = ("2.12.0", "2.13.0", "2.13.1", "2.14.0", "2.14.1", "2.15.0")
PYTHONS = ("3.8", "3.9", "3.10", "3.11", "3.12")
KERAS = replace(NUMPY, bound="keras<3", check="save")
TEXT = f"# why it is so\n\n{dump_repair(KERAS)}\n{dump_repair(NUMPY)}# end\n"


def entries(text: str) -> list[Repair]:
    """What a reader finds."""
    return [Repair(**entry) for entry in tomllib.loads(text)["repair"]]


def written(cell: str, bound: str = "numpy<2") -> tuple[str, str]:
    """The text with that bound for a cell in it, and what that took."""
    made = Cell.parse(cell)
    entry = replace(
        NUMPY, bound=bound, frameworks=f"=={made.framework}", python=f"=={made.python}", proof=cell
    )
    return with_repair(TEXT, entry, made, FRAMEWORKS, PYTHONS)


def test_what_is_known_changes_nothing() -> None:
    """An entry that holds for the cell already is enough."""
    assert written("py3.11-tf2.14.0-nometal") == (TEXT, "known")


@pytest.mark.parametrize(
    ("cell", "frameworks", "python"),
    [
        ("py3.11-tf2.14.1-nometal", ">=2.14.0,<=2.14.1", ">=3.9"),
        ("py3.11-tf2.13.1-nometal", ">=2.13.1,<=2.14.0", ">=3.9"),
    ],
)
def test_the_neighbours_entry_is_widened_to_the_next_release(cell: str, frameworks: str, python: str) -> None:
    """One line of the file changes, and nothing else."""
    text, done = written(cell)
    assert done == "widened"
    assert (entries(text)[1].frameworks, entries(text)[1].python) == (frameworks, python)
    changed = [one for one, other in zip(TEXT.splitlines(), text.splitlines(), strict=True) if one != other]
    assert changed == ['frameworks = "==2.14.0"']


@pytest.mark.parametrize(
    ("cell", "bound"),
    [
        ("py3.11-tf2.15.0-nometal", "numpy<2"),
        ("py3.11-tf2.14.1-nometal", "numpy<1.27"),
        ("py3.11-tf2.14.0-nometal", "setuptools<82"),
    ],
)
def test_anything_else_is_a_new_entry_at_the_end(cell: str, bound: str) -> None:
    """A release that is no neighbour, another bound, another package: the text before it stays."""
    text, done = written(cell, bound)
    assert done == "added"
    assert text.startswith(TEXT.rstrip())
    assert len(entries(text)) == 3
    assert entries(text)[2].applies(Cell.parse(cell))


MENDED = Mended(
    Cell.parse("py3.11-tf2.14.0-metal1.1.0"),
    dt.date(2026, 11, 20),
    (),
    (),
    suffices=True,
    note="",
)
MEND = Mend("six<2", "1.17.0", "2.0.0", dt.date(2026, 2, 3), Failure("save", "fit", "no\n\tsix", "TypeError"))


def test_an_entry_is_made_of_what_was_found() -> None:
    """For this framework and Python alone, proved by the cell without a plugin, the message on one line."""
    entry = entry_of(MENDED, MEND, dt.date(2026, 11, 27))
    assert (entry.bound, entry.frameworks, entry.python) == ("six<2", "==2.14.0", "==3.11")
    assert (entry.proof, entry.check, entry.message) == ("py3.11-tf2.14.0-nometal", "save", "no six")
    assert (entry.since, entry.upload, entry.proved) == ("2026-02-03", "six 2.0.0", "2026-11-27")


def test_what_mends_nothing_or_nothing_of_a_macs_is_refused() -> None:
    """An entry is handed out: it has to suffice, to be about a check, and about what a Mac would meet."""
    assert refusal(MENDED, MEND) == ""
    left = replace(MENDED, suffices=False, left=(MEND.failure,))
    assert refusal(left, MEND) == "not written: it does not suffice, save fails all the same"
    here = replace(MEND, failure=replace(MEND.failure, portable=False))
    assert "tells nothing of a Mac" in refusal(MENDED, here)
    unresolved = replace(MEND, failure=Failure("resolve", "resolve", "no wheels"))
    assert "no check can prove that anew" in refusal(MENDED, unresolved)


def test_the_first_entry_of_a_file() -> None:
    """A file of comments alone gets one."""
    text, done = with_repair("# nothing yet\n", NUMPY, Cell.parse(NUMPY.proof), FRAMEWORKS, PYTHONS)
    assert (text, done) == (f"# nothing yet\n\n{dump_repair(NUMPY)}", "added")


def test_the_file_that_ships_has_the_form_that_is_written() -> None:
    """Each of its entries is as the machine writes it: a change by either looks alike."""
    text = DATA.read_text(encoding="utf-8")
    for entry in entries(text):
        assert dump_repair(entry) in text


@pytest.mark.parametrize(
    "text", [*(h for h in HOSTILE if "\ud800" not in h), 'a "quoted" \\ one', "\x7f", "é"]
)
def test_any_message_comes_back(text: str) -> None:
    """Whatever an exception says, the file stays a file of one entry, and says the same."""
    (entry,) = entries(dump_repair(replace(NUMPY, message=text)))
    assert entry.message == text.replace("\x7f", "")


@pytest.mark.parametrize(
    ("specifier", "version", "wider"),
    [
        ("==2.14.0", "2.14.0", "==2.14.0"),
        ("==2.14.0", "2.14.1", ">=2.14.0,<=2.14.1"),
        (">=2.13.1,<2.14.1", "2.14.1", ">=2.13.1,<=2.14.1"),
        (">=2.13.1,<2.14.1", "2.13.0", ">=2.13.0,<2.14.1"),
        (">=2.14.0", "2.13.1", ">=2.13.1"),
        ("==2.14.0", "2.15.0", ""),
        ("==2.14.0", "2.99.0", ""),
        ("==9", "2.14.0", ""),
    ],
)
def test_a_specifier_is_widened_by_one_and_never_over_one(specifier: str, version: str, wider: str) -> None:
    """What it says of the other end stays as a person wrote it."""
    assert widened(specifier, version, FRAMEWORKS) == wider


@given(st.integers(0, 5), st.integers(0, 5), st.integers(0, 5))
def test_a_wider_specifier_holds_for_one_more_and_no_others(low: int, high: int, new: int) -> None:
    """For every range and every release beside it."""
    low, high = sorted((low, high))
    specifier = f">={FRAMEWORKS[low]},<={FRAMEWORKS[high]}"
    wider = widened(specifier, FRAMEWORKS[new], FRAMEWORKS)
    assert bool(wider) == (low - 1 <= new <= high + 1)
    if wider:
        before = set(SpecifierSet(specifier).filter(FRAMEWORKS))
        assert set(SpecifierSet(wider).filter(FRAMEWORKS)) == {*before, FRAMEWORKS[new]}
