"""The cells of a run split among machines: evenly by the time that is expected of each.

Pure.  Cells that may share an environment stay together, since each distinct environment is run once: on a
Mac those of one Python and framework; elsewhere, where a framework is rehearsed on one Python that depends
on which cells were selected, all of a framework.  The same cells and times give the same split.
"""

from __future__ import annotations

import math
import re
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from packaging.version import Version

from metalmatrix.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from metalmatrix.cells.cell import Cell
    from metalmatrix.cells.matrix import Per
    from metalmatrix.running.results import Results

GUESS, GUESS_REHEARSED = 120.0, 4.0
"""Seconds that a cell takes on a Mac, and elsewhere, where a framework's cells share one rehearsal: guesses,
until a machine of the kind has recorded what it took."""

MAX_SHARDS, MAX_JOBS = 40, 256
"""Machines that the cells are split among at most, of one kind, and in all: GitHub's matrix takes no more."""

_LABELS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}(,[A-Za-z0-9][A-Za-z0-9._-]{0,99}){0,9}")
_SHARD = re.compile(r"([1-9][0-9]{0,2})/([1-9][0-9]{0,2})")


@dataclass(frozen=True)
class Runner:
    """A kind of machine that CI can have, by the labels that it is asked for with."""

    labels: tuple[str, ...]

    @property
    def is_mac(self) -> bool:
        """Whether it is a Mac, by its labels: ``macos-15``, or ``macOS`` of a self-hosted one."""
        return any(label.lower().startswith("macos") for label in self.labels)

    @property
    def name(self) -> str:
        """What tells it from the others: a self-hosted Mac's labels but for those that all of them have."""
        common = {"self-hosted", "macos", "arm64", "linux", "x64"}
        return "-".join(label for label in self.labels if label.lower() not in common) or "-".join(
            self.labels
        )

    @classmethod
    def parse(cls, text: str) -> Runner:
        """The runner of ``macos-15`` or ``self-hosted,macOS,ARM64,m2-max``.

        Raises:
            UsageError: It is no list of labels.
        """
        if not _LABELS.fullmatch(text):
            raise UsageError(
                f"{text[:80]!r} are no labels of a runner",
                "write them like macos-15, or self-hosted,macOS,ARM64,m2",
            )
        return cls(tuple(text.split(",")))


def parse_shard(text: str) -> tuple[int, int]:
    """Which of how many: ``1/4`` is the first of four.

    Raises:
        UsageError: It is none, or there is no such one.
    """
    found = _SHARD.fullmatch(text)
    number, of = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= number <= of <= MAX_SHARDS:
        raise UsageError(f"{text[:40]!r} is no shard", f"write it like 1/4; there are at most {MAX_SHARDS}")
    return number, of


def expected(
    cells: Iterable[Cell], hosts: Iterable[Results], hopeless: Iterable[Cell], *, mac: bool
) -> dict[Cell, float]:
    """The seconds that each cell is expected to take.

    Args:
        cells: The cells.
        hosts: What was recorded, by machines of any kind.
        hopeless: The cells of which nothing can be installed.
        mac: Whether a Mac is to run them: only what a machine of the kind took is a measure.
    """
    alike = [results for results in hosts if results.apple_silicon == mac]
    nothing = set(hopeless)
    found = {}
    for cell in cells:
        taken = [_taken(results, cell) for results in alike if cell.id in results.records]
        guess = 0.0 if cell in nothing else GUESS if mac else GUESS_REHEARSED
        found[cell] = statistics.median(taken) if taken else guess
    return found


def _taken(results: Results, cell: Cell) -> float:
    runs = [entry.run for entry in results.records[cell.id].sets.values() if entry.run]
    return sum(run.seconds for run in runs)


def split(seconds: Mapping[Cell, float], of: int, per: Per, *, mac: bool) -> tuple[tuple[Cell, ...], ...]:
    """The cells of *seconds* for each of *of* machines, in their order, none of them twice.

    The longest group goes first, each to the machine with the least to do: no machine gets more than the mean
    and one group (Graham 1969).  Where there are fewer groups than machines, some get nothing.
    """
    groups: dict[tuple[str, ...], list[Cell]] = {}
    for cell in seconds:
        alone = mac or per != "framework"
        groups.setdefault((cell.framework, cell.python) if alone else (cell.framework,), []).append(cell)
    weights = {key: math.fsum(seconds[cell] for cell in group) for key, group in groups.items()}
    shards: list[list[Cell]] = [[] for _ in range(of)]
    loads = [0.0] * of
    for key in sorted(groups, key=lambda key: (-weights[key], -len(groups[key]), key)):
        lightest = min(range(of), key=lambda number: (loads[number], len(shards[number]), number))
        shards[lightest] += groups[key]
        loads[lightest] += weights[key]
    order = {cell: number for number, cell in enumerate(seconds)}
    return tuple(tuple(sorted(shard, key=order.__getitem__)) for shard in shards)


def how_many(seconds: Mapping[Cell, float], minutes: float, per: Per, *, mac: bool) -> int:
    """The fewest machines with which each is done within *minutes*; `MAX_SHARDS` where that is not enough."""
    for of in range(1, MAX_SHARDS):
        loads = [sum(seconds[cell] for cell in shard) for shard in split(seconds, of, per, mac=mac)]
        if max(loads) <= minutes * 60:
            return of
    return MAX_SHARDS


def jobs(
    runner: Runner, shards: Sequence[Sequence[Cell]], seconds: Mapping[Cell, float]
) -> list[dict[str, Any]]:
    """The jobs of a CI system for one kind of runner: what is run where, and how long it may take."""
    full = [shard for shard in shards if shard]
    return [
        {
            "name": f"{runner.name}-{number}-of-{len(full)}",
            "labels": list(runner.labels),
            "pythons": " ".join(sorted({cell.python for cell in shard}, key=Version)),
            "sessions": " ".join(map(session, shard)),
            "cells": len(shard),
            "minutes": round(sum(seconds[cell] for cell in shard) / 60),
        }
        for number, shard in enumerate(full, 1)
    ]


def session(cell: Cell) -> str:
    """What nox calls a cell's session: ``matrix(py3.11-tf2.15.1-metal1.1.0)``."""
    return f"matrix({cell.id})"
