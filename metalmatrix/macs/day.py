"""The day in ``matrix.toml``, moved: one line of the text, all others as they are; pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from metalmatrix.errors import MatrixError

if TYPE_CHECKING:
    import datetime as dt

_LINE = re.compile(r"(?m)^as-of[ \t]*=[ \t]*[0-9]{4}-[0-9]{2}-[0-9]{2}")


def moved(text: str, day: dt.date) -> str:
    """The text of a ``matrix.toml`` as of *day*.

    Raises:
        MatrixError: It has not one line that says the day.
    """
    made, count = _LINE.subn(f"as-of = {day.isoformat()}", text)
    if count != 1:
        raise MatrixError(
            "matrix.toml has not one line that says its day", "write it like as-of = 2026-11-20"
        )
    return made
