from __future__ import annotations

import base64
import hashlib
import io
import random
import struct
import time
import tracemalloc
import warnings
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from requests import Session

from metalmatrix.errors import IndexUnreachableError, MetalmatrixError
from metalmatrix.wheels import ranged, wheel_reader
from metalmatrix.wheels.ranged import WheelError
from metalmatrix.wheels.wheel_reader import Wheel, WheelFile, installed
from tests.file_server import PASSWORD, FileServer, Mode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOISE = random.Random(1).randbytes(300_000)  # noqa: S311 - it is to be the same every time
LIBRARY = b"library " * 20_000 + NOISE[:1000]
NAME = "tensorflow/libx.dylib"


def record(files: dict[str, bytes]) -> bytes:
    """A RECORD of *files*."""
    lines = [
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b'=').decode()},{len(data)}"
        for name, data in files.items()
    ]
    return "\n".join([*lines, "x-1.dist-info/RECORD,,", ""]).encode()


def wheel(files: dict[str, bytes], *, said: dict[str, bytes] | None = None, zip64: bool = False) -> bytes:
    """A wheel of *files*, whose RECORD says what *said* has."""
    files = files | {"x-1.dist-info/METADATA": b"Name: x\n"}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in [*files.items(), ("x-1.dist-info/RECORD", record({**files, **(said or {})}))]:
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(info, "w", force_zip64=zip64) as member:
                member.write(data)
    return buffer.getvalue()


GOOD = wheel({"other.bin": NOISE, NAME: LIBRARY, "last.bin": NOISE})


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    """An HTTP client that no setting of this machine reaches."""
    with Session() as client:
        client.trust_env = False
        yield client


def opened(
    server: FileServer,
    session: Session,
    *,
    size: int | None = None,
    sha256: str = "",
    timeout: float = 0.5,
    directory: Path | None = None,
) -> Wheel:
    """The wheel that the server has, as an honest index lists it unless told otherwise."""
    data = server.files["x.whl"]
    size = len(data) if size is None else size
    sha256 = sha256 or hashlib.sha256(data).hexdigest()
    return Wheel(server.url("x.whl"), size, sha256, session, timeout=timeout, directory=directory)


def library_of(data: bytes, session: Session, mode: Mode = "ranges", **options: Any) -> bytes:  # noqa: ANN401
    """The library, read from a wheel of that content."""
    target = io.BytesIO()
    with FileServer({"x.whl": data}, mode) as server, opened(server, session, **options) as found:
        found.extract(NAME, target)
    return target.getvalue()


def test_only_what_is_needed_is_fetched(session: Session) -> None:
    """One member is read with the directory and RECORD, in four requests, and nothing of its neighbours."""
    with FileServer({"x.whl": GOOD}) as server, opened(server, session) as found:
        target = io.BytesIO()
        found.extract(NAME, target)
        assert target.getvalue() == LIBRARY
        assert found.names == (
            "other.bin",
            NAME,
            "last.bin",
            "x-1.dist-info/METADATA",
            "x-1.dist-info/RECORD",
        )
        assert found.metadata("METADATA") == "Name: x\n"
        assert found.bytes_read < 20_000 < len(GOOD) // 10
        assert len(server.asked) == 4


def test_zip64(session: Session) -> None:
    """Members with sizes of 64 bits are read."""
    assert library_of(wheel({NAME: LIBRARY}, zip64=True), session) == LIBRARY


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("x-1.data/purelib/a/b.py", "a/b.py"),
        ("x-1.data/platlib/b.so", "b.so"),
        ("x-1.data/scripts/run", "x-1.data/scripts/run"),
        ("a/x.data/purelib", "a/x.data/purelib"),
    ],
)
def test_installed(path: str, place: str) -> None:
    """Members of purelib and platlib are named by where they are installed."""
    assert installed(path) == place


def test_a_server_without_ranges(session: Session, tmp_path: Path) -> None:
    """The wheel is downloaded, held against its sha256, read, and deleted."""
    assert library_of(GOOD, session, "whole", directory=tmp_path) == LIBRARY
    with pytest.raises(WheelError, match="another file than the index lists"):
        library_of(GOOD, session, "whole", directory=tmp_path, sha256="0" * 64)
    assert list(tmp_path.iterdir()) == []


