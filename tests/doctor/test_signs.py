"""Each thing that the doctor recognises in an environment, rebuilt with the metadata of the real wheels."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from metalmatrix.doctor.known import load_known
from metalmatrix.doctor.look import CondaPackage, look
from metalmatrix.doctor.machine import Machine
from tests.doctor.mac import DYLIB, MAC, Mac
from tests.fake_environment import GPU, NEW

if TYPE_CHECKING:
    from pathlib import Path

    from metalmatrix.doctor.diagnose import Diagnosis


@pytest.fixture
def mac(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mac:
    """An empty environment on a Mac."""
    monkeypatch.setattr("platform.system", lambda: "Darwin")  # by which the plugins' ending is told
    monkeypatch.setenv("PYTHONUSERBASE", str(tmp_path / "user"))
    for name in ("TF_PLUGGABLE_DEVICE_LIBRARY_PATH", "PYTHONPATH"):
        monkeypatch.delenv(name, raising=False)
    return Mac(tmp_path / "env")


def only(mac: Mac) -> Diagnosis:
    """The one problem that is found."""
    exam = mac.exam()
    assert len(exam.problems) == 1, [(item.id, item.saw) for item in exam.problems]
    assert exam.code == 1
    return exam.problems[0]


class TestHealthy:
    def test_a_set_that_fits_is_healthy(self, mac: Mac) -> None:
        """The pair that is reported to work, under the pins: nothing is wrong, nothing is noted."""
        exam = mac.pair("2.17.0", "1.1.0").exam()
        assert (exam.diagnoses, exam.unknowns, exam.healthy, exam.code) == ((), (), True, 0)

    def test_conda_of_the_right_platform_is_healthy(self, mac: Mac) -> None:
        """The Python may be of conda, and the rest of pip."""
        mac.conda = (CondaPackage("python", "3.11.7", "osx-arm64", "conda-forge"),)
        assert mac.pair("2.17.0", "1.1.0").found() == ([], [])

    def test_both_names_at_one_version_are_healthy(self, mac: Mac) -> None:
        """Between 2.13 and 2.16 one of the names is an empty wheel that brings the other."""
        mac.put("keras", "2.15.0")
        mac.pair("2.15.0", "1.1.0", name="tensorflow-macos")
        mac.put("tensorflow", "2.15.0", requires=["tensorflow-macos==2.15.0"])
        assert mac.found() == ([], [])

    def test_the_users_own_build_for_arm64_is_healthy(self, mac: Mac) -> None:
        """A TensorFlow from elsewhere, whose wheel says arm64, is not the one for Intel."""
        mac.says["version"] = "3.9.18"
        mac.put("keras", "2.11.0")
        mac.put("protobuf", "3.19.6")
        mac.wheel("tensorflow", "2.11.0", tag="cp39-cp39-macosx_11_0_arm64")
        problems, _ = mac.pair("2.11.0", "0.7.1").found()
        assert problems == []


class TestInterpreter:
    def test_an_intel_python(self, mac: Mac) -> None:
        """An x86-64 Python on Apple silicon, with the Intel wheel of TensorFlow that it got."""
        mac.says["machine"] = "x86_64"
        mac.put("keras", "2.12.0")
        mac.wheel("tensorflow", "2.12.0", tag="cp311-cp311-macosx_10_15_x86_64")
        mac.wheel("tensorflow-metal", "0.8.0")
        exam = mac.exam()
        assert [item.id for item in exam.problems] == ["rosetta", "plain-tensorflow"]
        assert exam.problems[0].saw == (f"{mac.python} runs as x86_64 on an Apple-silicon Mac",)
        assert "x86_64" in exam.problems[1].saw[0]
        assert any("cpython-3.11-macos-aarch64-none" in line for line in exam.problems[0].commands)

    def test_an_intel_conda(self, mac: Mac) -> None:
        """What conda says of itself is told, and not the interpreter's word as well."""
        mac.says["machine"] = "x86_64"
        mac.conda = (CondaPackage("python", "3.11.7", "osx-64", "defaults"),)
        found = only(mac.pair("2.17.0", "1.1.0"))
        assert found.id == "conda-x86"
        assert found.saw == ("conda installed python 3.11.7 for osx-64, the platform of Intel Macs",)
        assert found.commands[0].startswith("CONDA_SUBDIR=osx-arm64 conda create -y")

    def test_x86_packages_in_an_arm64_conda(self, mac: Mac) -> None:
        """One package of the wrong platform among right ones."""
        mac.conda = (
            CondaPackage("h5py", "3.9.0", "osx-64", "defaults"),
            CondaPackage("python", "3.11.7", "osx-arm64", "defaults"),
        )
        assert only(mac.pair("2.17.0", "1.1.0")).id == "conda-x86"

    @pytest.mark.parametrize(("version", "too"), [("3.7.16", "old"), ("3.14.0", "new"), ("3.15.0", "new")])
    def test_a_python_without_wheels(self, mac: Mac, version: str, too: str) -> None:
        """Too old and too new; the new environment is of a Python that has a plugin."""
        mac.says["version"] = version
        exam = mac.exam()
        assert [item.id for item in exam.problems] == ["python-without-wheels", "no-tensorflow"]
        assert f"too {too}" in exam.problems[0].saw[0]
        pins = exam.problems[0].pins
        assert pins is not None
        assert pins.has_plugin

    @pytest.mark.parametrize("says", [{"implementation": "pypy"}, {"free_threaded": True}])
    def test_a_python_of_another_kind(self, mac: Mac, says: dict[str, object]) -> None:
        """PyPy and a build without the GIL have no wheels either."""
        mac.says.update(says)
        assert only(mac.pair("2.17.0", "1.1.0")).id == "python-without-wheels"


