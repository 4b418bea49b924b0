"""Reads the published wheels that the data does not know yet: the edge of `wheels.wheel_facts`.

Plugins come first, since they tell which symbols to ask of the frameworks; then the frameworks, the wheels
of a release one after the other (they share most of their libraries), two releases at once.  What has been
read of a framework is kept in the user's cache at once: an interrupted run goes on where it was.
Addresses come from the index's pages when they are needed, and are kept nowhere.
"""

from __future__ import annotations

import difflib
import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.utils import parse_wheel_filename
from packaging.version import Version

from metalmatrix.errors import IndexUnreachableError, MetalmatrixError
from metalmatrix.files import cache_dir, read_bounded, read_to_extend, write_atomic
from metalmatrix.published import releases
from metalmatrix.published.releases import (
    BINARIES_FROM,
    FRAMEWORKS,
    LITERT,
    PLUGINS,
    distribution_of,
)
from metalmatrix.published.targets import X86_64
from metalmatrix.published.update import TIMEOUT, default_index
from metalmatrix.resolving.lock import digest_of
from metalmatrix.wheels import wheel_facts
from metalmatrix.wheels.wheel_facts import Facts, Symbol, WheelFacts, from_json, to_json
from metalmatrix.wheels.wheel_libraries import Item, read_wheel
from metalmatrix.wheels.wheel_reader import Wheel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from packaging.tags import Tag
    from requests import Session

    from metalmatrix.published.releases import Release

AT_ONCE = 2
"""Releases read at once: one waits for the index while the other unpacks."""

ASKED = (*FRAMEWORKS, *PLUGINS, *LITERT)


@dataclass(frozen=True)
class Reading:
    """What reading gave.

    Attributes:
        facts: What was known before, and what is now.
        failed: The wheels that could not be read, and why, by file name.
        bytes_read: Bytes fetched, of `wheels_size` bytes that the wheels read have in all.
        wheels: How many were read.
        seconds: How long it took.
        peak_memory: The most memory this process has had so far, in bytes.
    """

    facts: Facts
    failed: Mapping[str, MetalmatrixError]
    bytes_read: int
    wheels_size: int
    wheels: int
    seconds: float
    peak_memory: int


def missing(facts: Facts, known: Iterable[Release], *, again: bool = False) -> list[Item]:
    """The published wheels with binaries that *facts* lacks: plugins first, by name, then by version.

    Args:
        facts: What is known.
        known: The releases.
        again: Take also the frameworks that were read before a plugin took more from them.
    """
    count = len(facts.symbols)
    found = []
    for release in known:
        if release.distribution not in ASKED:
            continue
        intel = [wheel for wheel in release.intel if _is_wanted(release, wheel)]
        for wheel in (*release.wheels, *intel):
            if wheel.size < BINARIES_FROM and release.distribution in FRAMEWORKS:
                continue  # a stub
            have = facts.by_sha256.get(wheel.sha256)
            if have is None or (again and any(0 < len(lib.asked) < count for lib in have.libraries)):
                found.append((release, wheel))
    order = {name: number for number, name in enumerate(PLUGINS)}  # frameworks come last, together
    return sorted(
        found,
        key=lambda item: (
            order.get(item[0].distribution, len(order)),
            Version(item[0].version),
            item[1].file,
        ),
    )


def _is_wanted(release: Release, wheel: releases.Wheel) -> bool:
    """Whether a wheel for Intel Macs is read: one that a cell is of, from Python 3.8 on.

    Cells are of plugins, and of final frameworks under the one name that stands for them.
    """
    if not {f"cp3{minor}" for minor in range(8, 20)} & {tag.interpreter for tag in _tags(wheel)}:
        return False
    if release.distribution not in FRAMEWORKS:
        return release.distribution in PLUGINS
    final, name = not Version(release.version).is_prerelease, distribution_of(release.version, X86_64)
    return final and release.distribution == name


def _tags(wheel: releases.Wheel) -> frozenset[Tag]:
    return parse_wheel_filename(wheel.file)[3]


def read_facts(
    address: str,
    item: Item,
    symbols: list[Symbol],
    known: Mapping[str, WheelFacts],
    *,
    session: Session,
    scratch: Path,
) -> tuple[WheelFacts, int]:
    """The facts of one wheel, and the bytes that were fetched for them.

    Args:
        address: Where it is.
        item: The release and its wheel.
        symbols: What plugins take; what this one takes beyond that is added.
        known: Wheels by the sha256 of each of their libraries: these are not read again.
        session: The HTTP client.
        scratch: A folder on a disk, for libraries while they are looked at.

    Raises:
        MetalmatrixError: It could not be had, or is not what it is said to be.
    """
    listed = item[1]
    with Wheel(address, listed.size, listed.sha256, session, directory=scratch) as wheel:
        facts = read_wheel(wheel, item, symbols, known, scratch)
        return facts, wheel.bytes_read


