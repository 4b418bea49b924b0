"""The `packages` check, run by a real interpreter over environments made of small fake distributions.

What TensorFlow itself does was tried with tensorflow-cpu 2.15.1, 2.17.1 and 2.20.0 and a simulated GPU: two
libraries, one library by two paths, the same one through the variable, and one in the user's own
`site-packages` (2.20 alone) each end the import with SIGABRT.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sysconfig
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from metalmatrix.running.limits import Limits
from metalmatrix.running.supervise import checks_dir, run_checks
from tests.fake_environment import ENDING, GPU, NEW, OLD, PLUGIN, Fake

if TYPE_CHECKING:
    from types import ModuleType

    from metalmatrix.running.supervise import CheckResult


class Checked(Fake):
    """An environment to be checked."""

    def check(self) -> CheckResult:
        """What the check says."""
        (result,) = run_checks(self.python, Limits(seconds=20), ["packages"])
        return result


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checked:
    """An empty environment, and a user of its own."""
    monkeypatch.setenv("PYTHONUSERBASE", str(tmp_path / "user"))
    monkeypatch.delenv("TF_PLUGGABLE_DEVICE_LIBRARY_PATH", raising=False)
    return Checked(tmp_path / "env")


@pytest.fixture
def healthy(fake: Checked) -> Checked:
    """An environment with a TensorFlow, its Keras and the plugin."""
    fake.tensorflow()
    fake.put("keras", "2.15.0")
    fake.put("tensorflow-metal", "1.1.0", {PLUGIN: GPU, "tensorflow-plugins/__init__.py": ""})
    return fake


def notes(result: CheckResult) -> str:
    """The notes of a check that passed."""
    assert (result.outcome, result.message, result.tail) == ("passed", "", "")
    return "\n".join(result.facts["notes"])


def test_a_healthy_environment_has_nothing_to_say(healthy: Checked) -> None:
    """One framework, its Keras and one plugin pass without a note, and the facts name them."""
    result = healthy.check()
    assert notes(result) == ""
    assert result.facts["frameworks"] == ["tensorflow 2.15.1"]
    assert result.facts["keras"] == "keras 2.15.0"
    assert [Path(path).name for path in result.facts["plugins_loaded"]] == [Path(PLUGIN).name]


def test_tensorflow_is_not_imported(healthy: Checked) -> None:
    """A TensorFlow that ends whoever imports it is looked at all the same."""
    (healthy.site / "tensorflow/__init__.py").write_text("import os; os._exit(7)")
    assert healthy.check().outcome == "passed"


def test_without_tensorflow_there_is_nothing_to_check(fake: Checked) -> None:
    """An environment without a framework is skipped with the reason."""
    result = fake.check()
    assert result.outcome == "skipped"
    assert result.message == "No distribution of TensorFlow is installed, as far as can be read."


class TestFrameworks:
    @pytest.mark.parametrize("version", ["2.15.0", "2.13.1"])
    def test_an_empty_wheel_of_the_same_version_is_fine(self, fake: Checked, version: str) -> None:
        """From 2.13 to 2.16 one name is an empty wheel that requires the other."""
        fake.tensorflow(version, "tensorflow-macos", requires=[])
        fake.put("tensorflow", version, requires=[f'tensorflow-macos=={version}; sys_platform == "darwin"'])
        assert notes(fake.check()) == ""

    def test_an_empty_wheel_of_another_version_is_a_note(self, fake: Checked) -> None:
        """It works as the one that holds the code, whatever the other name says."""
        fake.tensorflow("2.14.0", "tensorflow-macos", requires=[])
        fake.put("tensorflow", "2.13.0")
        assert notes(fake.check()) == (
            "tensorflow 2.13.0 and tensorflow-macos 2.14.0 are installed: "
            "it is tensorflow-macos 2.14.0 that holds the code. Install one version."
        )

    def test_of_two_that_hold_code_the_one_on_disk_is_named(self, fake: Checked) -> None:
        """The one installed last has overwritten every file that both have."""
        fake.tensorflow("2.12.0", "tensorflow-macos", requires=[])
        fake.tensorflow("2.16.2", "tensorflow", requires=[])
        assert notes(fake.check()) == (
            "tensorflow 2.16.2 and tensorflow-macos 2.12.0 are installed in one folder: what is on disk is "
            "tensorflow 2.16.2. Uninstalling either takes the other's files."
        )

    def test_code_of_both_on_disk_breaks(self, fake: Checked) -> None:
        """Python code of the one with the library of the other is no release."""
        fake.tensorflow("2.12.0", "tensorflow-macos", requires=[])
        library = (fake.site / f"tensorflow/_pywrap{ENDING}").read_bytes()
        fake.tensorflow("2.16.2", "tensorflow", requires=[])
        (fake.site / f"tensorflow/_pywrap{ENDING}").write_bytes(library)
        result = fake.check()
        assert (result.outcome, result.how, result.stage, result.weight) == (
            "failed",
            "mismatch",
            "import",
            "breaks",
        )
        assert result.message == (
            "One folder holds code of tensorflow 2.16.2 and tensorflow-macos 2.12.0: it is no release. "
            "Uninstall both and install one."
        )

    def test_two_records_of_one_name_are_told(self, fake: Checked) -> None:
        """What an upgrade that was cut off leaves: two versions of one distribution."""
        fake.tensorflow("2.12.0", requires=[])
        fake.tensorflow("2.13.0", requires=[])
        assert "tensorflow 2.12.0 and tensorflow 2.13.0 are installed in one folder" in notes(fake.check())


class TestPlugins:
    def test_a_leftover_is_a_note(self, healthy: Checked) -> None:
        """A library that no RECORD has is loaded like any other, and may be the right one."""
        info = healthy.site / "tensorflow_metal-1.1.0.dist-info"
        (info / "RECORD").unlink()
        (info / "METADATA").unlink()
        info.rmdir()
        assert notes(healthy.check()) == (
            f"<env>/{(healthy.site / PLUGIN).relative_to(healthy.python.parent.parent).as_posix()} is in no "
            "distribution's list of files: a leftover, loaded all the same."
        )

    def test_two_that_register_the_gpu_break(self, healthy: Checked) -> None:
        """TensorFlow aborts at the second, whoever brought it."""
        healthy.put("tensorflow-metal-plugin", "1.0", {f"tensorflow-plugins/libother{ENDING}": GPU})
        result = healthy.check()
        assert (result.outcome, result.how) == ("failed", "mismatch")
        assert result.message.startswith(
            "2 libraries register the GPU, and TensorFlow aborts at the second: <env>/"
        )
        assert f"libother{ENDING}" in result.message

    @pytest.mark.parametrize(
        "other", [b"", b"SE_InitPlugin\0 CPU", b"\0GPU\0", b"\0GPU\0" * 10, b"\0SE_InitPlugin\0XPU\0"]
    )
    def test_a_library_that_registers_no_gpu_is_harmless(self, healthy: Checked, other: bytes) -> None:
        """TensorFlow passes over a library without the entry point; another device is another device."""
        healthy.put("helper", "1.0", {f"tensorflow-plugins/libhelper{ENDING}": other})
        assert notes(healthy.check()) == ""

    def test_the_names_are_found_across_what_is_read_at_once(self, healthy: Checked) -> None:
        """A name that lies on the border of two reads of 1 MiB counts."""
        other = b"x" * (2**20 - 7) + b"SE_InitPlugin\0" + b"y" * (2**20 - 17) + b"\0GPU\0"
        healthy.put("other", "1.0", {f"tensorflow-plugins/libother{ENDING}": other})
        assert healthy.check().outcome == "failed"

    @pytest.mark.parametrize("folder", [True, False])
    def test_the_variable_beside_a_plugin_breaks(
        self, healthy: Checked, monkeypatch: pytest.MonkeyPatch, *, folder: bool
    ) -> None:
        """Even the same library is registered twice, named itself or by its folder."""
        path = healthy.site / PLUGIN
        monkeypatch.setenv("TF_PLUGGABLE_DEVICE_LIBRARY_PATH", str(path.parent if folder else path))
        result = healthy.check()
        assert "2 libraries register the GPU" in result.message
        assert "TF_PLUGGABLE_DEVICE_LIBRARY_PATH is set" in result.facts["notes"][0]

    def test_the_variable_without_a_plugin_is_a_note(
        self, fake: Checked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """One library is one, wherever it comes from."""
        fake.tensorflow(requires=[])
        (tmp_path / "lib.so").write_bytes(GPU)
        monkeypatch.setenv("TF_PLUGGABLE_DEVICE_LIBRARY_PATH", str(tmp_path / "lib.so"))
        assert notes(fake.check()).startswith("TF_PLUGGABLE_DEVICE_LIBRARY_PATH is set: TensorFlow loads ")

    def test_a_variable_that_names_nothing_breaks(
        self, healthy: Checked, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """TensorFlow raises FileNotFoundError at import."""
        monkeypatch.setenv("TF_PLUGGABLE_DEVICE_LIBRARY_PATH", "/no/such/plugin")
        assert healthy.check().message == (
            "TF_PLUGGABLE_DEVICE_LIBRARY_PATH names /no/such/plugin, which does not exist: the import fails."
        )

    def test_a_tensorflow_that_does_not_know_the_variable_ignores_it(
        self, fake: Checked, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """2.7 does not: what it reads is in its own source."""
        fake.tensorflow("2.7.0", requires=[], source="")
        monkeypatch.setenv("TF_PLUGGABLE_DEVICE_LIBRARY_PATH", "/no/such/plugin")
        assert notes(fake.check()) == ""

    @pytest.mark.parametrize(("source", "outcome"), [(OLD, "passed"), (NEW, "failed")])
    def test_the_users_own_plugin_reaches_into_an_environment_from_2_20_on(
        self, fake: Checked, tmp_path: Path, source: str, outcome: str
    ) -> None:
        """Newer releases look into every scheme's folder, the user's too; it is claimed there."""
        scheme = sysconfig.get_preferred_scheme("user")
        users = Path(sysconfig.get_path("purelib", scheme, vars={"userbase": str(tmp_path / "user")}))
        fake.tensorflow(source=source, requires=[])
        for where in (fake.site, users):
            fake.put("tensorflow-metal", "1.1.0", {PLUGIN: GPU}, site=where)
        result = fake.check()
        assert result.outcome == outcome
        assert result.facts["notes"] == []


class TestKeras:
    @pytest.mark.parametrize(
        ("requires", "version"),
        [
            ("keras (<2.16,>=2.15.0)", "2.15.0"),
            ("keras>=3.5.0", "3.15.1"),
            ("keras >=3.2.0", "3.2.0"),
            ("keras", "1"),
        ],
    )
    def test_the_one_that_is_asked_for_is_fine(self, fake: Checked, requires: str, version: str) -> None:
        """The requirement is read as TensorFlow's wheels write it, old and new."""
        fake.tensorflow(requires=["keras-preprocessing (>=1.1.1)", requires])
        fake.put("keras", version)
        assert notes(fake.check()) == ""

    def test_another_one_is_a_note(self, fake: Checked) -> None:
        """Keras 3 under TensorFlow 2.15: what fails of it, the later checks find."""
        fake.tensorflow()
        fake.put("keras", "3.5.0")
        assert notes(fake.check()) == (
            "tensorflow 2.15.1 asks for keras<2.16,>=2.15.0, and keras 3.5.0 is installed."
        )

    def test_a_missing_one_is_a_note(self, fake: Checked) -> None:
        """TensorFlow can be imported without Keras, and then has none."""
        fake.tensorflow()
        assert notes(fake.check()) == (
            "tensorflow 2.15.1 asks for keras<2.16,>=2.15.0, and none is installed: tf.keras is missing."
        )

    def test_tf_keras_of_another_tensorflow_is_a_note(self, fake: Checked) -> None:
        """It is what tf.keras becomes where the legacy switch is set, and each is for one TensorFlow."""
        fake.tensorflow("2.18.1", requires=["keras>=3.5.0"])
        fake.put("keras", "3.6.0")
        fake.put("tf-keras", "2.16.0", requires=["tensorflow <2.17,>=2.16"])
        assert "tf-keras 2.16.0 asks for tensorflow<2.17,>=2.16, and tensorflow 2.18.1" in notes(fake.check())

    def test_what_cannot_be_understood_is_no_finding(self, fake: Checked) -> None:
        """A version or a requirement of another kind is left alone."""
        fake.tensorflow(requires=["keras>=banana", "keras @ file:///x"])
        fake.put("keras", "3.0+local")
        assert notes(fake.check()) == ""


