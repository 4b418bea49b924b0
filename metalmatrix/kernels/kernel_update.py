"""Reads the libraries of published plugins whose kernels the data does not know yet.

The wheels are those of `wheels.wheel_facts`, which has the sha256 of each library: of a wheel only its
plugin is fetched, by ranges, and a library that several wheels share is fetched once.
"""

from __future__ import annotations

import difflib
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.version import Version

from metalmatrix.errors import IndexUnreachableError, MetalmatrixError
from metalmatrix.files import cache_dir, read_to_extend, write_atomic
from metalmatrix.kernels import kernel_facts
from metalmatrix.kernels.emulate import emulate
from metalmatrix.kernels.kernel_facts import KernelFacts, PluginLibrary, dump_kernels, sort_key, with_library
from metalmatrix.published.releases import PLUGINS
from metalmatrix.published.targets import ARM64
from metalmatrix.wheels.wheel_reader import Wheel
from metalmatrix.wheels.wheel_update import addresses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from metalmatrix.kernels.emulate import Emulated
    from metalmatrix.wheels.wheel_facts import Facts, Library, WheelFacts


@dataclass(frozen=True)
class Reading:
    """What reading gave.

    Attributes:
        facts: What was known before, and what is now.
        failed: What could not be read, and why, by file name of the wheel.
    """

    facts: KernelFacts
    failed: Mapping[str, MetalmatrixError]


def missing(facts: KernelFacts, wheels: Facts) -> list[tuple[WheelFacts, Library]]:
    """The plugins' libraries for arm64 that *facts* lacks, each with one wheel that has it, by version."""
    order = {name: number for number, name in enumerate(PLUGINS)}
    found = {
        library.sha256: (wheel, library)
        for wheel in reversed(wheels.wheels)
        if wheel.distribution in order and wheel.target == ARM64
        for library in wheel.libraries
        if library.sha256 not in facts.by_sha256
    }
    return sorted(
        found.values(),
        key=lambda item: (order[item[0].distribution], Version(item[0].version), item[0].file),
    )


def as_library(sha256: str, found: Emulated) -> PluginLibrary:
    """What the data keeps of a registration: kernels in its order, without the names of their classes."""
    told = found.registration
    kernels = tuple(sorted((replace(kernel, name="") for kernel in told.kernels), key=sort_key))
    return PluginLibrary(sha256, told.macos, told.platform, told.sites, kernels, told.ops, told.unfinished)


def read(
    facts: KernelFacts, wheels: Facts, tell: Callable[[str], None], where: Mapping[str, str] | None = None
) -> Reading:
    """Read what *facts* lacks.

    Args:
        facts: What is known.
        wheels: The wheels.
        tell: Gets a line for each library.
        where: The addresses of wheels by their sha256; asked of the index where None.

    Raises:
        IndexUnreachableError: The index's pages could not be had.
    """
    items = missing(facts, wheels)
    failed: dict[str, MetalmatrixError] = {}
    read_now = []
    for wheel, library, path in _fetched(items, where, failed):
        try:
            found = emulate(path)
        except MetalmatrixError as error:
            failed[wheel.file] = error
            tell(f"{wheel.file}: {error.what}")
            continue
        read_now.append(as_library(library.sha256, found))
        count, memory = len(found.registration.kernels), found.memory >> 20
        tell(f"{wheel.file}: {count} kernels, in {found.seconds:.1f} s and {memory} MiB")
    return Reading(with_library(facts, read_now), failed)


def _fetched(
    items: list[tuple[WheelFacts, Library]],
    where: Mapping[str, str] | None,
    failed: dict[str, MetalmatrixError],
) -> Iterator[tuple[WheelFacts, Library, Path]]:
    """Each library as a file, one after the other; what cannot be had goes to *failed*."""
    from requests import Session  # noqa: PLC0415 - reading the data needs no HTTP client

    if not items:
        return
    if where is None:
        where = addresses({wheel.distribution for wheel, _ in items})
    scratch = cache_dir() / "wheels"
    scratch.mkdir(parents=True, exist_ok=True)
    with Session() as session, tempfile.TemporaryDirectory(dir=scratch) as folder:
        for wheel, library in items:
            path = Path(folder) / library.sha256
            try:
                if wheel.sha256 not in where:
                    raise IndexUnreachableError(f"the index lists no {wheel.file} with that sha256")
                with (
                    Wheel(
                        where[wheel.sha256], wheel.size, wheel.sha256, session, directory=scratch
                    ) as archive,
                    path.open("wb") as file,
                ):
                    archive.extract(library.path, file)
            except MetalmatrixError as error:
                failed[wheel.file] = error
                continue
            yield wheel, library, path
            path.unlink()


def diff(old: KernelFacts, new: KernelFacts) -> str:
    """The lines of the data file that come and go, marked ``+`` and ``-``, cut to what can be read."""
    before, after = (dump_kernels(facts).splitlines() for facts in (old, new))
    lines = difflib.unified_diff(before, after, "known", "read", n=0, lineterm="")
    return "".join(f"{line[:200]}\n" for line in lines if not line.startswith("@@"))


def regenerate(
    wheels: Facts, tell: Callable[[str], None], *, force: bool, path: Path = kernel_facts.DATA
) -> tuple[str, Reading]:
    """Read what *path* lacks; with *force*, write it there.  Gives the diff and the reading.

    Raises:
        IndexUnreachableError: The index's pages could not be had.
        MatrixError: *path* is damaged, and *force* is not given.
    """
    facts = read_to_extend(path, kernel_facts.parse_kernels, KernelFacts(), force=force)
    reading = read(facts, wheels, tell)
    if force and reading.facts != facts:
        write_atomic(path, dump_kernels(reading.facts))
    return diff(facts, reading.facts), reading
