"""What the loader needs to know of a Mach-O library: its load commands, and names looked up in its exports.

Mach-O parsing is LIEF's job in this project, and `wheels.binds` leaves a plugin's binds to it.  The
framework's libraries are too large for that: LIEF 1.0 takes 2.2 GB of memory and 15 s for the 617 MB
``libtensorflow_cc`` of 2.18.0, of which a few hundred bytes of load commands and a few hundred look-ups in
the export trie are wanted.  So this reads exactly these, in place, over a memory map, the way dyld does it
(``MachOLoaded::trieWalk``): a look-up visits little more nodes than the name has characters.  Whatever
points outside the file, or back, is a `MachOError`.
"""

from __future__ import annotations

import mmap
import struct
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from metalmatrix.errors import MetalmatrixError
from metalmatrix.published.targets import ARM64, Target

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

    from typing_extensions import Self

MAX_COMMANDS = 2**20
"""Bytes of load commands; TensorFlow's largest library has 5 kB of them."""

MAX_NAME = 16 * 2**10
"""Characters of an exported name."""

MAX_SLICES = 32
MAX_EMPTY = 128
"""Edges without a character that a look-up follows: so many are all that dyld follows of any kind."""

MACHINES: dict[int, Target] = {0x0100000C: "arm64", 0x01000007: "x86_64"}
"""The processors of Macs that TensorFlow was ever built for, by ``cputype``."""

Kind = Literal["load", "weak", "reexport", "upward", "lazy"]

# <mach-o/loader.h>, <mach-o/fat.h>, <mach/machine.h>
_MAGIC_64 = 0xFEEDFACF
_FAT, _FAT_64 = 0xCAFEBABE, 0xCAFEBABF
_ID_DYLIB, _UUID, _RPATH = 0xD, 0x1B, 0x8000001C
_DYLIBS: dict[int, Kind] = {
    0xC: "load",
    0x80000018: "weak",
    0x8000001F: "reexport",
    0x80000023: "upward",
    0x20: "lazy",
}
_VERSION_MIN, _BUILD_VERSION, _PLATFORM_MACOS = 0x24, 0x32, 1
_DYLD_INFO, _EXPORTS_TRIE = {0x22, 0x80000022}, 0x80000033
_REEXPORT = 0x08


class MachOError(MetalmatrixError):
    """A file is no Mach-O library for the machine asked for, or points outside itself; it is not used."""

    exit_code = 7


@dataclass(frozen=True)
class Dependency:
    """A library that an image is linked against: the name it asks for, and how."""

    name: str
    kind: Kind


@dataclass(frozen=True)
class Image:
    """What the load commands of a library say.

    Attributes:
        install_name: What it is loaded as, ``LC_ID_DYLIB``; empty for a bundle, which has none.
        uuid: ``LC_UUID`` as dyld prints it, in capitals; empty where there is none.
        minimum_macos: ``12.0``; empty where no command tells.
        dependencies: In the order in which binds count them, from 1.
        rpaths: ``LC_RPATH``, in order.
    """

    install_name: str
    uuid: str
    minimum_macos: str
    dependencies: tuple[Dependency, ...]
    rpaths: tuple[str, ...]


@dataclass(frozen=True)
class Export:
    """An entry of the export trie.

    Attributes:
        ordinal: 0 for what the library has itself; else the dependency, from 1, it passes on.
        name: The name there, for what it passes on.
    """

    ordinal: int
    name: str