class TestSet:
    def test_no_tensorflow(self, mac: Mac) -> None:
        """An environment without any."""
        mac.put("numpy", "1.26.4")
        assert only(mac).id == "no-tensorflow"

    def test_plain_tensorflow_before_2_13(self, mac: Mac) -> None:
        """A plain 2.11 under an arm64 Python: no wheel for it was ever published."""
        mac.says["version"] = "3.9.18"
        mac.put("keras", "2.11.0")
        mac.wheel("tensorflow", "2.11.0", tag="py3-none-any")
        mac.wheel("tensorflow-metal", "0.7.1")
        found = only(mac)
        assert found.id == "plain-tensorflow"
        assert found.pins is not None
        assert "tensorflow-macos==2.11.0" in found.pins.requirements

    def test_an_empty_wheel_alone(self, mac: Mac) -> None:
        """tensorflow-macos 2.15.1 requires itself, and holds nothing."""
        mac.put("tensorflow-macos", "2.15.1", requires=["tensorflow-macos==2.15.1"])
        mac.wheel("tensorflow-metal", "1.1.0")
        assert only(mac).id == "empty-framework"

    def test_two_frameworks(self, mac: Mac) -> None:
        """Both names at two versions, which write one folder."""
        mac.pair("2.16.2", "1.1.0")
        mac.put("tensorflow-macos", "2.12.0", {"tensorflow/old.py": "1", "tensorflow/__init__.py": "2"})
        found = only(mac)
        assert found.id == "two-frameworks"
        assert "tensorflow-macos 2.12.0" in found.saw[0]
        assert found.commands[0].endswith("-m pip uninstall -y tensorflow tensorflow-macos")

    def test_condas_tensorflow_beside_pips(self, mac: Mac) -> None:
        """conda-forge's build and the wheel in one environment."""
        mac.conda = (CondaPackage("tensorflow", "2.10.0", "osx-arm64", "conda-forge"),)
        found = only(mac.pair("2.17.0", "1.1.0"))
        assert found.id == "conda-tensorflow"
        assert found.commands[0].startswith("CONDA_SUBDIR=osx-arm64 conda create -y ")

    def test_condas_tensorflow_alone_is_no_mixture(self, mac: Mac) -> None:
        """Its dist-info says that conda installed it."""
        mac.conda = (CondaPackage("tensorflow", "2.17.0", "osx-arm64", "conda-forge"),)
        mac.wheel("tensorflow", "2.17.0", installer="conda")
        assert mac.pair("2.17.0", "1.1.0").found() == ([], [])

    def test_cuda_on_a_mac(self, mac: Mac) -> None:
        """NVIDIA's packages and variables do no harm, and no good: a note."""
        mac.put("nvidia-cublas-cu12", "0.0.1.dev5")
        mac.variables = {"LD_LIBRARY_PATH": "/usr/local/cuda/lib"}
        exam = mac.pair("2.17.0", "1.1.0").exam()
        assert [item.id for item in exam.notes] == ["cuda"]
        assert len(exam.notes[0].saw) == 2
        assert exam.healthy is True

    def test_tflite_runtime(self, mac: Mac) -> None:
        """A package asks for a runtime that has no wheel here."""
        mac.put("face-detection", "0.1", requires=["tflite-runtime>=2.5"])
        found = only(mac.pair("2.17.0", "1.1.0"))
        assert (found.id, found.commands[0][-14:]) == ("tflite-runtime", "ai-edge-litert")


