"""Reads members of a wheel, published (by HTTP ranges) or on disk, with a bound on everything it says.

The standard library's `zipfile` reads the archive, over a file that fetches what is asked of it: the
archive's end, its directory, then of each wanted member exactly its bytes, streamed to disk.  (The
`remotezip` package does the same, without bounds on sizes, time or answers.)  So a library of 700 MB
needs neither the memory nor the rest of its wheel.  A broken connection is taken up where it broke.

Where the server has no ranges the wheel is downloaded whole, held against its sha256, read and deleted.
With ranges that digest cannot be checked.  Then the archive must be as long as the index says, and each
member must have its CRC and, in `Wheel.extract`, the sha256 that the wheel's own ``RECORD`` gives it.
"""

from __future__ import annotations

import base64
import binascii
import csv
import hashlib
import io
import struct
import tempfile
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import IO, TYPE_CHECKING, cast

from metalmatrix.wheels.ranged import CHUNK, MAX_READ, NoRangesError, RangedFile, WheelError, ask, body

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

    from requests import Session
    from typing_extensions import Self

MAX_WHEEL = 4 * 2**30
MAX_MEMBERS = 60_000
MAX_MEMBER = 2 * 2**30
MAX_TEXT = 16 * 2**20
MAX_RATIO = 250
"""Bounds, in bytes and members.  The largest TensorFlow until 2026 has 13,700 members, a library of 740 MB,
and members that shrink to a 30th; deflate cannot do better than a 1030th."""

TIMEOUT = 30.0
"""Seconds the server may be silent."""

_PACKED = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
BAD_ARCHIVE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    ValueError,
    RuntimeError,
    NotImplementedError,
    OverflowError,
)
"""What `zipfile` raises for archives that are damaged, encrypted or packed in a way wheels are not."""


@dataclass(frozen=True)
class Recorded:
    """What a wheel's ``RECORD`` says of a member: its sha256 in hexadecimal, and its size in bytes."""

    sha256: str
    size: int


class Archive:
    """An archive that is open for reading while the ``with`` block runs, wherever it is.

    Args:
        file: Its bytes.
        remote: The same, where they are fetched from a server: a member then takes one request.

    Raises:
        WheelError: It is no archive, or a damaged one.
    """

    def __init__(self, file: IO[bytes], remote: RangedFile | None = None) -> None:
        self._fetched = remote
        with _named():
            self._zip = zipfile.ZipFile(file)
        self._members = _members(self._zip)
        starts = sorted({info.header_offset for info in self._members.values()} | {self._zip.start_dir})
        self._ends = dict(pairwise(starts))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close what it is read from."""
        self._zip.close()

    @property
    def names(self) -> tuple[str, ...]:
        """The members' paths, as installed: what stands in ``*.data/purelib`` and ``platlib`` is moved."""
        return tuple(self._members)

    def size(self, name: str) -> int:
        """The bytes of a member, unpacked.

        Raises:
            WheelError: There is no such member.
        """
        if name not in self._members:
            raise WheelError(f"the wheel has no {name[:200]}")
        return self._members[name].file_size

    def metadata(self, file: str) -> str:
        """The text of a file in the wheel's ``.dist-info``.

        Raises:
            WheelError: There is no such file, or it is no text of at most `MAX_TEXT` bytes.
        """
        found = [
            name for name in self._members if name.count("/") == 1 and name.endswith(f".dist-info/{file}")
        ]
        if len(found) != 1:
            raise WheelError(f"the wheel has {len(found)} files named {file} in a .dist-info")
        return self.text(found[0])

    def text(self, name: str, limit: int = 0) -> str:
        """A member that is text, of at most *limit* bytes, and never of more than `MAX_TEXT`.

        Raises:
            WheelError: There is no such member, it is larger, or no text.
        """
        limit = limit or MAX_TEXT
        shown = name.rpartition("/")[2][:200]
        if self.size(name) > limit:
            raise WheelError(f"its {shown} is larger than {limit >> 20} MiB")
        target = io.BytesIO()
        self._unpack(name, target)
        try:
            return target.getvalue().decode("utf-8")
        except UnicodeDecodeError as error:
            raise WheelError(f"its {shown} is no UTF-8") from error

    @cached_property
    def record(self) -> dict[str, Recorded]:
        """What ``RECORD`` says of the members, by their paths as installed (PEP 376 and 427).

        Raises:
            WheelError: There is none, or it cannot be read.
        """
        found = {}
        try:
            for path, digest, size, *_ in csv.reader(self.metadata("RECORD").splitlines()):
                if digest.startswith("sha256=") and size.isdecimal() and len(size) < 16:
                    raw = base64.urlsafe_b64decode(f"{digest.removeprefix('sha256=')}==")
                    found[installed(path)] = Recorded(raw.hex(), int(size))
        except (csv.Error, binascii.Error, ValueError) as error:
            raise WheelError(f"its RECORD cannot be read ({type(error).__name__})") from error
        return found

    def same(self, name: str) -> Recorded:
        """What tells the content of a member without reading it: `record`, held against the directory.

        Raises:
            WheelError: ``RECORD`` does not know the member, or gives it another size.
        """
        recorded, size = self.record.get(name), self.size(name)
        if recorded is None or recorded.size != size:
            raise WheelError(f"its RECORD does not agree with the archive about {name[:200]}")
        return recorded

    def extract(self, name: str, target: IO[bytes]) -> None:
        """Unpack a member into *target*.

        Raises:
            WheelError: Its size, CRC or sha256 is another than the archive says.
            IndexUnreachableError: The connection broke, or stalls.
        """
        wanted = self.same(name).sha256
        if self._unpack(name, target) != wanted:
            raise WheelError(f"{name[:200]} does not have the sha256 that the wheel's RECORD gives it")

    def _unpack(self, name: str, target: IO[bytes]) -> str:
        """Write a member to *target*, and give its sha256."""
        info = self._members[name]
        if info.file_size > MAX_MEMBER or info.file_size > MAX_RATIO * info.compress_size + CHUNK:
            raise WheelError(f"{name[:200]} unpacks to {info.file_size:,} bytes, which no library has")
        if info.compress_type not in _PACKED:
            raise WheelError(f"{name[:200]} is packed in a way wheels are not")
        end = self._ends[info.header_offset]
        if info.compress_size > end - info.header_offset:
            raise WheelError(f"{name[:200]} overlaps its neighbour in the archive")
        if self._fetched is not None:
            self._fetched.window(info.header_offset, end)
        digest, written = hashlib.sha256(), 0
        with _named(), self._zip.open(info) as source:
            while part := source.read(CHUNK):
                digest.update(part)
                written += len(part)
                target.write(part)
        if written != info.file_size:
            raise WheelError(f"{name[:200]} has {written:,} bytes, and the archive says {info.file_size:,}")
        return digest.hexdigest()


