"""Where things stand in a TOML text: ``tomllib`` gives values, but no positions for a refusal to name."""

from __future__ import annotations

import re


class Lines:
    """Where keys and entries of a TOML text stand; line numbers from 1.

    It reads only what it needs: table headers, ``key =`` at the start of a line, and quoted entries
    of an array below its key.  A number may be off for exotic spellings; values never depend on it.
    """

    _HEADER = re.compile(r"\s*\[\[?\s*([\w.\-\"' ]+?)\s*\]\]?\s*(?:#.*)?$")
    _KEY = re.compile(r"\s*[\"']?([\w-]+)[\"']?\s*=")

    def __init__(self, text: str) -> None:
        self._lines = text.splitlines()
        self._keys: dict[tuple[str, int, str], int] = {}
        self._starts: list[int] = []
        counts: dict[str, int] = {}
        table = ""
        for number, line in enumerate(self._lines, 1):
            if header := self._HEADER.match(line):
                table = header[1].replace('"', "")
                counts[table] = counts.get(table, -1) + 1
                self._keys.setdefault((table, counts[table], ""), number)
            elif key := self._KEY.match(line):
                self._keys.setdefault((table, counts.get(table, 0), key[1]), number)
            else:
                continue
            self._starts.append(number)

    def of(self, table: str, key: str = "", *, index: int = 0, entry: object = None) -> int:
        """The line of *key* in the *index*-th *table*, or of *entry* within that key's array.

        A key may be a table of its own; what stands nowhere is told at its table, or at line 1.
        """
        places = (table, index, key), (f"{table}.{key}".strip("."), 0, ""), (table, index, "")
        start = next((self._keys[place] for place in places if place in self._keys), 1)
        if entry is not None:
            end = next((begin for begin in self._starts if begin > start), len(self._lines) + 1)
            for number in range(start, end):
                if f'"{entry}"' in self._lines[number - 1] or f"'{entry}'" in self._lines[number - 1]:
                    return number
        return start
