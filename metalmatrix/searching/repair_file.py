"""Writing repairs: text in, text out, so that comments, order and every other entry stay as they are.

A bound that is known for the neighbours is written down by widening their entry; else it is a new one, at
the end.  Whatever comes out is read again before it is given back.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Literal

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from metalmatrix.cells.cell import NO_PLUGIN, Cell
from metalmatrix.resolving.repairs import Repair
from metalmatrix.searching.probe import RESOLVE

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover - Python 3.10
    import tomli as tomllib

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from metalmatrix.searching.mend import Mend, Mended

Done = Literal["known", "widened", "added"]


def entry_of(found: Mended, one: Mend, today: dt.date) -> Repair:
    """One bound as a new entry of the data; why is the machine's word, and a person may say it better."""
    cell = found.cell
    plain = Cell(cell.python, cell.framework, NO_PLUGIN, cell.distribution)
    return Repair(
        bound=one.bound,
        frameworks=f"=={plain.framework}",
        python=f"=={plain.python}",
        check=one.failure.check,
        message=" ".join(one.failure.message.split())[:200],
        why=f"{one.upload} broke it, and it sets no bound that would keep it out",
        since=(one.since or found.as_of).isoformat(),
        upload=one.upload,
        proof=plain.id,
        proved=today.isoformat(),
    )


def refusal(found: Mended, one: Mend) -> str:
    """Why a bound is not to be written down; empty where nothing speaks against it.

    An entry is handed out to Macs: it has to mend, and what it mends has to happen there.
    """
    if not found.suffices:
        left = ", ".join(failure.check for failure in found.left)
        return f"not written: it does not suffice, {left} fails all the same"
    if one.failure.check == RESOLVE:
        return "not written: without it no set of wheels can be had, and no check can prove that anew"
    if not one.failure.portable:
        return f"not written: {one.failure.check} fails here, and that tells nothing of a Mac"
    return ""


def dump_repair(repair: Repair) -> str:
    """One entry as the file has it.  JSON's strings are TOML's, once a delete character is gone."""
    lines = (
        f"{key} = {json.dumps(value.replace(chr(127), ''), ensure_ascii=False)}"
        for key, value in asdict(repair).items()
    )
    return "[[repair]]\n" + "".join(f"{line}\n" for line in lines)


def with_repair(
    text: str, repair: Repair, cell: Cell, frameworks: Sequence[str], pythons: Sequence[str]
) -> tuple[str, Done]:
    """*text*, the content of the data file, with *repair* for *cell* in it, and what that took.

    Args:
        text: The file as it is.
        repair: The entry to write where no other can be widened.
        cell: The cell that needs it.
        frameworks: All releases, ascending: an entry is widened to the next one, never over one.
        pythons: All Pythons, ascending.
    """
    entries = [Repair(**entry) for entry in tomllib.loads(text).get("repair", ())]
    alike = [one for one in entries if (one.bound, one.check) == (repair.bound, repair.check)]
    if any(one.applies(cell) for one in alike):
        return text, "known"
    for one in alike:
        wider_frameworks = widened(one.frameworks, cell.framework, frameworks)
        wider_pythons = widened(one.python, cell.python, pythons)
        changed = (wider_frameworks != one.frameworks) + (wider_pythons != one.python)
        if wider_frameworks and wider_pythons and changed == 1:
            made = _replaced(text, entries.index(one), wider_frameworks, wider_pythons)
            return _read_again(made, len(entries)), "widened"
    return _read_again(f"{text.rstrip()}\n\n{dump_repair(repair)}", len(entries) + 1), "added"


def widened(specifier: str, version: str, known: Sequence[str]) -> str:
    """The specifier that holds for *version* too; empty where a known version lies between."""
    holds = SpecifierSet(specifier)
    if holds.contains(version, prereleases=True):
        return specifier
    inside = [one for one in known if holds.contains(one, prereleases=True)]
    if not inside or version not in known:
        return ""
    lowest, highest = known.index(inside[0]), known.index(inside[-1])
    at = known.index(version)
    if at not in (lowest - 1, highest + 1) or len(inside) != highest - lowest + 1:
        return ""
    bounds = [known[min(at, lowest)], known[max(at, highest)]]
    kept = {one.operator[0]: str(one) for one in holds if one.operator in {">=", ">", "<=", "<"}}
    low = kept.get(">") if at > highest else None
    high = kept.get("<") if at < lowest else None
    if kept and "<" not in kept and at < lowest:
        return f">={version}"  # it was open at the top, and stays so
    return f"{low or f'>={bounds[0]}'},{high or f'<={bounds[1]}'}"


def _replaced(text: str, number: int, frameworks: str, python: str) -> str:
    """The text with two fields of one entry changed."""
    head, *blocks = re.split(r"(?m)^(?=\[\[repair\]\]$)", text)
    block = blocks[number]
    for key, value in (("frameworks", frameworks), ("python", python)):
        block = re.sub(
            rf"(?m)^{key} = .*$", lambda _, k=key, v=value: f"{k} = {json.dumps(v)}", block, count=1
        )
    return head + "".join([*blocks[:number], block, *blocks[number + 1 :]])


def _read_again(text: str, count: int) -> str:
    entries = [Repair(**entry) for entry in tomllib.loads(text)["repair"]]
    if len(entries) != count:
        raise ValueError(f"{len(entries)} entries where {count} are to be")
    return text


def ascending(versions: Sequence[str]) -> list[str]:
    """Versions in their order."""
    return sorted(set(versions), key=Version)
