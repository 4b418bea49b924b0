"""`pins` on the command line: which cells and which Mac are meant, and the set in the form that is wanted."""

from __future__ import annotations

import datetime as dt
import re
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from metalmatrix.asking import install
from metalmatrix.asking.commands import meant
from metalmatrix.asking.loose import COMMAND
from metalmatrix.cells import history
from metalmatrix.cells.cell import CONDA, CONDA_FORGE
from metalmatrix.errors import IndexUnreachableError, UsageError
from metalmatrix.files import read_bounded, write_atomic
from metalmatrix.output import print_json, tell
from metalmatrix.pins import companions, formats, listing, pyproject
from metalmatrix.pins.addresses import addresses_of
from metalmatrix.pins.choice import choice, pythons_alike
from metalmatrix.pins.machine import machine_of
from metalmatrix.pins.pins import KNOWN, PinSet, header, known, requirements_file
from metalmatrix.published.targets import ARM64
from metalmatrix.resolving.repairs import repairs_for
from metalmatrix.resolving.resolve import Resolver
from metalmatrix.running.host import this_host
from metalmatrix.searching.breaks import dated, load_breaks
from metalmatrix.table.terminal import print_lines

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from packaging.requirements import Requirement

    from metalmatrix.cells.cell import Cell
    from metalmatrix.pins.choice import Choice
    from metalmatrix.pins.machine import Machine
    from metalmatrix.resolving.question import Answer, Question
    from metalmatrix.verdicts.explain import Explainer
    from metalmatrix.verdicts.report import CellReport

_FOLDER = re.compile(r"(?!-)[A-Za-z0-9._-]{1,100}(?:/[A-Za-z0-9._-]{1,100}){0,20}")


def pins(options: argparse.Namespace) -> int:
    """Print the best set that may be handed out of what is meant, or all of them.

    Raises:
        IndexUnreachableError: It was needed.
        UsageError: No set that is meant may be handed out, or the options contradict each other.
    """
    _refuse_nonsense(options)
    wanted = companions.parse(options.companions)
    machine = machine_of(
        this_host(),
        running_python(),
        python=options.python,
        macos=options.macos,
        chip=options.chip,
    )
    try:
        query, _, explainer = meant(options.cells)
    except UsageError as error:
        raise UsageError(error.what, error.hint.replace(COMMAND, "nox -s pins --")) from error
    _refuse_others(query.cells)
    for note in filter(None, [*query.notes, machine.assumed]):
        tell(note)

    def reports_of(cells: Sequence[Cell]) -> list[CellReport]:
        reports = explainer.reports(cells, tell)
        explainer.reached()
        return reports

    degraded = options.allow_degraded
    found = choice(query.cells, history.pythons(), machine, reports_of, degraded=degraded, every=options.all)
    for note in filter(None, [found.note, *([] if options.all else [found.bare, found.early])]):
        tell(note)
    if options.all:
        if options.json:
            print_json([listing.to_json(report) for report in found.good])
        else:
            print_lines(listing.lines(found.good, machine))
        return 0
    if found.of > 1:
        tell(f"{found.good[0].cell.id}: the best of the {found.of} cells that are meant")
    made = _made(found, machine, explainer, wanted, options)
    tell(f"{made.report.cell.id} is {known(made.report)}: {KNOWN[known(made.report)]}")
    _hand_out(made, machine, options)
    return 0


