"""What has changed between two tables, cell by cell, with the cause where the evidence has it; pure.

Both are documents of ``compat.schema.json`` (`document.parse`).  What stood still is never named as a cause:
a cause is something of this very cell that is another in the second table, and beside a moved pin a new run
is told too, since both may have done it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, get_args

from metalmatrix.diff.change import Change, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HANDED_OUT = ("works", "likely")
"""The verdicts that `pins` hands out without being asked for more."""

KINDS: tuple[Kind, ...] = ("lost", "gained", "changed", "new", "gone")
"""The order in which changes are told: what somebody has to look at comes first."""

_NAMED = 4
"""Moved pins that are named; of more, how many."""
_MACOS = re.compile(r"macos-([0-9]+(?:\.[0-9]+)*)-")

assert set(KINDS) == set(get_args(Kind))  # noqa: S101 - a kind without a place would not be told


def compare(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Change, ...]:
    """Every cell of which the two tables say otherwise: lost, gained, changed, new, gone, in that order."""
    before = {cell["cell"]: cell for cell in old["cells"]}
    after = {cell["cell"]: cell for cell in new["cells"]}
    found = [
        Change("new", name, "", cell["verdict"], _said(cell))
        if name not in before
        else Change(
            _kind(before[name], cell),
            name,
            before[name]["verdict"],
            cell["verdict"],
            _said(cell, before[name]),
            "; ".join(_causes(before[name], cell, old, new)),
        )
        for name, cell in after.items()
        if name not in before or _verdicts(before[name]) != _verdicts(cell)
    ]
    gone = [cell for name, cell in before.items() if name not in after]
    found += [Change("gone", cell["cell"], cell["verdict"], "", _said(cell)) for cell in gone]
    return tuple(sorted(found, key=lambda change: KINDS.index(change.kind)))


def _pinned(cell: Mapping[str, Any]) -> tuple[str, str, str]:
    return cell["verdict"], cell["stage"], cell["message"]


def _verdicts(cell: Mapping[str, Any]) -> tuple[object, ...]:
    """What is compared: all of the pinned set's verdict, and whether and where the plain set fails."""
    return *_pinned(cell), cell["plain"], cell["plain_stage"]


def _kind(before: Mapping[str, Any], after: Mapping[str, Any]) -> Kind:
    was, now = before["verdict"] in HANDED_OUT, after["verdict"] in HANDED_OUT
    if was == now:
        return "changed"
    return "gained" if now else "lost"


def _said(cell: Mapping[str, Any], before: Mapping[str, Any] | None = None) -> str:
    """What is said of a cell, in a sentence; of its plain set where that is what is another than *before*."""
    told = _sentence(cell["verdict"], cell["stage"], cell["message"])
    if before is None or all(before[key] == cell[key] for key in ("plain", "plain_stage")):
        return told
    plain = _sentence(cell["plain"], cell["plain_stage"], cell["plain_message"])
    if _pinned(cell) == _pinned(before):
        return f"a plain install: {plain}"
    return told if plain == told else f"{told}; a plain install: {plain}"


def _sentence(word: str, stage: str, message: str) -> str:
    where = f" at {stage}" if stage and word in {"broken", "degraded"} else ""
    return f"{word}{where}: {message.removeprefix(f'{stage}: ') if stage else message}"


def _causes(
    before: Mapping[str, Any], after: Mapping[str, Any], old: Mapping[str, Any], new: Mapping[str, Any]
) -> Iterator[str]:
    """What is another in the evidence about the set whose verdict is another."""
    which = "plain" if _pinned(before) == _pinned(after) else "pinned"
    told = [
        *_moved(before[f"{which}_set"], after[f"{which}_set"], old["sets"], new["sets"]),
        *_runs(_ran(before, which, old), _ran(after, which, new)),
        *_observed(before, after, which),
    ]
    if not told and old["as_of"] != new["as_of"]:
        told.append(f"resolved as of {new['as_of']}, before as of {old['as_of']}")
    yield from told


def _moved(
    before: str | None, after: str | None, old: Mapping[str, Any], new: Mapping[str, Any]
) -> Iterator[str]:
    """The pins that moved; where none did and the files did, that."""
    was, now = old.get(before or ""), new.get(after or "")
    if was is None or now is None or before == after:
        return
    moved = []
    for name in sorted(was.keys() | now.keys()):
        if name not in was:
            moved.append(f"{name} {now[name]} is new")
        elif name not in now:
            moved.append(f"{name} {was[name]} is gone")
        elif was[name] != now[name]:
            moved.append(f"{name} {was[name]} -> {now[name]}")
    more = f" and {len(moved) - _NAMED} more" if len(moved) > _NAMED else ""
    if moved:
        yield f"moved pins: {', '.join(moved[:_NAMED])}{more}"
    else:
        yield "a new wheel: the same versions, other files"


def _ran(cell: Mapping[str, Any], which: str, table: Mapping[str, Any]) -> dict[str, tuple[str, str, str]]:
    """The runs of a set by host: outcome, message and day."""
    hosts = set(table["hosts"])
    return {
        item["source"]: (item["outcome"], item["message"], item["date"])
        for item in cell["evidence"]
        if item["source"] in hosts and item["set"] == which and item["outcome"] in {"ok", "fails"}
    }


def _runs(
    before: Mapping[str, tuple[str, str, str]], after: Mapping[str, tuple[str, str, str]]
) -> Iterator[str]:
    """Runs that are new, were made again, or are there no more; the first on a macOS says so."""
    known = {found[1] for host in before if (found := _MACOS.match(host))}
    for host, run in after.items():
        if before.get(host) == run:
            continue
        macos = _MACOS.match(host)
        if macos and known and macos[1] not in known:
            yield f"another macOS: {macos[1]}, before {', '.join(sorted(known))} (a run on {host}, {run[2]})"
        else:
            yield f"{'run again' if host in before else 'a new run'} on {host}, {run[2]}"
    for host in before:
        if host not in after:
            yield f"no run of this set on {host} any more"


def _observed(before: Mapping[str, Any], after: Mapping[str, Any], which: str) -> Iterator[str]:
    """What else is told otherwise: by the resolver, the wheels, public reports, the repairs."""

    def told(cell: Mapping[str, Any], kind: str) -> dict[tuple[str, str], Mapping[str, Any]]:
        about = [item for item in cell["evidence"] if item["kind"] == kind and item["set"] in {which, ""}]
        return {(item["outcome"], item["message"]): item for item in about}

    for kind, by in (("resolved", "the resolver"), ("linked", "the wheels, by the loader's rules")):
        was, now = told(before, kind), told(after, kind)
        for outcome, message in sorted(now.keys() - was.keys()):
            yield f"{by}: {outcome}: {message}"
    reports = [{item["source"] for item in told(cell, "reported").values()} for cell in (before, after)]
    yield from (f"a new report: {source}" for source in sorted(reports[1] - reports[0]))
    yield from (f"a report that is there no more: {source}" for source in sorted(reports[0] - reports[1]))
    if before["macos"] != after["macos"] and after["macos"]:
        yield f"it needs macOS {after['macos']}, before {before['macos'] or 'unknown'}"
