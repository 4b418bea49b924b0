from __future__ import annotations

import hashlib
import random
import tarfile
import time
import tracemalloc
from typing import TYPE_CHECKING

import pytest
import requests

from metalmatrix.errors import IndexUnreachableError
from metalmatrix.published import sdist as module
from metalmatrix.published.sdist import MAX_HEADER, MAX_MEMBERS, MAX_SDIST, SdistError, download, read_sdist
from tests.file_server import FileServer
from tests.tiny_sdist import FILE, PKG_INFO, STEM, packed, sdist, tar

if TYPE_CHECKING:
    from pathlib import Path


def changed(old: str, new: str) -> bytes:
    """A sound sdist but for one place of its PKG-INFO."""
    assert old in PKG_INFO
    return sdist(PKG_INFO.replace(old, new, 1))


def test_what_an_sdist_declares() -> None:
    """Of the PKG-INFO in the sdist's own folder the requirements are kept, and what a build may change."""
    content = sdist()
    found = read_sdist(content, FILE)
    assert (found.file, found.size) == (FILE, len(content))
    assert found.sha256 == hashlib.sha256(content).hexdigest()
    assert found.requires == ("tensorflow==2.21.*",)
    assert found.requires_python == ">=3.10"
    assert found.dynamic == ("requires-dist", "requires-python")


@pytest.mark.parametrize(
    ("content", "listed", "dynamic"),
    [
        (sdist(), ">=3.10", ("requires-dist",)),  # installers go by the index before they build
        (sdist(), ">= 3.10", ("requires-dist",)),
        (sdist(), ">=3.9", ("requires-dist", "requires-python")),
        (changed("Dynamic: requires-dist\nDynamic: requires-python\n", ""), "", ()),
        (changed("Dynamic: requires-dist\n", "DYNAMIC: Requires-Dist\n"), ">=3.10", ("requires-dist",)),
        # before 2.2 no field is the same for sure (PEP 643)
        (
            sdist("Metadata-Version: 2.1\nName: tensorflow-metal-plugin\nVersion: 0.4.1\n"),
            "",
            ("requires-dist",),
        ),
    ],
)
def test_what_a_build_may_declare_otherwise(content: bytes, listed: str, dynamic: tuple[str, ...]) -> None:
    """What is dynamic is told by the sdist, by its metadata's age, and for the Python by the index."""
    assert read_sdist(content, FILE, listed).dynamic == dynamic


def test_nothing_declared_is_nothing_required() -> None:
    """An sdist without requirements and without a Python has none, and that is no error."""
    found = read_sdist(sdist("Metadata-Version: 2.4\nName: x\nVersion: 1.0\n", "x-1.0"), "x-1.0.tar.gz")
    assert (found.requires, found.requires_python, found.dynamic) == ((), "", ())


def test_older_spellings_of_a_name() -> None:
    """A folder is named as its file is, whether both spell the name with dashes or underscores."""
    stem = STEM.replace("_", "-")
    assert read_sdist(sdist(stem=stem), f"{stem}.tar.gz").requires == ("tensorflow==2.21.*",)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (changed("Name: tensorflow-metal-plugin", "Name: tensorflow-metal"), "of another release"),
        (changed("Version: 0.4.1", "Version: 0.4.2"), "of another release"),
        (changed("Version: 0.4.1\n", ""), "InvalidVersion"),
        (changed("Version: 0.4.1", "Version: 0.4.1\nVersion: 0.4.1"), "InvalidVersion"),
        (changed("Name: ", "Name: x\nName: "), "name is given twice"),
        (changed("Metadata-Version: 2.4\n", ""), "InvalidVersion"),
        (changed("tensorflow==2.21.*", "-r /etc/passwd"), "InvalidRequirement"),
        (changed("tensorflow==2.21.*", "--index-url x"), "InvalidRequirement"),
        (changed("tensorflow==2.21.*", "x @ file:///etc/passwd"), "at an address"),
        (changed("tensorflow==2.21.*", f"x>={'1' * 400}"), "more requirements, or longer ones"),
        (changed("Dynamic: summary\n", "Requires-Dist: x\n" * 201), "more requirements, or longer ones"),
        (changed(">=3.10", "3.10 or so"), "InvalidSpecifier"),
        (changed(">=3.10", ">=3.10\nRequires-Python: >=3"), "requires-python is given twice"),
        (sdist(PKG_INFO.encode().replace(b"tensorflow==", b"\xff\xfe==", 1)), "requires-dist"),
        (changed("Dynamic: summary\n", "".join(f"X{n}: 1\n" for n in range(2001))), "2,000 fields"),
        (changed("Dynamic: summary\n", "".join(f"X{n}: 1\r" for n in range(2001))), "2,000 fields"),
        (sdist(b""), "InvalidVersion"),
        (sdist(b"\x00" * 1000), "InvalidVersion"),
        (sdist(PKG_INFO + "x" * 2**20), "larger than 1024 KiB"),
    ],
)
def test_what_cannot_be_meant(content: bytes, words: str) -> None:
    """A PKG-INFO of something else, or with a field that is no requirement of an index, is refused."""
    with pytest.raises(SdistError, match=words):
        read_sdist(content, FILE)


