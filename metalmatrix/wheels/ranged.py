"""A file on a server, read by HTTP ranges as if it were here: the part of reading wheels that talks.

Every answer is held against the question: the range, the length of the file, and how fast it comes.
Addresses are quoted in no error, since those of indexes may hold passwords.
"""

from __future__ import annotations

import io
import re
import time
from typing import TYPE_CHECKING

from metalmatrix.errors import IndexUnreachableError, MetalmatrixError

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from requests import Response, Session

MAX_READ = 8 * 2**20
"""Bytes that one read may want: an archive's directory, of which TensorFlow's has 1.4 MB."""

TAIL = 2**13
"""Bytes from the end that are fetched at first: an archive's end record, and small directories whole."""

CHUNK = 2**18
TRIES = 5
"""How often a connection may break in one member."""

SLOWEST = 20_000
GRACE = 60.0
"""A transfer of less than so many bytes a second counts as stalled, after so many seconds."""

_CONTENT_RANGE = re.compile(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15})")
_HINT = "check the network and try again: what has been read is kept"


class WheelError(MetalmatrixError):
    """A published wheel is not what the index, or the wheel itself, says it is; nothing of it is used."""

    exit_code = 6


class NoRangesError(WheelError):
    """The server does not serve ranges: the wheel has to be downloaded."""


def ask(session: Session, address: str, timeout: float, headers: Mapping[str, str] | None = None) -> Response:
    """The server's answer, its body not yet read.

    Raises:
        IndexUnreachableError: There is none, or it is a refusal.
        WheelError: The body is encoded.
    """
    from requests import RequestException  # noqa: PLC0415 - reading the data needs no HTTP client

    headers = {"Accept-Encoding": "identity", **(headers or {})}
    try:
        answer = session.get(address, headers=headers, timeout=timeout, stream=True)
        answer.raise_for_status()
    except RequestException as error:
        status = type(error).__name__
        if error.response is not None:
            status = f"answered {error.response.status_code}"
            error.response.close()
        raise IndexUnreachableError(f"a file could not be read from the index ({status})", _HINT) from error
    if answer.headers.get("Content-Encoding", "identity") != "identity":
        answer.close()
        raise WheelError("the server encodes a file that was asked for as it is")
    return answer


def body(answer: Response, limit: int) -> Generator[bytes, None, None]:
    """The body of *answer*, of which no more than *limit* bytes are taken.

    Raises:
        IndexUnreachableError: The connection breaks, or is slower than `SLOWEST`.
    """
    from urllib3.exceptions import HTTPError  # noqa: PLC0415 - as above

    started, taken = time.monotonic(), 0
    try:
        while taken < limit and (part := answer.raw.read1(min(CHUNK, limit - taken))):
            taken += len(part)
            yield part
            spent = time.monotonic() - started
            if spent > GRACE and taken < spent * SLOWEST:
                raise IndexUnreachableError("the index sends a file too slowly to wait for it", _HINT)
    except (HTTPError, OSError) as error:
        raise _BrokenError(f"the index broke off in a file ({type(error).__name__})", _HINT) from error
    finally:
        answer.close()


class _BrokenError(IndexUnreachableError):
    """The connection broke: it may be taken up again."""


class RangedFile(io.RawIOBase):
    """A file of known length on a server; each run of reads is one request.

    Args:
        address: Where it is.
        size: Its length in bytes.
        session: The HTTP client.
        timeout: Seconds the server may be silent.

    Attributes:
        received: Bytes fetched so far.
    """

    def __init__(self, address: str, size: int, session: Session, timeout: float) -> None:
        self._address, self._size, self._session, self._timeout = address, size, session, timeout
        self._at = 0
        self._window = (0, 0)
        self._tail = b""
        self._body: Generator[bytes, None, None] | None = None
        self._body_at = 0
        self._left = b""
        self._failures = 0
        self.received = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Where the next read begins."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go elsewhere; nothing is fetched for it."""
        target = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence] + offset
        if target < 0:
            raise OSError("before the beginning")  # what a file says, and zipfile knows
        self._at = target
        return target

    def window(self, start: int, end: int) -> None:
        """Fetch what is read between *start* and *end* in one request, however small the reads are."""
        self._drop()
        self._window, self._failures = (start, end), 0

    def read(self, size: int | None = -1) -> bytes:
        """*size* bytes, fewer only at the end.

        Raises:
            WheelError: That is more than `MAX_READ`, or the server's answer does not fit.
            NoRangesError: The server does not serve ranges.
            IndexUnreachableError: The server is silent, slow, or breaks off again and again.
        """
        left = max(0, self._size - self._at)
        wanted = left if size is None or size < 0 else min(size, left)
        if wanted > MAX_READ:
            raise WheelError(f"the archive's directory is larger than {MAX_READ >> 20} MiB")
        tail = max(0, self._size - TAIL)
        if self._at < tail or self._window[0] <= self._at < self._window[1]:
            return self._fetch(wanted)
        if not self._tail:
            at, self._at = self._at, tail
            self._tail = self._fetch(self._size - tail)
            self._at = at
        found = self._tail[self._at - tail :][:wanted]
        self._at += len(found)
        return found

    def _fetch(self, wanted: int) -> bytes:
        """*wanted* bytes from where we are, over as many connections as it takes."""
        found = bytearray()
        while len(found) < wanted:
            try:
                part = self._some(wanted - len(found))
            except _BrokenError:
                self._failures += 1
                self._drop()
                if self._failures >= TRIES:
                    raise
                time.sleep(self._failures - 1)
                continue
            found += part
            self._at += len(part)
        return bytes(found)

    def _some(self, wanted: int) -> bytes:
        """From one to *wanted* bytes from where we are."""
        if self._body is None or self._body_at != self._at:
            self._open(wanted)
        if not self._left and self._body is not None:
            self._left = next(self._body, b"")
            self.received += len(self._left)
        if not self._left:
            raise _BrokenError("the index breaks off in the middle of a file", _HINT)
        part, self._left = self._left[:wanted], self._left[wanted:]
        self._body_at += len(part)
        return part

    def _open(self, wanted: int) -> None:
        self._drop()
        start, end = self._window
        end = end if start <= self._at < end else self._at + wanted
        answer = ask(self._session, self._address, self._timeout, {"Range": f"bytes={self._at}-{end - 1}"})
        said = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        if answer.status_code != 206:
            answer.close()
            raise NoRangesError("the server answers a range with the whole wheel")
        if said is None or [int(number) for number in said.groups()] != [self._at, end - 1, self._size]:
            answer.close()
            raise WheelError("the server sent another range than was asked for, or a file of another size")
        self._body, self._body_at = body(answer, end - self._at), self._at

    def _drop(self) -> None:
        """Close the open answer: the rest of it is not wanted."""
        if self._body is not None:
            self._body.close()
        self._body, self._left = None, b""

    def close(self) -> None:
        """Close the open answer."""
        if not self.closed:
            self._drop()
        super().close()