class MachO:
    """A Mach-O file, open for look-ups while the ``with`` block runs.

    Args:
        path: A thin file for the machine, or a fat one that has a slice for it.
        machine: Whose image is read.

    Raises:
        MachOError: It is none.
        OSError: It cannot be read.
    """

    def __init__(self, path: Path, machine: Target = ARM64) -> None:
        self._machine = machine
        with path.open("rb") as file:
            try:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            except ValueError as error:
                raise MachOError("an empty file is no Mach-O library") from error
        self._trie = (0, 0)
        try:
            with _named():
                self._start, self._end = self._slice()
                self.image = self._read_commands()
        except BaseException:
            self._map.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._map.close()

    def find(self, symbol: str) -> Export | None:
        """The export of that name, the leading underscore included, or None.

        Raises:
            MachOError: The trie is damaged on the way to it.
        """
        if len(symbol) > MAX_NAME:
            return None
        with _named():
            return self._walk(symbol.encode(), symbol)

    def _walk(self, rest: bytes, symbol: str) -> Export | None:
        """Follow the edges that spell *rest*, always the first that fits, as dyld does.

        An edge may be empty: tensorflow-metal 0.1.0 has those where one name begins another.
        """
        start, end = self._trie
        if start == end:
            return None
        node, seen = start, {start}
        while len(seen) <= len(symbol) + MAX_EMPTY:
            size, at = self._uleb(node, end)
            if not rest and size:
                return self._export(at, at + size, symbol)
            if at + size >= end:
                raise MachOError("the export trie points outside itself")
            edge = self._edge(at + size, rest)
            if edge is None:
                return None
            length, offset = edge
            node, rest = start + offset, rest[length:]
            if node >= end or node in seen:
                raise MachOError("the export trie points outside itself, or back")
            seen.add(node)
        raise MachOError("the export trie has too many empty edges")

    def _edge(self, at: int, rest: bytes) -> tuple[int, int] | None:
        """The length of the first edge that begins *rest*, and the offset of the node it leads to."""
        end = self._trie[1]
        count, at = self._map[at], at + 1
        for _ in range(count):
            stop = self._map.find(b"\0", at, end)
            if stop < 0:
                raise MachOError("an edge of the export trie does not end")
            length = stop - at
            fits = length <= len(rest) and self._map[at:stop] == rest[:length]
            offset, at = self._uleb(stop + 1, end)
            if fits:
                return length, offset
        return None

    def _export(self, at: int, end: int, symbol: str) -> Export:
        if end > self._trie[1]:
            raise MachOError("the export trie points outside itself")
        flags, at = self._uleb(at, end)
        if not flags & _REEXPORT:
            return Export(0, symbol)
        ordinal, at = self._uleb(at, end)
        if not 0 < ordinal <= len(self.image.dependencies):
            raise MachOError(f"{symbol[:200]} is re-exported from dependency {ordinal}, which there is not")
        name = self._text(at, end)
        return Export(ordinal, name or symbol)

    def _uleb(self, at: int, end: int) -> tuple[int, int]:
        """The number that begins at *at*, and where it ends; at most 64 bits (LEB128)."""
        value = shift = 0
        while at < end and shift < 64:
            byte = self._map[at]
            value |= (byte & 0x7F) << shift
            at, shift = at + 1, shift + 7
            if not byte & 0x80:
                return value, at
        raise MachOError("a number in the export trie does not end")

    def _text(self, at: int, end: int) -> str:
        """The text that begins at *at* and ends with a zero byte before *end*."""
        stop = self._map.find(b"\0", at, end)
        if not 0 <= stop - at <= MAX_NAME:
            raise MachOError("a name in it does not end")
        return self._map[at:stop].decode("utf-8")

    def _slice(self) -> tuple[int, int]:
        """Where the image begins and ends in the file."""
        total = len(self._map)
        for machine, start, size in _slices(self._map):
            if machine == self._machine:
                if start + size > total:
                    raise MachOError(f"its slice for {machine} ends outside the file")
                return start, start + size
        (magic,) = struct.unpack_from(">I", self._map)
        if magic in {_FAT, _FAT_64}:
            raise MachOError(f"it has no slice for {self._machine}")
        return 0, total

    def _read_commands(self) -> Image:
        if self._end - self._start < 32:
            raise MachOError("the file is too short for a Mach-O header")
        magic, cpu, _, _, count, size, _, _ = struct.unpack_from("<8I", self._map, self._start)
        if magic != _MAGIC_64:
            raise MachOError("it is no Mach-O file of 64 bits")
        if MACHINES.get(cpu) != self._machine:
            raise MachOError(f"it is not for {self._machine}")
        at = self._start + 32
        end = at + size
        if size > MAX_COMMANDS or end > self._end:
            raise MachOError("its load commands end outside the file")
        names: dict[str, str] = {}
        dependencies: list[Dependency] = []
        rpaths: list[str] = []
        for _ in range(count):
            if end - at < 8:
                raise MachOError("its load commands end outside their table")
            command, length = struct.unpack_from("<2I", self._map, at)
            if not 8 <= length <= end - at:
                raise MachOError("a load command ends outside its table")
            if kind := _DYLIBS.get(command):
                dependencies.append(Dependency(self._string(at, length), kind))
            elif command == _RPATH:
                rpaths.append(self._string(at, length))
            else:
                self._other(command, at, length, names)
            at += length
        return Image(
            names.get("install_name", ""),
            names.get("uuid", ""),
            names.get("minimum_macos", ""),
            tuple(dependencies),
            tuple(rpaths),
        )

    def _other(self, command: int, at: int, length: int, names: dict[str, str]) -> None:
        """Take what is wanted of the commands that an image has once."""
        end = at + length
        if command == _ID_DYLIB:
            names["install_name"] = self._string(at, length)
        elif command == _UUID:
            raw = self._fields("<16s", at, end)[0].hex().upper()
            names["uuid"] = "-".join((raw[:8], raw[8:12], raw[12:16], raw[16:20], raw[20:]))
        elif command == _VERSION_MIN:
            names["minimum_macos"] = _version(self._fields("<I", at, end)[0])
        elif command == _BUILD_VERSION:
            platform, minimum = self._fields("<2I", at, end)
            if platform == _PLATFORM_MACOS:
                names["minimum_macos"] = _version(minimum)
        elif command == _EXPORTS_TRIE or command in _DYLD_INFO:
            # both have the trie's offset and size: the one command first, the other at its end
            fields = self._fields("<2I" if command == _EXPORTS_TRIE else "<10I", at, end)
            begin = self._start + fields[-2]
            if begin + fields[-1] > self._end:
                raise MachOError("its export trie ends outside the file")
            self._trie = (begin, begin + fields[-1])

    def _fields(self, layout: str, at: int, end: int) -> tuple[Any, ...]:
        """The fields of a command behind its first eight bytes."""
        if at + 8 + struct.calcsize(layout) > end:
            raise MachOError("a load command is too short")
        return struct.unpack_from(layout, self._map, at + 8)

    def _string(self, at: int, length: int) -> str:
        """The string of a command, which says where in itself it begins."""
        (offset,) = self._fields("<I", at, at + length)
        if not 12 <= offset < length:
            raise MachOError("a name of a library stands outside its load command")
        return self._text(at + offset, at + length)


