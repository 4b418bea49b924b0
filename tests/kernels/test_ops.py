from __future__ import annotations

import json
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metalmatrix.errors import UsageError
from metalmatrix.kernels import asked, ops
from metalmatrix.kernels.kernel_facts import Variant, load_variants
from metalmatrix.kernels.rules import Rule, from_kernel, registry
from metalmatrix.kernels.tensorflow_c import Kernel

VARIANTS = load_variants()


def by_label(label: str) -> Variant:
    """A variant by its label."""
    return next(variant for variant in VARIANTS if variant.label == label)


class TestTable:
    def test_an_op_is_told_by_dtypes_and_versions(self) -> None:
        """What all versions have is one row, what came later another."""
        rows = [(row.told, row.versions) for row in ops.table(VARIANTS, ["MatMul"])]
        assert rows == [("T=FLOAT", "all"), ("T=BFLOAT16,HALF", "0.8.0 (Python 3.11)-1.2.0")]

    def test_a_floor_is_told_with_its_versions(self) -> None:
        """A kernel that waits for a macOS says since which version of the plugin it does."""
        (row,) = ops.table(VARIANTS, ["StatelessRandomUniform"], "FLOAT")
        assert (row.versions, row.macos) == ("0.6.0-1.2.0", (("13.0", "0.7.0-1.2.0"),))

    def test_a_dtype_alone(self) -> None:
        """Before 1.0.0 the plugin casts to half, and computes nothing in it."""
        rows = ops.table([by_label("0.8.0 (Python 3.8-3.10)")], dtype="HALF")
        assert {row.op for row in rows} == {"Cast"}

    def test_every_kernel_is_in_the_table_and_nothing_else(self) -> None:
        """The rows, taken apart again, are the kernels of each version."""
        rows = ops.table(VARIANTS)
        for number, variant in enumerate(VARIANTS):
            told = {
                (row.op, tuple(zip([name for name, _ in row.dtypes], one, strict=True)), row.host)
                for row in rows
                if number in row.numbers
                for one in product(*(allowed for _, allowed in row.dtypes))
            }
            assert told == {(k.op, k.dtypes, k.host) for k in variant.library.kernels}


@given(st.lists(st.tuples(st.sampled_from("ABC"), st.sampled_from("DE"), st.sampled_from("FG")), max_size=12))
def test_boxes_hold_what_went_in(found: list[tuple[str, str, str]]) -> None:
    """Joined or not, every one with every other gives the constraints that there were."""
    dtypes = [tuple(zip("xyz", one, strict=True)) for one in found]
    back = {
        tuple(zip([name for name, _ in box], one, strict=True))
        for box in ops.boxes(dtypes)
        for one in product(*(allowed for _, allowed in box))
    }
    assert back == set(dtypes)


class TestChanges:
    def test_0_6_0_lost_half_for_29_ops(self) -> None:
        """The version that went back in a dtype, and what it brought."""
        found = {change.version: change for change in ops.changes(VARIANTS)}["0.6.0"]
        assert (found.against, found.count(found.lost, "HALF")) == ("0.5.1", 29)
        assert [op for op, _ in found.gained] == [
            "StatelessRandomNormal",
            "StatelessRandomUniform",
            "StatelessTruncatedNormal",
        ]

    def test_each_version_is_held_against_the_one_before(self) -> None:
        """The two builds of 0.8.0 against 0.7.1, and 1.0.0 against the one that most of its Pythons had."""
        against = {change.version: change.against for change in ops.changes(VARIANTS)}
        assert against["0.8.0 (Python 3.11)"] == against["0.8.0 (Python 3.8-3.10)"] == "0.7.1"
        assert against["1.0.0"] == "0.8.0 (Python 3.8-3.10)"
        assert "0.1.0" not in against

    def test_what_is_the_same_has_no_change(self) -> None:
        """1.2.0 registers what 1.1.0 does."""
        found = ops.change(by_label("1.1.0"), by_label("1.2.0"))
        assert (found.gained, found.lost) == ((), ())

    def test_a_cell_is_told_what_its_plugin_changed(self) -> None:
        """By version and Python; nothing of the first version, nor of one that is not known."""
        found = ops.change_of(VARIANTS, "0.6.0", "3.9")
        assert found is not None
        assert found.count(found.lost, "HALF") == 29
        assert ops.change_of(VARIANTS, "0.1.0", "3.9") is None
        assert ops.change_of(VARIANTS, "0.6.0", "3.12") is None

    def test_a_page_gets_all_of_it_as_plain_data(self) -> None:
        """What JSON takes: versions, ops with their rows, changes."""
        data = json.loads(json.dumps(ops.as_data(VARIANTS)))
        assert [found["label"] for found in data["versions"]] == [variant.label for variant in VARIANTS]
        assert data["versions"][-1]["by_dtype"]["HALF"] == 106
        assert [row["versions"] for row in data["ops"]["MatMul"]] == ["all", "0.8.0 (Python 3.11)-1.2.0"]
        assert len(data["changes"]) == len(VARIANTS) - 1

    def test_a_cells_variant(self) -> None:
        """The page of a cell finds its version by its Python."""
        assert VARIANTS[ops.variant_for(VARIANTS, "0.8.0", "3.11") or 0].label == "0.8.0 (Python 3.11)"
        assert ops.variant_for(VARIANTS, "0.8.0", "3.12") is None


