"""A plugin's library as an arm64 process would have it in memory, read with LIEF.

All addresses are as loaded: the image's first byte stands at `BASE`.  What LIEF calls relocations are the
pointers that dyld slides (chained fixups or ``LC_DYLD_INFO``, it reads both), bindings those that it fills
with a symbol.  Nothing is executed here.
"""

from __future__ import annotations

import struct
from bisect import bisect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from metalmatrix.wheels.macho import MachOError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

BASE = 0x1_0000_0000
MAX_IMAGE = 128 * 2**20
"""Bytes of memory that an image may take; the largest plugin so far takes 5 MB."""

PAGE = 0x4000

# How the linker reaches an import (Arm A64 instruction set): `adrp x16, page; ldr x16, [x16, #offset];
# br x16`, or `nop; ldr x16, nearby; br x16` where the pointer is within 1 MiB.
_ADRP, _LDR, _BR, _NOP, _LDR_NEARBY = 0x90000010, 0xF9400210, 0xD61F0200, 0xD503201F, 0x58000010


class EmulationError(MachOError):
    """A plugin's registration could not be run to its end: nothing is known of its kernels."""


@dataclass(frozen=True)
class Segment:
    """A part of the image with its rights."""

    address: int
    size: int
    data: bytes
    writable: bool
    executable: bool


@dataclass(frozen=True)
class Image:
    """The library in memory.

    Attributes:
        size: From `BASE` on, in whole pages.
        rebases: Where a pointer into the image stands, and what it points to.
        binds: Where a symbol's address goes, its name, and what is added to it.
        exports: Addresses by name, the leading underscore included.
        symbols: Address and name of what has one, by address: to say where something went wrong.
        initialisers: What dyld calls before anybody else, in order.
        code: Address and content of each section with instructions.
        minimum_macos: What it was built for, ``(12, 0)``.
    """

    size: int
    segments: tuple[Segment, ...]
    rebases: tuple[tuple[int, int], ...]
    binds: tuple[tuple[int, str, int], ...]
    exports: Mapping[str, int]
    symbols: tuple[tuple[int, str], ...]
    initialisers: tuple[int, ...]
    code: tuple[tuple[int, bytes], ...]
    minimum_macos: tuple[int, int]

    def where(self, address: int) -> str:
        """An address of the image by the symbol before it."""
        number = bisect(self.symbols, (address, "\U0010ffff")) - 1
        if number < 0 or not BASE <= address < BASE + self.size:
            return f"{address:#x}"
        at, name = self.symbols[number]
        return name if at == address else f"{name}+{address - at:#x}"

    def call_sites(self, symbol: str) -> frozenset[int]:
        """The addresses of all instructions that branch to an import by way of its stub.

        Calls through a pointer that was loaded elsewhere are not seen; compilers do not make such of a
        function that is called by its name.
        """
        slots = {at for at, name, _ in self.binds if name == symbol}
        words = [
            (at, struct.unpack(f"<{len(data) // 4}I", data[: len(data) // 4 * 4])) for at, data in self.code
        ]
        stubs = {at for start, code in words for at, slot in _stubs(start, code) if slot in slots}
        return frozenset(
            at
            for start, code in words
            for number, word in enumerate(code)
            if word & 0x7C000000 == 0x14000000  # b and bl
            and (at := start + 4 * number) + 4 * _signed(word & 0x3FFFFFF, 26) in stubs
        )


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> bits - 1 else value


def _stubs(start: int, code: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """Address of each stub, and of the pointer that it follows."""
    for number in range(len(code) - 2):
        if code[number + 2] != _BR:
            continue
        first, load = code[number : number + 2]
        at = start + 4 * number
        if first == _NOP and load & 0xFF00001F == _LDR_NEARBY:
            yield at, at + 4 + 4 * _signed(load >> 5 & 0x7FFFF, 19)
        elif first & 0x9F00001F == _ADRP and load & 0xFFC003FF == _LDR:
            pages = _signed((first >> 5 & 0x7FFFF) << 2 | first >> 29 & 3, 21)
            yield at, (at & ~0xFFF) + pages * 0x1000 + (load >> 10 & 0xFFF) * 8


def read_image(data: bytes) -> Image:
    """The image for arm64 in a file.

    Raises:
        EmulationError: There is none, or it is damaged.
        ImportError: LIEF is not installed.
    """
    import lief  # noqa: PLC0415 - optional, and native code: only the child imports it

    lief.logging.disable()
    fat = lief.MachO.parse(list(data))
    images = [] if fat is None else [fat.at(number) for number in range(fat.size)]
    arm64 = lief.MachO.Header.CPU_TYPE.ARM64
    found: Any = next((image for image in images if image and image.header.cpu_type == arm64), None)
    if found is None:
        raise EmulationError("LIEF finds no library for arm64 in it")
    try:
        return _converted(found, lief.MachO.Section.FLAGS.SOME_INSTRUCTIONS)
    except (ValueError, TypeError, AttributeError, struct.error, OverflowError) as error:
        raise EmulationError(f"the file is damaged ({type(error).__name__}: {str(error)[:100]})") from error


def _converted(macho: Any, code: Any) -> Image:  # noqa: ANN401 - LIEF's objects
    """The image; *code* is the mark of sections with instructions."""
    slide = BASE - macho.imagebase
    segments = tuple(
        Segment(
            segment.virtual_address + slide,
            segment.virtual_size,
            bytes(segment.content)[: segment.virtual_size],
            bool(segment.init_protection & 2),
            bool(segment.init_protection & 4),
        )
        for segment in macho.segments
        if segment.virtual_size
    )
    end = max((segment.address + segment.size for segment in segments), default=BASE)
    size = -(-(end - BASE) // PAGE) * PAGE
    if not 0 < size <= MAX_IMAGE or any(segment.address < BASE for segment in segments):
        raise EmulationError("its segments are not those of a library")
    memory = bytearray(size)
    for segment in segments:
        memory[segment.address - BASE : segment.address - BASE + len(segment.data)] = segment.data

    def word(address: int) -> int:
        return int.from_bytes(memory[address - BASE : address - BASE + 8], "little")

    rebases = []
    for fixup in macho.relocations:
        at = fixup.address + slide
        rebases.append((at, (fixup.target if hasattr(fixup, "target") else word(at)) + slide))
    initialisers: list[int] = []
    for section in macho.sections:
        content = bytes(section.content)
        if section.name == "__init_offsets":
            initialisers += [BASE + at for (at,) in struct.iter_unpack("<I", content)]
        elif section.name == "__mod_init_func":
            targets = dict(rebases)
            at = section.virtual_address + slide
            initialisers += [targets[at + 8 * number] for number in range(len(content) // 8)]
    version = macho.build_version if macho.has_build_version else macho.version_min
    numbers = list(version.minos if macho.has_build_version else version.version)
    return Image(
        size,
        segments,
        tuple(rebases),
        tuple((bind.address + slide, str(bind.symbol.name), bind.addend) for bind in macho.bindings),
        {str(symbol.name): symbol.value + slide for symbol in macho.exported_symbols},
        tuple(sorted((symbol.value + slide, str(symbol.name)) for symbol in macho.symbols if symbol.value)),
        tuple(initialisers),
        tuple(
            (section.virtual_address + slide, bytes(section.content))
            for section in macho.sections
            if section.has(code)
        ),
        (numbers[0], numbers[1]),
    )
