from __future__ import annotations

import contextlib
import io
import json
import random
import resource
import struct
import time
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metalmatrix.errors import MetalmatrixError
from metalmatrix.kernels.framework_facts import load_framework
from metalmatrix.models import saved_graphs, wire
from metalmatrix.models.files import read_model
from metalmatrix.models.graphs import Input
from metalmatrix.models.keras_file import MAX_DEPTH, read_keras
from metalmatrix.models.saved_graphs import SWAPPED, read_graph
from metalmatrix.models.wire import ModelError
from tests import tiny_graph as tiny

if TYPE_CHECKING:
    from metalmatrix.models.graphs import Model

FACTS = load_framework()
DENSE = tiny.graph(
    tiny.node("x", "Placeholder", dtype=tiny.dtype("FLOAT")),
    tiny.node("w", "Const", dtype=tiny.dtype("FLOAT"), value=tiny.part(8, b"\0" * 5000)),
    tiny.node("y", "MatMul", "x", "w:0", "^x", T=tiny.dtype("FLOAT")),
    tiny.node("z", "Pack", "y", "y:1", N=tiny.count(2), T=tiny.dtype("FLOAT")),
)


def ops(model: Model) -> list[str]:
    """The ops of a model, in order."""
    return [node.op for graph in model.graphs for node in graph.nodes]


class TestGraphs:
    def test_a_graph_is_read_with_its_dtypes_and_edges(self) -> None:
        """Ops, inputs by node and output, dtypes, counts; what only waits is no input."""
        model = read_graph(memoryview(DENSE))
        (graph,) = model.graphs
        assert (model.kind, ops(model)) == ("GraphDef", ["Placeholder", "Const", "MatMul", "Pack"])
        assert graph.nodes[2].inputs == (Input("x"), Input("w"))
        assert graph.nodes[2].types == {"T": ("FLOAT",)}
        assert graph.nodes[3].inputs == (Input("y"), Input("y", "", 1))
        assert graph.nodes[3].counts == {"N": 2}

    def test_functions_are_read_as_far_as_they_are_called(self) -> None:
        """One that nobody calls is not part of the model; one that is called from another is."""
        content = tiny.graph(
            tiny.node("call", "PartitionedCall", f=tiny.calls("outer"), Tin=tiny.dtypes("FLOAT", "INT32")),
            functions=(
                tiny.function(
                    "outer",
                    ("a",),
                    tiny.node("r", "Relu", "a"),
                    tiny.node("w", "While", "r:y:0", body=tiny.calls("inner")),
                ),
                tiny.function("inner", ("b",), tiny.node("e", "Elu", "b")),
                tiny.function("lonely", (), tiny.node("s", "Selu")),
            ),
        )
        model = read_graph(memoryview(content))
        assert ops(model) == ["PartitionedCall", "Relu", "While", "Elu"]
        assert model.graphs[0].nodes[0].types == {"Tin": ("FLOAT", "INT32")}
        assert model.graphs[1].nodes[1].inputs == (Input("r", "y", 0),)

    def test_functions_that_call_themselves_end(self) -> None:
        """A circle is gone round once."""
        body = tiny.function("f", (), tiny.node("c", "PartitionedCall", f=tiny.calls("f")))
        start = tiny.node("c", "PartitionedCall", f=tiny.calls("f"))
        assert len(ops(read_graph(memoryview(tiny.graph(start, functions=(body,)))))) == 2

    def test_the_implementation_for_a_gpu_stands_for_the_other(self) -> None:
        """Keras 2 puts both into the file, and TensorFlow swaps them by the device; gradients stay apart."""
        both = (
            tiny.function(
                "cpu", (), tiny.node("m", "MatMul"), api_implements="lstm_1", api_preferred_device="CPU"
            ),
            tiny.function(
                "gpu", (), tiny.node("c", "CudnnRNN"), api_implements="lstm_1", api_preferred_device="GPU"
            ),
            tiny.function(
                "back",
                (),
                tiny.node("b", "CudnnRNNBackprop"),
                api_implements="lstm_1",
                api_preferred_device="GPU",
                forward_function_name="cpu",
            ),
        )
        model = read_graph(
            memoryview(tiny.graph(tiny.node("c", "PartitionedCall", f=tiny.calls("cpu")), functions=both))
        )
        assert ops(model) == ["PartitionedCall", "CudnnRNN"]
        assert model.notes == (SWAPPED,)

    def test_a_saved_model_is_what_its_signatures_need(self) -> None:
        """How it is saved and restored is no part of the model."""
        content = tiny.graph(
            tiny.node("x", "Placeholder"),
            tiny.node("y", "Relu", "x", T=tiny.dtype("HALF")),
            tiny.node("save", "SaveV2", "y"),
            tiny.node("init", "NoOp"),
        )
        assert ops(read_graph(memoryview(tiny.saved(content, "y:0")))) == ["Placeholder", "Relu"]
        assert len(ops(read_graph(memoryview(tiny.saved(content))))) == 4

    def test_dtypes_that_a_saved_model_leaves_out_come_from_its_ops(self) -> None:
        """TensorFlow strips what is the default, and says what that is."""
        content = tiny.graph(tiny.node("y", "ArgMax", T=tiny.dtype("FLOAT")))
        data = tiny.saved(content, "y:0", defaults=tiny.op_default("ArgMax", "Tidx", "INT32"))
        model = read_graph(memoryview(data))
        assert model.graphs[0].nodes[0].types == {"T": ("FLOAT",), "Tidx": ("INT32",)}

    def test_tensors_are_passed_over(self) -> None:
        """A weight of 64 MiB costs neither memory nor time."""
        weight = tiny.node("w", "Const", dtype=tiny.dtype("FLOAT"), value=tiny.part(8, bytes(64 * 2**20)))
        data = memoryview(tiny.graph(weight))
        before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
        assert ops(read_graph(data)) == ["Const"]
        assert time.monotonic() - started < 1
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # KiB


