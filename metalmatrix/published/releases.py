"""What has been published, kept as data: specifiers expand and versions are checked without a network.

``data/releases.jsonl`` is a header and one JSON object a release, written by `published.update`.  Of
a release's files only the wheels for Macs are kept, `universal2` with those for arm64: their sizes tell
under which of its two names a framework is real, since the other name is a stub of about 2 kB.  Of a
plugin's release that has no wheel for a Mac it is kept what its sdist declares.
"""

from __future__ import annotations

import difflib
import json
from dataclasses import asdict, dataclass
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from packaging.specifiers import InvalidSpecifier, Specifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from metalmatrix.errors import MatrixError
from metalmatrix.files import PACKAGE, read_data
from metalmatrix.published.targets import ARM64, Target

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable, Mapping

DATA = PACKAGE / "data" / "releases.jsonl"
SCHEMA = 1
REGENERATE = "python -m metalmatrix update --force"
_HINT = f"to make it anew: {REGENERATE}"

FRAMEWORKS = ("tensorflow", "tensorflow-macos")
PLUGINS = ("tensorflow-metal", "tensorflow-metal-plugin")
"""The plugins, by their normalised names: whatever installs a library into ``tensorflow-plugins``.

To add one, write its name here (last: the order is that of the data), and type `REGENERATE`.
"""

PLUGIN = PLUGINS[0]
"""The one that a cell's id calls ``metal``."""

STAND_IN = "tensorflow-cpu"

LITERT = ("ai-edge-litert", "tflite-runtime")
"""What runs a TensorFlow Lite model without TensorFlow: LiteRT, and what it was called until 2023."""

DISTRIBUTIONS = (*FRAMEWORKS, STAND_IN, *PLUGINS, *LITERT)
"""Whose releases are kept: frameworks, what stands in for them in a rehearsal, plugins, and LiteRT."""

BINARIES_FROM = 100_000
"""Bytes from which a framework's wheel holds binaries: stubs have 2 kB, the others from 60 MB on."""

_T = TypeVar("_T")


@dataclass(frozen=True)
class Wheel:
    """A wheel that installs on a Mac.

    Attributes:
        file: The file name, which holds the tags.
        sha256: Its digest, 64 lower-case hexadecimal digits.
        size: Bytes.
    """

    file: str
    sha256: str
    size: int


@dataclass(frozen=True)
class Sdist:
    """A source distribution, and what it declares: it is compiled by whoever installs it.

    Attributes:
        file: The file name.
        sha256: Its digest, 64 lower-case hexadecimal digits.
        size: Bytes.
        requires: Its ``Requires-Dist`` lines, in packaging's spelling; no direct references.
        requires_python: Its ``Requires-Python``; empty where it has none.
        dynamic: Those of ``requires-dist`` and ``requires-python`` that its build may declare otherwise
            (PEP 643).  Not ``requires-python`` where the index says it too: installers go by that.
    """

    file: str
    sha256: str
    size: int
    requires: tuple[str, ...]
    requires_python: str
    dynamic: tuple[str, ...]

    @property
    def declared(self) -> tuple[tuple[str, str], ...]:
        """What it declares, a field and what stands in it each; ``dynamic`` is among the fields."""
        return (
            *(("requires", line) for line in self.requires),
            ("requires Python", self.requires_python or "of any version"),
            ("dynamic:", ", ".join(self.dynamic) or "nothing"),
        )


@dataclass(frozen=True)
class Release:
    """One version of one distribution.

    Attributes:
        version: In PEP 440's normal form.
        uploaded: The day of the earliest upload, UTC, as ``YYYY-MM-DD``.
        wheels: Those for macOS on arm64, by file name; none for a release without Apple-silicon wheels.
        sdist: Of a plugin without a wheel for a Mac; None for every other release.
        intel: The wheels for macOS on x86-64 of a framework or a plugin, by file name.
    """

    distribution: str
    version: str
    uploaded: str
    yanked: bool
    wheels: tuple[Wheel, ...]
    sdist: Sdist | None = None
    intel: tuple[Wheel, ...] = ()

    def wheels_for(self, target: Target) -> tuple[Wheel, ...]:
        """The wheels for one kind of Macs."""
        return self.wheels if target == ARM64 else self.intel

    @property
    def sort_key(self) -> tuple[str, Version]:
        """The order of the data file: by name, then by version."""
        return self.distribution, Version(self.version)


def dump_releases(releases: Iterable[Release], as_of: str) -> str:
    """The text of the data file, as read on the day *as_of* (``YYYY-MM-DD``)."""
    header = {"regenerate": REGENERATE, "schema": SCHEMA, "as_of": as_of}
    entries = [_entry(release) for release in sorted(releases, key=lambda release: release.sort_key)]
    return "".join(json.dumps(entry) + "\n" for entry in (header, *entries))


def _entry(release: Release) -> dict[str, Any]:
    entry = asdict(release)
    if release.sdist is None:
        del entry["sdist"]
    if not release.intel:
        del entry["intel"]
    return entry


def parse_releases(text: str) -> tuple[Release, ...]:
    """The releases that *text*, the content of the data file, lists.

    Fields that this version does not know are passed over; another schema is not.

    Raises:
        MatrixError: The text is no such file, or has another schema.
    """
    header, *lines = text.splitlines() or [""]
    schema = _read(1, header, lambda entry: entry["schema"])
    if schema != SCHEMA:
        raise MatrixError(f"{DATA.name} has schema {schema!r}, and this metalmatrix reads {SCHEMA}", _HINT)
    return tuple(_read(number, line, _release) for number, line in enumerate(lines, start=2))


