"""`when` and `repair` on the command line: cells in, answers out, kept at once; the edge of both searches."""

from __future__ import annotations

import datetime as dt
import sys
import time
from functools import cache
from typing import TYPE_CHECKING, Any

from packaging.version import Version

from metalmatrix.cells import history
from metalmatrix.cells.cell import NO_PLUGIN, Cell
from metalmatrix.cells.matrix_file import load
from metalmatrix.errors import UsageError
from metalmatrix.files import read_bounded, write_atomic
from metalmatrix.output import print_json, tell
from metalmatrix.published.releases import STAND_IN, distribution_of, published
from metalmatrix.published.uploads import fetch_uploads
from metalmatrix.resolving import repairs
from metalmatrix.resolving.repairs import Repair, load_repairs, repairs_for
from metalmatrix.resolving.resolve import Resolver
from metalmatrix.running.host import this_host
from metalmatrix.running.interpreters import find_python
from metalmatrix.searching import breaks, repair_file
from metalmatrix.searching.breaks import Past, load_breaks, told
from metalmatrix.searching.lab import Bench
from metalmatrix.searching.mend import Mend, Mended, Proof, mend, prove
from metalmatrix.searching.when import Known, past_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Mapping

# when ------------------------------------------------------------------------------------------


def when(options: argparse.Namespace) -> int:
    """Since when cells are broken, and by what; the exit code."""
    cells = [Cell.parse(name) for name in options.cells] or list(newest_here())
    printed: list[dict[str, Any]] = []
    for cell in cells:
        started = time.monotonic()
        matrix = load()
        found = _past(cell, matrix.as_of)
        seconds = round(time.monotonic() - started)
        if options.json:
            cost = {"rehearsals": found.made, "known": found.known, "seconds": seconds}
            printed.append({**found.to_json(), "told": told(found), **cost})
        else:
            say = "".join(f"{line}\n" for line in told(found))
            sys.stdout.write(f"{say}{_cost(found.made, found.known, seconds)}\n\n")
            sys.stdout.flush()
        if options.force:
            _keep(found)
            tell(f"written: {breaks.DATA.name}")
    if options.json:
        print_json(printed)
    return 0


def _past(cell: Cell, as_of: dt.date) -> Past:
    days = {dt.date.fromisoformat(entry.since) for entry in load_repairs()}
    days |= {one.since for past in _known_pasts() for one in past.breaks}
    known = Known(tuple(sorted(days)), tuple(neighbours_bounds(cell)), uploads)
    with _bench(cell, as_of) as lab:
        return past_of(cell, lab, _released(cell), as_of, known=known, tell=tell)


def _known_pasts() -> tuple[Past, ...]:
    return load_breaks() if breaks.DATA.exists() else ()


def _keep(found: Past) -> None:
    """Write one cell's past into the data, at once: the next cell may be the one that is cut off."""
    load_breaks.cache_clear()
    others = [past for past in _known_pasts() if past.cell.id != found.cell.id]
    write_atomic(breaks.DATA, breaks.dump_breaks([*others, found]))
    load_breaks.cache_clear()


def newest_here() -> Iterator[Cell]:
    """Each final framework with the newest Python that it has a wheel for and that is here, ascending."""
    for name, version in history.frameworks():
        if Version(version).is_prerelease or version not in published(STAND_IN):
            continue
        files = [wheel.file for wheel in published(name)[version].wheels]
        for python in reversed(history.pythons()):
            tag = f"-cp{python.replace('.', '')}-"
            if any(tag in file for file in files) and find_python(python):
                cell = Cell(python, version, NO_PLUGIN, distribution_of(version))
                if cell.distribution == name:
                    yield cell
                break


def _released(cell: Cell) -> dt.date:
    """The day from which on both, framework and plugin, were there."""
    found = [published(cell.distribution)[cell.framework]]
    if plugin := published(cell.plugin_distribution).get(cell.plugin):
        found.append(plugin)
    return max(dt.date.fromisoformat(release.uploaded) for release in found)


def _bench(cell: Cell, as_of: dt.date) -> Bench:
    matrix, host = load(), this_host()
    stand_in = matrix.rehearse.stand_in.get(host.platform_key, "")
    return Bench(cell, host, stand_in, matrix.limits, Resolver(as_of))


@cache
def uploads(package: str) -> Mapping[str, dt.date]:
    """The days of a package's final releases; asked of the index once in a process."""
    return fetch_uploads(package)


def _cost(made: int, known: int, seconds: float) -> str:
    earlier = f", {known} sets known from earlier" if known else ""
    return f"({made} rehearsal{'' if made == 1 else 's'}{earlier}, {seconds / 60:.1f} minutes)"


# repair ----------------------------------------------------------------------------------------