HOSTILE = {
    "nothing known": b"\x1a\x00",
    "cut off": DENSE[:-3],
    "a length beyond the end": b"\x0a\xff\xff\xff\xff\x0f",
    "a number without an end": b"\x0a" + b"\xff" * 30,
    "a field without a number": b"\x0a\x02\x02\x00",
    "an unknown wire type": tiny.part(1, b"\x0b"),
    "no op": tiny.graph(tiny.part(1, "x")),
    "a name that is no text": tiny.graph(tiny.part(2, b"\xff\xfe")),
    "a name with an escape": tiny.graph(tiny.part(2, "\x1b[31m")),
    "a name without end": tiny.graph(tiny.part(2, "x" * 5000)),
    "a name that is a number": tiny.graph(tiny.part(2, 7)),
    "an input that leads nowhere": tiny.graph(tiny.node("x", "Relu", "a:b:c:d")),
    "an input of a great number": tiny.graph(tiny.node("x", "Relu", "a:99999999")),
    "a list without end": tiny.graph(tiny.node("x", "Relu", T=tiny.part(1, tiny.part(6, b"\x01" * 20_000)))),
    "an empty model": tiny.saved(b"", "x"),
}


class TestHostile:
    @pytest.mark.parametrize("what", HOSTILE)
    def test_what_is_no_model_is_refused(self, what: str) -> None:
        """With a sentence, and nothing else."""
        with pytest.raises(ModelError):
            read_graph(memoryview(HOSTILE[what]))

    def test_too_many_fields_are_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What a file can cost is bounded, whatever it holds."""
        monkeypatch.setattr(wire, "MAX_FIELDS", 50)
        with pytest.raises(ModelError, match="more than 50 fields"):
            read_graph(memoryview(tiny.graph(*[tiny.node(f"n{n}", "Relu") for n in range(100)])))

    def test_too_many_ops_are_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """So is their number, as they are found: what stands behind the last is not looked at."""
        monkeypatch.setattr(saved_graphs, "MAX_NODES", 10)
        nodes, damage = [tiny.node(f"n{n}", "Relu") for n in range(20)], tiny.part(1, b"\x0b")
        uncalled = tiny.function("f", (), *nodes, damage)
        for content in (tiny.graph(*nodes, damage), tiny.graph(nodes[0], functions=(uncalled,))):
            with pytest.raises(ModelError, match="more than 10 ops"):
                read_graph(memoryview(content))

    def test_too_long_names_are_refused_together(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Each of them may have 4 KiB."""
        monkeypatch.setattr(wire, "MAX_TEXT", 2**20)
        with pytest.raises(ModelError, match="names in the file have more than 1 MiB"):
            read_graph(memoryview(tiny.graph(*[tiny.node("n" * 4000, "Relu") for _ in range(300)])))

    def test_many_graphs_are_refused(self) -> None:
        """Two bytes of a file would be an object each."""
        with pytest.raises(ModelError, match="more than 100 graphs"):
            read_graph(memoryview(tiny.part(1, 1) + b"\x12\x00" * 101))

    def test_defaults_do_not_multiply(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """An op of thousands of attributes that thousands of ops leave out: each would get all of them."""
        monkeypatch.setattr(wire, "MAX_FIELDS", 20_000)
        attributes = b"".join(
            tiny.part(4, tiny.part(1, f"a{n}") + tiny.part(3, tiny.dtype("HALF"))) for n in range(1000)
        )
        defaults = tiny.part(1, tiny.part(1, "A") + attributes)
        content = tiny.graph(*[tiny.node("x", "A")] * 1000)
        with pytest.raises(ModelError, match="more than 20,000 fields"):
            read_graph(memoryview(tiny.saved(content, defaults=defaults)))

    def test_a_zip_of_many_members_is_refused_unread(self) -> None:
        """A directory of 18 MB: its members would take 225 MB before they could be counted."""
        directory = (b"PK\x01\x02" + bytes(42)) * 400_000
        end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, len(directory), 0, 0)
        file = io.BytesIO(directory + end)
        tracemalloc.start()
        try:
            with pytest.raises(ModelError, match="directory is larger than 1 MiB"):
                read_keras(file, FACTS)
            assert tracemalloc.get_traced_memory()[1] < 10 * 2**20
        finally:
            tracemalloc.stop()

    @given(st.binary(max_size=300))
    @settings(max_examples=300)
    def test_bytes_are_a_model_or_refused(self, data: bytes) -> None:
        """No other exception, whatever the bytes are."""
        for content in (data, b"\x0a" + data, b"\x08\x01" + data):
            with contextlib.suppress(ModelError):
                read_graph(memoryview(content))

    @given(st.integers(0, len(DENSE) - 1), st.integers(0, 255), st.integers(0, 40))
    @settings(max_examples=300)
    def test_a_damaged_model_is_a_model_or_refused(self, at: int, byte: int, cut: int) -> None:
        """A byte that is another, and an end that is elsewhere."""
        whole = tiny.saved(DENSE, "z")
        at += len(whole) - len(DENSE) - 40
        data = bytearray(whole[: len(whole) - cut])
        data[min(at, len(data) - 1)] = byte
        with contextlib.suppress(ModelError):
            read_graph(memoryview(bytes(data)))

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=8),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(
                        [
                            "config",
                            "layers",
                            "class_name",
                            "module",
                            "name",
                            "dtype",
                            "layer",
                            "activation",
                            "build_config",
                            "input_shape",
                        ]
                    ),
                    inner,
                    max_size=4,
                )
            ),
            max_leaves=12,
        )
    )
    @settings(max_examples=300)
    def test_a_configuration_is_a_model_or_refused(self, config: object) -> None:
        """Whatever JSON stands where a configuration is expected."""
        for content in (
            config,
            {"class_name": "Sequential", "config": {"layers": [config, tiny.layer("Dense")]}},
        ):
            data = tiny.archive({"config.json": json.dumps(content), "metadata.json": "{}"})
            with contextlib.suppress(ModelError):
                read_keras(io.BytesIO(data), FACTS)


