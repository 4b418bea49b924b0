"""Locks: the exact versions that a resolution chose, by file name and hash.

A lock carries no file addresses: where a file comes from is the business of the index that uv is
set up for; what it must be is said by its hash.  Two locks with equal digests are one environment.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from packaging.tags import parse_tag
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import Version

from metalmatrix.errors import ResultError
from metalmatrix.published.targets import ARM64, X86_64, Target

if TYPE_CHECKING:
    from collections.abc import Iterable

_SHA256 = re.compile(r"[0-9a-f]{64}")
_FILE = re.compile(r"[A-Za-z0-9_.+!-]{1,250}")
"""Characters of a wheel's name; packaging (26) reads its tags and does not check them."""
_CONDA_FILE = re.compile(
    r"(?P<name>[a-z0-9_][a-z0-9_.-]{0,99})-(?P<version>[0-9A-Za-z][0-9A-Za-z.!+_]{0,59})-"
    r"(?P<build>[0-9A-Za-z_.+]{1,99})\.(?:conda|tar\.bz2)"
)
"""A conda package's name, which is no wheel's: its name and its version go by conda's own rules (CEP 26)."""
_MACOS_TAG = re.compile(r"macosx_(\d+)_(\d+)_(?:arm64|universal2|x86_64|intel|fat3|fat64|universal)")
_FIRST = {ARM64: (11, 0), X86_64: (10, 0)}
"""The first macOS: a universal2 wheel for 10.9 needs no less than 11.0 on Apple silicon."""


@dataclass(frozen=True)
class Wheel:
    """One file of a release: its name and its sha256, in hexadecimal."""

    file: str
    sha256: str


@dataclass(frozen=True)
class Package:
    """One release, and those of its wheels that fit the platform of the lock; of conda's its one file."""

    name: str
    version: str
    wheels: tuple[Wheel, ...]

    @property
    def build(self) -> str:
        """The build of a package that is conda's; empty where it is one of wheels."""
        match = _CONDA_FILE.fullmatch(self.wheels[0].file)
        return match["build"] if match else ""

    def macos_floor(self, target: Target = ARM64) -> tuple[int, int]:
        """The lowest macOS on Macs of one kind that one of the wheels is tagged for; (0, 0) for any."""
        lowest = self._lowest_tag
        return max(_FIRST[target], lowest) if lowest else (0, 0)

    @functools.cached_property
    def _lowest_tag(self) -> tuple[int, int] | None:
        """The lowest macOS in the tags of the wheels; None where one is for any, or none is for macOS."""
        found = []
        for wheel in self.wheels:
            for tag in parse_tag("-".join(wheel.file.removesuffix(".whl").split("-")[-3:])):
                if tag.platform == "any":
                    return None
                if match := _MACOS_TAG.fullmatch(tag.platform):
                    found.append((int(match[1]), int(match[2])))
        return min(found, default=None)