class Reader:
    """Reads wheels, and adds them to what is known.

    Args:
        facts: What is known.
        tell: Gets a line for each wheel.
        addresses: Where the wheels are, by sha256; asked of the index where None.
        cache: Where what was read of frameworks is kept; the user's cache where None.
    """

    def __init__(
        self,
        facts: Facts,
        tell: Callable[[str], None],
        addresses: Mapping[str, str] | None = None,
        cache: Path | None = None,
    ) -> None:
        self._symbols = list(facts.symbols)
        self._found = dict(facts.by_sha256)
        self._libraries = {lib.sha256: wheel for wheel in facts.wheels for lib in wheel.libraries}
        self._tell = tell
        self._addresses = addresses
        self._cache = cache or cache_dir() / "wheels"
        self._failed: dict[str, MetalmatrixError] = {}
        self._read: list[int] = []
        self._sizes: list[int] = []
        self._lock = threading.Lock()

    def read(self, items: Sequence[Item]) -> Reading:
        """Read *items*, plugins first.

        Raises:
            IndexUnreachableError: The index's pages could not be had.
        """
        from requests import Session  # noqa: PLC0415 - reading the data needs no HTTP client

        started = time.monotonic()
        self._cache.mkdir(parents=True, exist_ok=True)
        plugins = [item for item in items if item[0].distribution not in FRAMEWORKS]
        groups: dict[tuple[str, str], list[Item]] = {}
        for item in items:
            if item not in plugins:
                groups.setdefault((item[0].distribution, item[0].version), []).append(item)
        with Session() as session:
            if items and self._addresses is None:
                self._addresses = addresses({item[0].distribution for item in items})
            self._group(plugins, session)
            with ThreadPoolExecutor(AT_ONCE) as pool:
                list(pool.map(lambda group: self._group(group, session), groups.values()))
        wheels = sorted(self._found.values(), key=lambda wheel: wheel.sort_key)
        return Reading(
            Facts(tuple(self._symbols), tuple(wheels)),
            self._failed,
            sum(self._read),
            sum(self._sizes),
            len(self._read),
            time.monotonic() - started,
            _peak_memory(),
        )

    def _group(self, items: Sequence[Item], session: Session) -> None:
        for item in items:
            listed = item[1]
            try:
                if cached := self._cached(item):
                    facts, read = cached, 0
                else:
                    address = (self._addresses or {}).get(listed.sha256, "")
                    if not address:
                        raise IndexUnreachableError(f"the index lists no {listed.file} with that sha256")
                    facts, read = read_facts(
                        address, item, self._symbols, self._libraries, session=session, scratch=self._cache
                    )
                    self._keep(item, facts)
            except MetalmatrixError as error:
                self._failed[listed.file] = error
                self._tell(f"{listed.file}: {error.what}")
                continue
            with self._lock:
                self._found[listed.sha256] = facts
                self._libraries |= {library.sha256: facts for library in facts.libraries}
                self._read.append(read)
                self._sizes.append(listed.size)
            self._tell(f"{listed.file}: read {read:,} of {listed.size:,} bytes")

    def _path(self, item: Item) -> Path | None:
        if item[0].distribution not in FRAMEWORKS:
            return None
        asked = digest_of([wheel_facts.SCHEMA, [symbol.name for symbol in self._symbols]])
        return self._cache / f"{item[1].sha256}-{asked}.json"

    def _cached(self, item: Item) -> WheelFacts | None:
        path = self._path(item)
        try:
            facts = from_json(json.loads(read_bounded(path)), self._symbols) if path else None
        except (OSError, ValueError, KeyError, TypeError, IndexError):
            return None
        return facts if facts and facts.sha256 == item[1].sha256 else None

    def _keep(self, item: Item, facts: WheelFacts) -> None:
        if path := self._path(item):
            write_atomic(path, json.dumps(to_json(facts, self._symbols)))


def addresses(distributions: Iterable[str]) -> dict[str, str]:
    """Where the index has the files of *distributions*, by their sha256."""
    from pypi_simple import ACCEPT_JSON_PREFERRED, PyPISimple  # noqa: PLC0415 - as above

    found: dict[str, str] = {}
    with PyPISimple(default_index(), accept=ACCEPT_JSON_PREFERRED) as client:
        for distribution in sorted(distributions):
            try:
                page = client.get_project_page(distribution, timeout=TIMEOUT)
            except Exception as error:  # whatever its client or parsers raise, it means the same
                raise IndexUnreachableError(
                    f"the package index could not be asked about {distribution} ({type(error).__name__})"
                ) from error
            found |= {p.digests["sha256"]: p.url for p in page.packages if "sha256" in p.digests}
    return found


def _peak_memory() -> int:
    import resource  # noqa: PLC0415 - Unix only, and `nox -l` need not fail elsewhere

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # bytes there, KiB elsewhere


def diff(old: Facts, new: Facts) -> str:
    """The lines of the data file that come and go, marked ``+`` and ``-``, cut to what can be read."""
    lines = difflib.unified_diff(
        wheel_facts.dump_facts(old).splitlines(),
        wheel_facts.dump_facts(new).splitlines(),
        "known",
        "read",
        n=0,
        lineterm="",
    )
    return "".join(f"{line[:300]}\n" for line in lines if not line.startswith("@@"))


def regenerate(
    tell: Callable[[str], None],
    *,
    force: bool,
    path: Path = wheel_facts.DATA,
    known: Iterable[Release] | None = None,
    again: bool = False,
) -> Reading:
    """Read what *path* lacks; with *force*, write it there.

    Args:
        tell: Gets a line for each wheel, and the figures at the end.
        force: Write, and if *path* is damaged, from the beginning.
        path: The data file.
        known: The releases; those of the data where None.
        again: Read also the frameworks that do not answer for every symbol.

    Raises:
        IndexUnreachableError: The index's pages could not be had.
        MatrixError: *path* is damaged, and *force* is not given.
    """
    facts = read_to_extend(path, wheel_facts.parse_facts, Facts(), force=force)
    reading = Reader(facts, tell).read(missing(facts, known or releases.load_releases(), again=again))
    if reading.wheels:
        tell(
            f"{reading.wheels} wheels: {reading.bytes_read:,} of {reading.wheels_size:,} bytes in "
            f"{reading.seconds:.0f} s, {reading.peak_memory >> 20} MiB of memory at most"
        )
    if force and reading.facts != facts:
        write_atomic(path, wheel_facts.dump_facts(reading.facts))
    return reading
