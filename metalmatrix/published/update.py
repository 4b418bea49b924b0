"""Reads the package index and says what is new; with ``force``, writes ``data/releases.jsonl``.

The edge of `published.releases`: everything an index says is held against the forms that names,
versions and digests have, and what does not fit is left out and counted.  Of the addresses an index
gives none is kept.  Where a plugin has no wheel for a Mac, `published.sdist` reads its sdist.
"""

from __future__ import annotations

import datetime as dt
import difflib
import os
import re
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import Version

from metalmatrix.errors import IndexUnreachableError
from metalmatrix.files import read_to_extend, write_atomic
from metalmatrix.published import releases
from metalmatrix.published.releases import Release, Sdist, Wheel
from metalmatrix.published.sdist import SUFFIX, SdistError, download, read_sdist
from metalmatrix.published.targets import ARM64, X86_64, Target, is_for
from metalmatrix.wheels.ranged import WheelError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from packaging.tags import Tag
    from pypi_simple import PyPISimple
    from requests import Response

OLDEST_FRAMEWORK = Version("2.5.0")
"""2.5.0 is the first release of ``tensorflow-macos``: older frameworks have no Apple-silicon story."""

INDEX_VARIABLES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL")
"""Where uv and pip are told their index, in the order in which they are asked."""

