"""TensorFlow's side of a registration: the C API that a plugin calls, recorded.

``tensorflow/c/kernels.h``: a builder is made for an op and a device, constrained, and registered under the
name of its class.  ``tensorflow/c/ops.h``: a plugin may define ops of its own.  A builder that is used after
it was registered, one that is deleted, or a status that is no success is an error.  One that is begun and
never registered is the plugin's own omission (0.1.0 has some): told, and no kernel.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from metalmatrix.kernels.image import EmulationError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from metalmatrix.kernels.machine import Machine, Stub

DTYPES = (
    *(
        "INVALID",
        "FLOAT",
        "DOUBLE",
        "INT32",
        "UINT8",
        "INT16",
        "INT8",
        "STRING",
        "COMPLEX64",
        "INT64",
        "BOOL",
    ),
    *("QINT8", "QUINT8", "QINT32", "BFLOAT16", "QINT16", "QUINT16", "UINT16", "COMPLEX128", "HALF"),
    *("RESOURCE", "VARIANT", "UINT32", "UINT64", "FLOAT8_E5M2", "FLOAT8_E4M3FN"),
)
"""By number, ``tensorflow/core/framework/types.proto``."""

MAX_KERNELS = 5_000
MAX_CONSTRAINTS = 32


@dataclass(frozen=True)
class Kernel:
    """One kernel, as it was registered.

    Attributes:
        op: The op.
        device: The device type, ``GPU``.
        dtypes: The constraints in order: an attribute of the op, and the dtype that it must have.
        host: Its arguments that are in the host's memory, in order.
        name: The class that it was registered under.
        priority: 0 unless it was set: of several that fit, TensorFlow takes the highest.
        label: Empty unless it was set: such a kernel is only taken where a graph asks for it by name.
        macos: The version from which on it is registered; empty where that is always.
    """

    op: str
    device: str
    dtypes: tuple[tuple[str, str], ...]
    host: tuple[str, ...] = ()
    name: str = ""
    priority: int = 0
    label: str = ""
    macos: str = ""


@dataclass(frozen=True)
class OpDefinition:
    """An op that a plugin defines, in the words of the C API: ``x: T``."""

    name: str
    attributes: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass
class _Building:
    """A builder in use."""

    op: str
    device: str
    dtypes: list[tuple[str, str]] = field(default_factory=list)
    host: list[str] = field(default_factory=list)
    priority: int = 0
    label: str = ""


class Recorder:
    """Takes what a plugin registers.

    Attributes:
        kernels: In order.
        ops: The ops that it defines, in order.
    """

    def __init__(self) -> None:
        self.kernels: list[Kernel] = []
        self.ops: list[OpDefinition] = []
        self._building: dict[int, _Building] = {}
        self._defining: dict[int, tuple[str, dict[str, list[str]]]] = {}

    def stubs(self) -> dict[str, Stub]:
        """What records."""
        return {
            "_TF_NewKernelBuilder": self._new_kernel,
            "_TF_KernelBuilder_TypeConstraint": self._constrain,
            "_TF_KernelBuilder_HostMemory": self._in_host_memory,
            "_TF_KernelBuilder_Priority": self._prioritize,
            "_TF_KernelBuilder_Label": self._label,
            "_TF_RegisterKernelBuilder": self._register,
            "_TF_DeleteKernelBuilder": self._delete,
            "_TF_NewOpDefinitionBuilder": self._new_op,
            "_TF_OpDefinitionBuilderAddAttr": self._adds("attributes"),
            "_TF_OpDefinitionBuilderAddInput": self._adds("inputs"),
            "_TF_OpDefinitionBuilderAddOutput": self._adds("outputs"),
            "_TF_RegisterOpDefinition": self._register_op,
            "_TF_NewStatus": lambda machine, _x: machine.allocate(16),
            "_TF_DeleteStatus": lambda _machine, _x: 0,
            "_TF_GetCode": lambda _machine, _x: 0,  # TensorFlow has nothing against it
            "_TF_SetStatus": _set_status,
        }

    @property
    def unfinished(self) -> tuple[str, ...]:
        """The ops of the kernels that were begun and, so far, not registered."""
        return tuple(building.op for building in self._building.values())

    def ended(self) -> None:
        """Say that the plugin has registered all.

        Raises:
            EmulationError: It has left an op half defined.
        """
        if self._defining:
            names = ", ".join(op for op, _ in self._defining.values())
            raise EmulationError(f"it began to define {names}, and did not register it")

    def _kernel(self, handle: int) -> _Building:
        if handle not in self._building:
            raise EmulationError("a kernel that is not being built")
        return self._building[handle]

    def _new_kernel(self, machine: Machine, x: Sequence[int]) -> int:
        handle = machine.allocate(16)
        if len(self.kernels) + len(self._building) >= MAX_KERNELS:
            raise EmulationError(f"more than {MAX_KERNELS:,} kernels")
        self._building[handle] = _Building(machine.text(x[0]), machine.text(x[1]))
        return handle

    def _constrain(self, machine: Machine, x: Sequence[int]) -> int:
        number, dtypes = x[2] & 0xFFFFFFFF, self._kernel(x[0]).dtypes
        if not 0 < number < len(DTYPES) or len(dtypes) >= MAX_CONSTRAINTS:
            raise EmulationError(f"a constraint to the dtype {number}, or one too many")
        dtypes.append((machine.text(x[1]), DTYPES[number]))
        return 0

    def _in_host_memory(self, machine: Machine, x: Sequence[int]) -> int:
        host = self._kernel(x[0]).host
        if len(host) >= MAX_CONSTRAINTS:
            raise EmulationError("too many arguments in host memory")
        host.append(machine.text(x[1]))
        return 0

    def _prioritize(self, _machine: Machine, x: Sequence[int]) -> int:
        number = x[1] & 0xFFFFFFFF
        self._kernel(x[0]).priority = number - (number >> 31 << 32)
        return 0

    def _label(self, machine: Machine, x: Sequence[int]) -> int:
        self._kernel(x[0]).label = machine.text(x[1])
        return 0

    def _register(self, machine: Machine, x: Sequence[int]) -> int:
        built = self._kernel(x[1])
        del self._building[x[1]]
        self.kernels.append(
            Kernel(
                built.op,
                built.device,
                tuple(built.dtypes),
                tuple(built.host),
                machine.text(x[0]),
                built.priority,
                built.label,
            )
        )
        return 0

    def _delete(self, _machine: Machine, x: Sequence[int]) -> int:
        self._kernel(x[0])
        raise EmulationError("it builds a kernel and throws it away")

    def _new_op(self, machine: Machine, x: Sequence[int]) -> int:
        handle = machine.allocate(16)
        self._defining[handle] = machine.text(x[0]), {"attributes": [], "inputs": [], "outputs": []}
        return handle

    def _adds(self, key: str) -> Callable[[Machine, Sequence[int]], int]:
        def add(machine: Machine, x: Sequence[int]) -> int:
            if x[0] not in self._defining:
                raise EmulationError("an op that is not being defined")
            self._defining[x[0]][1][key].append(machine.text(x[1]))
            return 0

        return add

    def _register_op(self, _machine: Machine, x: Sequence[int]) -> int:
        if x[0] not in self._defining:
            raise EmulationError("an op that is not being defined")
        name, said = self._defining.pop(x[0])
        self.ops.append(OpDefinition(name, **{key: tuple(lines) for key, lines in said.items()}))
        return 0


def _set_status(machine: Machine, x: Sequence[int]) -> int:
    if code := x[1] & 0xFFFFFFFF:
        raise EmulationError(f"it says that it failed ({code}: {machine.c_string(x[2])[:200]!r})")
    return 0