class TestPair:
    @pytest.mark.parametrize(
        ("framework", "plugin", "line"),
        [
            ("2.18.0", "1.1.0", "Symbol not found: __ZN3tsl8internal10LogMessageC1EPKcii"),
            ("2.20.0", "1.2.0", "Library not loaded: @rpath/_pywrap_tensorflow_internal.so"),
        ],
    )
    def test_a_plugin_that_does_not_link(self, mac: Mac, framework: str, plugin: str, line: str) -> None:
        """From the static facts, with the line that public reports show (84167, 126254)."""
        if framework == "2.20.0":
            mac.put("protobuf", "6.31.1")
            mac.put("keras", "3.11.0")
        found = only(mac.pair(framework, plugin))
        assert found.id == "does-not-link"
        assert line in found.saw[0]
        assert found.pins is not None
        assert load_known().links[found.pins.framework, found.pins.cell.rpartition("metal")[2]] == ""

    @pytest.mark.parametrize(("framework", "plugin"), [("2.9.2", "0.2.0"), ("2.7.0", "0.1.1")])
    def test_a_plugin_that_tensorflow_refuses_once_loaded(
        self, mac: Mac, framework: str, plugin: str
    ) -> None:
        """Its struct is that of TensorFlow before 2.7: dyld loads it, and the import aborts."""
        mac.says["version"] = "3.8.18"
        for name, version in {"numpy": "1.23.5", "protobuf": "3.19.6", "keras": f"{framework[:3]}.0"}.items():
            mac.put(name, version)
        found = only(mac.pair(framework, plugin, "tensorflow-macos"))
        assert found.id == "refused-plugin"
        assert f"tensorflow-metal {plugin}: TensorFlow says FAILED_PRECONDITION: 'host_call" in found.saw[0]
        assert found.pins is not None
        assert (found.pins.framework, found.pins.python) == (framework, "3.8")
        assert (framework, found.pins.cell.rpartition("metal")[2]) not in load_known().refused

    def test_the_same_plugin_where_tensorflow_takes_it(self, mac: Mac) -> None:
        """2.6.0 and 0.2.0 have the same struct."""
        mac.says["version"] = "3.8.18"
        problems, _ = mac.pair("2.6.0", "0.2.0", "tensorflow-macos").found()
        assert not {"refused-plugin", "does-not-link"} & set(problems)

    def test_the_framework_stays_where_another_plugin_goes_with_it(self, mac: Mac) -> None:
        """2.18.0 has a plugin that loads into it: nobody needs another TensorFlow."""
        found = only(mac.pair("2.18.0", "1.1.0"))
        assert found.pins is not None
        assert found.pins.cell == "py3.11-tf2.18.0-metal1.2.0"

    def test_a_pair_that_nobody_knows(self, mac: Mac) -> None:
        """A release that is not in the data: unknown, and not broken."""
        mac.put("tensorflow", "2.99.0", {"tensorflow/__init__.py": ""})
        mac.wheel("tensorflow-metal", "1.2.0")
        exam = mac.exam()
        assert exam.problems == ()
        assert "not known" in exam.unknowns[0]
        assert (exam.healthy, exam.code) == (None, 2)

    def test_no_plugin(self, mac: Mac) -> None:
        """A TensorFlow without one lists no GPU."""
        found = only(mac.pair("2.17.0"))
        assert found.id == "no-plugin"
        assert found.pins is not None
        assert found.pins.has_plugin

    def test_no_plugin_has_a_wheel_for_this_python(self, mac: Mac) -> None:
        """Then the commands make an environment of another Python."""
        mac.says["version"] = "3.13.1"
        mac.put("protobuf", "6.31.1")
        mac.put("keras", "3.11.0")
        found = only(mac.pair("2.20.0"))
        assert found.id == "no-plugin"
        assert "tensorflow-metal has wheels for Python 3.8 to 3.12" in found.saw[1]
        assert found.pins is not None
        made = f"venv --python cpython-{found.pins.python}-macos-aarch64-none"
        assert any(made in line for line in found.commands)

    def test_a_library_is_left_over(self, mac: Mac) -> None:
        """A library that no distribution claims is loaded all the same."""
        mac.pair("2.17.0")
        (mac.site / DYLIB).parent.mkdir()
        (mac.site / DYLIB).write_bytes(GPU)
        found = only(mac)
        assert found.id == "leftover-plugin"
        assert found.commands[0] == f"rm {mac.site / DYLIB}"

    def test_a_plugin_without_a_framework(self, mac: Mac) -> None:
        """Left over the other way round."""
        mac.wheel("tensorflow-metal", "1.1.0")
        assert mac.found()[0] == ["no-tensorflow", "leftover-plugin"]

    def test_two_plugins(self, mac: Mac) -> None:
        """Two libraries that register the GPU end the import."""
        mac.pair("2.17.0", "1.1.0")
        mac.put("another-plugin", "1.0", {"tensorflow-plugins/libother.dylib": GPU})
        found = only(mac)
        assert (found.id, found.saw[0][:31]) == ("two-plugins", "2 libraries register the GPU, a")

    def test_a_plugin_in_the_users_own_folder(self, mac: Mac, tmp_path: Path) -> None:
        """2.20 looks there from inside of any environment, and 2.17 does not."""
        mac.put("protobuf", "4.25.8")
        mac.pair("2.17.0", "1.1.0")
        version = f"python{'.'.join(look(str(mac.python), '').version.split('.')[:2])}"
        user = tmp_path / "user" / "lib" / version / "site-packages"
        mac.put("tensorflow-metal", "1.0.0", {DYLIB: GPU}, site=user)
        assert mac.found()[0] == []
        (mac.site / "tensorflow/__init__.py").write_text(NEW, encoding="utf-8")
        assert mac.found()[0] == ["two-plugins"]

    def test_a_macos_that_is_too_old(self, mac: Mac) -> None:
        """0.5.1 is tagged for macOS 12 and built for 13."""
        mac.says["version"] = "3.9.18"
        mac.machine = replace(MAC, macos="12.6")
        mac.put("keras", "2.9.0")
        mac.put("protobuf", "3.19.6")
        found = only(mac.pair("2.9.2", "0.5.1", name="tensorflow-macos"))
        assert (found.id, found.saw) == (
            "macos-too-old",
            ("tensorflow-metal 0.5.1 needs macOS 13.0, and this is macOS 12.6",),
        )