def _read(number: int, line: str, take: Callable[[Any], _T]) -> _T:
    try:
        return take(json.loads(line))
    except (ValueError, KeyError, TypeError) as error:
        problem = f"line {number} of {DATA.name} is damaged ({type(error).__name__}: {error})"
        raise MatrixError(problem, _HINT) from error


def _release(entry: dict[str, Any]) -> Release:
    wheels, intel = (
        tuple(Wheel(wheel["file"], wheel["sha256"], wheel["size"]) for wheel in found)
        for found in (entry["wheels"], entry.get("intel", ()))
    )
    sdist = _sdist(entry["sdist"]) if "sdist" in entry else None
    plain = (entry["distribution"], entry["version"], entry["uploaded"], entry["yanked"])
    return Release(*plain, wheels, sdist, intel)


def _sdist(entry: dict[str, Any]) -> Sdist:
    requires, dynamic = tuple(entry["requires"]), tuple(entry["dynamic"])
    return Sdist(entry["file"], entry["sha256"], entry["size"], requires, entry["requires_python"], dynamic)


@cache
def load_releases() -> tuple[Release, ...]:
    """Every release that is known, by distribution and ascending version.

    Raises:
        MatrixError: The data file is missing or damaged.
    """
    return parse_releases(read_data(DATA, _HINT))


@cache
def read_on() -> str:
    """The day on which the index was read for the data, ``YYYY-MM-DD``."""
    with DATA.open(encoding="utf-8") as file:
        return str(json.loads(file.readline())["as_of"])


@cache
def _by_distribution() -> dict[str, Mapping[str, Release]]:
    found: dict[str, dict[str, Release]] = {}
    for release in load_releases():
        found.setdefault(release.distribution, {})[release.version] = release
    return {name: MappingProxyType(releases) for name, releases in found.items()}


def read_anew() -> None:
    """Forget what was read of the data file: it has been written since."""
    for cached in (load_releases, read_on, _by_distribution):
        cached.cache_clear()


def published(distribution: str) -> Mapping[str, Release]:
    """The known releases of *distribution* by version, ascending; none for a name that is not kept."""
    return _by_distribution().get(distribution, MappingProxyType({}))


def has_binaries(release: Release, target: Target = ARM64) -> bool:
    """Whether the release has a wheel for *target* that is more than a stub: only frameworks have stubs."""
    wheels = release.wheels_for(target)
    return any(wheel.size >= BINARIES_FROM or release.distribution not in FRAMEWORKS for wheel in wheels)


def installs(release: Release) -> bool:
    """Whether a Mac gets more than a stub by installing the release: from a wheel, or compiled."""
    return has_binaries(release) or release.sdist is not None


def distribution_of(framework_version: str, target: Target = ARM64) -> str:
    """The name under which a framework is real: where its wheels for *target* hold the binaries.

    For Intel Macs some have them under both names, compiled apart: then it is ``tensorflow``.

    Where neither name has such a wheel it is ``tensorflow`` if that has the release, else
    ``tensorflow-macos``, also for a version that was never published.
    """
    for name in FRAMEWORKS:
        release = published(name).get(framework_version)
        if release is not None and has_binaries(release, target):
            return name
    return FRAMEWORKS[framework_version not in published(FRAMEWORKS[0])]


def expand(distribution: str, specifier: str, as_of: dt.date) -> list[str]:
    """The versions that a PEP 440 specifier stands for, uploaded up to the end of the day *as_of*.

    Pre-releases are among them only where the specifier names one, and yanked releases only where it
    is exact (PEP 592).  Whether they have wheels for macOS on arm64 is not asked.

    Raises:
        MatrixError: The specifier cannot be read.
    """
    try:
        specifiers = SpecifierSet(specifier)
    except InvalidSpecifier as error:
        raise MatrixError(f"{specifier!r} is no version specifier", "write it like >=2.15,<2.18") from error
    exact = any(_is_exact(one) for one in specifiers)
    return [
        release.version
        for release in published(distribution).values()
        if release.uploaded <= as_of.isoformat()
        and (exact or not release.yanked)
        and specifiers.contains(release.version, prereleases=bool(specifiers.prereleases))
    ]


def _is_exact(specifier: Specifier) -> bool:
    return specifier.operator in {"==", "==="} and not specifier.version.endswith(".*")


def closest(distribution: str, version: str) -> list[str]:
    """Up to three versions that *version* may be a slip of, the likeliest first.

    Releases of the same series come first (2.15.3: 2.15.1), by how near they are; then look-alikes.
    """
    known = published(distribution)
    alike = difflib.get_close_matches(version, known, n=3, cutoff=0.5)
    try:
        wanted = Version(version)
    except InvalidVersion:
        return alike
    series = [
        found
        for found in map(Version, known)
        if found.release[:2] == wanted.release[:2] and found.is_prerelease <= wanted.is_prerelease
    ]
    series.sort(key=lambda found: (abs(found.micro - wanted.micro), -found.micro))
    return list(dict.fromkeys([*map(str, series), *alike]))[:3]
