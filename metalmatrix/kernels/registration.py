"""Runs a plugin's registration to its end, on every macOS that it asks about; what came of it.

A kernel that is registered only on newer systems is told with the lowest of those.  Three rules keep the
list whole: each run ends well or there is no list; whatever is registered on a macOS is registered on every
newer one; and all places in the code that begin a kernel have been reached in one of the runs.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from metalmatrix.kernels import runtime
from metalmatrix.kernels.image import EmulationError, Image
from metalmatrix.kernels.machine import Machine
from metalmatrix.kernels.platform_c import Platform, ask_platform
from metalmatrix.kernels.runtime import Environment, Version
from metalmatrix.kernels.tensorflow_c import Kernel, OpDefinition, Recorder

NEWEST: Version = (99, 0)
"""A macOS that has all that anybody asks for."""

MOST_SYSTEMS = 12
BEGINS = "_TF_NewKernelBuilder"


@dataclass(frozen=True)
class Registration:
    """What a plugin registers.

    Attributes:
        kernels: In order, as on the newest macOS.
        ops: The ops that it defines.
        platform: What it says of itself.
        macos: What its library was built for, ``12.0``.
        sites: How many places in its code begin a kernel.
        unfinished: Ops of which it begins a kernel that it does not register.
    """

    kernels: tuple[Kernel, ...]
    ops: tuple[OpDefinition, ...]
    platform: Platform
    macos: str
    sites: int
    unfinished: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Run:
    """What came of one macOS."""

    kernels: list[Kernel]
    ops: list[OpDefinition]
    platform: Platform
    asked: set[Version]
    reached: set[int]
    unfinished: tuple[str, ...]


def registration(image: Image) -> Registration:
    """What the plugin in *image* registers.

    Raises:
        EmulationError: It cannot be known for sure.
    """
    if "_TF_InitKernel" not in image.exports:
        raise EmulationError("it has no TF_InitKernel: it registers nothing")
    runs: dict[Version, _Run] = {}
    wanted = {NEWEST, image.minimum_macos}
    while wanted:
        macos = max(wanted)
        runs[macos] = _run(image, macos)
        wanted |= {version for version in runs[macos].asked if version > image.minimum_macos}
        wanted -= set(runs)
        if len(runs) > MOST_SYSTEMS:
            raise EmulationError(f"it asks for more than {MOST_SYSTEMS} versions of macOS")
    newest = runs[NEWEST]
    sites = image.call_sites(BEGINS)
    if missed := sites - {at for run in runs.values() for at in run.reached}:
        told = f"{len(missed)} of {len(sites)} places that begin a kernel were not reached"
        raise EmulationError(f"{told}, {image.where(min(missed))} is one")
    if any(run.platform != newest.platform or run.ops != newest.ops for run in runs.values()):
        raise EmulationError("its platform is another on another macOS")
    return Registration(
        tuple(_with_macos(runs, image.minimum_macos)),
        tuple(newest.ops),
        newest.platform,
        _told(image.minimum_macos),
        len(sites),
        newest.unfinished,
    )


def _run(image: Image, macos: Version) -> _Run:
    """One run, on one macOS: what dyld does, what TensorFlow does."""
    recorder, environment = Recorder(), Environment(macos)
    machine = Machine(image, {**runtime.STUBS, **environment.stubs(), **recorder.stubs()})
    for function in image.initialisers:
        machine.call(function)
    platform = ask_platform(machine, image)
    machine.call(image.exports["_TF_InitKernel"])
    recorder.ended()
    reached = machine.callers.get(BEGINS, set())
    return _Run(recorder.kernels, recorder.ops, platform, environment.asked, reached, recorder.unfinished)


def _with_macos(runs: dict[Version, _Run], oldest: Version) -> list[Kernel]:
    """The kernels of the newest macOS, each with the first that has it."""
    counts = {macos: Counter(run.kernels) for macos, run in sorted(runs.items())}
    found = []
    seen: Counter[Kernel] = Counter()
    for kernel in runs[NEWEST].kernels:
        first = next(macos for macos, count in counts.items() if count[kernel] > seen[kernel])
        found.append(replace(kernel, macos="" if first == oldest else _told(first)))
        seen[kernel] += 1
    for (older, fewer), (newer, more) in zip(list(counts.items()), list(counts.items())[1:], strict=False):
        if gone := fewer - more:
            op = min(kernel.op for kernel in gone)
            raise EmulationError(f"macOS {_told(newer)} lacks a kernel of {op} that {_told(older)} has")
    if any(kernel.macos == _told(NEWEST) for kernel in found):
        raise EmulationError("a kernel is registered on no macOS that it asks for")
    return found


def _told(version: Version) -> str:
    return f"{version[0]}.{version[1]}"
