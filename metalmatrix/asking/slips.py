"""What a mistyped version or name may have been meant to be: the fewest slips of the finger first.

A slip is one character too many, missing or wrong, or two that changed places (the optimal string alignment
distance), which `difflib` does not count: for it 2.81 is no nearer to 2.18 than to 2.11.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_LOOK_ALIKES = str.maketrans({"l": "1", "i": "1", "o": "0", ",": "."})
LONGEST = 40
"""Characters of a text that is compared; a longer one is no slip of a version."""


def slips(text: str, meant: str) -> int:
    """How many slips turn *meant* into *text*."""
    before: list[int] = []
    last = list(range(len(meant) + 1))
    for row, typed in enumerate(text, 1):
        now = [row]
        for column, wanted in enumerate(meant, 1):
            cost = min(last[column] + 1, now[column - 1] + 1, last[column - 1] + (typed != wanted))
            swapped = row > 1 and column > 1 and (typed, text[row - 2]) == (meant[column - 2], wanted)
            if swapped:
                cost = min(cost, before[column - 2] + 1)
            now.append(cost)
        before, last = last, now
    return last[-1]


def closest(text: str, known: Iterable[str], limit: int = 3) -> list[str]:
    """Up to *limit* of *known* that *text* may be a slip of, the likeliest first; none where none is near.

    Only those of the fewest slips; look-alikes (``l`` and ``1``) are none, nor are dots left out (``215``).
    The ones with the same characters come first, then those with as many dots, then the nearest as numbers,
    then the later of *known*.
    """
    if len(text) > LONGEST:
        return []
    digits = any(c.isdigit() for c in text)
    typed = text.lower().translate(_LOOK_ALIKES) if digits else text.lower()
    most = 2 if len(typed) > 3 else 1
    found = []
    for place, candidate in enumerate(known):
        if digits and candidate.replace(".", "") == typed.replace(".", ""):
            count = 0
        elif abs(len(candidate) - len(typed)) > most:
            continue
        else:
            count = slips(typed, candidate)
        if count <= most:
            same = sorted(candidate) == sorted(typed)
            dots = candidate.count(".") != typed.count(".")
            found.append((count, not same, dots, _apart(typed, candidate), -place, candidate))
    fewest = min(found, default=(0,))[0]
    return [candidate for count, *_, candidate in sorted(found)[:limit] if count == fewest]


def _apart(text: str, candidate: str) -> tuple[int, ...]:
    """How far two versions are apart, number by number; nothing for what is none."""
    pairs = zip(text.split("."), candidate.split("."))  # noqa: B905 - Python 3.8 has no `strict`
    return tuple(abs(int(a) - int(b)) if a.isdecimal() and b.isdecimal() else 0 for a, b in pairs)