class TestDependencies:
    def test_numpy_2(self, mac: Mac) -> None:
        """2.14.0 sets no upper bound: the repair does."""
        mac.put("numpy", "2.2.6")
        mac.put("keras", "2.14.0")
        found = only(mac.pair("2.14.0", "1.1.0", name="tensorflow-macos"))
        assert (found.id, found.commands[0][-9:]) == ("numpy-2", "'numpy<2'")
        assert "numpy 2.2.6 is installed" in found.saw[0]

    def test_numpy_2_where_the_wheel_says_so_itself(self, mac: Mac) -> None:
        """2.17.0 requires numpy<2.0.0: what it asks for is what is to be typed."""
        mac.put("numpy", "2.2.6")
        found = only(mac.pair("2.17.0", "1.1.0"))
        assert (found.id, found.commands) == (
            "numpy-2",
            (f"{mac.python} -m pip install 'numpy<2.0.0,>=1.23.5'",),
        )

    def test_numpy_2_where_it_belongs(self, mac: Mac) -> None:
        """2.18 was built for NumPy 2."""
        mac.put("numpy", "2.0.2")
        assert mac.pair("2.18.0", "1.2.0").found() == ([], [])

    def test_numpy_2_that_is_too_new(self, mac: Mac) -> None:
        """2.18 was built for NumPy 2 and asks for less than 2.1: a note, of another name."""
        mac.put("numpy", "2.4.0")
        exam = mac.pair("2.18.0", "1.2.0").exam()
        assert exam.problems == ()
        assert [(item.id, item.saw) for item in exam.notes] == [
            (
                "requirement",
                ("numpy 2.4.0 is installed, and tensorflow 2.18.0 asks for numpy<2.1.0,>=1.26.0",),
            )
        ]

    def test_protobuf(self, mac: Mac) -> None:
        """2.9.0 cannot read descriptors with protobuf 4."""
        mac.says["version"] = "3.9.18"
        mac.put("keras", "2.9.0")
        found = only(mac.pair("2.9.0", "0.5.0", name="tensorflow-macos"))
        assert (found.id, found.commands[0][-15:]) == ("protobuf", "'protobuf<3.21'")

    def test_protobuf_by_its_own_word(self, mac: Mac) -> None:
        """2.18.0 asks for less than 6.0.0dev."""
        mac.put("protobuf", "6.31.1")
        found = only(mac.pair("2.18.0", "1.2.0"))
        assert found.id == "protobuf"
        assert "<6.0.0dev" in found.commands[0]

    def test_keras_3_under_keras_2(self, mac: Mac) -> None:
        """2.15 asks for Keras 2.15."""
        found = only(mac.pair("2.15.0", "1.1.0", name="tensorflow-macos"))
        assert (found.id, found.commands) == (
            "keras",
            (f"{mac.python} -m pip install 'keras<2.16,>=2.15.0'",),
        )
        assert "keras 3.6.0 is installed" in found.saw[0]

    def test_pkg_resources(self, mac: Mac) -> None:
        """A setuptools 82 under a TensorBoard that wants its old module."""
        mac.put("setuptools", "82.0.0")
        found = only(mac.pair("2.17.0", "1.1.0"))
        assert (found.id, found.commands[0][-15:]) == ("pkg-resources", "'setuptools<82'")

    def test_pkg_resources_without_who_imports_it(self, mac: Mac) -> None:
        """TensorBoard 2.21 does not, and neither does who is not installed."""
        mac.put("setuptools", "82.0.0")
        mac.put("tensorboard", "2.21.0")
        assert "pkg-resources" not in mac.pair("2.17.0", "1.1.0").found()[0]
        (mac.site / "tensorboard-2.21.0.dist-info" / "METADATA").write_text("Name: x\nVersion: 1\n", "utf-8")
        assert "pkg-resources" not in mac.found()[0]

    def test_setuptools_is_missing(self, mac: Mac) -> None:
        """What had the module is not there at all."""
        mac.wheel("tensorflow", "2.17.0")
        mac.wheel("tensorflow-metal", "1.1.0")
        mac.put("keras", "3.6.0")
        mac.put("tensorboard", "2.17.1")
        found = only(mac)
        assert (found.id, found.saw[0][-16:]) == ("pkg-resources", "is not installed")

    def test_a_requirement_is_no_part_of_a_shell(self, mac: Mac) -> None:
        """What a wheel asks for becomes a command only where it is nothing but versions."""
        mac.put("keras", "3.6.0")
        requires = ["keras<3;$(touch x)", "keras (<3,>=2`id`)"]
        mac.put("tensorflow", "2.17.0", {"tensorflow/__init__.py": ""}, requires)
        for item in mac.exam().diagnoses:
            assert "`" not in " ".join(item.commands)
            assert "touch" not in " ".join(item.commands)