class TestHostile:
    def test_broken_metadata_leaves_the_rest(self, healthy: Checked) -> None:
        """Bytes that are no text, no fields, fields without end, and none at all: the check goes on."""
        for number, data in enumerate([b"\xff\xfe\0\0", b"", b"Name" * 1000, b"\n\nName: x", b": :\n" * 999]):
            (healthy.put(f"odd{number}", "1") / "METADATA").write_bytes(data)
        (healthy.put("gone", "1") / "METADATA").unlink()
        (healthy.site / ".dist-info").mkdir()
        (healthy.site / "a-file-1.0.dist-info").write_text("x")
        (healthy.site / "~ensorflow-1.0.dist-info").mkdir()
        told = notes(healthy.check())
        assert "METADATA of gone-1.dist-info cannot be read (no such file)." in told
        assert "ensorflow" not in told

    @pytest.mark.parametrize(
        "record", ['"' * 200_001, "a\0b/tensorflow-plugins/x,,\n", "../" * 9999 + "x,,1\n", ",,,,\n" * 9]
    )
    def test_a_broken_record_leaves_the_rest(self, healthy: Checked, record: str) -> None:
        """Quotes without end, a path with a NUL, one that climbs out, and empty rows."""
        (healthy.put("odd", "1") / "RECORD").write_text(record)
        assert healthy.check().outcome == "passed"

    def test_a_huge_record_is_not_read(self, healthy: Checked) -> None:
        """Past 16 MiB a list of files is told and left, in time."""
        with (healthy.put("huge", "1") / "RECORD").open("wb") as file:
            file.truncate(2**31)
        started = time.monotonic()
        assert notes(healthy.check()) == "RECORD of huge-1.dist-info has more than 16 MiB."
        assert time.monotonic() - started < 5

    def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(self, healthy: Checked) -> None:
        """A named pipe that nobody writes into hangs whoever opens it."""
        info = healthy.put("pipe", "1")
        for name in ("METADATA", "RECORD"):
            (info / name).unlink()
            os.mkfifo(info / name)
        os.mkfifo(healthy.site / "tensorflow-plugins" / f"libpipe{ENDING}")
        assert "of pipe-1.dist-info cannot be read (no such file)" in notes(healthy.check())

    def test_a_folder_that_cannot_be_read_is_told(self, healthy: Checked) -> None:
        """What is in it is not known, and the check says so instead of failing."""
        folder = healthy.site / "tensorflow-plugins"
        folder.chmod(0)
        try:
            if os.access(folder, os.R_OK):
                pytest.skip("this user may read everything")
            assert "cannot be read (Permission denied): what is in it is not known." in notes(healthy.check())
        finally:
            folder.chmod(0o700)

    def test_a_loop_of_links_ends(self, healthy: Checked) -> None:
        """A library that links to itself is none."""
        (healthy.site / f"tensorflow-plugins/libloop{ENDING}").symlink_to(f"libloop{ENDING}")
        assert "libloop" in notes(healthy.check())


