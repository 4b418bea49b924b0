"""An arm64 machine that runs functions of one image, and serves every import that it is told how to serve.

Each import has a slot in memory of its own.  A function's slot holds one `ret`: as it is reached, its stub
runs in Python and gives the result.  An import without a stub, an address that is nowhere, an instruction
outside of the code, a system call, too many instructions or too much memory are an `EmulationError` that
says where: whatever is not understood ends the run, so that no list can come out short.

Unicorn does not nest, so a function that calls back into the image (``dispatch_once_f``) is arm64 code in
its slot, given as words.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import unicorn
from unicorn import Uc, UcError
from unicorn import arm64_const as arm

from metalmatrix.kernels.image import PAGE, EmulationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from metalmatrix.kernels.image import Image

    Stub = Callable[["Machine", Sequence[int]], int]

TRAPS, HEAP, STACK, THREAD = 0x2_0000_0000, 0x3_0000_0000, 0x4_0000_0000, 0x5_0000_0000
HEAP_SIZE, STACK_SIZE, SLOT = 64 * 2**20, 8 * 2**20, 0x200
INSTRUCTIONS = 50_000_000
"""What one function may execute; a registration takes a hundredth."""

TRANSLATED = 64 * 2**20
"""Bytes for code that Unicorn has translated; what no longer fits is translated again."""

MAX_STRING = 4096
_ARGUMENTS = [arm.UC_ARM64_REG_X0 + number for number in range(8)]
_RET = 0xD65F03C0
_MASK = (1 << 64) - 1
_BACK, _VIRTUAL = "<return>", "<virtual function of an imported class>"

ASSEMBLED = {
    # void dispatch_once_f(dispatch_once_t *done, void *context, dispatch_function_t function):
    # ldr x3, [x0]; cmn x3, #1; b.eq end; mov x3, #-1; str x3, [x0]; mov x0, x1; br x2; end: ret
    "_dispatch_once_f": (
        0xF9400003,
        0xB100047F,
        0x540000A0,
        0x92800003,
        0xF9000003,
        0xAA0103E0,
        0xD61F0040,
        _RET,
    ),
}
"""Imports that are arm64 code, as words."""

_STREAMS = ("__ZNSt3__14coutE", "__ZNSt3__14clogE", "__ZNSt3__14cerrE")
_DATA = ("__ZTI", "_OBJC_", "___stack_chk_guard", "___std", "__NSConcrete")
"""Imports that are data, whose content nothing that is run here looks at: they read as zeros."""


class Machine:
    """One process: the image, rebased and bound, a heap, a stack and a thread.

    Args:
        image: The image; where it exports what it also imports (C++'s weak symbols), it gets its own.
        stubs: What each import does: arguments ``x0`` to ``x7`` in, ``x0`` out.

    Attributes:
        called: The imports that were called, and how often.
        callers: From where: the address of each branch, by import.
    """

    def __init__(self, image: Image, stubs: Mapping[str, Stub]) -> None:
        self._image, self._stubs = image, stubs
        self._names: list[str] = []
        self._slots: dict[str, int] = {}
        self._free = HEAP + 16
        self._error = ""
        self.called: dict[str, int] = {}
        self.callers: dict[str, set[int]] = {}
        self._cpu = Uc(unicorn.UC_ARCH_ARM64, unicorn.UC_MODE_ARM)
        # Unicorn (2.1) reserves 1 GiB for each processor, and a few of them are more than the child may have.
        self._cpu.ctl_set_tcg_buffer_size(TRANSLATED)
        self._cpu.ctl_set_cpu_model(arm.UC_CPU_ARM64_MAX)  # the default lacks LDAPR (Armv8.3)
        self._cpu.reg_write(arm.UC_ARM64_REG_CPACR_EL1, 3 << 20)  # floating point and SIMD
        self._cpu.reg_write(arm.UC_ARM64_REG_TPIDRRO_EL0, THREAD)
        for address, size in ((HEAP, HEAP_SIZE), (STACK, STACK_SIZE), (THREAD, PAGE)):
            self._cpu.mem_map(address, size, unicorn.UC_PROT_READ | unicorn.UC_PROT_WRITE)
        self._map()
        self._bind()
        self._cpu.hook_add(unicorn.UC_HOOK_MEM_INVALID, self._on_invalid)
        self._cpu.hook_add(unicorn.UC_HOOK_INTR, self._on_interrupt)
        end = TRAPS + SLOT * len(self._names)
        self._cpu.hook_add(unicorn.UC_HOOK_CODE, self._on_trap, begin=TRAPS, end=end)

    def _map(self) -> None:
        """The image with each segment's rights: code cannot be written, data cannot be executed."""
        for segment in self._image.segments:
            rights = unicorn.UC_PROT_READ
            rights |= unicorn.UC_PROT_WRITE if segment.writable else 0
            rights |= unicorn.UC_PROT_EXEC if segment.executable else 0
            try:
                self._cpu.mem_map(segment.address, -(-segment.size // PAGE) * PAGE, rights)
                self.write(segment.address, segment.data)
            except UcError as error:
                raise EmulationError(f"its segments cannot be mapped ({error})") from error
        for address, target in self._image.rebases:
            self.put(address, target)

    def _bind(self) -> None:
        """Gives each import its slot: code, data, or a class whose virtual functions are all one trap."""
        self._slot(_BACK)
        virtual = self._slot(_VIRTUAL)
        for address, name, addend in self._image.binds:
            self.put(address, (self._image.exports.get(name) or self._slot(name)) + addend)
        for name in self._stubs:
            self._slot(name)  # dlsym may be asked for it
        rights = unicorn.UC_PROT_READ | unicorn.UC_PROT_EXEC
        self._cpu.mem_map(TRAPS, -(-SLOT * len(self._names) // PAGE) * PAGE, rights)
        for name, at in self._slots.items():
            if name.startswith("__ZTV"):
                # vtables: offsets and type information are zero, and every function behind them the trap
                self.write(at + 24, struct.pack("<Q", virtual) * ((SLOT - 24) // 8))
            elif name.startswith("__ZTT") or name in _STREAMS:
                self.write(at, struct.pack("<Q", virtual + 32) * (SLOT // 8))
            elif not name.startswith(_DATA):
                self.write(
                    at, struct.pack(f"<{len(code)}I", *code) if (code := ASSEMBLED.get(name)) else _ret()
                )
        self.write(virtual + 32, struct.pack("<Q", virtual) * ((SLOT - 32) // 8))
        self.vtable = virtual + 32

    def _slot(self, name: str) -> int:
        if name not in self._slots:
            self._slots[name] = TRAPS + SLOT * len(self._names)
            self._names.append(name)
        return self._slots[name]

    def import_address(self, name: str) -> int:
        """Where an import is; 0 where there is none of that name."""
        return self._slots.get(name, 0)

    # memory

    def read(self, address: int, size: int) -> bytes:
        """*size* bytes of memory."""
        if not 0 <= size <= HEAP_SIZE:
            raise EmulationError(f"{size} bytes are asked for at once")
        return bytes(self._cpu.mem_read(address, size)) if size else b""

    def write(self, address: int, data: bytes) -> int:
        """Put *data* into memory; gives *address* back."""
        if data:
            self._cpu.mem_write(address, data)
        return address

    def word(self, address: int) -> int:
        """The 64 bits at *address*."""
        return int.from_bytes(self.read(address, 8), "little")

    def put(self, address: int, value: int) -> None:
        """Put 64 bits at *address*."""
        self.write(address, struct.pack("<Q", value & _MASK))

    def c_string(self, address: int) -> bytes:
        """The bytes up to the zero.

        Raises:
            EmulationError: There is no zero within `MAX_STRING` bytes.
        """
        found = bytearray()
        while address and len(found) < MAX_STRING:
            found += self.read(address + len(found), 16 - (address + len(found)) % 16)
            if b"\0" in found:
                return bytes(found.partition(b"\0")[0])
        raise EmulationError("a string has no end, or there is none")

    def text(self, address: int) -> str:
        """A string of names: printable ASCII.

        Raises:
            EmulationError: It is another.
        """
        found = self.c_string(address)
        if not all(32 <= byte < 127 for byte in found):
            raise EmulationError(f"{found[:40]!r} is no name")
        return found.decode("ascii")

    def allocate(self, size: int, data: bytes = b"") -> int:
        """Memory of the heap, aligned to 16 bytes, with *data* in it; it is never freed.

        Raises:
            EmulationError: There is no more.
        """
        address = self._free
        self._free += (size + 31) & ~15
        if size < 0 or self._free > HEAP + HEAP_SIZE:
            raise EmulationError(f"it takes more than {HEAP_SIZE >> 20} MiB of memory")
        return self.write(address, data)

    # control

    def call(self, function: int, *arguments: int) -> int:
        """Run a function of the image to its end; what it returns.

        Raises:
            EmulationError: It does not come to its end.
        """
        stack = STACK + STACK_SIZE - 0x10000
        self._error = ""
        for register, value in zip(_ARGUMENTS, arguments, strict=False):
            self._cpu.reg_write(register, value & _MASK)
        self._cpu.reg_write(arm.UC_ARM64_REG_SP, stack)
        self._cpu.reg_write(arm.UC_ARM64_REG_LR, TRAPS)
        try:
            self._cpu.emu_start(function, TRAPS, count=INSTRUCTIONS)
        except UcError as error:
            self._error = self._error or str(error)
        counter = self._cpu.reg_read(arm.UC_ARM64_REG_PC)
        if not self._error and counter != TRAPS:
            self._error = f"it executes more than {INSTRUCTIONS:,} instructions"
        if not self._error and self._cpu.reg_read(arm.UC_ARM64_REG_SP) != stack:
            self._error = "it returns with another stack"
        if self._error:
            raise EmulationError(
                f"{self._image.where(function)}: {self._error}, at {self._image.where(counter)}"
            )
        return int(self._cpu.reg_read(arm.UC_ARM64_REG_X0))

    def _on_trap(self, cpu: Uc, address: int, _size: int, _data: object) -> None:
        number, offset = divmod(address - TRAPS, SLOT)
        name = self._names[number]
        if offset or name == _BACK:
            if name not in ASSEMBLED and name != _BACK:
                self._stop(f"a branch into the middle of {name}")
            return
        caller = cpu.reg_read(arm.UC_ARM64_REG_LR) - 4
        self.called[name] = self.called.get(name, 0) + 1
        self.callers.setdefault(name, set()).add(caller)
        if name in ASSEMBLED:
            return
        if name not in self._stubs and name != _VIRTUAL:
            self._stop(f"it calls {name}, which is not known here, from {self._image.where(caller)}")
            return
        try:
            arguments = [cpu.reg_read(register) for register in _ARGUMENTS]
            # Only C++ streams are imported classes whose virtual functions are called: that is output.
            answer = 0 if name == _VIRTUAL else self._stubs[name](self, arguments)
        except EmulationError as error:
            self._stop(f"{name}: {error.what}, called from {self._image.where(caller)}")
        except (UcError, struct.error) as error:
            self._stop(f"{name}: {error}, called from {self._image.where(caller)}")
        else:
            cpu.reg_write(arm.UC_ARM64_REG_X0, answer & _MASK)

    def _stop(self, error: str) -> None:
        self._error = self._error or error
        self._cpu.emu_stop()

    def _on_invalid(
        self, _cpu: Uc, access: int, address: int, _size: int, _value: int, _data: object
    ) -> bool:
        does = {
            unicorn.UC_MEM_FETCH_UNMAPPED: "it branches to nowhere",
            unicorn.UC_MEM_FETCH_PROT: "it branches into data",
            unicorn.UC_MEM_WRITE_UNMAPPED: "it writes to nowhere",
            unicorn.UC_MEM_WRITE_PROT: "it writes into code",
        }.get(access, "it reads from nowhere")
        self._error = self._error or f"{does} ({address:#x})"
        return False

    def _on_interrupt(self, _cpu: Uc, number: int, _data: object) -> None:
        self._stop(f"it makes a system call, or traps (exception {number})")


def _ret() -> bytes:
    return struct.pack("<I", _RET)