def repair(options: argparse.Namespace) -> int:
    """What mends cells, or with ``--check`` whether the data does; the exit code."""
    if bool(options.cells) == options.check:
        raise UsageError("name cells to mend, or give --check", "nox -s repair -- py3.11-tf2.14.0-nometal")
    if options.check:
        return _check(options)
    printed: list[dict[str, Any]] = []
    for name in options.cells:
        cell = Cell.parse(name)
        started = time.monotonic()
        found = _mended(cell, load().as_of)
        seconds = round(time.monotonic() - started)
        entries = [entry_of(found, one) for one in found.mends]
        if options.json:
            printed.append(
                {
                    "cell": cell.id,
                    "as_of": found.as_of.isoformat(),
                    "note": found.note,
                    "bounds": [one.bound for one in found.mends],
                    "entries": [vars(entry) for entry in entries],
                    "left": [vars(failure) for failure in found.left],
                    "rehearsals": found.made,
                    "known": found.known,
                    "seconds": seconds,
                }
            )
        else:
            sys.stdout.write(_told(found, entries) + _cost(found.made, found.known, seconds) + "\n\n")
            sys.stdout.flush()
        if options.force:
            for entry in entries:
                tell(f"{entry.bound} for {cell.id}: {_write(entry, cell)}")
    if options.json:
        print_json(printed)
    return 0


def _mended(cell: Cell, as_of: dt.date) -> Mended:
    with _bench(cell, as_of) as lab:
        known = Known(bounds=tuple(neighbours_bounds(cell)), uploads=uploads)
        return mend(cell, lab, as_of, _released(cell), known=known, tell=tell)


def _told(found: Mended, entries: Iterable[Repair]) -> str:
    bounds = ", ".join(entry.bound for entry in entries)
    lines = [f"{found.cell.id}: {bounds or 'no bound'} ({found.note})"]
    lines += [f"left: {failure.check} fails: {failure.message[:300]}" for failure in found.left]
    return "\n".join([*lines, *(f"\n{repair_file.dump_repair(entry)}" for entry in entries), ""])


def neighbours_bounds(cell: Cell) -> list[str]:
    """The bounds to try first: the cell's own, then for each other package that of the nearest framework."""
    versions = [Version(version) for _, version in history.frameworks()]
    here = versions.index(Version(cell.framework)) if Version(cell.framework) in versions else 0

    def distance(repair: Repair) -> tuple[bool, int]:
        covered = [
            at
            for at, version in enumerate(versions)
            if repair.applies(Cell(cell.python, str(version), NO_PLUGIN, ""))
        ]
        return not repair.applies(cell), min((abs(at - here) for at in covered), default=len(versions))

    found: dict[str, str] = {}
    for repair in sorted(load_repairs(), key=distance):
        found.setdefault(repair.requirement.name, repair.bound)
    return list(found.values())


def entry_of(found: Mended, one: Mend) -> Repair:
    """One bound as an entry of the data; why is the machine's, and a person may say it better."""
    message = " ".join(one.failure.message.split())[:200]
    known = next((r for r in repairs_for(found.cell) if r.bound == one.bound), None)
    if known:
        return known
    since = (one.since or found.as_of).isoformat()
    plain = Cell(found.cell.python, found.cell.framework, NO_PLUGIN, found.cell.distribution)
    today = dt.datetime.now(dt.timezone.utc).date().isoformat()
    return Repair(
        bound=one.bound,
        frameworks=f"=={plain.framework}",
        python=f"=={plain.python}",
        check=one.failure.check,
        message=message,
        why=f"{one.upload} broke it, and it sets no bound that would keep it out",
        since=since,
        upload=one.upload,
        proof=plain.id,
        proved=today,
    )


def _write(entry: Repair, cell: Cell) -> str:
    text = read_bounded(repairs.DATA)
    frameworks = [version for _, version in history.frameworks() if not Version(version).is_prerelease]
    made, done = repair_file.with_repair(text, entry, cell, frameworks, history.pythons())
    if made != text:
        write_atomic(repairs.DATA, made)
        load_repairs.cache_clear()
    return done


def _check(options: argparse.Namespace) -> int:
    """Prove each entry anew; 1 where one does not hold."""
    matrix, proofs = load(), []
    for entry in load_repairs():
        cell = Cell.parse(entry.proof)
        tell(f"{entry.bound} for {entry.frameworks}: {cell.id}")
        others = [other.bound for other in repairs_for(cell) if other != entry]
        with _bench(cell, matrix.as_of) as lab:
            proof = prove(lab, matrix.as_of, entry.bound, others, entry.check, uploads=uploads)
        proofs.append((entry, proof))
        if not options.json:
            sys.stdout.write(f"{_proved(entry, proof)}\n")
            sys.stdout.flush()
    if options.json:
        told = [{"bound": r.bound, "proof": r.proof, "holds": p.holds, **vars(p)} for r, p in proofs]
        print_json(told)
    return int(not all(proof.holds for _, proof in proofs))


def _proved(repair: Repair, proof: Proof) -> str:
    outside = f"{repair.requirement.name} {proof.outside}"
    said = (
        "needed" if proof.needed else f"nothing needs it any more: {repair.check} passes without it",
        "suffices" if proof.suffices else f"does not suffice: {repair.check} fails with it too",
        {
            True: f"as wide as can be: {outside} fails",
            False: f"too narrow: {outside} passes",
            None: "no release outside of it could be tried",
        }[proof.wide],
    )
    sign = "+" if proof.holds else "!"
    return f"{sign} {repair.bound} for {repair.frameworks} ({repair.proof}): {'; '.join(said)}"
