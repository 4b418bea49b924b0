"""What became of cells, in sentences: the answers of `when` and `repair` for whoever reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from metalmatrix.searching.breaks import Break, Past
    from metalmatrix.searching.probe import Failure


def told(past: Past) -> list[str]:
    """What became of a cell, in sentences; the first says what a plain install does today."""
    cell, lines = past.cell.id, []
    current = [one for one in past.breaks if one.needed]
    bounds: list[str] = []
    for one in current:
        under = f" under {', '.join(bounds)}" if bounds else ""
        lines.append(f"a plain install of {cell}{under} fails at {where(one.failure)} since {_since(one)}")
        lines.append(f"  {message(one.failure)}")
        if one.bound:
            lines.append(f"  {one.bound} mends it{age(one)}")
            bounds.append(one.bound)
    if past.first is None:
        lines.append(f"{cell} cannot be installed: {past.note}")
    elif not lines and not past.left and not past.always:
        lines.append(f"a plain install of {cell} passes as of {past.as_of}, as it did on {past.first}")
    lines += [
        f"it failed at {where(one.failure)} from {_since(one)}; a later upload mended that"
        for one in past.breaks
        if one.mended
    ]
    lines += [
        f"it failed at {where(one.failure)} from {_since(one)}; that takes no bound of its own: "
        f"{', '.join(one.covered)} keep{'s' * (len(one.covered) == 1)} it out as well"
        for one in past.breaks
        if one.covered
    ]
    lines += [
        f"{where(failure)} failed on its first day too, {past.first}: {message(failure)}"
        for failure in past.always
    ]
    lines += [
        f"not explained: {where(failure)} fails as of {past.as_of}: {message(failure)}"
        for failure in past.left
        if past.first is not None
    ]
    if past.first and past.note:
        lines.append(f"its release was on {past.released}; {past.note}")
    return lines


def where(failure: Failure) -> str:
    """The check that fails, and whether that is told of this machine alone."""
    aside = "" if failure.portable else " (here; it tells nothing of a Mac)"
    return failure.check + aside


def _since(one: Break) -> str:
    day = f"{one.since}"
    if (one.since - one.before).days > 1:
        day += f" or earlier, after {one.before} (no day between that was tried could be judged)"
    beside = f", together with {', '.join(one.beside)}" if one.beside else ""
    return f"{day}: {one.upload}{beside}"


def message(failure: Failure) -> str:
    """The exception's class and what it says, on one line, shortened."""
    kind = f"{failure.exception}: " if failure.exception else ""
    return f"{kind}{failure.message}"[:400]


def age(one: Break) -> str:
    """How old what a bound holds is, to be put behind it; empty where it holds nothing back."""
    if one.held is None or one.held.version == one.held.newest:
        return ""
    return f"; {one.held.told(one.package)}"
