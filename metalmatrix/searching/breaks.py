"""What `nox -s when` found, kept as data: ``data/breaks.jsonl``, a cell a line.

A line tells what became of a plain install of one cell: since when it is broken, by which upload, which
bound holds that upload back, and how old what is installed then is: there are fixes that a bound
holds back too, and nobody else tells how many years' worth.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from packaging.version import Version

from metalmatrix.cells.cell import Cell
from metalmatrix.errors import MatrixError, UsageError
from metalmatrix.files import PACKAGE, read_bounded
from metalmatrix.searching.probe import Failure

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from metalmatrix.resolving.lock import Lock
    from metalmatrix.resolving.repairs import Repair

DATA = PACKAGE / "data" / "breaks.jsonl"
SCHEMA = 2
REGENERATE = "python -m metalmatrix when --force"
_HINT = f"to make it anew: {REGENERATE}"


@dataclass(frozen=True)
class Held:
    """What a bound holds a package at, and what it holds back.

    Attributes:
        version: What the whole set has under the bound.
        uploaded: Its day.
        newest: What the set would have without the bound.
        newest_uploaded: Its day.
    """

    version: str
    uploaded: dt.date
    newest: str
    newest_uploaded: dt.date

    @property
    def months(self) -> int:
        """By how many months the one is older than the other, rounded down."""
        return max(0, (self.newest_uploaded - self.uploaded).days * 12 // 365)

    def told(self, package: str) -> str:
        """The same as half a sentence about the bound; an advisory database is not asked."""
        years, months = divmod(self.months, 12)
        parts = [(years, "year"), (months, "month")]
        age = " and ".join(f"{count} {name}{'s' * (count > 1)}" for count, name in parts if count)
        return (
            f"it holds {package} at {self.version} of {self.uploaded}, and so holds back the fixes, security "
            f"fixes included, of {age or 'less than a month'} up to {self.newest} of {self.newest_uploaded}"
        )


@dataclass(frozen=True)
class Break:
    """One upload that broke a cell.

    Attributes:
        since: The first day on which a plain install failed.
        before: The last day that is known to have passed.
        package: The package to blame; empty where the resolver named none.
        version: The version that came that day; empty where the package was dropped, or nothing resolves.
        was: The version of the day before; empty where it is new.
        failure: What fails since.
        bound: What holds it back; empty where no bound does.
        beside: Other packages that moved that day, and without which it would not have broken.
        let_in: What was uploaded that day and let the package move, where that was another one.
        mended: Whether the last day passes without the bound, by a later upload.
        covered: The bounds of other breaks that keep it out as well, where the last day passes for them.
        held: What the bound holds back; None where it holds nothing.
    """

    since: dt.date
    before: dt.date
    package: str
    version: str
    was: str
    failure: Failure
    bound: str = ""
    beside: tuple[str, ...] = ()
    let_in: str = ""
    mended: bool = False
    covered: tuple[str, ...] = ()
    held: Held | None = None

    @property
    def needed(self) -> bool:
        """Whether the last day fails without the bound, be all others in place."""
        return not (self.mended or self.covered)

    @property
    def upload(self) -> str:
        """What broke it: ``numpy 2.0.0``, ``protobuf 4.21.12, let in by tensorboard 2.12.0``."""
        by = f"{self.package or 'an upload that the resolver does not name'} {self.version}".rstrip()
        return f"{by}, let in by {self.let_in}" if self.let_in else by


@dataclass(frozen=True)
class Past:
    """What became of a plain install of one cell.

    Attributes:
        released: The day of the framework's upload, and the plugin's.
        first: The first day that was rehearsed; None where no set of wheels can be had.
        note: What is to be said of the first day, where it is not that of the release.
        as_of: The last day.
        always: What fails on the first day too.
        breaks: What broke since, in the order of time.
        left: What fails on the last day and is not explained by a break with a bound.
        made: How many rehearsals it took.
        known: How many sets were known from earlier searches.
    """

    cell: Cell
    released: dt.date
    first: dt.date | None
    note: str
    as_of: dt.date
    always: tuple[Failure, ...] = ()
    breaks: tuple[Break, ...] = ()
    left: tuple[Failure, ...] = ()
    made: int = 0
    known: int = 0

    def to_json(self) -> dict[str, Any]:
        """The past as a line of the data has it: without what the search cost."""
        return {
            "cell": self.cell.id,
            "released": self.released.isoformat(),
            "first": self.first.isoformat() if self.first else None,
            "note": self.note,
            "as_of": self.as_of.isoformat(),
            "always": [asdict(failure) for failure in self.always],
            "breaks": [_days_as_text(asdict(one)) for one in self.breaks],
            "left": [asdict(failure) for failure in self.left],
        }

    @classmethod
    def from_json(cls, entry: dict[str, Any]) -> Past:
        """What `to_json` wrote.

        Raises:
            KeyError, TypeError, ValueError, UsageError: It did not.
        """
        day = dt.date.fromisoformat
        breaks = []
        for one in entry["breaks"]:
            held = one["held"]
            if held:
                days = {key: day(held[key]) for key in ("uploaded", "newest_uploaded")}
                held = Held(**{**held, **days})
            more = {"since": day(one["since"]), "before": day(one["before"]), "held": held}
            more |= {key: tuple(one[key]) for key in ("beside", "covered")}
            breaks.append(Break(**{**one, **more, "failure": Failure(**one["failure"])}))
        return cls(
            Cell.parse(entry["cell"]),
            day(entry["released"]),
            day(entry["first"]) if entry["first"] else None,
            str(entry["note"]),
            day(entry["as_of"]),
            tuple(Failure(**failure) for failure in entry["always"]),
            tuple(breaks),
            tuple(Failure(**failure) for failure in entry["left"]),
        )


def _days_as_text(entry: dict[str, Any]) -> dict[str, Any]:
    return {
        key: value.isoformat()
        if isinstance(value, dt.date)
        else _days_as_text(value)
        if isinstance(value, dict)
        else list(value)
        if isinstance(value, tuple)
        else value
        for key, value in entry.items()
    }


@cache
def load_breaks() -> tuple[Past, ...]:
    """The pasts that ship with the project, by framework and Python.

    Raises:
        MatrixError: The data file is missing or damaged.
    """
    try:
        text = read_bounded(DATA)
    except (OSError, UnicodeDecodeError) as error:
        raise MatrixError(f"{DATA.name} cannot be read: {error}", _HINT) from error
    return parse_breaks(text)


def parse_breaks(text: str) -> tuple[Past, ...]:
    """The pasts in *text*, the content of the data file.

    Raises:
        MatrixError: It is no such file, or has another schema.
    """
    header, *lines = text.splitlines() or [""]
    number = 1
    try:
        if json.loads(header)["schema"] != SCHEMA:
            raise MatrixError(f"{DATA.name} has another schema than {SCHEMA}", _HINT)
        found = []
        for number, line in enumerate(lines, start=2):  # noqa: B007 - told when it fails
            found.append(Past.from_json(json.loads(line)))
    except (ValueError, KeyError, TypeError, AttributeError, UsageError) as error:
        problem = f"line {number} of {DATA.name} is damaged ({type(error).__name__}: {error})"
        raise MatrixError(problem, _HINT) from error
    return tuple(found)


def dump_breaks(pasts: Iterable[Past]) -> str:
    """The text of the data file."""
    header = {"regenerate": REGENERATE, "schema": SCHEMA}
    ordered = sorted(pasts, key=_order)
    return "".join(json.dumps(entry) + "\n" for entry in (header, *(past.to_json() for past in ordered)))


def _order(past: Past) -> tuple[Version, Version, str]:
    cell = past.cell
    return Version(cell.framework), Version(cell.python), cell.id


def upload_days(pasts: Iterable[Past]) -> dict[tuple[str, str], dt.date]:
    """The days of the releases that bounds hold packages at, and of those that they hold back."""
    return {
        (one.package, version): day
        for past in pasts
        for one in past.breaks
        if (held := one.held)
        for version, day in ((held.version, held.uploaded), (held.newest, held.newest_uploaded))
    }


def dated(repairs: Iterable[Repair], cell: Cell, pasts: Iterable[Past]) -> tuple[Repair, ...]:
    """The repairs with the day and the upload of this very framework and Python, where they are known."""
    breaks = {
        one.bound: one
        for past in pasts
        if (past.cell.framework, past.cell.python) == (cell.framework, cell.python)
        for one in past.breaks
    }
    return tuple(
        replace(repair, since=found.since.isoformat(), upload=found.upload)
        if (found := breaks.get(repair.bound))
        else repair
        for repair in repairs
    )


def held_back(
    cell: Cell,
    pinned: Lock | None,
    plain: Lock | None,
    repairs: Iterable[Repair],
    days: Mapping[tuple[str, str], dt.date],
) -> tuple[str, ...]:
    """What each bound of a cell holds back, in a sentence each; an advisory database is not asked.

    Args:
        cell: The cell.
        pinned: Its set under the bounds; None where there is none.
        plain: Its set without them.
        repairs: The bounds there are.
        days: When releases were uploaded, where that is known.
    """
    fixes = "and so holds back the fixes, security fixes included,"
    found = []
    for repair in repairs:
        name = repair.requirement.name
        old = pinned.versions.get(name) if pinned else None
        new = plain.versions.get(name) if plain else None
        if not (old and new) or old == new or not repair.applies(cell):
            continue
        dates = days.get((name, old)), days.get((name, new))
        if dates[0] and dates[1]:
            told = Held(old, dates[0], new, dates[1]).told(name)
        else:
            told = f"it holds {name} at {old}, {fixes} up to {new}"
        found.append(f"{repair.bound}: {told}")
    return tuple(found)
