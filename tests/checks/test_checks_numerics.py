"""What the numerics check decides, without TensorFlow: tolerances, differences, kernels that are lacking."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest

from metalmatrix.running.checklist import checks_seed
from metalmatrix.running.limits import Limits
from tests.samples import tensorflow_error

if TYPE_CHECKING:
    from collections.abc import Callable

GPU = "/job:localhost/replica:0/task:0/device:GPU:0"
FLOORS = Limits().tolerance
# Each as TensorFlow said it of a device without the kernel, with the operation that it names.
REFUSALS = {
    "eager, 2.9 to 2.20": (
        "InvalidArgumentError",
        f"Could not satisfy device specification '{GPU}'. Supported device types [CPU]. [Op:Relu] name: ",
        "Relu",
    ),
    "a graph": (
        "InvalidArgumentError",
        f"Cannot assign a device for operation Relu: Could not satisfy explicit device specification '{GPU}'",
        "Relu",
    ),
    "nowhere, in a graph": (
        "InvalidArgumentError",
        "No OpKernel was registered to support Op 'CudnnRNNV3' used by {{node lstm_1/CudnnRNNV3}} with these",
        "CudnnRNNV3",
    ),
    "nowhere, eager": (
        "NotFoundError",
        "Could not find device for node: {{node CudnnRNN}} = CudnnRNN[T=DT_FLOAT, direction=",
        "CudnnRNN",
    ),
    "what an optimizer put in": (
        "NotFoundError",
        "No registered 'Transpose' OpKernel for 'GPU' devices compatible with node {{node x}}",
        "Transpose",
    ),
}


def test_the_seed_is_read_without_running_a_check() -> None:
    """The one seed of the checks is known out here, for the results."""
    assert checks_seed() == 0


class TestTolerance:
    def test_the_floor_holds_for_short_sums(self, load: Callable[[str], Any]) -> None:
        """What the matrix allows is allowed in any case, in units of the dtype's epsilon."""
        allowed = load("numeric_compare").allowed
        assert allowed("float32", 1, FLOORS) == pytest.approx(1e-5 / 2**-23)
        assert allowed("float16", 1, FLOORS) == allowed("mixed_float16", 1, FLOORS) == pytest.approx(10.24)

    def test_it_grows_with_the_root_of_the_length(self, load: Callable[[str], Any]) -> None:
        """A sum of n numbers may be off by twice the root of n, where that is more than the floor."""
        allowed = load("numeric_compare").allowed
        assert allowed("bfloat16", 400, FLOORS) == 10
        assert allowed("float32", 10**6, FLOORS) == 500

    def test_the_epsilons_are_the_gaps_above_one(self, load: Callable[[str], Any]) -> None:
        """Each is 2 to the number of bits after the point."""
        assert load("numeric_compare").EPSILONS == {
            "float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7,
        }  # fmt: skip


def what(op: str = "matmul", device: str = "/GPU:0", dtype: str = "float32", **more: str) -> dict[str, str]:
    """Where a difference was seen."""
    return {"op": op, "dtype": dtype, "mode": "eager", "direction": "forward", "device": device, **more}


