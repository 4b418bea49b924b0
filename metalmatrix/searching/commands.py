"""`when` and `repair` on the command line: cells in, answers out, kept at once; the edge of both searches.

What could not be rehearsed on this machine is unknown: it is told, nothing is written of it, the other cells
have their turn, and the exit code says that something is missing.
"""

from __future__ import annotations

import datetime as dt
import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from filelock import FileLock
from packaging.version import Version

from metalmatrix.cells import history
from metalmatrix.cells.cell import Cell
from metalmatrix.cells.matrix_file import load
from metalmatrix.errors import RehearsalError, UsageError
from metalmatrix.files import cache_dir, read_bounded, write_atomic
from metalmatrix.output import print_json, tell
from metalmatrix.resolving import repairs
from metalmatrix.resolving.repairs import load_repairs, repairs_for
from metalmatrix.searching import breaks, news, repair_file
from metalmatrix.searching.breaks import Past, load_breaks
from metalmatrix.searching.mend import Proof, mend, prove
from metalmatrix.searching.news import News, news_of
from metalmatrix.searching.sentences import told
from metalmatrix.searching.subjects import bench, known_of, known_pasts, newest_here, released, uploads
from metalmatrix.searching.when import past_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from metalmatrix.resolving.repairs import Repair
    from metalmatrix.searching.mend import Mend, Mended

SURPRISE = 1
UNKNOWN = RehearsalError.exit_code

# when ------------------------------------------------------------------------------------------


def when(options: argparse.Namespace) -> int:
    """Since when cells are broken, and by what, or what is new since the data; the exit code."""
    declared = load().as_of
    as_of = options.as_of or declared
    _refuse_force_for_another_day(options, as_of, declared)
    if options.as_of and not options.cells:
        return _news(options, as_of)
    cells = [Cell.parse(name) for name in options.cells] or list(newest_here(as_of))
    printed: list[dict[str, Any]] = []
    unknown = False
    for cell in cells:
        started = time.monotonic()
        try:
            with bench(cell, as_of) as lab:
                found = past_of(cell, lab, released(cell, as_of), as_of, known=known_of(cell), tell=tell)
        except RehearsalError as error:
            unknown = True
            printed.append({"cell": cell.id, "as_of": as_of.isoformat(), "unknown": error.what})
            _say(options, f"{cell.id}: unknown: {error}\n")
            continue
        seconds = round(time.monotonic() - started)
        cost = {"rehearsals": found.made, "known": found.known, "seconds": seconds}
        printed.append({**found.to_json(), "told": told(found), **cost})
        say = "".join(f"{line}\n" for line in told(found))
        _say(options, f"{say}{_cost(found.made, found.known, seconds)}\n")
        if options.force:
            _keep(found)
            tell(f"written: {breaks.DATA.name}")
    if options.json:
        print_json(printed)
    return UNKNOWN if unknown else 0


def _news(options: argparse.Namespace, as_of: dt.date) -> int:
    """What is new since the data; 1 where something is, since the data has to follow."""
    started = time.monotonic()
    pasts = {past.cell.id: past for past in known_pasts()}
    since = min((past.as_of for past in pasts.values()), default=load().as_of)
    if as_of < since:
        raise UsageError(f"the data is as of {since}, after {as_of}", "name a later day, or cells")
    told_of: list[News] = []
    for cell in newest_here(as_of):
        tell(f"{cell.id}: anything new since {since}?")
        try:
            with bench(cell, as_of) as lab:
                known = known_of(cell)
                if past := pasts.get(cell.id):
                    one = news_of(past, lab, as_of, known=known, tell=tell)
                else:
                    found = past_of(cell, lab, released(cell, as_of), as_of, known=known, tell=tell)
                    one = news.all_is_new(found)
        except RehearsalError as error:
            one = News(cell, since, as_of, unknown=error.what)
        told_of.append(one)
    seconds = round(time.monotonic() - started)
    made = sum(one.made for one in told_of)
    if options.json:
        print_json({**news.to_json(told_of, since, as_of), "seconds": seconds})
    else:
        _say(
            options,
            "".join(f"{line}\n" for line in news.told(told_of, since, as_of)) + _cost(made, 0, seconds),
        )
    if any(one.breaks or one.mended or one.left for one in told_of):
        return SURPRISE
    return UNKNOWN if any(one.unknown for one in told_of) else 0


def _refuse_force_for_another_day(options: argparse.Namespace, as_of: dt.date, declared: dt.date) -> None:
    """The data is as of the day of ``matrix.toml``, as the table is; an answer of another day is not it."""
    if options.force and as_of != declared:
        raise UsageError(
            f"the data is as of {declared}: what is found as of {as_of} is not written",
            f"set `as-of = {as_of}` in matrix.toml, then the same without --as-of",
        )


def _keep(found: Past) -> None:
    """Write one cell's past into the data, at once: the next cell may be the one that is cut off."""
    with _turn():
        load_breaks.cache_clear()
        others = [past for past in known_pasts() if past.cell.id != found.cell.id]
        write_atomic(breaks.DATA, breaks.dump_breaks([*others, found]))
        load_breaks.cache_clear()


def _turn() -> FileLock:
    """Held while a data file is read and written anew: two searches may end at once."""
    return FileLock(cache_dir() / "locks" / "data.lock")


def _say(options: argparse.Namespace, text: str) -> None:
    if not options.json:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()


def _cost(made: int, known: int, seconds: int) -> str:
    earlier = f", {known} sets known from earlier" if known else ""
    return f"({made} rehearsal{'' if made == 1 else 's'}{earlier}, {seconds / 60:.1f} minutes)"


