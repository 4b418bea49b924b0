"""Which few of many changes matter, and from which version on; pure search, the judge is handed in.

The few are found by QuickXplain (Junker, *QUICKXPLAIN: preferred explanations and relaxations for
over-constrained problems*, AAAI 2004), which halves like delta debugging does, and asks about k log(n/k)
times for k of n.  It takes for granted that a set with more of the changes does no worse; what is found is
minimal all the same: the last thing that is asked of each change is whether it can be left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from packaging.version import Version

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")

TRIES = 4
"""Versions tried, at most, in place of one that cannot be judged."""


def minimal(items: Sequence[T], holds: Callable[[Sequence[T]], bool]) -> list[T]:
    """A smallest part of *items* for which *holds* is true, in their order.

    Args:
        items: The changes; *holds* is taken to be true of all of them, and false of none.
        holds: Whether what is looked for is the case under just these changes.
    """

    def among(given: list[T], candidates: Sequence[T], *, more: bool) -> list[T]:
        if more and holds(given):
            return []
        if len(candidates) <= 1:
            return list(candidates)
        half = len(candidates) // 2
        later = among([*given, *candidates[:half]], candidates[half:], more=half > 0)
        sooner = among([*given, *later], candidates[:half], more=bool(later))
        return sooner + later

    return among([], list(items), more=False)


def lowest_failing(
    versions: Sequence[str], fails: Callable[[str], bool | None], known_to_pass: str
) -> tuple[str, str]:
    """The last version that passes, and the next one, which fails.

    Args:
        versions: From *known_to_pass* on, up or down; the last one is known to fail.
        fails: What is to be said of a version; None where it cannot be judged.  Not asked of the last.
        known_to_pass: A version that passes.
    """
    low, high = -1, len(versions) - 1  # the version at `high` fails; the one at `low` passes
    while high - low > 1:
        middle = (low + high) // 2
        around = sorted(range(low + 1, high), key=lambda index: abs(index - middle))
        for index in around[:TRIES]:
            said = fails(versions[index])
            if said is not None:
                low, high = (low, index) if said else (index, high)
                break
        else:
            break
    return (versions[low] if low >= 0 else known_to_pass), versions[high]


def widest_bound(package: str, passes: str, fails: str) -> str:
    """The bound that admits *passes* and not *fails*, with the roundest number that does: ``numpy<2``.

    Where what fails is the older of the two it is a lower one: ``protobuf>=4``.
    """
    older, newer = Version(passes), Version(fails)
    holds_up = older > newer
    if holds_up:
        older, newer = newer, older
    for length in range(1, len(newer.release) + 1):
        text = ".".join(map(str, newer.release[:length]))
        if older < Version(text) <= newer or (Version(text) > older and not holds_up):
            return f"{package}{'>=' if holds_up else '<'}{text}"
    return f"{package}>={passes}" if holds_up else f"{package}<{fails}"