class TestPaths:
    def read(self, path: Path) -> Model:
        return read_model(path, FACTS)

    def test_each_kind_is_recognised(self, tmp_path: Path) -> None:
        """By what is in it, not by its name; a folder is a SavedModel."""
        (tmp_path / "saved").mkdir()
        (tmp_path / "saved" / "saved_model.pb").write_bytes(tiny.saved(DENSE, "z"))
        (tmp_path / "graph.dat").write_bytes(DENSE)
        (tmp_path / "model.bin").write_bytes(tiny.keras(tiny.layer("Dense")))
        kinds = {name: self.read(tmp_path / name).kind for name in ("saved", "graph.dat", "model.bin")}
        assert kinds == {"saved": "SavedModel", "graph.dat": "GraphDef", "model.bin": "Keras"}

    @pytest.mark.parametrize(
        ("name", "data", "told"),
        [
            ("missing", None, "No such file"),
            ("empty", b"", "it has 0 bytes"),
            ("weights.h5", b"\x89HDF\r\n\x1a\n" + b"\0" * 100, "HDF5"),
            ("text.pbtxt", b"node { op: 'Relu' }", "neither a SavedModel nor a GraphDef"),
            (
                "bomb.keras",
                tiny.archive({"config.json": b"0" * (40 * 2**20), "metadata.json": "{}"}),
                "16 MiB",
            ),
            ("other.zip", tiny.archive({"readme": "x"}), "no config.json"),
            ("broken.keras", tiny.keras(tiny.layer("Dense"))[:-30], "damaged"),
            ("list.keras", tiny.archive({"config.json": "[]", "metadata.json": "{}"}), "no configuration"),
            ("deep.keras", tiny.archive({"config.json": "[" * 100_000, "metadata.json": "{}"}), "no JSON"),
        ],
    )
    def test_what_is_none_is_refused_with_what_to_give(
        self, name: str, data: bytes | None, told: str, tmp_path: Path
    ) -> None:
        """A sentence and a hint, never a traceback."""
        if data is not None:
            (tmp_path / name).write_bytes(data)
        with pytest.raises(MetalmatrixError) as error:
            self.read(tmp_path / name)
        assert told in error.value.what
        assert error.value.hint

    @pytest.mark.parametrize("what", HOSTILE)
    def test_a_damaged_file_is_refused_and_let_go(self, what: str, tmp_path: Path) -> None:
        """As the bytes are, but from a file: the sentence and a hint; nothing of the file stays mapped."""
        path = tmp_path / "damaged-model.pb"
        path.write_bytes(HOSTILE[what])
        with pytest.raises(ModelError) as error:
            self.read(path)
        assert error.value.hint
        del error
        if (maps := Path("/proc/self/maps")).exists():
            assert path.name not in maps.read_text()

    def test_an_encrypted_member_is_refused(self, tmp_path: Path) -> None:
        """No password is asked for."""
        data = bytearray(tiny.keras(tiny.layer("Dense")))
        for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            start = data.find(mark)
            while start >= 0:
                struct.pack_into("<H", data, start + at, 1)
                start = data.find(mark, start + 4)
        (tmp_path / "x.keras").write_bytes(bytes(data))
        with pytest.raises(ModelError, match="damaged"):
            self.read(tmp_path / "x.keras")

    def test_a_device_is_no_file(self, tmp_path: Path) -> None:
        """What never ends is not read."""
        (tmp_path / "x").symlink_to("/dev/zero")
        with pytest.raises(ModelError, match="is no file"):
            self.read(tmp_path / "x")