def machines(path: Path) -> tuple[Target, ...]:
    """What a file has images for, in its order; none where it is no Mach-O file, or for others only.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(8 + MAX_SLICES * struct.calcsize(">iiQQII"))
    try:
        if found := [machine for machine, *_ in _slices(head) if machine]:
            return tuple(dict.fromkeys(found))
        magic, cpu = struct.unpack_from("<2I", head)
    except struct.error:
        return ()
    return (MACHINES[cpu],) if magic == _MAGIC_64 and cpu in MACHINES else ()


def _slices(data: bytes | mmap.mmap) -> list[tuple[Target | None, int, int]]:
    """Machine, begin and size of each image of a fat file; none for another file."""
    (magic,) = struct.unpack_from(">I", data)
    if magic not in {_FAT, _FAT_64}:
        return []
    (count,) = struct.unpack_from(">I", data, 4)
    entry = struct.Struct(">iiIII" if magic == _FAT else ">iiQQII")
    entries = [entry.unpack_from(data, 8 + number * entry.size) for number in range(min(count, MAX_SLICES))]
    return [(MACHINES.get(cpu), start, size) for cpu, _, start, size, *_ in entries]


def _version(packed: int) -> str:
    """``xxxx.yy.zz`` in nibbles, as ``12.0`` or ``13.0.1``."""
    major, minor, patch = packed >> 16, packed >> 8 & 0xFF, packed & 0xFF
    return f"{major}.{minor}.{patch}" if patch else f"{major}.{minor}"


@contextmanager
def _named() -> Iterator[None]:
    """Gives what reading outside the file raises the name it has here."""
    try:
        yield
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise MachOError(f"it is no Mach-O library, or a damaged one ({type(error).__name__})") from error
