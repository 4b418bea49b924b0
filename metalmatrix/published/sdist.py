"""What an sdist declares, by the ``PKG-INFO`` inside: nothing is unpacked to disk, built or run.

A plugin that is compiled on the Mac has no wheel to read.  What its sdist says of itself is kept in the
data of `published.releases`.  The archive is somebody else's: its bytes are held against the index's
sha256, it is unpacked in memory up to a bound, and the standard library's `tarfile`, which trusts the
sizes in an archive, reads through a file that refuses long headers and does not last for ever.  Names of
members are compared, and become no path.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import time
from itertools import islice, takewhile
from typing import TYPE_CHECKING

from packaging.metadata import parse_email
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name, parse_sdist_filename
from packaging.version import Version

from metalmatrix.errors import MetalmatrixError
from metalmatrix.published.releases import Sdist
from metalmatrix.wheels.ranged import ask, body

if TYPE_CHECKING:
    from requests import Session

SUFFIX = ".tar.gz"
"""How the name of an sdist ends (PEP 625); older forms, as ``.zip``, are not read."""

MAX_SDIST = 32 * 2**20
MAX_UNPACKED = 64 * 2**20
MAX_MEMBERS = 20_000
MAX_HEADER = 4096
MAX_PKG_INFO = 2**20
MAX_FIELDS = 2000
MAX_REQUIRES = 200
MAX_LINE = 300
"""Bounds, in bytes, members, lines and characters.  The sdists of 2026 have 300 kB, 1.7 MB unpacked, 104
members, headers of less than 200 bytes beyond tar's own, and a PKG-INFO of 12 kB, most of it the readme."""

SECONDS = 30.0
"""How long reading one archive may take.  (Some patterns of Python 3.10's `tarfile` are quadratic.)"""

STATIC_SINCE = Version("2.2")
"""The metadata version from which a field that is not ``Dynamic`` is the same in every wheel (PEP 643)."""

_FIELDS = ("requires-dist", "requires-python")


class SdistError(MetalmatrixError):
    """An sdist is not what the index, or its own name, says it is; nothing of it is used."""

    exit_code = 6


