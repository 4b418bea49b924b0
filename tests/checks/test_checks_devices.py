"""What the checks of devices decide, without TensorFlow: proofs of placement, ratios, bounds of memory."""

from __future__ import annotations

import contextlib
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from tests.samples import tensorflow_error

if TYPE_CHECKING:
    from collections.abc import Callable

GPU, CPU = "/job:localhost/replica:0/task:0/device:GPU:0", "/job:localhost/replica:0/task:0/device:CPU:0"
NO_KERNEL = f"Could not satisfy device specification '{GPU}'. Supported device types [CPU]. [Op:MatMul]"


def report(load: Callable[[str], Any], **limits: float) -> Any:  # noqa: ANN401 - a class of the checks
    """A report as `run.py` hands it to a check."""
    return load("checklib").Report({"memory_mb": 8192, **limits}, True, lambda _: None)  # noqa: FBT003


NOT_TOLD = ValueError("Allocator stats not available")


class Config:
    """Enough of ``tf.config``; ``uses`` is what the GPU says of its memory, one answer a question."""

    def __init__(self, uses: list[int] | Exception) -> None:
        self.soft = True
        self.uses = uses
        self.experimental = SimpleNamespace(get_memory_info=self.get_memory_info)

    def get_memory_info(self, device: str) -> dict[str, int]:
        assert device == "GPU:0"
        if isinstance(self.uses, Exception):
            raise self.uses
        return {"current": self.uses.pop(0)}

    def get_soft_device_placement(self) -> bool:
        return self.soft

    def set_soft_device_placement(self, soft: bool) -> None:  # noqa: FBT001 - as TensorFlow's
        self.soft = soft

    def list_physical_devices(self, _kind: str) -> list[Any]:
        return [SimpleNamespace(name="/physical_device:GPU:0")]


class Tensorflow:
    """Enough of TensorFlow to place one product; ``held`` says where, or raises."""

    errors = SimpleNamespace(OpError=ArithmeticError)

    def __init__(self, held: str | Exception = GPU, uses: list[int] | Exception = NOT_TOLD) -> None:
        self.config = Config(uses)
        self.held = held
        self.strict: list[bool] = []

    def device(self, _name: str) -> Any:  # noqa: ANN401 - a context
        return contextlib.nullcontext()

    def constant(self, value: object) -> object:
        return value

    def matmul(self, _left: object, _right: object) -> object:
        self.strict.append(not self.config.soft)
        if isinstance(self.held, Exception):
            raise self.held
        return SimpleNamespace(device=self.held, backing_device=self.held)


NUMPY = SimpleNamespace(ones=lambda shape, _dtype: SimpleNamespace(nbytes=shape[0] * shape[1] * 4))


class TestPlacement:
    @pytest.fixture
    def place(self, load: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], Any]:
        """Places a product by a TensorFlow; its report."""

        def placed(tf: Tensorflow) -> Any:  # noqa: ANN401
            monkeypatch.setitem(sys.modules, "tensorflow", tf)
            made = report(load)
            load("check_placement").place(made, tf, NUMPY, "/GPU:0")
            return made

        return placed

    def test_it_is_asked_for_without_soft_placement(self, place: Callable[[Any], Any]) -> None:
        """Soft placement is off for the proof, and on again after it."""
        tf = Tensorflow()
        assert place(tf).facts["held_by"] == {"device": GPU, "backing_device": GPU}
        assert tf.strict == [True]
        assert tf.config.soft

    def test_a_device_without_the_kernel_is_told_in_words(
        self, place: Callable[[Any], Any], load: Callable[[str], Any]
    ) -> None:
        """What would have gone to the CPU silently is a sentence; soft placement is put back."""
        tf = Tensorflow(tensorflow_error("InvalidArgumentError", NO_KERNEL))
        with pytest.raises(load("checklib").Failed, match="would compute it on the CPU without a word"):
            place(tf)
        assert tf.config.soft

    def test_another_error_is_a_finding_of_its_own(self, place: Callable[[Any], Any]) -> None:
        """An error of the kernel itself is not taken for a missing one."""
        with pytest.raises(Exception, match="it broke"):
            place(Tensorflow(tensorflow_error("InternalError", "it broke")))

    @pytest.mark.parametrize("held", [CPU, "", GPU.replace("GPU:0", "GPU:1")])
    def test_a_result_elsewhere_fails(
        self, held: str, place: Callable[[Any], Any], load: Callable[[str], Any]
    ) -> None:
        """Where the result lives is read back, and is to be the very device."""
        with pytest.raises(load("checklib").Failed, match="is held by"):
            place(Tensorflow(held))

    @pytest.mark.parametrize(
        ("uses", "moved"),
        [
            ([0, 16 << 20, 0], True),
            ([512, (16 << 20) + 512, 512], True),
            ([512, 1024, 512], False),
            ([512, 512, 512], False),
            ([0, 0, 0], None),
            (NOT_TOLD, None),
        ],
    )
    def test_memory_moves_or_not_or_is_not_told(
        self,
        uses: Any,  # noqa: ANN401
        moved: bool | None,  # noqa: FBT001
        load: Callable[[str], Any],
    ) -> None:
        """A tensor of 16 MiB shows, or it does not; a plugin that does not count proves nothing."""
        made = report(load)
        tf = Tensorflow(uses=uses)
        assert load("check_placement").memory_moves(made, tf, NUMPY, "GPU:0") is moved


