"""The shape of ``matrix.toml``: which keys each of its tables has and what they hold; all else is refused."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from metalmatrix.published.releases import FRAMEWORKS, LITERT, PLUGIN, PLUGINS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_NUMBER = (int, float)
_KEYS: dict[str, dict[str, type | tuple[type, ...]]] = {
    "": {
        "as-of": dt.date,
        "axes": dict,
        "exclude": list,
        "include": list,
        "expect": list,
        "limits": dict,
        "rehearse": dict,
    },
    "axes": dict.fromkeys(("python", *FRAMEWORKS, *PLUGINS, *LITERT), list),
    "exclude": {"cell": str, "reason": str},
    "include": {"cell": str, "reason": str},
    "expect": {"cell": str, "verdict": str, "note": str, "url": str},
    "limits": {
        "seconds": _NUMBER,
        "memory-mb": int,
        "device-memory-mb": int,
        "speed-ratio": _NUMBER,
        "tolerance": dict,
    },
    "limits.tolerance": dict.fromkeys(("float32", "float64", "float16", "bfloat16"), _NUMBER),
    "rehearse": {"per": str, "stand-in": dict},
    "rehearse.stand-in": dict.fromkeys(("linux-x86_64", "linux-aarch64", "macos-x86_64"), str),
}
_REQUIRED = {
    "": {"as-of": "as-of = 2026-11-20", "axes": "[axes]"},
    "axes": {"python": 'python = ["3.11"]', PLUGIN: f'{PLUGIN} = ["none"]'},
    "exclude": {"cell": 'cell = "py3.11-*"', "reason": 'reason = "..."'},
    "include": {"cell": 'cell = "py3.11-tf2.15.1-nometal"'},
    "expect": {"cell": 'cell = "py3.11-*"', "verdict": 'verdict = "broken"', "note": 'note = "..."'},
}
"""What each table must have, and a line that would be it."""

_OR = {PLUGIN: PLUGINS}
"""What does as well as a key that must be there: an axis of any plugin."""

_WORDS: dict[type | tuple[type, ...], str] = {
    str: "a string",
    int: "a whole number",
    list: "a list",
    dict: "a table",
    dt.date: "a date like 2026-11-20",
    _NUMBER: "a number",
}


def shape_problems(table: str, value: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What is wrong with the keys of one table and their types.

    Args:
        table: Its name, ``limits.tolerance``; empty for the file itself.
        value: What stands in it.

    Yields:
        The key (empty where one is lacking), and what is wrong and what to type.
    """
    known = _KEYS[table]
    where = f"[{table}] " if table else ""
    for key, item in value.items():
        if key not in known:
            yield key, f"{where}unknown key {key!r}; known here: {', '.join(known)}"
        # To Python a bool is an int, and a time is a date.
        elif isinstance(item, (bool, dt.datetime)) or not isinstance(item, known[key]):
            yield key, f"{where}{key} is to be {_WORDS[known[key]]}"
    for key, line in _REQUIRED.get(table, {}).items():
        if not {key, *_OR.get(key, ())} & value.keys():
            yield "", f"{where}lacks {key!r}: add a line `{line}`"
