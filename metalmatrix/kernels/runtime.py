"""What macOS's libraries do for a plugin while it registers: the stubs, import by import.

libc++'s ``std::string`` is of the alternate layout that Apple's arm64 has: 23 bytes in place, the size in
the last one; or pointer, size, and capacity with its top bit set.  Constructors and destructors return
``this`` (Apple's arm64 C++ ABI).  `IGNORED` are those whose outcome nobody uses; each is named, none is
guessed by a pattern.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from metalmatrix.kernels.image import EmulationError
from metalmatrix.kernels.machine import THREAD

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from metalmatrix.kernels.machine import Machine, Stub

Version = tuple[int, int]

_STRING = "__ZNSt3__112basic_stringIcNS_11char_traitsIcEENS_9allocatorIcEEE"
_STREAM = "__ZNSt3__113basic_ostreamIcNS_11char_traitsIcEEE"
_IN_PLACE = 23
_PRIMES_UNTIL = 2**20
AVAILABILITY = "__availability_version_check"
"""What compiler-rt's ``@available`` asks, by way of dlsym."""

MACOS = 1  # PLATFORM_MACOS of <mach-o/loader.h>

SELECTORS: Mapping[str, Version] = {
    # MPSGraph's GRU (developer.apple.com: macOS 13.0+)
    "GRUWithSourceTensor:recurrentWeight:inputWeight:bias:initState:descriptor:name:": (13, 0),
}
"""Methods that plugins look for in a class, and the macOS that brought them."""


class Environment:
    """The macOS that a plugin finds.

    Args:
        macos: Its version.

    Attributes:
        asked: The versions that the plugin has asked for, directly or by a method that came with one.
    """

    def __init__(self, macos: Version) -> None:
        self._macos = macos
        self.asked: set[Version] = set()

    def stubs(self) -> dict[str, Stub]:
        """What answers."""
        return {
            "_dlsym": _dlsym,
            AVAILABILITY: self._check,
            "_NSClassFromString": _class_from_string,
            "_objc_msgSend": self._send,
        }

    def _check(self, machine: Machine, x: Sequence[int]) -> int:
        """``bool (uint32_t count, const {uint32_t platform, version}[])``: any of them will do."""
        count = x[0] & 0xFFFFFFFF
        if not 0 < count <= 8:
            raise EmulationError(f"a check of {count} platforms")
        for platform, version in struct.iter_unpack("<2I", machine.read(x[1], 8 * count)):
            if platform == MACOS:
                return self._has((version >> 16, version >> 8 & 0xFF))
        raise EmulationError("a check of another platform than macOS")

    def _send(self, machine: Machine, x: Sequence[int]) -> int:
        message = machine.text(x[1])
        if message != "instancesRespondToSelector:":
            raise EmulationError(f"the message {message} is not known here")
        selector = machine.text(x[2])
        if selector not in SELECTORS:
            raise EmulationError(f"since which macOS there is the method {selector} is not known here")
        return self._has(SELECTORS[selector])

    def _has(self, version: Version) -> int:
        self.asked.add(version)
        return int(self._macos >= version)


def _dlsym(machine: Machine, x: Sequence[int]) -> int:
    name = f"_{machine.text(x[1])}"
    if name != AVAILABILITY:
        raise EmulationError(f"dlsym of {name} is not known here")
    return machine.import_address(name)


def _class_from_string(machine: Machine, x: Sequence[int]) -> int:
    """A class for a name, a ``__CFConstantString``: isa, flags, bytes, length."""
    machine.text(machine.word(x[0] + 16))
    return machine.allocate(16)


def get_string(machine: Machine, at: int) -> bytes:
    """The content of the ``std::string`` at *at*."""
    raw = machine.read(at, 24)
    if raw[_IN_PLACE] & 0x80:
        start, size = struct.unpack("<2Q", raw[:16])
        return machine.read(start, size)
    return raw[: raw[_IN_PLACE]]


def set_string(machine: Machine, at: int, data: bytes) -> int:
    """Make *data* the content of the ``std::string`` at *at*."""
    if len(data) < _IN_PLACE:
        return machine.write(at, data.ljust(_IN_PLACE, b"\0") + bytes([len(data)]))
    start = machine.allocate(len(data) + 1, data + b"\0")
    return machine.write(at, struct.pack("<3Q", start, len(data), 1 << 63 | len(data) + 1))


def _copied(machine: Machine, x: Sequence[int]) -> int:
    return set_string(machine, x[0], get_string(machine, x[1]))


def _append(machine: Machine, x: Sequence[int]) -> int:
    return set_string(machine, x[0], get_string(machine, x[0]) + machine.read(x[1], x[2]))


def _push_back(machine: Machine, x: Sequence[int]) -> int:
    return set_string(machine, x[0], get_string(machine, x[0]) + bytes([x[1] & 0xFF]))