@dataclass(frozen=True)
class Lock:
    """The packages of one set of versions, sorted by name."""

    packages: tuple[Package, ...]

    @functools.cached_property
    def versions(self) -> dict[str, str]:
        """Version by normalised name."""
        return {package.name: package.version for package in self.packages}

    @functools.cached_property
    def digest(self) -> str:
        """Sixteen hexadecimal digits that name this environment."""
        return digest_of(self.to_json())

    @functools.cached_property
    def by_conda(self) -> Lock:
        """The packages that come from a conda channel, and not from a package index."""
        return Lock(tuple(package for package in self.packages if package.build))

    def requirements(self) -> str:
        """The lock as a requirements file with hashes, a package a line (pip's hash-checking mode)."""
        lines = (
            " ".join([f"{p.name}=={p.version}", *(f"--hash=sha256:{wheel.sha256}" for wheel in p.wheels)])
            for p in self.packages
        )
        return "".join(f"{line}\n" for line in lines)

    def union(self, other: Lock) -> Lock | None:
        """Both locks in one, or None where they disagree about a package."""
        packages = {package.name: package for package in self.packages}
        for package in other.packages:
            if packages.setdefault(package.name, package).version != package.version:
                return None
        return Lock(tuple(packages[name] for name in sorted(packages)))

    def without(self, other: Lock) -> Lock:
        """The packages of this lock that *other* does not have, or has in another version."""
        return Lock(tuple(package for package in self.packages if package not in other.packages))

    def with_packages(self, packages: Iterable[Package]) -> Lock:
        """This lock and *packages*, which it does not have."""
        return Lock(tuple(sorted((*self.packages, *packages), key=lambda package: package.name)))

    def to_json(self) -> list[dict[str, Any]]:
        """The lock as plain data."""
        return [
            {
                "name": p.name,
                "version": p.version,
                "wheels": [{"file": w.file, "sha256": w.sha256} for w in p.wheels],
            }
            for p in self.packages
        ]

    @classmethod
    def from_json(cls, data: object) -> Lock:
        """The lock that `to_json` wrote.

        Raises:
            ResultError: The data is no lock; nothing of it is used.
        """
        if not isinstance(data, list):
            raise ResultError("a damaged lock: it is no list")
        try:
            packages = [
                _package(p["name"], p["version"], tuple((w["file"], w["sha256"]) for w in p["wheels"]))
                for p in data
            ]
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            raise ResultError(f"a damaged lock: {error}") from error
        return cls(tuple(packages))


def from_pylock(data: dict[str, Any]) -> Lock:
    """The lock in a parsed ``pylock.toml`` (PEP 751), its file addresses dropped.

    Raises:
        ValueError: A package has no wheel, or a name, version, file name or hash is not what it is to be.
    """
    packages = []
    for entry in data.get("packages", []):
        files = []
        for wheel in entry.get("wheels", []):
            name = (
                wheel.get("name")
                or unquote(urlsplit(wheel.get("url") or wheel.get("path", "")).path).rsplit("/", 1)[-1]
            )
            files.append((name, wheel["hashes"]["sha256"]))
        packages.append(_package(entry["name"], entry["version"], tuple(files)))
    return Lock(tuple(sorted(packages, key=lambda package: package.name)))


def digest_of(data: object) -> str:
    """Sixteen hexadecimal digits of the sha256 of *data* in canonical JSON."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@functools.lru_cache(maxsize=4096)
def _package(name: str, version: str, files: tuple[tuple[str, str], ...]) -> Package:
    """A package of validated parts: none of them can carry a path, a blank or an option.

    Hundreds of locks have the same few packages: each is looked at once (`nox -s bench -- growth`).
    """
    wheels = []
    if len(files) == 1 and (match := _CONDA_FILE.fullmatch(files[0][0])):
        if (match["name"], match["version"]) != (name, version) or not _SHA256.fullmatch(files[0][1]):
            raise ValueError(f"{files[0][0][:100]} is not what a conda channel has of {name[:60]}")
        return Package(name, version, (Wheel(*files[0]),))
    for file, sha256 in files:
        try:
            wheel_name, wheel_version, _, _ = parse_wheel_filename(file)
        except InvalidWheelFilename as error:
            raise ValueError(str(error)[:200]) from error
        if (wheel_name, wheel_version) != (canonicalize_name(name), Version(version)):
            raise ValueError(f"{file[:100]} is no wheel of {name[:60]} {version[:30]}")
        if not _FILE.fullmatch(file):
            raise ValueError(f"{file[:100]!r} is no file name")
        if not _SHA256.fullmatch(sha256):
            raise ValueError(f"{file[:100]} has no sha256")
        wheels.append(Wheel(file, sha256))
    if not wheels:
        raise ValueError(f"{name[:60]} has no wheel")
    return Package(
        canonicalize_name(name), str(Version(version)), tuple(sorted(wheels, key=lambda w: w.file))
    )