class TestAround:
    @pytest.mark.parametrize("other", ["pyarrow", "tokenizers"])
    def test_a_hang_beside_another_library(self, mac: Mac, other: str) -> None:
        """2.20 and later do not bear pyarrow in one process: the pins are of an older TensorFlow."""
        mac.put("protobuf", "6.31.1")
        mac.put("keras", "3.11.0")
        mac.put(other, "21.0.0")
        mac.pair("2.20.0")
        exam = mac.exam()
        assert [item.id for item in exam.problems] == ["no-plugin", "pyarrow"]
        pins = exam.problems[1].pins
        assert pins is not None
        assert pins.framework.startswith("2.1")

    def test_pyarrow_beside_an_older_tensorflow(self, mac: Mac) -> None:
        """2.17 bears it."""
        mac.put("pyarrow", "21.0.0")
        assert mac.pair("2.17.0", "1.1.0").found() == ([], [])

    def test_a_session_without_graphical_login(self, mac: Mac) -> None:
        """A note: reports contradict each other, and only the import would tell."""
        mac.machine = replace(MAC, session="Background")
        exam = mac.pair("2.17.0", "1.1.0").exam()
        assert [item.id for item in exam.notes] == ["session"]
        assert exam.notes[0].saw == ("launchctl managername says Background, and not Aqua",)

    def test_a_virtual_machine(self, mac: Mac) -> None:
        """Its GPU is nothing to rely on."""
        mac.machine = replace(MAC, virtual=True)
        assert mac.pair("2.17.0", "1.1.0").found() == ([], ["gpu-not-listed"])

    def test_the_optimizers_of_2_11(self, mac: Mac) -> None:
        """A note before it fails: the GPU is listed all the same."""
        mac.says["version"] = "3.9.18"
        mac.put("keras", "2.11.0")
        mac.put("protobuf", "3.19.6")
        _, notes = mac.pair("2.11.0", "0.7.0", name="tensorflow-macos").found()
        assert notes == ["platform-id"]

    def test_numbers_that_are_reported_wrong(self, mac: Mac) -> None:
        """What the table has of this very pair, with its source."""
        exam = mac.pair("2.16.2", "1.2.0").exam()
        assert [item.id for item in exam.notes] == ["fused-relu"]
        assert "https://developer.apple.com/forums/thread/818015" in exam.notes[0].saw[0]

    def test_what_else_is_reported(self, mac: Mac) -> None:
        """A slow training is no wrong number: a note of another name, with the command that tells all."""
        mac.says["version"] = "3.9.18"
        mac.put("keras", "2.8.0")
        mac.put("protobuf", "3.19.6")
        exam = mac.pair("2.8.0", "0.5.0", name="tensorflow-macos").exam()
        assert [item.id for item in exam.diagnoses] == ["reported"]
        assert exam.notes[0].commands[0] == "nox -s explain -- py3.9-tf2.8.0-metal0.5.0"


