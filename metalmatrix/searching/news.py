"""What is new since the data: which cells broke until a day, by which upload; for a job that runs every week.

The bounds that the data names are held, and the set of the data's day is compared with that of the other.
Where they are one set, nothing is rehearsed; where the later one passes, one rehearsal says so; else the
days between are searched.  What a bound was needed for is tried without it, where that set moved.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from metalmatrix.searching.probe import RESOLVE
from metalmatrix.searching.sentences import age, message, where
from metalmatrix.searching.when import Search

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable, Sequence

    from metalmatrix.cells.cell import Cell
    from metalmatrix.searching.breaks import Break, Past
    from metalmatrix.searching.lab import Lab
    from metalmatrix.searching.probe import Failure, Seen
    from metalmatrix.searching.when import Known


@dataclass(frozen=True)
class News:
    """What became of one cell since the data.

    Attributes:
        since: The day of the data, or of the release where the data has no such cell.
        as_of: The last day.
        breaks: What broke it since then and is still needed to be held back.
        mended: What the data has as broken and is not any more: bounds, or ``resolve``.
        left: What fails and is not explained by a break with a bound.
        unknown: Why nothing can be said; empty where it can.
        made: How many rehearsals it took.
    """

    cell: Cell
    since: dt.date
    as_of: dt.date
    breaks: tuple[Break, ...] = ()
    mended: tuple[str, ...] = ()
    left: tuple[Failure, ...] = ()
    unknown: str = ""
    made: int = 0

    @property
    def is_as_before(self) -> bool:
        """Whether it is known that nothing has changed."""
        return not (self.breaks or self.mended or self.left or self.unknown)


def all_is_new(found: Past) -> News:
    """What became of a cell that the data does not have: all of it, since its release."""
    current = tuple(one for one in found.breaks if one.needed)
    left = (*found.always, *found.left)
    return News(found.cell, found.released, found.as_of, current, left=left, made=found.made)


def news_of(
    past: Past,
    lab: Lab,
    as_of: dt.date,
    *,
    known: Known,
    tell: Callable[[str], None] = lambda _: None,
) -> News:
    """What became of a cell since its *past* was written down.

    Args:
        past: What the data has of it.
        lab: Answers what an install of it gave on a day.
        as_of: The last day.
        known: What is known from elsewhere.
        tell: Gets the progress.

    Raises:
        IndexUnreachableError: The index could not be asked; what is known by then is kept.
        RehearsalError: A set that the answer depends on could not be tried: there is none.
    """
    none = News(past.cell, past.as_of, as_of)
    if past.first is None:
        can_be_had = lab.resolved(as_of).known.lock is not None
        return replace(none, mended=(RESOLVE,) if can_be_had else ())
    needed = [one for one in past.breaks if one.needed and one.bound]
    bounds = [one.bound for one in needed]
    new: tuple[Break, ...] = ()
    left: tuple[Failure, ...] = ()
    if not _same(lab.resolved(past.as_of, bounds), lab.resolved(as_of, bounds)):
        always = frozenset(failure.check for failure in (*past.always, *past.left))
        search = Search(lab, as_of, always, known, tell)
        breaks, left = search.breaks(past.as_of, past.cell.id, bounds)
        new = tuple(one for one in search.judged(breaks, bounds) if one.needed)
    held = [*bounds, *(one.bound for one in new if one.bound)]
    mended = tuple(one.bound for one in needed if _passes_without(one, held, lab, past.as_of, as_of))
    return replace(none, breaks=new, mended=mended, left=left, made=lab.made)


def _same(before: Seen, now: Seen) -> bool:
    """Whether both are one set of versions."""
    return before.lock is not None and now.lock is not None and before.lock.digest == now.lock.digest


def _passes_without(one: Break, held: Sequence[str], lab: Lab, before: dt.date, now: dt.date) -> bool:
    """Whether what broke passes *now* without its bound, where that set has moved at all."""
    others = [bound for bound in held if bound != one.bound]
    if _same(lab.resolved(before, others), lab.resolved(now, others)):
        return False
    return lab.on(now, others, one.failure.check).known.passes(one.failure.check) is True


def to_json(all_news: Sequence[News], since: dt.date, as_of: dt.date) -> dict[str, Any]:
    """The same for machines; a list that is empty is there, and every cell is in one of them at least."""
    return {
        "since": since.isoformat(),
        "as_of": as_of.isoformat(),
        "broke": [
            {
                "cell": news.cell.id,
                "since": one.since.isoformat(),
                "before": one.before.isoformat(),
                "upload": one.upload,
                "package": one.package,
                "version": one.version,
                "was": one.was,
                "check": one.failure.check,
                "stage": one.failure.stage,
                "message": message(one.failure),
                "portable": one.failure.portable,
                "bound": one.bound,
            }
            for news in all_news
            for one in news.breaks
        ],
        "mended": [{"cell": news.cell.id, "bound": bound} for news in all_news for bound in news.mended],
        "left": [{"cell": news.cell.id, **asdict(failure)} for news in all_news for failure in news.left],
        "unknown": [{"cell": news.cell.id, "reason": news.unknown} for news in all_news if news.unknown],
        "as_before": [news.cell.id for news in all_news if news.is_as_before],
        "rehearsals": sum(news.made for news in all_news),
    }


def told(all_news: Sequence[News], since: dt.date, as_of: dt.date) -> list[str]:
    """The same in sentences: an upload a line, and under it the cells that it broke."""
    broken = [(one, news.cell.id) for news in all_news for one in news.breaks]
    cells = {cell for _, cell in broken}
    lines = [f"{len(cells)} of {len(all_news)} cells broke between {since} and {as_of}"]
    lines += _by_upload(broken)
    lines += [
        f"{news.cell.id}: {_mended(bound)}, as of {as_of}" for news in all_news for bound in news.mended
    ]
    lines += [
        f"{news.cell.id}: {where(failure)} fails as of {as_of}, not explained: {message(failure)}"
        for news in all_news
        for failure in news.left
    ]
    lines += [f"{news.cell.id}: unknown: {news.unknown}" for news in all_news if news.unknown]
    if same := sum(news.is_as_before for news in all_news):
        lines.append(f"{same} as before")
    return lines


def _mended(bound: str) -> str:
    return "a set of wheels can be had now" if bound == RESOLVE else f"it passes without {bound} now"


def _by_upload(broken: Iterable[tuple[Break, str]]) -> list[str]:
    """An upload with its day, what it breaks and how, and the cells; the first day first."""

    def key(item: tuple[Break, str]) -> tuple[str, str, str]:
        one, _ = item
        return one.since.isoformat(), one.upload, where(one.failure)

    lines = []
    for (since, upload, place), group in groupby(sorted(broken, key=key), key):
        items = list(group)
        first = items[0][0]
        count = f"{len(items)} cell{'s' * (len(items) > 1)}"
        lines.append(f"{since}: {upload} breaks {count} at {place}")
        lines.append(f"  {message(first.failure)}")
        lines.append(
            f"  {first.bound} mends it{age(first)}" if first.bound else "  no bound is known to mend it"
        )
        lines.append(f"  {' '.join(cell for _, cell in items)}")
    return lines