class TestKeras:
    def read(self, *layers: dict[str, object], version: str = "3.5.0") -> Model:
        return read_keras(io.BytesIO(tiny.keras(*layers, version=version)), FACTS)

    def predict(
        self, *layers: dict[str, object], version: str = "3.5.0"
    ) -> list[tuple[str, dict[str, tuple[str, ...]]]]:
        return [(node.op, dict(node.types)) for node in self.read(*layers, version=version).graphs[0].nodes]

    def test_a_dense_layer_is_a_product_a_bias_and_its_activation(self) -> None:
        """In the layer's dtype."""
        found = self.predict(tiny.layer("Dense", units=4, activation="relu", dtype="float16"))
        assert found == [(op, {"T": ("HALF",)}) for op in ("BiasAdd", "MatMul", "Relu")]

    def test_options_make_it_another(self) -> None:
        """Without a bias there is no sum; of an input of rank 3 more becomes of it."""
        bare = self.predict(tiny.layer("Dense", use_bias=False, activation="linear"))
        assert [op for op, _ in bare] == ["MatMul"]
        wide = self.predict(tiny.layer("Dense", shape=[None, 6, 8], activation="linear"))
        assert {"MatMul", "Reshape", "Transpose"} <= {op for op, _ in wide}

    def test_the_policy_may_be_an_object_and_may_be_mixed(self) -> None:
        """Keras 3 writes it as one; under a mixed one variables are cast."""
        policy = {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "mixed_bfloat16"}}
        found = self.predict(tiny.layer("Dense", dtype=policy, activation=None))
        assert ("MatMul", {"T": ("BFLOAT16",)}) in found
        assert ("Cast", {"SrcT": ("FLOAT",), "DstT": ("BFLOAT16",)}) in found

    def test_keras_2_and_3_differ(self) -> None:
        """Each is answered by what its own kind of Keras traced."""
        layer = tiny.layer("BatchNormalization", shape=[None, 8, 8, 3])
        assert "FusedBatchNormV3" in {op for op, _ in self.predict(layer, version="2.14.0")}
        assert "FusedBatchNormV3" not in {op for op, _ in self.predict(layer, version="3.1.0")}

    def test_an_lstm_is_cudnns_unless_its_arguments_forbid(self) -> None:
        """On a GPU Keras takes that implementation; with a recurrent dropout it takes the loop."""
        usual, dropped = tiny.layer("LSTM"), tiny.layer("LSTM", recurrent_dropout=0.5)
        assert "CudnnRNNV3" in {op for op, _ in self.predict(usual)}
        assert "While" in {op for op, _ in self.predict(dropped)}

    def test_what_is_not_known_is_said(self) -> None:
        """A class of one's own, a Lambda, an activation, a policy, a wrapper: named, and never guessed."""
        own = tiny.layer("Dense", "mine") | {"module": "me", "registered_name": "me>Dense"}
        model = self.read(
            own,
            tiny.layer("Lambda", "code"),
            tiny.layer("Dense", "odd", activation="mine"),
            tiny.layer("Dense", "quantized", dtype="int8_from_float32"),
            tiny.layer("LSTM", "hard", activation="relu"),
            tiny.layer("ConvLSTM2D", "rare"),
            tiny.layer("Bidirectional", "both", layer=tiny.layer("GRU", "within")),
        )
        assert [line.split(":")[0] for line in model.unknown] == [
            *("mine", "code", "odd", "quantized", "hard", "rare", "both"),
        ]
        assert {node.name for node in model.graphs[0].nodes} == {"odd", "within"}

    def test_models_within_models_are_read_to_a_depth(self) -> None:
        """And refused below it."""
        inner: dict[str, object] = tiny.layer("Dense", "deep")
        for _ in range(3):
            inner = tiny.layer("Functional", layers=[inner])
        assert {node.name for node in self.read(inner).graphs[0].nodes} == {"deep"}
        for _ in range(MAX_DEPTH):
            inner = tiny.layer("Functional", layers=[inner])
        with pytest.raises(ModelError, match="deep"):
            self.read(inner)

    def test_names_are_shown_harmless(self) -> None:
        """A name that is none is replaced by the layer's class."""
        model = self.read(tiny.layer("Dense", "\x1b[31mred"), tiny.layer("Rare", "<script>" * 30))
        assert {node.name for node in model.graphs[0].nodes} == {"Dense"}
        assert model.unknown == ("Rare: what a Rare becomes is not known",)


def test_random_zips_are_models_or_refused() -> None:
    """A .keras file with flipped bytes: read, or refused with a sentence."""
    whole = tiny.keras(tiny.layer("Dense"), tiny.layer("LSTM"))
    flips = random.Random(4)  # noqa: S311 - the same every time
    for _ in range(400):
        data = bytearray(whole)
        for _ in range(flips.randrange(1, 4)):
            data[flips.randrange(len(data))] ^= 1 << flips.randrange(8)
        with contextlib.suppress(ModelError):
            read_keras(io.BytesIO(bytes(data)), FACTS)