class TestSpeed:
    def test_the_median_is_taken_after_one_call(self, load: Callable[[str], Any]) -> None:
        """The first call is not timed; one slow run among five changes nothing."""
        times = iter([0, 0.1, 1, 1.1, 2, 2.5, 3, 3.1, 4, 4.1])
        calls: list[int] = []
        median = load("check_speed").median_seconds(lambda: calls.append(1), lambda: next(times))
        assert median == pytest.approx(0.1)
        assert len(calls) == 6

    def test_a_slow_work_is_run_once(self, load: Callable[[str], Any]) -> None:
        """What takes longer than the budget is timed once more than it was warmed up."""
        times = iter([0.0, 7.0])
        calls: list[int] = []
        assert load("check_speed").median_seconds(lambda: calls.append(1), lambda: next(times)) == 7
        assert len(calls) == 2

    @pytest.mark.parametrize(
        ("ratios", "note", "failed"),
        [
            ({"matmul": 3.0, "fit": 1.0}, False, False),
            ({"matmul": 3.0, "fit": 0.6}, True, False),
            ({"matmul": 3.0, "fit": 0.15}, True, False),
            ({"matmul": 0.6, "fit": 0.14}, False, True),
            ({}, False, False),
        ],
    )
    def test_below_one_is_a_note_and_far_below_a_failure(
        self,
        ratios: dict[str, float],
        note: bool,  # noqa: FBT001
        failed: bool,  # noqa: FBT001
        load: Callable[[str], Any],
    ) -> None:
        """The ratio decides, by the limit of the matrix; what is slower is named with its ratio."""
        made = report(load)
        judge, speed = load("check_speed").judge, {name: {"ratio": ratio} for name, ratio in ratios.items()}
        if failed:
            with pytest.raises(load("checklib").Failed, match=r"far slower .*fit at 0\.14 of its speed"):
                judge(made, speed, 0.15)
        else:
            judge(made, speed, 0.15)
        assert ("notes" in made.facts) is note


class TestMemory:
    def test_a_check_takes_a_bounded_part_of_the_machine(
        self, load: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Half of its own limit, and no more than an eighth of the machine."""
        allocation = load("allocation")
        for machine, most in ((8192, 1024), (24 * 1024, 3072), (192 * 1024, 4096)):
            monkeypatch.setattr(allocation, "machine_megabytes", lambda machine=machine: machine)
            assert allocation.most_megabytes({"memory_mb": 8192}) == most

    @pytest.mark.parametrize(
        ("held", "refusal", "binding"), [(384, "", False), (240, "no room", True), (32, "no room", None)]
    )
    def test_a_limit_binds_or_is_ignored_or_cannot_be_told(
        self,
        held: int,
        refusal: str,
        binding: bool | None,  # noqa: FBT001
        load: Callable[[str], Any],
    ) -> None:
        """Of 256 MiB: more fits, about as much fits, or the GPU itself is full long before."""
        assert load("allocation").binds(256, held, refusal) is binding

    def test_what_is_ignored_is_a_note_with_its_advice(
        self, load: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The note says what was asked, what fitted, how many devices there are, and what helps."""
        module = load("check_memory_limit")
        monkeypatch.setattr(module, "fill", lambda _tf, _mb: (384, ""))
        monkeypatch.setattr(module, "most_megabytes", lambda _limits: 1024)
        made = report(load)
        made.facts.update(asked_mb=256, asked_devices=2, logical_gpus=1)
        module.try_it(made, None, 256)
        (note,) = made.facts["notes"]
        assert "384 MiB fit under 256 MiB, and of 2 logical devices 1 is there" in note
        assert "smaller batches" in note

    def test_a_limit_that_is_too_large_is_not_tried(
        self, load: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """No check takes the memory that somebody else needs."""
        module = load("check_memory_limit")
        monkeypatch.setattr(module, "most_megabytes", lambda _limits: 1024)
        made = report(load)
        module.try_it(made, None, 4096)
        assert "6144 MiB" in made.facts["skipped_parts"][0]
        assert "notes" not in made.facts
