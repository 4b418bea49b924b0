"""PluggableDevices of a few hundred bytes for macOS on arm64, assembled by hand, sound or faulty.

The code begins each kernel, constrains it and registers it through the C API, as compilers write it.  What
else a plugin may do, a test gives as instructions.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from tests.tiny_macho import ARM64, string_command, trie, uleb

TEXT, STUBS, STRINGS, DATA, LINKEDIT = 0x1000, 0x8000, 0x9000, 0x10000, 0x14000
RET, NOP, SVC, UNDEFINED = 0xD65F03C0, 0xD503201F, 0xD4001001, 0x00000000
PUSH, POP = 0xA9BF7BFD, 0xA8C17BFD  # stp x29, x30, [sp, #-16]!; ldp x29, x30, [sp], #16
KEEP, KEPT_0, KEPT_1, DROP = 0xF81F0FE0, 0xF94003E0, 0xF94003E1, 0x910043FF
"""``str x0, [sp, #-16]!``; ``ldr x0, [sp]``; ``ldr x1, [sp]``; ``add sp, sp, #16``."""

Code = list["int | tuple[str, ...]"]
"""Instructions as words; or what needs an address: ``("call", import)``, ``("string", register, text)``,
``("address", register, function)``, ``("jump", function)``."""


def move(register: int, number: int) -> int:
    """``movz``."""
    return 0xD2800000 | number << 5 | register


def load(register: int, base: int, offset: int) -> int:
    """``ldr register, [base, #offset]``."""
    return 0xF9400000 | offset // 8 << 10 | base << 5 | register


def store(register: int, base: int, offset: int) -> int:
    """``str register, [base, #offset]``."""
    return 0xF9000000 | offset // 8 << 10 | base << 5 | register


def kernel(op: str, *dtypes: tuple[str, int], host: str = "", register: bool = True) -> Code:
    """A kernel for the GPU."""
    code: Code = [("string", "0", op), ("string", "1", "GPU"), ("call", "_TF_NewKernelBuilder"), KEEP]
    for attribute, number in dtypes:
        code += [KEPT_0, ("string", "1", attribute), move(2, number)]
        code += [("call", "_TF_KernelBuilder_TypeConstraint")]
    if host:
        code += [KEPT_0, ("string", "1", host), ("call", "_TF_KernelBuilder_HostMemory")]
    if register:
        code += [("string", "0", f"{op}Op"), KEPT_1, ("call", "_TF_RegisterKernelBuilder")]
    return [*code, DROP]


def function(*parts: Code) -> Code:
    """A function of these parts, that calls others."""
    return [PUSH, *(word for part in parts for word in part), POP, RET]


def platform(words: int = 35) -> dict[str, Code]:
    """``SE_InitPlugin``, and an executor that sets the first *words* of its struct."""
    executor: Code = [load(3, 1, 16), move(4, 8 * (words + 1)), store(4, 3, 0), ("address", "4", "_nothing")]
    executor += [store(4, 3, 8 * word) for word in range(2, words + 1)]
    return {
        "_nothing": [RET],
        "_create_executor": [*executor, RET],
        "_SE_InitPlugin": [
            *(load(1, 0, 32), load(2, 0, 40), move(3, 34), store(3, 1, 0)),
            *(("string", "3", "METAL"), store(3, 1, 16), ("string", "3", "GPU"), store(3, 1, 24)),
            *(("address", "3", "_create_executor"), store(3, 2, 56), RET),
        ],
    }


@dataclass
class TinyPlugin:
    """A plugin to build.

    Attributes:
        functions: By name; all are exported.
        initialisers: Functions that dyld calls first.
        minimum: The macOS that it was built for.
    """

    functions: dict[str, Code]
    initialisers: tuple[str, ...] = ()
    minimum: tuple[int, int] = (12, 0)
    _strings: dict[str, int] = field(default_factory=dict)
    _imports: list[str] = field(default_factory=list)

    def build(self) -> bytes:
        """The file."""
        at, addresses = TEXT, {}
        for name, code in self.functions.items():
            addresses[name] = at
            at += 4 * len(code)
        text = b"".join(
            struct.pack("<I", self._word(word, addresses[name] + 4 * number, addresses))
            for name, code in self.functions.items()
            for number, word in enumerate(code)
        )
        stubs = b"".join(
            struct.pack("<3I", NOP, _literal(STUBS + 12 * n + 4, DATA + 8 * n), 0xD61F0200)
            for n in range(len(self._imports))
        )
        strings = b"".join(text.encode() + b"\0" for text in self._strings)
        pointers = DATA + 8 * len(self._imports)
        data = b"\0" * (pointers - DATA) + b"".join(
            struct.pack("<Q", addresses[name]) for name in self.initialisers
        )
        image = bytearray(LINKEDIT)
        for start, part in ((TEXT, text), (STUBS, stubs), (STRINGS, strings), (DATA, data)):
            assert not any(image[start : start + len(part)])
            image[start : start + len(part)] = part
        parts = {
            "rebase": self._rebases(pointers),
            "bind": self._binds(),
            "exports": trie(dict.fromkeys(addresses, (0, "")), addresses),
            "symbols": b"",
            "names": b"\0",
        }
        for name, address in addresses.items():
            parts["symbols"] += struct.pack("<IBBHQ", len(parts["names"]), 0xF, 1, 0, address)
            parts["names"] += name.encode() + b"\0"
        end, offsets = LINKEDIT, {}
        for name, part in parts.items():
            offsets[name] = (end, len(part))
            end += len(part) + -len(part) % 8
        commands = self._commands(len(text), len(stubs), len(data), offsets, end - LINKEDIT)
        table = b"".join(commands)
        header = struct.pack("<8I", 0xFEEDFACF, ARM64, 0, 6, len(commands), len(table), 0x85, 0) + table
        image[: len(header)] = header
        return bytes(image) + b"".join(part + b"\0" * (-len(part) % 8) for part in parts.values())

    def _commands(
        self, text: int, stubs: int, data: int, offsets: dict[str, tuple[int, int]], linkedit: int
    ) -> list[bytes]:
        version = self.minimum[0] << 16 | self.minimum[1] << 8
        code = _section("__text", "__TEXT", TEXT, text) + _section("__stubs", "__TEXT", STUBS, stubs)
        start = 8 * len(self._imports)
        pointers = _section("__mod_init_func", "__DATA", DATA + start, data - start) if data > start else b""
        symbols = (offsets["symbols"][0], offsets["symbols"][1] // 16, *offsets["names"])
        return [
            _segment("__TEXT", 0, DATA, 5, code),
            _segment("__DATA", DATA, LINKEDIT - DATA, 3, pointers),
            _segment("__LINKEDIT", LINKEDIT, max(linkedit, 1), 1, b""),
            string_command(0xD, "@rpath/libtiny.dylib", struct.pack("<3I", 0, 0x10000, 0x10000)),
            struct.pack(
                "<12I", 0x80000022, 48, *offsets["rebase"], *offsets["bind"], *([0] * 4), *offsets["exports"]
            ),
            struct.pack("<6I", 0x2, 24, *symbols),
            struct.pack("<6I", 0x32, 24, 1, version, version, 0),
        ]

    def _word(self, word: int | tuple[str, ...], at: int, addresses: dict[str, int]) -> int:
        """An instruction, its address filled in."""
        if isinstance(word, int):
            return word
        kind, *rest = word
        if kind == "call":
            if rest[0] not in self._imports:
                self._imports.append(rest[0])
            return 0x94000000 | (STUBS + 12 * self._imports.index(rest[0]) - at) // 4 & 0x3FFFFFF
        if kind == "jump":
            return 0x14000000 | (addresses[rest[0]] - at) // 4 & 0x3FFFFFF
        target = addresses[rest[1]] if kind == "address" else self._string(rest[1])
        offset = target - at
        return 0x10000000 | (offset & 3) << 29 | (offset >> 2 & 0x7FFFF) << 5 | int(rest[0])  # adr

    def _string(self, text: str) -> int:
        if text not in self._strings:
            self._strings[text] = STRINGS + sum(len(known.encode()) + 1 for known in self._strings)
        return self._strings[text]

    def _binds(self) -> bytes:
        """Flat binds, each to its pointer in the second segment."""
        found = bytearray()
        for number, name in enumerate(self._imports):
            found += bytes([0x3E, 0x40]) + name.encode() + b"\0" + bytes([0x51, 0x71]) + uleb(8 * number)
            found += b"\x90"
        return bytes(found) + b"\0"

    def _rebases(self, pointers: int) -> bytes:
        count = len(self.initialisers)
        return bytes([0x11, 0x21]) + uleb(pointers - DATA) + bytes([0x50 | count, 0]) if count else b""


def _literal(at: int, target: int) -> int:
    """``ldr x16, target``."""
    return 0x58000010 | (target - at) // 4 << 5


def _section(name: str, segment: str, address: int, size: int) -> bytes:
    kind = {"__mod_init_func": 9, "__stubs": 0x80000408}.get(name, 0x80000400)
    names = struct.pack("<16s16s", name.encode(), segment.encode())
    return names + struct.pack("<2Q8I", address, size, address, 2, 0, 0, kind, 0, 12, 0)


def _segment(name: str, address: int, size: int, rights: int, sections: bytes) -> bytes:
    length, count = 72 + len(sections), len(sections) // 80
    fixed = struct.pack(
        "<2I16s4Q4I", 0x19, length, name.encode(), address, size, address, size, 7, rights, count, 0
    )
    return fixed + sections