def linked(kind: bytes) -> tarfile.TarInfo:
    """A PKG-INFO that leads elsewhere."""
    info = tarfile.TarInfo(f"{STEM}/PKG-INFO")
    info.type, info.linkname = kind, "/etc/passwd"
    return info


OWN = (f"{STEM}/PKG-INFO", PKG_INFO.encode())


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ([], "0 files named"),
        ([OWN, OWN], "2 files named"),
        ([(linked(tarfile.SYMTYPE), b"")], "but a link"),
        ([(linked(tarfile.LNKTYPE), b"")], "but a link"),
        ([(linked(tarfile.DIRTYPE), b"")], "but a link"),
        ([(linked(tarfile.FIFOTYPE), b"")], "but a link"),
        ([(f"../{STEM}/PKG-INFO", OWN[1])], "0 files named"),
        ([(f"/{STEM}/PKG-INFO", OWN[1])], "0 files named"),
        ([(f"{STEM}/x/../PKG-INFO", OWN[1])], "0 files named"),
        ([(f"{STEM}/" + "n" * (MAX_HEADER + 1), b""), OWN], "a header of more than"),
        ([*[(f"{n}", b"") for n in range(MAX_MEMBERS + 1)], OWN], "more than 20,000 members"),
    ],
)
def test_archives_that_lead_elsewhere(members: list[tuple[str, bytes]], words: str) -> None:
    """Links, paths that climb, names without end and members without number are no PKG-INFO."""
    with pytest.raises(SdistError, match=words):
        read_sdist(packed(tar(members)), FILE)


def header(name: str, size: bytes, kind: bytes = b"0") -> bytes:
    """A tar header by hand, with any size field and a right checksum."""
    head = bytearray(tarfile.TarInfo(name).tobuf(tarfile.USTAR_FORMAT))
    head[124:136] = size.ljust(12, b"\0")
    head[156:157] = kind
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head)


