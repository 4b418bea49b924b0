"""What the checks say of TensorFlow's own registry of kernels."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

NUMBERS = {"DT_FLOAT": 1, "DT_INT32": 3, "DT_HALF": 19}


def kernel(op: str, device: str, **constraints: str) -> SimpleNamespace:
    """A kernel as TensorFlow tells it."""
    told = [
        SimpleNamespace(
            name=name,
            allowed_values=SimpleNamespace(
                list=SimpleNamespace(type=[NUMBERS[one] for one in dtypes.split()])
            ),
        )
        for name, dtypes in constraints.items()
    ]
    return SimpleNamespace(op=op, device_type=device, constraint=told)


KERNELS = [
    kernel("MatMul", "CPU", T="DT_FLOAT DT_HALF"),
    kernel("MatMul", "GPU", T="DT_HALF"),
    kernel("MatMul", "GPU", T="DT_FLOAT"),
    kernel("Cast", "GPU", SrcT="DT_FLOAT", DstT="DT_INT32"),
    kernel("LogicalAnd", "GPU"),
    kernel("Elu", "CPU", T="DT_FLOAT"),
]


@pytest.fixture
def registered(load: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> Any:  # noqa: ANN401
    """The module, beside a TensorFlow with these kernels."""
    names = {number: name for name, number in NUMBERS.items()}
    parts: dict[str, dict[str, Any]] = {
        "tensorflow": {},
        "tensorflow.core": {},
        "tensorflow.core.framework": {"types_pb2": SimpleNamespace(DataType=SimpleNamespace(Name=names.get))},
        "tensorflow.python": {},
        "tensorflow.python.framework": {
            "kernels": SimpleNamespace(
                get_registered_kernels_for_op=lambda op: SimpleNamespace(
                    kernel=[one for one in KERNELS if one.op == op]
                ),
                get_all_registered_kernels=lambda: SimpleNamespace(kernel=KERNELS),
            )
        },
    }
    for name, members in parts.items():
        module = ModuleType(name)
        vars(module).update(members)
        monkeypatch.setitem(sys.modules, name, module)
    return load("registered")


def test_the_dtypes_of_a_device_are_told(registered: Any) -> None:  # noqa: ANN401
    """By attribute, of that device alone."""
    assert registered.dtypes_of("MatMul") == {"T": ["float", "half"], "": []}
    assert registered.dtypes_of("Elu") == {}
    assert registered.dtypes_of("Elu", "CPU") == {"T": ["float"], "": []}


def test_what_is_not_registered_is_said_with_what_is(registered: Any) -> None:  # noqa: ANN401
    """A dtype of several attributes, none, no kernel at all."""
    assert registered.not_registered("Cast") == (
        "Cast is not registered for it, but for DstT: int32; SrcT: float"
    )
    assert registered.not_registered("Elu") == "Elu is not registered at all"


def test_kernels_are_counted(registered: Any) -> None:  # noqa: ANN401
    """How many a device has, and of how many ops."""
    assert registered.counts() == {"kernels": 4, "ops": 3}


def test_a_tensorflow_that_does_not_tell_is_no_finding(
    load: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The registry is not public: without it the sentence is shorter."""
    monkeypatch.setitem(sys.modules, "tensorflow", ModuleType("tensorflow"))
    module = load("registered")
    assert module.dtypes_of("MatMul") is None
    assert module.counts() is None
    assert module.not_registered("MatMul") == "MatMul is not registered for it"
