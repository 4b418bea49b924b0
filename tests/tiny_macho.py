"""Mach-O libraries of a few hundred bytes, built by hand, for the readers to be tried on."""

from __future__ import annotations

import struct
from dataclasses import dataclass

ARM64, X86_64 = 0x0100000C, 0x01000007
KINDS = {"load": 0xC, "weak": 0x80000018, "reexport": 0x8000001F}
UUID = bytes(range(16))


def uleb(value: int) -> bytes:
    """A number in LEB128."""
    found = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        found.append(low | (0x80 if value else 0))
        if not value:
            return bytes(found)


def trie(exports: dict[str, tuple[int, str]], addresses: dict[str, int] | None = None) -> bytes:
    """An export trie of one level, in which no name may begin another.

    Args:
        exports: By name: 0 for an own symbol, or the ordinal of a dependency and the name there.
        addresses: Where own symbols are; one place for all where None.
    """
    nodes = {}
    for name, (ordinal, there) in exports.items():
        at = (addresses or {}).get(name, 0x1000)
        info = uleb(8) + uleb(ordinal) + there.encode() + b"\0" if ordinal else uleb(0) + uleb(at)
        nodes[name] = uleb(len(info)) + info + b"\0"
    # every offset takes two bytes, so that the root's length is known before they are
    root = 2 + sum(len(name.encode()) + 1 + 2 for name in nodes)
    edges, tail = bytearray(), bytearray()
    for name, node in nodes.items():
        offset = root + len(tail)
        edges += name.encode() + b"\0" + bytes((offset & 0x7F | 0x80, offset >> 7))
        tail += node
    return bytes([0, len(nodes)]) + edges + tail


def string_command(command: int, text: str, fields: bytes = b"") -> bytes:
    """A load command that ends with a string."""
    offset = 12 + len(fields)
    body = text.encode() + b"\0"
    length = offset + len(body) + -(offset + len(body)) % 8
    return (struct.pack("<3I", command, length, offset) + fields + body).ljust(length, b"\0")


@dataclass(frozen=True)
class Tiny:
    """A library to build.

    Attributes:
        exports: As for `trie`; None for a library without a trie.
        binds: Symbols with their ordinals and weakness, as regular binds; `lazy` as lazy ones.
        chained: Symbols with their ordinals and weakness, as the import table of chained fixups.
    """

    install_name: str = ""
    dependencies: tuple[tuple[str, str], ...] = ()
    rpaths: tuple[str, ...] = ()
    exports: dict[str, tuple[int, str]] | None = None
    binds: tuple[tuple[str, int, bool], ...] = ()
    lazy: tuple[tuple[str, int, bool], ...] = ()
    chained: tuple[tuple[str, int, bool], ...] = ()
    minimum: tuple[int, int, int] = (12, 0, 0)
    with_trie_command: bool = False
    cpu: int = ARM64

    def build(self) -> bytes:
        """The file."""
        version = self.minimum[0] << 16 | self.minimum[1] << 8 | self.minimum[2]
        dylib = struct.pack("<3I", 0, 0x10000, 0x10000)
        commands = [string_command(0xD, self.install_name, dylib)] if self.install_name else []
        commands += [string_command(KINDS[kind], name, dylib) for name, kind in self.dependencies]
        commands += [string_command(0x8000001C, rpath) for rpath in self.rpaths]
        commands += [
            struct.pack("<2I", 0x1B, 24) + UUID,
            struct.pack("<6I", 0x32, 24, 1, version, version, 0),
        ]
        parts = {
            "bind": _opcodes(self.binds, done=True),
            "lazy": _opcodes(self.lazy, done=False),
            "trie": trie(self.exports) if self.exports is not None else b"",
            "chained": _imports(self.chained) if self.chained else b"",
        }
        sizes = (16 if self.with_trie_command else 48) + (16 if self.chained else 0) + 2 * 72
        start = 32 + sum(map(len, commands)) + sizes
        start += -start % 16
        at, offsets = start, {}
        for name, part in parts.items():
            offsets[name] = (at if part else 0, len(part))
            at += len(part) + -len(part) % 8
        text = struct.pack("<2I16s4Q4I", 0x19, 72, b"__TEXT", 0, 0x4000, 0, start, 7, 5, 0, 0)
        linkedit = struct.pack(
            "<2I16s4Q4I", 0x19, 72, b"__LINKEDIT", 0x8000, 0x4000, start, at - start, 7, 1, 0, 0
        )
        if self.with_trie_command:
            commands.append(struct.pack("<4I", 0x80000033, 16, *offsets["trie"]))
        else:
            info = (0, 0, *offsets["bind"], 0, 0, *offsets["lazy"], *offsets["trie"])
            commands.append(struct.pack("<12I", 0x80000022, 48, *info))
        if self.chained:
            commands.append(struct.pack("<4I", 0x80000034, 16, *offsets["chained"]))
        commands = [text, linkedit, *commands]
        table = b"".join(commands)
        header = struct.pack("<8I", 0xFEEDFACF, self.cpu, 0, 6, len(commands), len(table), 0x85, 0)
        body = (header + table).ljust(start, b"\0")
        for part in parts.values():
            body += part + b"\0" * (-len(part) % 8)
        return body


def _opcodes(binds: tuple[tuple[str, int, bool], ...], *, done: bool) -> bytes:
    """Bind opcodes of <mach-o/loader.h>: for each its library, its name, where it goes, and *do*."""
    found = bytearray()
    for number, (symbol, ordinal, weak) in enumerate(binds):
        found += bytes([0x30 | ordinal & 0xF]) if ordinal <= 0 else bytes([0x10 | ordinal])
        found += bytes([0x40 | weak]) + symbol.encode() + b"\0"
        found += bytes([0x51, 0x70]) + uleb(8 * number) + bytes([0x90])
        found += b"" if done else b"\0"
    return bytes(found) + (b"\0" if binds else b"")


def _imports(binds: tuple[tuple[str, int, bool], ...]) -> bytes:
    """Chained fixups without a chain: only their table of imports."""
    names, entries = b"\0", b""
    for symbol, ordinal, weak in binds:
        entries += struct.pack("<I", ordinal & 0xFF | weak << 8 | len(names) << 9)
        names += symbol.encode() + b"\0"
    starts = struct.pack("<3I", 2, 0, 0)
    imports = 28 + 4 + len(starts)
    head = struct.pack("<7I", 0, 32, imports, imports + len(entries), len(binds), 1, 0) + b"\0" * 4
    return head + starts + entries + names


def fat(*slices: tuple[int, bytes]) -> bytes:
    """A fat file of images for the CPUs given."""
    at = 4096
    table, body = b"", b""
    for cpu, image in slices:
        table += struct.pack(">iiIII", cpu, 0, at + len(body), len(image), 12)
        body += image + b"\0" * (-len(image) % 4096)
    return (struct.pack(">2I", 0xCAFEBABE, len(slices)) + table).ljust(at, b"\0") + body