class TestDifferences:
    @pytest.fixture
    def compare(self, load: Callable[[str], Any]) -> Any:  # noqa: ANN401 - a module
        return load("numeric_compare")

    def test_rounding_is_no_difference(self, compare: Any) -> None:  # noqa: ANN401
        """What is within the tolerance is counted, its largest error kept, and nothing is said of it."""
        found = compare.Differences(FLOORS)
        found.add(3.14159, 1, **what())
        found.add(2.0, 1, **what())
        facts = found.facts()
        assert (facts["compared"], facts["different"], facts["differences"]) == (2, 0, [])
        assert facts["largest_errors"] == {"/GPU:0": {"float32": {"matmul": 3.14}}}
        assert compare.failure_sentence(facts) is compare.cpu_sentence(facts) is None

    def test_the_worst_is_named_with_all_that_finds_it_again(self, compare: Any) -> None:  # noqa: ANN401
        """Operation, dtype, direction, mode, device, error and what is allowed; how many; which others."""
        found = compare.Differences(FLOORS)
        found.add(90.0, 1, **what("sum"))
        found.add(5000.0, 1, **what("dense relu", mode="model.predict"))
        found.add(1.0, 1, **what())
        assert compare.failure_sentence(found.facts()) == (
            "2 of 3 results are wrong. The worst: dense relu in float32, forward, model.predict, on /GPU:0: "
            "off by 5000 epsilons, 83.9 are allowed; also: sum."
        )

    @pytest.mark.parametrize("bad", [math.inf, math.nan])
    def test_what_is_no_number_is_the_worst(self, bad: float, compare: Any) -> None:  # noqa: ANN401
        """NaN is within no tolerance, although no comparison with it is true."""
        found = compare.Differences(FLOORS)
        found.add(bad, 1, **what())
        found.add(1e9, 1, **what("sum"))
        facts = found.facts()
        assert facts["different"] == 2
        assert "matmul" in compare.failure_sentence(facts)

    def test_an_error_is_a_difference(self, compare: Any) -> None:  # noqa: ANN401
        """What TensorFlow raised instead of a result is told in its words, on one line and not at length."""
        found = compare.Differences(FLOORS)
        found.raised(tensorflow_error("InternalError", "it\nbroke " + "x" * 999), **what())
        sentence = compare.failure_sentence(found.facts())
        assert "InternalError: it broke xxx" in sentence
        assert len(sentence) < 500

    def test_small_dtypes_on_the_cpu_are_an_aside(self, compare: Any) -> None:  # noqa: ANN401
        """The CPU's bfloat16 is no way to train on a GPU; on the GPU it counts, and float32 anywhere."""
        found = compare.Differences(FLOORS)
        found.add(1e6, 1, **what("conv2d", "/CPU:0", "bfloat16"))
        assert compare.failure_sentence(found.facts()) is None
        assert compare.cpu_sentence(found.facts()) == "On the CPU, wrong in bfloat16: conv2d."
        found.add(1e5, 1, **what("sum", "/CPU:0"))
        found.add(1e5, 1, **what("mean", dtype="bfloat16"))
        facts = found.facts()
        assert facts["different"] == 2
        assert [row["op"] for row in facts["differences"]] == ["sum", "mean", "conv2d"]

    def test_the_list_is_bounded(self, compare: Any) -> None:  # noqa: ANN401
        """Of very many differences the worst are told, and all are counted."""
        found = compare.Differences(FLOORS)
        for number in range(500):
            found.add(1000.0 + 100 * number, 1, **what(f"op {number}"))
        facts = found.facts()
        assert facts["different"] == 500
        assert len(facts["differences"]) == compare.TOLD
        assert facts["differences"][0]["op"] == "op 499"


class TestKernels:
    @pytest.mark.parametrize("said", REFUSALS)
    def test_a_missing_kernel_is_recognised(self, said: str, load: Callable[[str], Any]) -> None:
        """In each of the ways that TensorFlow says it, with the operation where it is named."""
        kind, message, kernel = REFUSALS[said]
        compare = load("numeric_compare")
        assert compare.lacks_kernel(tensorflow_error(kind, message))
        assert compare.kernel_of(tensorflow_error(kind, message)) == kernel

    @pytest.mark.parametrize(
        ("kind", "message"),
        [
            ("InvalidArgumentError", "Matrix size-incompatible: In[0]: [2,3], In[1]: [2,3] [Op:MatMul]"),
            ("ValueError", REFUSALS["a graph"][1]),
            ("InternalError", "the device failed"),
            ("InvalidArgumentError", ""),
        ],
    )
    def test_other_errors_are_not(self, kind: str, message: str, load: Callable[[str], Any]) -> None:
        """An error of another kind is a finding, and not a kernel that is lacking."""
        assert not load("numeric_compare").lacks_kernel(tensorflow_error(kind, message))


def test_a_note_is_made_once(load: Callable[[str], Any]) -> None:
    """The same sentence of two devices is one note."""
    made = load("checklib").Report({}, True, lambda _: None)  # noqa: FBT003
    made.note("slower")
    made.note("slower")
    assert made.facts == {"notes": ["slower"]}


def test_each_case_has_a_name_of_its_own(load: Callable[[str], Any]) -> None:
    """Facts are told by name: two cases of one name would hide each other."""
    names = [case.name for case in load("numeric_cases").cases()]
    assert len(names) == len(set(names)) > 35