def test_a_broken_connection_is_taken_up(session: Session) -> None:
    """A connection that breaks twice in the middle of a member goes on where it broke."""
    data = wheel({NAME: NOISE})
    with FileServer({"x.whl": data}, "cut once") as server, opened(server, session) as found:
        target = io.BytesIO()
        found.extract(NAME, target)
        assert target.getvalue() == NOISE
        assert server.cuts == 2
        assert found.bytes_read < len(data) + ranged.TAIL + 1000


@pytest.mark.parametrize("mode", ["stall", "cut", "refuse"])
def test_unreachable(mode: Mode, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is silent, breaks off for good or refuses is an error, soon, and without an address."""
    monkeypatch.setattr(ranged, "TRIES", 2)
    started = time.monotonic()
    with pytest.raises(IndexUnreachableError) as caught:
        library_of(GOOD, session, mode)
    assert time.monotonic() - started < 5
    assert PASSWORD not in str(caught.value)
    assert "127.0.0.1" not in str(caught.value)


def test_a_dripping_server(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is never silent for long and never done counts as stalled."""
    monkeypatch.setattr(ranged, "GRACE", 0.3)
    with pytest.raises(IndexUnreachableError, match="too slowly"):
        library_of(GOOD, session, "drip")


@pytest.mark.parametrize(
    ("mode", "words"),
    [("other range", "another range"), ("other size", "of another size"), ("encoded", "encodes")],
)
def test_answers_to_other_questions(mode: Mode, words: str, session: Session) -> None:
    """A range, a length or an encoding that was not asked for is an error with a name."""
    with pytest.raises(WheelError, match=words):
        library_of(GOOD, session, mode)


def test_an_index_that_lies_about_the_size(session: Session) -> None:
    """A wheel of another length than the index lists is not read, however long it is said to be."""
    for size in (len(GOOD) - 1, len(GOOD) + 1):
        with pytest.raises((WheelError, IndexUnreachableError)):
            library_of(GOOD, session, size=size)
    for size in (0, -1, wheel_reader.MAX_WHEEL + 1):
        with pytest.raises(WheelError, match="the index says"):
            library_of(GOOD, session, size=size)


def corrupt(data: bytes, at: int, new: bytes) -> bytes:
    """*data* with other bytes at a place."""
    return data[:at] + new + data[at + len(new) :]


def central(data: bytes, name: str, offset: int, new: bytes) -> bytes:
    """*data* with a field of a member's entry in the directory changed (APPNOTE 4.3.12)."""
    at = data.index(b"PK\1\2")
    while data[at + 46 :][: len(name)] != name.encode():
        at = data.index(b"PK\1\2", at + 4)
    return corrupt(data, at + offset, new)


SIZE, PACKED_SIZE, METHOD, FLAGS, CRC, HEADER = 24, 20, 10, 8, 16, 42
END = GOOD.rindex(b"PK\5\6")
ALONE = wheel({NAME: LIBRARY})
BOMB = wheel({NAME: bytes(30_000_000)})


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (GOOD[:-30], "damaged"),
        (GOOD[: len(GOOD) // 2], "damaged"),
        (GOOD[:1], "damaged"),
        (b"PK" * 5000, "damaged"),
        (corrupt(GOOD, END + 12, struct.pack("<I", 2**31)), "damaged"),
        (corrupt(GOOD, END + 16, struct.pack("<I", 2**31)), "damaged|outside"),
        (corrupt(GOOD, GOOD.index(NAME.encode()) + len(NAME) + 5, b"\xff" * 20), "damaged"),
        (corrupt(GOOD, GOOD.index(NAME.encode()), b"x"), "damaged"),
        (central(GOOD, NAME, CRC, b"\0\0\0\0"), "damaged.*CRC"),
        (central(GOOD, NAME, SIZE, struct.pack("<I", len(LIBRARY) - 1)), "RECORD does not agree"),
        (central(GOOD, NAME, SIZE, struct.pack("<I", 2**32 - 2)), "RECORD does not agree"),
        (central(GOOD, NAME, PACKED_SIZE, struct.pack("<I", 2**31)), "overlaps"),
        (central(GOOD, NAME, PACKED_SIZE, struct.pack("<I", 500)), "damaged|has .* bytes, and the archive"),
        (central(GOOD, NAME, METHOD, struct.pack("<H", 12)), "packed in a way"),
        (central(GOOD, NAME, METHOD, struct.pack("<H", 99)), "packed in a way"),
        (central(GOOD, NAME, FLAGS, struct.pack("<H", 1)), "damaged"),
        (central(GOOD, NAME, HEADER, struct.pack("<I", 7)), "damaged"),
        (central(GOOD, NAME, HEADER, struct.pack("<I", len(GOOD) - 100)), "begins outside"),
        (wheel({NAME: LIBRARY}, said={NAME: LIBRARY[:-1] + b"?"}), "sha256 that the wheel's RECORD"),
        (wheel({NAME: LIBRARY}, said={NAME: LIBRARY + b"?"}), "RECORD does not agree"),
        (BOMB, "unpacks to 30,000,000 bytes"),
        (ALONE.replace(b"dist-info/RECORD", b"dist-info/recorp"), "0 files named RECORD"),
    ],
)
def test_hostile_archives(data: bytes, words: str, session: Session, tmp_path: Path) -> None:
    """Truncated, corrupted and lying archives and zip bombs are errors with a name, here or on a server."""
    with pytest.raises(WheelError, match=words):
        library_of(data, session)
    path = tmp_path / "x.whl"
    path.write_bytes(data)
    with pytest.raises(WheelError, match=words), WheelFile(path) as found:
        found.extract(NAME, io.BytesIO())


def test_a_wheel_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wheel on disk is read like one on a server, and no directory of any size is taken into memory."""
    path, target = tmp_path / "x.whl", io.BytesIO()
    path.write_bytes(GOOD)
    with WheelFile(path) as found:
        found.extract(NAME, target)
        assert (found.names[1], found.metadata("METADATA")) == (NAME, "Name: x\n")
    assert target.getvalue() == LIBRARY
    monkeypatch.setattr(wheel_reader, "MAX_READ", 200)
    with pytest.raises(WheelError, match="directory is larger"):
        WheelFile(path)


def test_a_member_that_says_less_than_it_has(session: Session) -> None:
    """Directory and RECORD agree about a size that is not the member's: the content does not pass."""
    short = wheel({NAME: LIBRARY}, said={NAME: LIBRARY[:-8]})
    with pytest.raises(WheelError):
        library_of(central(short, NAME, SIZE, struct.pack("<I", len(LIBRARY) - 8)), session)


def test_too_much_of_everything(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Members, names and directories are bounded."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("a", b"1")
            archive.writestr("a", b"2")
    with pytest.raises(WheelError, match="two members of one name"):
        library_of(buffer.getvalue(), session)
    monkeypatch.setattr(ranged, "TAIL", 100)
    monkeypatch.setattr(ranged, "MAX_READ", 200)
    with pytest.raises(WheelError, match="directory is larger"):
        library_of(GOOD, session)
    monkeypatch.undo()
    monkeypatch.setattr(wheel_reader, "MAX_MEMBERS", 2)
    with pytest.raises(WheelError, match="more than 2 members"):
        library_of(GOOD, session)
    monkeypatch.undo()
    monkeypatch.setattr(wheel_reader, "MAX_TEXT", 10)
    with pytest.raises(WheelError, match="its RECORD is larger"):
        library_of(GOOD, session)


def test_memory(session: Session, tmp_path: Path) -> None:
    """A member of 40 MB is unpacked to a file in less than 6 MB of memory."""
    data = wheel({NAME: NOISE * 130})
    with FileServer({"x.whl": data}) as server, (tmp_path / "out").open("wb") as target:
        tracemalloc.start()
        with opened(server, session, timeout=20) as found:
            before = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            found.extract(NAME, target)
            # the server of this process sends a slice of its own
            peak = tracemalloc.get_traced_memory()[1] - before - len(data)
        tracemalloc.stop()
    assert (tmp_path / "out").stat().st_size == 130 * len(NOISE)
    assert peak < 6_000_000


@settings(max_examples=150)
@given(at=st.integers(0, len(ALONE) - 1), new=st.binary(min_size=1, max_size=8))
def test_any_damage(at: int, new: bytes) -> None:
    """Whatever bytes of a wheel change, what is read is right, or an error with a name."""
    with Session() as client:
        client.trust_env = False
        try:
            found = library_of(corrupt(ALONE, at, new)[: len(ALONE)], client)
        except MetalmatrixError:
            return
    assert found == LIBRARY
