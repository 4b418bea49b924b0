"""A plugin's binds in the order in which dyld looks them up, read with LIEF in a process of its own.

For ``DYLD_INFO`` LIEF gives the binds in the order of the opcodes, which is dyld's: regular ones, then lazy
ones (``RTLD_NOW`` makes these count too).  For chained fixups it gives them in the order of the chains, where
dyld goes by the table of imports (``MachOAnalyzer::forEachBindTarget_ChainedFixups``); that table is read
here from what LIEF hands out.
Binds of the weak opcodes are left out: dyld passes over those it cannot find.

C++ names are made readable by the platform's C++ runtime (``__cxa_demangle``, Itanium C++ ABI), once, when
they are first seen: reading the data needs neither.
"""

from __future__ import annotations

import ctypes
import struct
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from metalmatrix.errors import ToolMissingError
from metalmatrix.published.targets import ARM64, Target
from metalmatrix.wheels import child
from metalmatrix.wheels.macho import MACHINES, MachOError

if TYPE_CHECKING:
    from pathlib import Path

MAX_BINDS = 100_000
FLAT, WEAK_LOOKUP, MAIN, SELF = -2, -3, -1, 0
"""Ordinals that are no dependency: all images loaded globally, weak definitions, Python, the image itself."""

_RUNTIMES = ("libstdc++.so.6", "libc++abi.dylib", "/usr/lib/libc++abi.dylib", "libc++abi.so.1")


@dataclass(frozen=True)
class Bind:
    """A symbol that a library wants: from the dependency of that number, or by one of the special ordinals.

    Attributes:
        symbol: Its name, with the leading underscore.
        ordinal: From 1, or `FLAT`, `WEAK_LOOKUP`, `MAIN` or `SELF`.
        weak: Whether it may be missing.
        demangled: The name as a C++ programmer writes it; empty for other languages.
    """

    symbol: str
    ordinal: int
    weak: bool = False
    demangled: str = ""


def read_binds(path: Path, target: Target = ARM64) -> tuple[Bind, ...]:
    """The binds of a library, of its image for *target*, in dyld's order, each once.

    Raises:
        MachOError: It cannot be read within the limits.
        ToolMissingError: LIEF is not installed.
    """
    answer = child.ask("metalmatrix.wheels.binds", path, "reading its binds", "read", target)
    try:
        return tuple(Bind(str(name), int(at), bool(weak), str(cxx)) for name, at, weak, cxx in answer)
    except (ValueError, TypeError) as error:
        raise MachOError("its binds cannot be read: the file is damaged") from error


def demangle(symbol: str) -> str:
    """A C++ symbol as a programmer writes it; empty for a symbol of another language.

    Raises:
        ToolMissingError: This machine has no C++ runtime.
    """
    if not symbol.startswith("__Z"):
        return ""
    for name in _RUNTIMES:
        try:
            convert = ctypes.CDLL(name)["__cxa_demangle"]
            free = ctypes.CDLL(None).free
        except (OSError, AttributeError):
            continue
        convert.restype, free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
        status = ctypes.c_int()
        found = convert(symbol[1:].encode(), None, None, ctypes.byref(status))
        if not found:
            return ""
        text = ctypes.string_at(found).decode("utf-8", "replace")
        free(found)
        return text.replace("> >", ">>")  # as GNU's runtime wrote it, and LLVM's no more
    raise ToolMissingError("a C++ runtime, which makes names readable")


def _in_child(path: str, target: str) -> int:
    """Print the binds as JSON: a list of (symbol, ordinal, weak, demangled), or what is wrong."""
    child.limit()
    try:
        import lief  # noqa: PLC0415 - in the child only
    except ImportError:
        return child.lack("LIEF")
    lief.logging.disable()
    fat = lief.MachO.parse(path)
    images = [] if fat is None else [fat.at(number) for number in range(fat.size)]
    image: Any = next((i for i in images if i and MACHINES.get(int(i.header.cpu_type)) == target), None)
    if image is None:
        return child.refuse(f"LIEF finds no library for {target} in it")
    try:
        found = _chained(image.dyld_chained_fixups) if image.has_dyld_chained_fixups else _opcodes(image)
    except (struct.error, UnicodeDecodeError, ValueError) as error:
        return child.refuse(str(error)[:200])
    try:
        return child.say([(*bind, demangle(bind[0])) for bind in dict.fromkeys(found)])
    except ToolMissingError as error:
        return child.lack(error.what)


def _opcodes(image: Any) -> list[tuple[str, int, bool]]:  # noqa: ANN401 - LIEF's objects
    """The regular binds, then the lazy ones, each in the order of its opcodes."""
    classes = ("STANDARD", "LAZY")
    found: dict[str, list[tuple[str, int, bool]]] = {name: [] for name in classes}
    for bind in image.bindings:
        name = bind.binding_class.name
        if name in found and bind.has_symbol:
            found[name].append((str(bind.symbol.name), bind.library_ordinal, bind.weak_import))
    return [*found["STANDARD"], *found["LAZY"]]


def _chained(fixups: Any) -> list[tuple[str, int, bool]]:  # noqa: ANN401 - as above
    """The table of imports, ``dyld_chained_import`` and its kin of <mach-o/fixup-chains.h>."""
    data = bytes(fixups.payload)
    if fixups.symbols_format != 0 or fixups.imports_count > MAX_BINDS:
        raise ValueError("its table of imports is packed, or too large")
    layout, ordinal_bits = {1: ("<I", 8), 2: ("<Ii", 8), 3: ("<QQ", 16)}[int(fixups.imports_format)]
    entry = struct.Struct(layout)
    found = []
    for number in range(fixups.imports_count):
        value = entry.unpack_from(data, fixups.imports_offset + number * entry.size)[0]
        ordinal = value & (1 << ordinal_bits) - 1
        # the special ordinals are the last ones: dyld sign-extends from 0xF0 or 0xFFF0 on
        if ordinal > (1 << ordinal_bits) - 16:
            ordinal -= 1 << ordinal_bits
        name_at = fixups.symbols_offset + (value >> 9 if ordinal_bits == 8 else value >> 32)
        end = data.find(b"\0", name_at)
        if not name_at <= end:
            raise ValueError("a name in its table of imports stands outside the file")
        found.append((data[name_at:end].decode(), ordinal, bool(value >> ordinal_bits & 1)))
    return found


if __name__ == "__main__":
    sys.exit(_in_child(*sys.argv[1:3]))
