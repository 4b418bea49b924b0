"""What a plugin says of its platform, asked as TensorFlow asks: ``SE_InitPlugin``, then its callbacks.

Structs are those of ``tensorflow/c/experimental/stream_executor/stream_executor.h``: each begins with its
size and a free pointer.  TensorFlow hands over zeroed memory, never compares sizes or versions, and looks
for pointers at the places where *its* header has them.  So a plugin that was built against a shorter struct
leaves the last ones empty, whatever it meant.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from metalmatrix.kernels.image import EmulationError

if TYPE_CHECKING:
    from metalmatrix.kernels.image import Image
    from metalmatrix.kernels.machine import Machine

ROOM = 512
"""Bytes for a struct; the longest so far has 288."""

_PARAMS, _PLATFORM, _PLATFORM_FNS = (
    32,
    32,
    40,
)  # offsets in SE_PlatformRegistrationParams and the params below
_CREATE_EXECUTOR = 56  # in SP_PlatformFns


@dataclass(frozen=True)
class Platform:
    """What a plugin says of itself.

    Attributes:
        name: The platform, ``METAL``.
        device: The device type that it serves, ``GPU``.
        unified_memory, bfc_allocator, memory_growth: What it asks of TensorFlow; the last came later.
        executor_size: Bytes of the ``SP_StreamExecutor`` that it was built with.
        executor: The 8-byte words of it that are set.
        optimizes: Whether it has a graph optimizer (``TF_InitGraph``), for the same device type.
    """

    name: str
    device: str
    unified_memory: bool
    bfc_allocator: bool
    memory_growth: bool
    executor_size: int
    executor: tuple[int, ...]
    optimizes: bool


def ask_platform(machine: Machine, image: Image) -> Platform:
    """Initialise the plugin as TensorFlow does, short of a device, which would take a GPU.

    Raises:
        EmulationError: It does not come to its end, or leaves out what every TensorFlow wants.
    """
    if "_SE_InitPlugin" not in image.exports:
        raise EmulationError("it has no SE_InitPlugin: it is no PluggableDevice")
    status, platform, functions, params = (machine.allocate(ROOM, bytes(ROOM)) for _ in range(4))
    machine.put(params + _PARAMS, platform)
    machine.put(params + _PARAMS + 8, functions)
    machine.call(image.exports["_SE_InitPlugin"], params, status)
    size, _, name, kind = struct.unpack("<4Q", machine.read(platform, 32))
    unified, bfc, growth = (bool(byte) for byte in machine.read(platform + _PLATFORM, 3))
    create = machine.word(functions + _CREATE_EXECUTOR)
    if not (size and name and kind and create):
        raise EmulationError("it leaves its platform without a name, a type or functions")
    executor, params = (machine.allocate(ROOM, bytes(ROOM)) for _ in range(2))
    machine.put(params + 16, executor)
    machine.call(create, platform, params, status)
    words = struct.unpack(f"<{ROOM // 8}Q", machine.read(executor, ROOM))
    return Platform(
        machine.text(name),
        machine.text(kind),
        unified,
        bfc,
        growth,
        words[0],
        tuple(number for number, word in enumerate(words) if word and number),
        _optimizes(machine, image, status, machine.text(kind)),
    )


def _optimizes(machine: Machine, image: Image, status: int, device: str) -> bool:
    """Whether it registers a graph optimizer (``tensorflow/c/experimental/grappler/grappler.h``)."""
    if "_TF_InitGraph" not in image.exports:
        return False
    params, configs, optimizer = (machine.allocate(ROOM, bytes(ROOM)) for _ in range(3))
    machine.put(params + 40, configs)
    machine.put(params + 48, optimizer)
    machine.call(image.exports["_TF_InitGraph"], params, status)
    kind = machine.word(params + 32)
    if not kind or machine.text(kind) != device:
        raise EmulationError("its graph optimizer is for another device")
    return bool(machine.word(optimizer + 24))  # `optimize`