class _Watched(io.BytesIO):
    """The unpacked archive: a read of more than a header, or after the time is up, is refused."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._until = time.monotonic() + SECONDS

    def read(self, size: int | None = -1) -> bytes:
        """*size* bytes, fewer at the end.

        Raises:
            SdistError: That is more than `MAX_HEADER`, or `SECONDS` have passed.
        """
        if size is None or not 0 <= size <= MAX_HEADER:
            raise SdistError(f"the archive has a header of more than {MAX_HEADER:,} bytes")
        if time.monotonic() > self._until:
            raise SdistError(f"the archive cannot be read within {SECONDS:g} s")
        return super().read(size)


def download(address: str, size: int, sha256: str, session: Session, timeout: float) -> bytes:
    """An sdist as the index has it.

    Args:
        address: Where it is.
        size: Its length in bytes, as the index says.
        sha256: Its digest, as the index says.
        session: The HTTP client.
        timeout: Seconds the server may be silent.

    Raises:
        SdistError: It is too large, or another file than the index lists.
        IndexUnreachableError: It could not be had.
    """
    if not 0 < size <= MAX_SDIST:
        raise SdistError(f"the index says that an sdist has {size:,} bytes")
    content = b"".join(body(ask(session, address, timeout), size + 1))
    if len(content) != size or hashlib.sha256(content).hexdigest() != sha256:
        raise SdistError("the server sent another file than the index lists")
    return content


def read_sdist(content: bytes, file: str, index_python: str = "") -> Sdist:
    """What an sdist declares.

    Args:
        content: The archive.
        file: Its name, ``tensorflow_metal_plugin-0.4.1.tar.gz``.
        index_python: The ``Requires-Python`` that the index's page gives the file.

    Raises:
        SdistError: It is damaged, or declares something that cannot be meant.
    """
    stem = file.removesuffix(SUFFIX)
    if stem == file:
        raise SdistError(f"an sdist is a {SUFFIX}, and this is another archive")
    return declared(_pkg_info(_unpacked(content), stem), content, file, index_python)


def _unpacked(content: bytes) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as packed:
            data = packed.read(MAX_UNPACKED + 1)
    except Exception as error:  # whatever gzip and zlib raise, it means the same
        raise SdistError(f"the archive is damaged ({type(error).__name__})") from error
    if len(data) > MAX_UNPACKED:
        raise SdistError(f"the archive unpacks to more than {MAX_UNPACKED >> 20} MiB")
    return data


def _pkg_info(data: bytes, stem: str) -> bytes:
    """The one PKG-INFO in the folder that is named like the sdist; folders below may have others."""
    try:
        with tarfile.open(fileobj=_Watched(data), mode="r:") as archive:
            members = list(islice(archive, MAX_MEMBERS + 1))
    except SdistError:
        raise
    except Exception as error:  # whatever tarfile raises, it means the same
        raise SdistError(f"the archive is damaged ({type(error).__name__})") from error
    if len(members) > MAX_MEMBERS:
        raise SdistError(f"the archive has more than {MAX_MEMBERS:,} members")
    found = [member for member in members if member.name == f"{stem}/PKG-INFO"]
    if len(found) != 1:
        raise SdistError(f"the archive has {len(found)} files named {stem[:200]}/PKG-INFO")
    if found[0].type not in {tarfile.REGTYPE, tarfile.AREGTYPE}:
        raise SdistError("its PKG-INFO is no file but a link, or something else")
    start, size = found[0].offset_data, found[0].size
    if not 0 <= size <= MAX_PKG_INFO:
        raise SdistError(f"its PKG-INFO is larger than {MAX_PKG_INFO >> 10} KiB")
    text = data[start : start + size]
    if len(text) != size:
        raise SdistError("the archive ends within its PKG-INFO")
    return text


def declared(pkg_info: bytes, content: bytes, file: str, index_python: str) -> Sdist:
    """What the text of a PKG-INFO declares (the core metadata specifications, and PEP 643).

    Raises:
        SdistError: It is of another release, or a field cannot be read.
    """
    try:
        raw, odd = parse_email(_head(pkg_info))
        lines = raw.get("requires_dist", [])
        requirements = [Requirement(line) for line in lines if len(line) <= MAX_LINE]
        named = canonicalize_name(raw.get("name", "")), Version(raw.get("version", ""))
        expected = parse_sdist_filename(file)
        metadata_version = Version(raw.get("metadata_version", ""))
        python, listed = (str(SpecifierSet(text)) for text in (raw.get("requires_python", ""), index_python))
    except ValueError as error:  # what packaging raises is one
        raise SdistError(f"its PKG-INFO cannot be read ({type(error).__name__})") from error
    if unread := {*_FIELDS, "name", "version", "metadata-version", "dynamic"} & odd.keys():
        raise SdistError(f"its PKG-INFO cannot be read ({min(unread)} is given twice, or is no UTF-8)")
    if named != expected:
        raise SdistError("its PKG-INFO is of another release")
    if len(requirements) != len(lines) or len(lines) > MAX_REQUIRES or len(python) > MAX_LINE:
        raise SdistError("it declares more requirements, or longer ones, than a plugin has")
    if any(requirement.url for requirement in requirements):
        raise SdistError("it requires a file at an address, which no index allows")
    dynamic = {name.lower() for name in raw.get("dynamic", ())}
    if metadata_version < STATIC_SINCE:
        dynamic = {*_FIELDS}
    if listed == python:
        dynamic -= {"requires-python"}
    return Sdist(
        file,
        hashlib.sha256(content).hexdigest(),
        len(content),
        tuple(map(str, requirements)),
        python,
        tuple(field for field in _FIELDS if field in dynamic),
    )


def _head(pkg_info: bytes) -> bytes:
    """The fields, without the description below them; a readme is not read."""
    lines = list(takewhile(bool, pkg_info.splitlines()))
    if sum(not line[:1].isspace() for line in lines) > MAX_FIELDS:
        raise SdistError(f"its PKG-INFO has more than {MAX_FIELDS:,} fields")
    return b"\n".join(lines)