# repair ----------------------------------------------------------------------------------------


def repair(options: argparse.Namespace) -> int:
    """What mends cells, or with ``--check`` whether the data does; the exit code."""
    if bool(options.cells) == options.check:
        raise UsageError("name cells to mend, or give --check", "nox -s repair -- py3.11-tf2.14.0-nometal")
    declared = load().as_of
    as_of = options.as_of or declared
    _refuse_force_for_another_day(options, as_of, declared)
    if options.check:
        return _check(options, as_of)
    printed: list[dict[str, Any]] = []
    code = 0
    for name in options.cells:
        cell = Cell.parse(name)
        started = time.monotonic()
        try:
            with bench(cell, as_of) as lab:
                found = mend(cell, lab, as_of, released(cell, as_of), known=known_of(cell), tell=tell)
        except RehearsalError as error:
            code = code or UNKNOWN
            printed.append({"cell": cell.id, "as_of": as_of.isoformat(), "unknown": error.what})
            _say(options, f"{cell.id}: unknown: {error}\n")
            continue
        seconds = round(time.monotonic() - started)
        entries = [_entry_of(found, one) for one in found.mends]
        printed.append(
            {
                "cell": cell.id,
                "as_of": found.as_of.isoformat(),
                "note": found.note,
                "bounds": [one.bound for one in found.mends],
                "entries": [asdict(entry) for entry in entries],
                "left": [asdict(failure) for failure in found.left],
                "suffices": found.suffices,
                "rehearsals": found.made,
                "known": found.known,
                "seconds": seconds,
            }
        )
        _say(options, f"{_told(found, entries)}{_cost(found.made, found.known, seconds)}\n")
        if options.force:
            for one, entry in zip(found.mends, entries, strict=True):
                refused = repair_file.refusal(found, one)
                code = SURPRISE if refused else code
                tell(f"{entry.bound} for {cell.id}: {refused or _write(entry, cell)}")
    if options.json:
        print_json(printed)
    return code


def _told(found: Mended, entries: Iterable[Repair]) -> str:
    bounds = ", ".join(entry.bound for entry in entries)
    lines = [f"{found.cell.id}: {bounds or 'no bound'} ({found.note})"]
    lines += [f"left: {failure.check} fails: {failure.message[:300]}" for failure in found.left]
    return "\n".join([*lines, *(f"\n{repair_file.dump_repair(entry)}" for entry in entries), ""])


def _entry_of(found: Mended, one: Mend) -> Repair:
    known = next((entry for entry in repairs_for(found.cell) if entry.bound == one.bound), None)
    return known or repair_file.entry_of(found, one, dt.datetime.now(dt.timezone.utc).date())


def _write(entry: Repair, cell: Cell) -> str:
    frameworks = [version for _, version in history.frameworks() if not Version(version).is_prerelease]
    with _turn():
        text = read_bounded(repairs.DATA)
        made, done = repair_file.with_repair(text, entry, cell, frameworks, history.pythons())
        if made != text:
            write_atomic(repairs.DATA, made)
            load_repairs.cache_clear()
    return done


def _check(options: argparse.Namespace, as_of: dt.date) -> int:
    """Prove each entry anew; 1 where one does not hold."""
    proofs: list[tuple[Repair, Proof]] = []
    for entry in load_repairs():
        cell = Cell.parse(entry.proof)
        tell(f"{entry.bound} for {entry.frameworks}: {cell.id}")
        others = [other.bound for other in repairs_for(cell) if other != entry]
        try:
            with bench(cell, as_of) as lab:
                proof = prove(lab, as_of, entry.bound, others, entry.check, uploads=uploads)
        except RehearsalError as error:
            proof = Proof(None, None, None, "", error.what)
        proofs.append((entry, proof))
        _say(options, _proved(entry, proof))
    if options.json:
        print_json([{"bound": r.bound, "proof": r.proof, "holds": p.holds, **asdict(p)} for r, p in proofs])
    else:
        _say(options, _summary(proofs, as_of))
    if any(proof.holds is False for _, proof in proofs):
        return SURPRISE
    return 0 if all(proof.holds for _, proof in proofs) else UNKNOWN


def _proved(entry: Repair, proof: Proof) -> str:
    outside = f"{entry.requirement.name} {proof.outside}"
    said = (
        {
            True: "needed",
            False: f"nothing needs it any more: {entry.check} passes without it",
            None: f"unknown without it{f': {proof.message}' if proof.message else ''}",
        }[proof.needed],
        {
            True: "suffices",
            False: f"does not suffice: {entry.check} fails with it too",
            None: "unknown with it",
        }[proof.suffices],
        {
            True: f"as wide as can be: {outside} fails",
            False: f"too narrow: {outside} passes",
            None: "no release outside of it could be tried",
        }[proof.wide],
    )
    sign = {True: "+", False: "!", None: "?"}[proof.holds]
    return f"{sign} {entry.bound} for {entry.frameworks} ({entry.proof}): {'; '.join(said)}"


def _summary(proofs: list[tuple[Repair, Proof]], as_of: dt.date) -> str:
    """How many entries hold, and which of them are to go."""
    holds = sum(proof.holds is True for _, proof in proofs)
    gone = [entry for entry, proof in proofs if proof.needed is False]
    lines = [f"{holds} of {len(proofs)} entries hold as of {as_of}"]
    lines += [f"take out of {repairs.DATA.name}: {one.bound} for {one.frameworks}" for one in gone]
    return "\n".join(lines)