def running_python() -> str:
    """The minor version of the Python that runs this."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def _refuse_others(cells: Sequence[Cell]) -> None:
    """Raise where a cell is meant that no pins are made for."""
    if intel := next((cell for cell in cells if cell.target != ARM64), None):
        raise UsageError(
            f"pins are made for Apple silicon, and {intel.id} is a cell of an Intel Mac",
            f"nox -s explain -- {intel.id} tells the command that installs it",
        )
    if forge := next((cell for cell in cells if cell.route == CONDA_FORGE), None):
        raise UsageError(
            f"pins are of wheels, and TensorFlow of {forge.id} is a package of conda-forge",
            f"nox -s explain -- {forge.id} tells the commands that install it",
        )
    if lite := next((cell for cell in cells if cell.lite), None):
        raise UsageError(
            f"pins are sets of TensorFlow, and {lite.id} is {lite.product}",
            f"nox -s explain -- {lite.id} tells the command that installs it",
        )


def _refuse_nonsense(options: argparse.Namespace) -> None:
    """Raise where options do not go together."""
    if options.write is not None and options.format != "pyproject":
        raise UsageError("--write puts a dependency group in place", "add --format pyproject")
    if options.wheels is not None and options.format != "pylock":
        raise UsageError("--wheels says where a pylock.toml finds its files", "add --format pylock")
    if options.wheels is not None and not _FOLDER.fullmatch(options.wheels):
        raise UsageError(
            f"{options.wheels[:60]!r} is no folder beside the file", "write it like --wheels wheels"
        )
    if options.json and options.format:
        raise UsageError("--json is a form of its own", "leave --json or --format out")
    if options.all and options.companions:
        raise UsageError("--all lists the sets as they are", "leave --all out for the best set that has them")


def _made(
    found: Choice,
    machine: Machine,
    explainer: Explainer,
    wanted: tuple[Requirement, ...],
    options: argparse.Namespace,
) -> PinSet:
    """The set, with its companions."""
    report, lock = found.good[0], explainer.lock(found.good[0].cell)
    said: tuple[str, ...] = ()
    if wanted:
        match = companions.search(
            found.like_the_best,
            wanted,
            dt.date.fromisoformat(explainer.as_of),
            _asking(explainer.as_of),
            own_lock=explainer.lock,
            fits=machine.has_macos,
        )
        macos, by = match.floor or (match.report.macos, match.report.macos_by)
        report, lock, said = replace(match.report, macos=macos, macos_by=by), match.lock, match.said
        for sentence in said:
            tell(sentence)
    cell = report.cell
    if lock is None:
        raise UsageError(f"{cell.id} has no lock", f"nox -s explain -- {cell.id}")

    def asked_for(other: Cell) -> tuple[str, ...]:
        return install.requirements(other, explainer.lock(other))

    # What the companions make of another Python was not asked.
    wide = found.any_python and not wanted
    return PinSet(
        report,
        lock,
        tuple(dated(repairs_for(cell), cell, load_breaks())),
        explainer.as_of,
        companions=tuple(item.name for item in wanted),
        said=tuple(filter(None, [found.bare, found.early, *said, machine.of_chip(report)])),
        again=_again(cell, wanted, options, wide=wide and options.format == "pyproject"),
        pythons=pythons_alike(report, found.good, asked_for) if wide else (),
    )


def _asking(as_of: str) -> companions.Ask:
    """Asks the resolver, with progress; whatever it leaves open is an error, and no answer."""
    resolver = Resolver(dt.date.fromisoformat(as_of))

    def ask(about: str, questions: Sequence[Question]) -> list[Answer]:
        tell(f"asking the resolver for {about}")
        answers = resolver.ask_all(questions, tell)
        if resolver.unreachable:
            hint = "the same command again, once the index can be reached"
            raise IndexUnreachableError(resolver.unreachable, hint)
        for answer in answers:
            if answer.outcome == "unknown":
                raise UsageError(answer.message, "nox -s pins without --with asks nothing")
        return answers

    return ask


def _again(cell: Cell, wanted: Sequence[Requirement], options: argparse.Namespace, *, wide: bool) -> str:
    """What to type to have the same again; *wide* where it is for any Python."""
    words = cell.id.split("-", 1)[1].split("-", 2) if wide else [cell.id]
    for companion in wanted:
        words += ["--with", str(companion)]
    words += ["--macos", options.macos] if options.macos is not None else []
    words += ["--chip", options.chip] if options.chip is not None else []
    words += ["--allow-degraded"] if options.allow_degraded else []
    words += ["--format", options.format] if options.format not in {None, "requirements"} else []
    words += ["--wheels", options.wheels] if options.wheels else []
    return shlex.join(words)


def _hand_out(made: PinSet, machine: Machine, options: argparse.Namespace) -> None:
    """Print the set in the form that is wanted, or put it in place."""
    by_conda = made.report.cell.route == CONDA
    form = options.format or ("conda" if by_conda else "requirements")
    if by_conda and form != "conda":
        raise UsageError(
            f"{made.report.cell.id} is a cell by conda, and --format {form} is for another environment",
            f"nox -s pins -- {made.again.partition(' --format')[0]} --format conda",
        )
    if options.json:
        print_json(_json(made, machine))
    elif form == "pylock":
        _print_pylock(made, options.wheels or "")
    elif form == "pyproject" and options.write is not None:
        _write(made, Path(options.write))
    elif form == "command":
        line = formats.command(made)
        for told in header(made, line.strip()):
            tell(told)  # zsh takes no comments where commands are typed
        sys.stdout.write(line)
    else:
        forms = {
            "requirements": requirements_file,
            "constraints": formats.constraints,
            "conda": formats.conda,
            "pyproject": formats.group,
        }
        sys.stdout.write(forms[form](made))


def _json(made: PinSet, machine: Machine) -> dict[str, object]:
    return {
        **listing.to_json(made.report),
        "as_of": made.as_of,
        "for": {"macos": machine.macos_text, "chip": machine.chip, "assumed": machine.assumed},
        "said": list(made.said),
        "again": f"nox -s pins -- {made.again}",
        "packages": made.lock.to_json(),
    }


def _print_pylock(made: PinSet, folder: str) -> None:
    addresses = {}
    if folder:
        made = replace(made, said=(*made.said, *formats.fill(made, folder)))
    else:
        tell("asking the index where the wheels are")
        addresses = addresses_of(made.lock, made.report.cell.python, made.as_of)
    sys.stdout.write(formats.pylock(made, addresses, folder))


def _write(made: PinSet, path: Path) -> None:
    """Put the group into a ``pyproject.toml``, atomically, and show what changes.

    Raises:
        UsageError: There is none, or it cannot take it.
    """
    try:
        before = read_bounded(path)
    except FileNotFoundError:
        raise UsageError(f"there is no {path}", "uv init --bare makes one; --write takes its path") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{path} cannot be read: {error}", "--write takes the path of a pyproject.toml"
        ) from error
    try:
        after = pyproject.put(before, formats.group(made), made.companions)
    except UsageError as error:
        raise UsageError(f"{path}: {error.what}", error.hint) from error
    if after == before:
        tell(f"{path} has it already")
        return
    sys.stdout.write(pyproject.diff(before, after, path.name))
    sys.stdout.flush()
    write_atomic(path.resolve(), after)
    tell(f"written to {path.resolve()}")  # nox works in the folder of its noxfile, wherever it was called