END = b"\0" * 1024


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (header(OWN[0], b"00000002000") + b"short" + END[:507], "ends within|damaged"),
        (header(OWN[0], b"77777777777") + END, "larger than|damaged"),
        (header(OWN[0], b"\x80" + b"\x7f" * 11) + END, "larger than|damaged"),
        (header(OWN[0], b"\xff" * 12) + END, "damaged|larger than|members|0 files|within"),
        (header("x", b"\xff" * 10 + b"\xfc\x00") + END, "damaged|members|0 files|within"),
        (header("x", b"70000000000", b"x") + END, "a header of more than"),
        (header("x", b"70000000000", b"L") + END, "a header of more than"),
        (header("x", b"00000000010", b"x") + b"9" * 512 + END, "damaged|0 files"),
        (header("x", b"\x80" + b"\0" * 9 + b"\x10\0", b"x") + b"9" * 4096 + END, "damaged|0 files"),
        (b"".join(header("x", b"0", b"x") for _ in range(5000)) + END, "damaged|0 files"),
        (b"", "damaged"),
        (b"no tar" * 999, "damaged"),
    ],
)
def test_tar_headers_that_lie(data: bytes, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes that are negative, or larger than the archive, are an error with a name, in bounded time."""
    monkeypatch.setattr(module, "SECONDS", 3)
    started = time.monotonic()
    with pytest.raises(SdistError, match=words):
        read_sdist(packed(data), FILE)
    assert time.monotonic() - started < 10


def test_a_bomb_takes_no_more_than_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """What unpacks without end is given up at the bound, in memory of about that size."""
    monkeypatch.setattr(module, "MAX_UNPACKED", 2**20)
    bomb = packed(b"\0" * 2**27)
    tracemalloc.start()
    try:
        with pytest.raises(SdistError, match="unpacks to more than 1 MiB"):
            read_sdist(bomb, FILE)
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    finally:
        tracemalloc.stop()


def test_no_archive_is_read_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """When its time is up, reading ends with an error that says so."""
    monkeypatch.setattr(module, "SECONDS", -1)
    with pytest.raises(SdistError, match="cannot be read within"):
        read_sdist(sdist(), FILE)


@pytest.mark.parametrize("content", [b"", b"no gzip", sdist()[:-200], sdist()[:-1], packed(b"")])
def test_damaged_archives(content: bytes) -> None:
    """What is no gzip, or ends too early, is told as damaged."""
    with pytest.raises(SdistError, match="damaged"):
        read_sdist(content, FILE)


def test_another_kind_of_archive() -> None:
    """A zip is an sdist of old, and is not read."""
    with pytest.raises(SdistError, match="another archive"):
        read_sdist(b"PK", f"{STEM}.zip")


def test_any_bytes_give_facts_or_an_error_with_a_name() -> None:
    """Whatever bytes of an archive change, what is read is an sdist's facts, or `SdistError`."""
    chance = random.Random(11)  # noqa: S311 - the same bytes in every run
    sound = tar([OWN, (f"{STEM}/src/{'long_' * 30}.mm", b"x")])
    refused = 0
    for _ in range(1500):
        data = bytearray(sound)
        for _ in range(chance.randint(1, 8)):
            data[chance.randrange(len(sound))] = chance.randrange(256)
        try:
            assert read_sdist(packed(bytes(data)), FILE).file == FILE
        except SdistError:
            refused += 1
    assert 100 < refused < 1500


class TestDownload:
    def test_what_the_index_lists(self) -> None:
        """The bytes come as they are, where size and digest are the listed ones."""
        content = sdist()
        digest = hashlib.sha256(content).hexdigest()
        with FileServer({FILE: content}) as server, requests.Session() as session:
            assert download(server.url(FILE), len(content), digest, session, 5) == content

    @pytest.mark.parametrize(("more", "digest"), [(0, "0" * 64), (1, ""), (-1, "")])
    def test_another_file(self, more: int, digest: str) -> None:
        """Another digest, and a file that is longer or shorter than listed, is not taken."""
        content = sdist()
        digest = digest or hashlib.sha256(content).hexdigest()
        with (
            FileServer({FILE: content}) as server,
            requests.Session() as session,
            pytest.raises(SdistError, match="another file than the index lists"),
        ):
            download(server.url(FILE), len(content) + more, digest, session, 5)

    @pytest.mark.parametrize("size", [-1, 0, MAX_SDIST + 1])
    def test_sizes_that_no_sdist_has(self, size: int) -> None:
        """What is empty or too large is not even asked for."""
        with requests.Session() as session, pytest.raises(SdistError, match="the index says"):
            download("http://127.0.0.1:9/x", size, "0" * 64, session, 1)

    def test_out_of_reach(self) -> None:
        """A server that is not there is the index's failure, and not the sdist's."""
        with requests.Session() as session, pytest.raises(IndexUnreachableError):
            download("http://127.0.0.1:9/x", 1, "0" * 64, session, 1)


def test_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading an sdist unpacks nothing to the disk: not here, and not where its names lead."""
    monkeypatch.chdir(tmp_path)
    content = packed(tar([OWN, ("../outside", b"x"), ("inside", b"x")]))
    assert read_sdist(content, FILE).requires == ("tensorflow==2.21.*",)
    assert list(tmp_path.rglob("*")) == []
    assert not (tmp_path.parent / "outside").exists()