class TestOrder:
    def test_several_problems_are_told_in_the_order_to_fix_them(self, mac: Mac) -> None:
        """The interpreter first, then the set, the pair, the dependencies."""
        mac.says["machine"] = "x86_64"
        mac.put("numpy", "2.4.0")
        mac.put("setuptools", "82.0.0")
        mac.pair("2.17.0", "1.0.1")
        mac.put("tensorflow-macos", "2.12.0", {"tensorflow/__init__.py": ""})
        problems, _ = mac.found()
        assert problems == ["rosetta", "two-frameworks", "does-not-link", "numpy-2", "pkg-resources"]


@pytest.mark.parametrize("machine", [Machine("linux", "x86_64"), Machine("macos", "x86_64", "13.6")])
def test_elsewhere_only_what_is_a_matter_of_packages_is_told(mac: Mac, machine: Machine) -> None:
    """On Linux or an Intel Mac nothing is said of wheels, plugin or GPU, and no Mac's wheel handed out."""
    mac.machine = machine
    mac.says["machine"] = "x86_64"
    mac.put("numpy", "2.4.0")
    exam = mac.pair("2.17.0", "1.0.1").exam()
    assert [item.id for item in exam.diagnoses] == ["numpy-2"]
    assert "no Apple-silicon Mac" in machine.told
    assert not any("metal" in line for item in exam.diagnoses for line in item.commands)


@pytest.mark.parametrize("text", ["", "\x1b[31mtensorflow", "tensor\u202eflow", "x" * 10_000])
def test_a_hostile_version_is_told_without_its_escapes(mac: Mac, text: str) -> None:
    """What a METADATA file says of itself is printed plain and short."""
    mac.wheel("tensorflow-metal", "1.1.0")
    info = mac.put("tensorflow", "2.17.0", {"tensorflow/__init__.py": ""})
    (info / "METADATA").write_text(f"Name: tensorflow\nVersion: {text}\n", encoding="utf-8")
    exam = mac.exam()
    told = json.dumps(exam.to_json(), ensure_ascii=False)
    assert "\u202e" not in told
    assert "\x1b" not in told
    assert len(told) < 20_000