class WheelFile(Archive):
    """A wheel on disk, open for reading while the ``with`` block runs.

    Raises:
        WheelError: It is no wheel, or a damaged one.
        OSError: It cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._file = _BoundedFile(path)
        try:
            super().__init__(cast("IO[bytes]", self._file))
        except BaseException:
            self._file.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class _BoundedFile(io.FileIO):
    """A file of which no more is read at once than `MAX_READ`, whatever the archive says of itself."""

    def read(self, size: int | None = -1) -> bytes:
        """*size* bytes, fewer only at the end."""
        found = super().read(MAX_READ + 1 if size is None or size < 0 else min(size, MAX_READ + 1)) or b""
        if len(found) > MAX_READ:
            raise WheelError(f"the archive's directory is larger than {MAX_READ >> 20} MiB")
        return found


class Wheel(Archive):
    """A wheel on a server, open for reading while the ``with`` block runs.

    Args:
        address: Where it is.
        size: Its length in bytes, as the index says.
        sha256: Its digest, as the index says; checked where the wheel is downloaded whole.
        session: The HTTP client.
        timeout: Seconds the server may be silent.
        directory: Where a download is kept while it is read; the system's own choice where None.

    Raises:
        WheelError: It is not what it is said to be.
        IndexUnreachableError: It could not be had.
    """

    def __init__(
        self,
        address: str,
        size: int,
        sha256: str,
        session: Session,
        *,
        timeout: float = TIMEOUT,
        directory: Path | None = None,
    ) -> None:
        if not 0 < size <= MAX_WHEEL:
            raise WheelError(f"the index says that a wheel has {size:,} bytes")
        self._remote = RangedFile(address, size, session, timeout)
        self._local: IO[bytes] | None = None
        self._downloaded = 0
        try:
            try:
                super().__init__(cast("IO[bytes]", self._remote), self._remote)
            except NoRangesError:
                self._local = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115 - `close` closes it
                self._download(address, size, sha256, session, timeout)
                super().__init__(self._local)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection; a download is deleted."""
        if self._local is not None:
            self._local.close()
        self._remote.close()

    def _download(self, address: str, size: int, sha256: str, session: Session, timeout: float) -> None:
        """Fetch the whole wheel into the temporary file."""
        file, digest = cast("IO[bytes]", self._local), hashlib.sha256()
        for part in body(ask(session, address, timeout), size + 1):
            digest.update(part)
            self._downloaded += len(part)
            file.write(part)
        if self._downloaded != size or digest.hexdigest() != sha256:
            raise WheelError(
                f"the server sent another file than the index lists ({self._downloaded:,} bytes, sha256 "
                f"{digest.hexdigest()}, where {size:,} bytes and {sha256} are listed)"
            )

    @property
    def bytes_read(self) -> int:
        """Bytes that were fetched of the wheel so far."""
        return self._remote.received + self._downloaded


def installed(path: str) -> str:
    """Where in site-packages a member comes to lie: ``x.data/purelib/y`` is installed as ``y`` (PEP 427)."""
    parts = path.split("/", 2)
    moved = len(parts) == 3 and parts[0].endswith(".data") and parts[1] in {"purelib", "platlib"}
    return parts[2] if moved else path


def _members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    infos = archive.infolist()
    found = {installed(info.filename): info for info in infos}
    if len(infos) > MAX_MEMBERS:
        raise WheelError(f"the archive has more than {MAX_MEMBERS:,} members")
    if not all(0 <= info.header_offset < archive.start_dir for info in infos):
        raise WheelError("the archive is damaged (a member begins outside it)")
    if len(found) != len(infos):
        raise WheelError("the archive has two members of one name")
    return found


@contextmanager
def _named() -> Iterator[None]:
    """Gives what `zipfile` raises the name it has here."""
    try:
        yield
    except BAD_ARCHIVE as error:
        raise WheelError(f"the archive is damaged ({type(error).__name__}: {str(error)[:100]})") from error