class TestAsked:
    @pytest.mark.parametrize(
        ("text", "meant"),
        [
            ("half", "HALF"),
            ("float16", "HALF"),
            ("FLOAT32", "FLOAT"),
            ("bf16", "BFLOAT16"),
            ("DT_HALF", "HALF"),
            ("tf.float32", "FLOAT"),
            ("int64", "INT64"),
        ],
    )
    def test_dtypes_have_many_names(self, text: str, meant: str) -> None:
        """NumPy's, Keras' and TensorFlow's names for one thing."""
        assert asked.dtype(text) == meant

    @pytest.mark.parametrize(
        ("text", "near"), [("hlaf", "half"), ("flaot32", "float32"), ("bfloat61", "bfloat16")]
    )
    def test_a_slip_in_a_dtype_is_mended(self, text: str, near: str) -> None:
        """The nearest one is offered."""
        with pytest.raises(UsageError) as error:
            asked.dtype(text)
        assert near in error.value.hint

    def test_an_op_is_found_whatever_its_case(self) -> None:
        """And a slip is mended to the name as it is."""
        assert asked.op("matmul", ["MatMul", "Conv2D"]) == "MatMul"
        with pytest.raises(UsageError) as error:
            asked.op("Matmull", ["MatMul", "Conv2D"])
        assert error.value.hint == "did you mean MatMul?"

    def test_a_version_may_be_two(self) -> None:
        """Without a Python both builds of 0.8.0 are meant, with one only that."""
        assert len(asked.version("0.8.0", VARIANTS, None)) == 2
        assert [v.pythons for v in asked.version("metal0.8.0", VARIANTS, "3.11")] == [("3.11",)]
        with pytest.raises(UsageError, match=r"no wheel for Python 3\.13"):
            asked.version("0.8.0", VARIANTS, "3.13")
        with pytest.raises(UsageError, match=r"'1\.12\.0' is not a version"):
            asked.version("1.12.0", VARIANTS, None)

    @pytest.mark.parametrize(
        "ask",
        [
            asked.dtype,
            lambda text: asked.op(text, ["MatMul"]),
            lambda text: asked.version(text, VARIANTS, None),
        ],
    )
    def test_what_is_typed_is_shown_harmless(self, ask: object) -> None:
        """No escape of a terminal comes back in a message."""
        assert callable(ask)
        with pytest.raises(UsageError) as error:
            ask("\x1b[31mred\x1b[0m" * 100)
        assert "\x1b" not in str(error.value)
        assert len(str(error.value)) < 300


FLOAT, HALF = {"T": ("FLOAT",)}, {"T": ("HALF",)}


def rule(device: str, *dtypes: str, priority: int = 0, label: str = "", op: str = "Op") -> Rule:
    """TensorFlow's own kernel."""
    allowed = (("T", frozenset(dtypes)),) if dtypes else ()
    return Rule(op, device, allowed, (), "TensorFlow", priority, label)


class TestRules:
    def test_the_devices_own_kernel_goes_before_the_default(self) -> None:
        """As `FindKernelRegistration` does: DEFAULT only where the device has none for these dtypes."""
        mine = from_kernel(Kernel("Op", "GPU", (("T", "FLOAT"),)))
        found = registry([rule("DEFAULT", "FLOAT", "HALF")], [mine])
        assert found.find("Op", FLOAT) == mine
        assert found.find("Op", HALF) == rule("DEFAULT", "FLOAT", "HALF")
        assert found.find("Op", {"T": ("INT8",)}) is None
        assert found.find("Other", FLOAT) is None

    def test_the_highest_priority_is_taken(self) -> None:
        """Of kernels that all fit."""
        found = registry([rule("GPU", "FLOAT"), rule("GPU", "FLOAT", priority=2), rule("GPU", priority=1)])
        assert found.find("Op", FLOAT) == rule("GPU", "FLOAT", priority=2)

    def test_a_label_has_to_be_asked_for(self) -> None:
        """A graph that names none gets none."""
        assert registry([rule("GPU", "FLOAT", label="experimental")]).find("Op", FLOAT) is None

    def test_another_device_is_not_ours(self) -> None:
        """A kernel for another device type is passed over."""
        assert registry([rule("TPU", "FLOAT")]).find("Op", FLOAT) is None

    def test_every_dtype_of_a_list_has_to_fit(self) -> None:
        """An attribute that is a list of dtypes is held against the constraint one by one."""
        found = registry([rule("GPU", "FLOAT", "INT32")])
        assert found.find("Op", {"T": ("FLOAT", "INT32")})
        assert found.find("Op", {"T": ("FLOAT", "STRING")}) is None

    def test_what_the_file_leaves_out_is_unknown_and_no_guess(self) -> None:
        """Unless no kernel asks for it."""
        with pytest.raises(LookupError, match="T"):
            registry([rule("GPU", "FLOAT")]).find("Op", {})
        assert registry([rule("GPU")]).find("Op", {}) == rule("GPU")