@pytest.fixture(scope="module")
def dists() -> ModuleType:
    """The module that reads what is installed."""
    spec = importlib.util.spec_from_file_location("checkdists", checks_dir() / "checkdists.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class TestListing:
    def test_a_folder_that_cannot_be_listed_is_a_sentence(
        self, dists: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The system's refusal is told with its reason, also to a user who may read everything."""

        def refuse(path: str) -> list[str]:
            raise PermissionError(13, "Permission denied", path)

        monkeypatch.setattr(dists.os, "listdir", refuse)
        sentence = f"{tmp_path} cannot be read (Permission denied): what is in it is not known."
        assert dists.listed(str(tmp_path)) == ([], sentence)
        assert dists.installed([str(tmp_path)]) == ([], [sentence])

    def test_a_folder_by_two_names_is_one(self, dists: ModuleType, tmp_path: Path) -> None:
        """The first name is kept, and the order."""
        (tmp_path / "a").mkdir()
        (tmp_path / "b").symlink_to("a")
        names = [str(tmp_path / name) for name in ("b", "a", "c")]
        assert dists.unique(names) == [names[0], names[2]]


class TestVersions:
    """The part of PEP 440 that requirements on Keras and TensorFlow use, against `packaging`."""

    VERSIONS = (
        *("2", "2.15", "2.15.0", "2.15.1", "2.15.0rc0", "2.15.0rc1", "2.15.0a1", "2.15.0b2", "2.15.0.dev1"),
        "2.15.0dev",
        *("2.15.0rc1.dev3", "2.16.0", "3.0.0", "3.10.0", "10", "v2.15"),
    )

    @pytest.mark.parametrize("operator", ["==", "!=", "<", "<=", ">", ">=", "~="])
    def test_it_agrees_with_packaging(self, dists: ModuleType, operator: str) -> None:
        """Each operator on each pair of versions, and on pairs of clauses."""
        from packaging.specifiers import SpecifierSet

        wanted = [version for version in self.VERSIONS if not (operator == "~=" and "." not in version)]
        pairs = [(have, f"{operator}{other}") for have in self.VERSIONS for other in wanted]
        pairs += [(have, f"{operator}{other}, <3.0") for have in self.VERSIONS for other in wanted]
        if operator in {"==", "!="}:
            pairs += [(have, f"{operator}2.15.*") for have in self.VERSIONS]
        differ = [
            (have, spec, dists.satisfies(have, spec))
            for have, spec in pairs
            if dists.satisfies(have, spec) != SpecifierSet(spec).contains(have, prereleases=True)
        ]
        assert differ == []

    @pytest.mark.parametrize(
        ("specifier", "answer"),
        [(">2.15.0", False), (">=2.15.0", True), ("==2.15.0", False), (">2.14", True)],
    )
    def test_a_post_release_is_the_release_mended(
        self, dists: ModuleType, specifier: str, *, answer: bool
    ) -> None:
        """It comes after, and is not what `>` asks for (PEP 440)."""
        assert dists.satisfies("2.15.0.post1", specifier) is answer

    @pytest.mark.parametrize(
        ("version", "specifier"),
        [
            ("banana", ">=1"),
            ("1", ">=banana"),
            ("1", "===1"),
            ("1", ">=1.*"),
            ("1", "~=1"),
            ("1" * 51, ">=1"),
            ("1", ">=" + "1" * 99_999),
            ("1", "@ file:///x"),
            ("1+local", ">=1"),
            ("", ">=1"),
        ],
    )
    def test_what_it_does_not_know_it_does_not_judge(
        self, dists: ModuleType, version: str, specifier: str
    ) -> None:
        """None is neither yes nor no."""
        assert dists.satisfies(version, specifier) is None


def interpreters() -> list[Path]:
    """The oldest Python that an environment may have, and the newest, where they are."""
    from metalmatrix.running.interpreters import find_python

    return [python for version in ("3.8", "3.13") if (python := find_python(version))]


@pytest.mark.parametrize("python", interpreters(), ids=lambda path: path.name)
def test_it_runs_on_the_oldest_and_the_newest_python(python: Path, healthy: Checked) -> None:
    """The same verdict under each: nothing newer than 3.8 is used, nothing that is gone."""
    code = (
        "import sys; sys.path[:0] = sys.argv[1:]; import check_packages, checklib;"
        "r = checklib.Report({}, True, print); check_packages.check(r); print(r.facts)"
    )
    done = subprocess.run(
        [str(python), "-B", "-I", "-c", code, str(checks_dir()), str(healthy.site)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "'frameworks': ['tensorflow 2.15.1']" in done.stdout