NOTHING_NEW = "nothing new\n"
TIMEOUT = 30.0
"""Seconds the index may be silent before it counts as out of reach."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_INDEX_NAME = re.compile(r"^[A-Za-z0-9._-]+=(?=\w+://)")  # uv: UV_DEFAULT_INDEX=name=address
_HINT = "check the network, or set UV_DEFAULT_INDEX to the index to ask"


@dataclass(frozen=True)
class _File:
    """One file of a project as the index tells it, still to be judged."""

    name: str
    address: str
    sha256: str
    size: int | None
    uploaded: dt.date
    yanked: bool
    requires_python: str


@dataclass(frozen=True)
class Known:
    """A file whose name says what it is."""

    version: Version
    tags: frozenset[Tag]
    file: _File

    def installs_on(self, target: Target) -> bool:
        """Whether it is a wheel that is kept for Macs of one kind."""
        return any(is_for(tag.platform, target) for tag in self.tags)

    @property
    def is_sdist(self) -> bool:
        """Whether it is the source."""
        return not self.tags and self.file.name.endswith(SUFFIX)

    @property
    def spares_compiling(self) -> bool:
        """Whether a Mac can take it as it is."""
        return self.installs_on(ARM64) or any(tag.platform == "any" for tag in self.tags)


@dataclass(frozen=True)
class Found:
    """What the index has.

    Attributes:
        releases: In the order of the data file.
        odd: How many files were left out, by the reason.
    """

    releases: tuple[Release, ...]
    odd: Mapping[str, int]


def default_index(environment: Mapping[str, str] = os.environ) -> str:
    """The index that uv and pip are set up for."""
    from pypi_simple import PYPI_SIMPLE_ENDPOINT  # noqa: PLC0415 - `nox -l` needs no HTTP client

    for variable in INDEX_VARIABLES:
        if address := environment.get(variable):
            return _INDEX_NAME.sub("", address)
    return PYPI_SIMPLE_ENDPOINT


def fetch_releases(
    known: Iterable[Release] = (), *, index: str | None = None, timeout: float = TIMEOUT
) -> Found:
    """What the index has of every distribution of `published.releases.DISTRIBUTIONS`.

    Args:
        known: Releases whose wheels need not be measured, nor their sdists read, again.
        index: The address of a simple API; `default_index` where None.
        timeout: Seconds the index may be silent.

    Raises:
        IndexUnreachableError: The index did not answer, or its answer cannot be used.
    """
    from pypi_simple import ACCEPT_JSON_PREFERRED, PyPISimple  # noqa: PLC0415 - as above

    known = tuple(known)
    sizes = {wheel.sha256: wheel.size for release in known for wheel in release.wheels + release.intel}
    sdists = {release.sdist.sha256: release.sdist for release in known if release.sdist}
    odd: Counter[str] = Counter()
    found: list[Release] = []
    with PyPISimple(index or default_index(), accept=ACCEPT_JSON_PREFERRED) as client:
        for distribution in releases.DISTRIBUTIONS:
            found += Reader(client, distribution, timeout, sizes, sdists, odd).releases()
    return Found(tuple(sorted(found, key=lambda release: release.sort_key)), odd)


@dataclass(frozen=True)
class Reader:
    """Reads the page of one distribution."""

    client: PyPISimple
    distribution: str
    timeout: float
    sizes: Mapping[str, int]
    sdists: Mapping[str, Sdist]
    odd: Counter[str]

    def releases(self) -> list[Release]:
        """Every release that is kept, from the files on the page."""
        by_version: defaultdict[Version, list[Known]] = defaultdict(list)
        for parsed in self.known():
            whole = self.distribution in (*releases.PLUGINS, *releases.LITERT)
            if whole or parsed.version >= OLDEST_FRAMEWORK:
                by_version[parsed.version].append(parsed)
        if not by_version:
            what = f"the package index has no usable file of {self.distribution}: it may mirror only a part"
            raise IndexUnreachableError(what, _HINT)
        return [self._release(version, files) for version, files in by_version.items()]

    def known(self) -> Iterable[Known]:
        """The files on the page whose names make sense."""
        return (parsed for file in self._files() if (parsed := self._parsed(file)))

    def _release(self, version: Version, files: list[Known]) -> Release:
        return Release(
            self.distribution,
            str(version),
            min(file.file.uploaded for file in files).isoformat(),
            all(file.file.yanked for file in files),
            self._wheels(files, ARM64),
            self._sdist(files),
            self._wheels(files, X86_64) if self.distribution != releases.STAND_IN else (),
        )

    def _wheels(self, files: list[Known], target: Target) -> tuple[Wheel, ...]:
        found = (self._wheel(known.file) for known in files if known.installs_on(target))
        return tuple(sorted(filter(None, found), key=lambda wheel: wheel.file))

    def _files(self) -> Iterable[_File]:
        """The files on the page, which is JSON (PEP 700) or HTML with ``data-upload-time``."""
        from pypi_simple import ProjectPage, RepositoryPage  # noqa: PLC0415 - as above

        response = self._ask("GET", self.client.get_project_url(self.distribution))
        try:
            page = ProjectPage.from_response(response, self.distribution)
            links = (
                ()
                if "json" in response.headers["Content-Type"]
                else RepositoryPage.from_html(response.content).links
            )
            times = {link.text: link.get_str_attrib("data-upload-time") for link in links}
        except Exception as error:  # whatever its parsers raise, it means the same
            raise IndexUnreachableError(
                f"the package index's page of {self.distribution} cannot be read ({type(error).__name__})",
                _HINT,
            ) from error
        for package in page.packages:
            moment = package.upload_time
            uploaded = moment.date() if moment else _day(times.get(package.filename))
            if uploaded is None:
                self.odd["no upload date"] += 1
                continue
            name, size, python = package.filename, package.size, package.requires_python or ""
            digest, yanked = package.digests.get("sha256", ""), bool(package.is_yanked)
            yield _File(name, package.url, digest, size, uploaded, yanked, python)

    def _parsed(self, file: _File) -> Known | None:
        """The file with the meaning of its name; None, and counted, where it has no business on the page."""
        tags: frozenset[Tag] = frozenset()
        try:
            if file.name.endswith(".whl"):
                name, version, _, tags = parse_wheel_filename(file.name)
            else:
                name, version = parse_sdist_filename(file.name)
        except (InvalidWheelFilename, InvalidSdistFilename):
            self.odd["odd file name"] += 1
            return None
        if name != canonicalize_name(self.distribution):
            self.odd["another project's file"] += 1
            return None
        return Known(version, tags, file)

    def _wheel(self, file: _File) -> Wheel | None:
        size = self._size(file)
        return Wheel(file.name, file.sha256, size) if size else None

    def _sdist(self, files: list[Known]) -> Sdist | None:
        """What the sdist of a plugin declares that nobody can have but by compiling it."""
        file = next((known.file for known in files if known.is_sdist), None)
        plugin = self.distribution in releases.PLUGINS
        if file is None or not plugin or any(known.spares_compiling for known in files):
            return None
        if file.sha256 in self.sdists or not (size := self._size(file)):
            return self.sdists.get(file.sha256)
        try:
            content = download(file.address, size, file.sha256, self.client.s, self.timeout)
            return read_sdist(content, file.name, file.requires_python)
        except (SdistError, WheelError) as error:
            self.odd[f"an sdist that is not read: {error.what}"] += 1
            return None

    def _size(self, file: _File) -> int:
        """The bytes of a file that has a digest; 0, and counted, where either is not told."""
        if not _SHA256.fullmatch(file.sha256):
            self.odd["no sha256"] += 1
            return 0
        size = self.sizes.get(file.sha256, file.size)
        if size is None:
            # HTML pages have no sizes.  Without compression, or the length would be another.
            head = self._ask("HEAD", file.address)
            length = head.headers.get("Content-Length", "")
            size = int(length) if re.fullmatch(r"[0-9]{1,12}", length) else 0
        if size <= 0:
            self.odd["no size"] += 1
        return max(0, size)

    def _ask(self, method: str, address: str) -> Response:
        """The answer of the index.

        Neither it nor its address is quoted in an error: addresses of indexes hold passwords.
        """
        from requests import RequestException  # noqa: PLC0415 - as above

        headers = {"Accept": self.client.accept if method == "GET" else "*/*"}
        headers |= {"Accept-Encoding": "identity"} if method == "HEAD" else {}
        try:
            response = self.client.s.request(
                method, address, headers=headers, timeout=self.timeout, allow_redirects=True
            )
            response.raise_for_status()
        except RequestException as error:
            answer = error.response
            status = f"answered {answer.status_code}" if answer is not None else type(error).__name__
            raise IndexUnreachableError(
                f"the package index could not be asked about {self.distribution} ({status})", _HINT
            ) from error
        return response


def _day(text: str | None) -> dt.date | None:
    """The day of a timestamp, which PEP 700 has in UTC."""
    try:
        return dt.date.fromisoformat(text[:10]) if text else None
    except ValueError:
        return None


def diff(old: Iterable[Release], new: Iterable[Release]) -> str:
    """What changed, a line a release and a line a wheel, marked ``+`` and ``-``; empty where nothing did."""
    lines = difflib.unified_diff(_lines(old), _lines(new), "known", "published", n=0, lineterm="")
    return "".join(f"{line}\n" for line in lines if not line.startswith("@@"))


def _lines(found: Iterable[Release]) -> list[str]:
    lines = []
    for release in sorted(found, key=lambda release: release.sort_key):
        name = f"{release.distribution} {release.version}"
        yanked = ", yanked" if release.yanked else ""
        lines.append(
            f"{name}: uploaded {release.uploaded}{yanked}, macOS arm64 wheels: {len(release.wheels)}"
        )
        if sdist := release.sdist:
            lines.append(f"{name}: {sdist.file}, {sdist.size:,} bytes, sha256 {sdist.sha256}")
            lines += [f"{name}: {field} {said}" for field, said in sdist.declared]
        lines += [
            f"{name}: {wheel.file}, {wheel.size:,} bytes, sha256 {wheel.sha256}"
            for wheel in release.wheels + release.intel
        ]
    return lines


def main(*, force: bool, path: Path = releases.DATA) -> int:
    """Print what the index has that *path* has not; with *force*, write it there.  Gives the exit code.

    Raises:
        IndexUnreachableError: The index did not answer, or its answer cannot be used.
        MatrixError: *path* is damaged, and *force* is not given.
    """
    nothing: tuple[Release, ...] = ()
    known = read_to_extend(path, releases.parse_releases, nothing, force=force)
    found = fetch_releases(known)
    say = sys.stdout.write
    for reason, count in sorted(found.odd.items()):
        say(f"left out: {count} files ({reason})\n")
    changes = diff(known, found.releases)
    if not changes:
        say(NOTHING_NEW)
        return 0
    say(changes)
    if force:
        today = dt.datetime.now(dt.timezone.utc).date().isoformat()
        write_atomic(path, releases.dump_releases(found.releases, today))
        say(f"wrote {path.name}: {len(found.releases)} releases\n")
    else:
        say(f"not written; to write it: {releases.REGENERATE}\n")
    return 0