def _resize(machine: Machine, x: Sequence[int]) -> int:
    return set_string(machine, x[0], get_string(machine, x[0])[: x[1]].ljust(x[1], bytes([x[2] & 0xFF])))


def _compare(machine: Machine, x: Sequence[int]) -> int:
    """``compare(position, count, characters, length)``."""
    return _order(get_string(machine, x[0])[x[1] : x[1] + x[2]], machine.read(x[3], x[4]))


def _order(left: bytes, right: bytes) -> int:
    return (left > right) - (left < right)


def _next_prime(_machine: Machine, x: Sequence[int]) -> int:
    """The least prime that is not less: how libc++ sizes its hash tables."""
    number = x[0]
    if number > _PRIMES_UNTIL:
        raise EmulationError(f"a hash table of {number} buckets")
    while any(number % divisor == 0 for divisor in range(2, int(number**0.5) + 1)):
        number += 1
    return number


def _guard_acquire(machine: Machine, x: Sequence[int]) -> int:
    return int(machine.read(x[0], 1) == b"\0")


def _guard_release(machine: Machine, x: Sequence[int]) -> int:
    machine.write(x[0], b"\1")
    return 0


def _zero_fill(machine: Machine, x: Sequence[int]) -> int:
    return machine.write(x[0], machine_zeros(x[1]))


def machine_zeros(size: int) -> bytes:
    """Zeros, of a size that fits.

    Raises:
        EmulationError: It does not.
    """
    if size > 2**24:
        raise EmulationError(f"{size} bytes are to be cleared at once")
    return bytes(size)


def _facet(machine: Machine, _x: Sequence[int]) -> int:
    """A facet of a locale: an object of an imported class."""
    return machine.allocate(64, struct.pack("<Q", machine.vtable) * 8)


def _nothing(_machine: Machine, _x: Sequence[int]) -> int:
    return 0


def _itself(_machine: Machine, x: Sequence[int]) -> int:
    return x[0]


def _copy(machine: Machine, x: Sequence[int]) -> int:
    return machine.write(x[0], machine.read(x[1], x[2]))


def _new(machine: Machine, x: Sequence[int]) -> int:
    return machine.allocate(x[0])


IGNORED: Mapping[str, Callable[[Machine, Sequence[int]], int]] = {
    "___cxa_atexit": _nothing,
    "__ZdlPv": _nothing,
    "_dispatch_queue_create": _nothing,
    "__ZNSt3__15mutex4lockEv": _nothing,
    "__ZNSt3__15mutex6unlockEv": _nothing,
    "__ZNSt3__16thread20hardware_concurrencyEv": _nothing,
    # what writes to a stream: of its outcome nothing becomes a kernel
    "__ZNSt3__18ios_base4initEPv": _nothing,
    "__ZNKSt3__18ios_base6getlocEv": _nothing,
    "__ZNKSt3__16locale9has_facetERNS0_2idE": _nothing,
    "__ZNSt3__16localeC1ERKS0_": _itself,
    "__ZNSt3__16localeD1Ev": _itself,
    "__ZNSt3__113basic_filebufIcNS_11char_traitsIcEEEC1Ev": _itself,
    "__ZNSt3__115basic_streambufIcNS_11char_traitsIcEEEC2Ev": _itself,
    _STREAM + "3putEc": _itself,
    _STREAM + "5flushEv": _itself,
    _STREAM + "6sentryC1ERS3_": _itself,
    _STREAM + "6sentryD1Ev": _itself,
}
"""What may be left undone."""

STUBS: Mapping[str, Stub] = {
    **IGNORED,
    "__Znwm": _new,
    "__Znam": _new,
    "_pthread_self": lambda _machine, _x: THREAD,
    "_memcpy": _copy,
    "_memmove": _copy,
    "_bzero": _zero_fill,
    "_memcmp": lambda m, x: _order(m.read(x[0], x[2]), m.read(x[1], x[2])),
    "_strcmp": lambda m, x: _order(m.c_string(x[0]), m.c_string(x[1])),
    "___cxa_guard_acquire": _guard_acquire,
    "___cxa_guard_release": _guard_release,
    "__ZNSt3__112__next_primeEm": _next_prime,
    "__ZNKSt3__16locale9use_facetERNS0_2idE": _facet,
    _STRING + "C1ERKS5_": _copied,
    _STRING + "6appendEPKcm": _append,
    _STRING + "9push_backEc": _push_back,
    _STRING + "6resizeEmc": _resize,
    "__ZNK" + _STRING.removeprefix("__ZN") + "7compareEmmPKcm": _compare,
}
"""What it needs done, beside the system it finds (`Environment`) and TensorFlow (`tensorflow_c`)."""
