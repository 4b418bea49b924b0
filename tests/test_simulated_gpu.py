"""The simulated GPU as far as it needs neither a compiler nor TensorFlow, and its refusal by the store."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import re
import subprocess
import sys
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from metalmatrix.errors import ResultError
from metalmatrix.resolving.uv import run_uv
from metalmatrix.running.record import SIMULATED, SetRecord, dump_record, parse_record
from metalmatrix.running.results import Store
from tests.samples import CATALOG, LINUX, MAC, check, ok, record, run
from tests.simulated_gpu import CannotBuildError, build, distribution, install
from tests.simulated_gpu.faults import FAULTS, UNDEFINED_SYMBOL

if TYPE_CHECKING:
    from metalmatrix.running.host import Host
    from metalmatrix.running.record import Record
    from metalmatrix.running.supervise import CheckResult

HERE = Path(__file__).parent / "simulated_gpu"
CELL = "py3.11-tf2.15.1-metal1.1.0"
TRACES = {
    "the distribution": {"facts": {"plugins": [f"{SIMULATED} 0"]}},
    "the library": {"facts": {"plugin_libraries": [Path(distribution.LIBRARY).name]}},
    "the device": {
        "facts": {"gpus": {"/physical_device:GPU:0": {"device_name": "METALMATRIX_SIMULATED_GPU"}}}
    },
    "the linker": {"message": f"<env>/{distribution.LIBRARY}: undefined symbol: _ZN3tsl"},
    "the last words": {"tail": f"{SIMULATED}: a test double, whose results are evidence of nothing\n"},
    "a name with underscores": {"facts": {"plugins": [f"{SIMULATED.replace('-', '_')} 0"]}},
}


def of(*checks: CheckResult, kind: str = "rehearsed") -> Record:
    """The record of a cell whose plain set made this run."""
    return record(CELL, SetRecord(ok()), SetRecord(ok(), run=run(*checks, kind=kind)))


class TestRefusal:
    @pytest.mark.parametrize("host", [LINUX, MAC], ids=["linux", "mac"])
    @pytest.mark.parametrize("trace", TRACES.values(), ids=TRACES)
    def test_a_run_that_saw_the_double_is_not_written(
        self, tmp_path: Path, host: Host, trace: dict[str, Any]
    ) -> None:
        """Any one trace of the double refuses the record, on every host, and nothing is left of it."""
        made = of(check("passed"), check("passed", CATALOG[1], **trace), kind="ran")
        with pytest.raises(ResultError, match="simulated GPU of the project's tests") as caught:
            Store(tmp_path).write(host, made)
        assert "TF_PLUGGABLE_DEVICE_LIBRARY_PATH" in caught.value.hint
        assert not list(tmp_path.iterdir())

    def test_a_file_of_such_a_run_is_set_aside(self, tmp_path: Path) -> None:
        """A file that got there some other way is a problem with its reason; the others count."""
        store = Store(tmp_path)
        store.write(MAC, of(check("passed"), kind="ran"))
        other = dump_record(of(check("passed", facts={"plugins": [f"{SIMULATED} 0"]}), kind="ran"))
        other["cell"] = "py3.11-tf2.16.2-metal1.2.0"
        path = tmp_path / MAC.slug / "py3.11-tf2.16.2-metal1.2.0.json"
        path.write_text(json.dumps(other), encoding="utf-8")
        loaded = store.load(MAC.slug)
        assert list(loaded.records) == [CELL]
        (problem,) = loaded.problems
        assert problem.startswith(f"{MAC.slug}/{path.name}: its run saw the simulated GPU")
        assert store.read(MAC.slug, path.stem) is None

    def test_an_honest_run_is_written(self, tmp_path: Path) -> None:
        """The real plugin's name, and what a GPU says, are no trace of the double."""
        facts = {"plugins": ["tensorflow-metal 1.1.0"], "gpus": {"GPU:0": {"device_name": "METAL"}}}
        Store(tmp_path).write(MAC, of(check("passed", CATALOG[1], facts=facts), kind="ran"))
        assert list(Store(tmp_path).load(MAC.slug).records) == [CELL]


class TestNames:
    def test_everything_that_shows_has_the_name_that_is_refused(self) -> None:
        """The distribution, the library, the device and its words carry the name that the store looks for."""
        header = (HERE / "simulated_gpu.h").read_text(encoding="utf-8")
        names = dict(re.findall(r'#define (SIMULATED_GPU_\w+) "([^"]*)"', header))
        assert names["SIMULATED_GPU_NAME"] == distribution.NAME == SIMULATED
        assert names["SIMULATED_GPU_PLATFORM"].lower().replace("_", "-") == SIMULATED
        assert SIMULATED in distribution.LIBRARY
        device = (HERE / "device.c").read_text(encoding="utf-8")
        assert '"%s: a test double, whose results are evidence of nothing\\n", SIMULATED_GPU_NAME' in device
        assert ".name = SIMULATED_GPU_PLATFORM" in device
        assert ".hardware_name = SIMULATED_GPU_NAME" in device

    def test_every_fault_is_expected_somewhere(self) -> None:
        """The words that the C code knows, and the build of its own, are those of the table."""
        words = re.findall(r'\{"([a-z-]+)", FAULT_', (HERE / "faults.c").read_text(encoding="utf-8"))
        assert sorted([*words, UNDEFINED_SYMBOL]) == sorted(fault.word for fault in FAULTS)

    def test_the_page_tells_every_fault(self) -> None:
        """docs/simulated-gpu.md has a line for each fault."""
        page = (HERE.parent.parent / "docs" / "simulated-gpu.md").read_text(encoding="utf-8")
        assert re.findall(r"(?m)^\| `([a-z-]+)` \|", page) == [fault.word for fault in FAULTS]


class TestDarwin:
    @pytest.fixture
    def platform(self, monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
        """A `platform` module as the double's startup file leaves it."""
        module = types.ModuleType("platform")
        module.__dict__.update(system=lambda: "Linux", processor=lambda: "x", machine=lambda: "y")
        monkeypatch.setitem(sys.modules, "platform", module)
        exec(distribution.TOLD_DARWIN, {"__name__": "startup"})  # noqa: S102 - our own file, as site runs it
        return module

    @pytest.mark.parametrize(
        ("module", "told"),
        [
            ("keras.src.trainers.trainer", ("Darwin", "arm", "y")),
            ("keras.src.optimizers", ("Linux", "x", "y")),
            ("keras.trainers.trainer", ("Linux", "x", "y")),
            ("check_import", ("Linux", "x", "y")),
            (None, ("Linux", "x", "y")),
        ],
    )
    def test_one_caller_is_told_that_this_is_a_mac(
        self, platform: types.ModuleType, module: str | None, told: tuple[str, ...]
    ) -> None:
        """Keras 3's question about XLA gets a Mac's answer; Keras 2, a check and a nameless caller do not."""
        space: dict[str, Any] = {"platform": platform} | ({"__name__": module} if module else {})
        code = "answers = platform.system(), platform.processor(), platform.machine()"
        exec(code, space)  # noqa: S102 - the module under which a function runs is the question
        assert space["answers"] == told


class TestInstall:
    @pytest.fixture
    def python(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """An empty environment, and a library that nobody had to build."""
        library = tmp_path / "built.so"
        library.write_bytes(b"no library")
        monkeypatch.setattr(distribution, "library", lambda _, **_wanted: library)
        command = [sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "env")]
        subprocess.run(command, check=True)
        return tmp_path / "env" / "bin" / "python"

    def test_the_double_lies_where_the_real_plugin_does(self, python: Path) -> None:
        """Library, package file and a RECORD whose digests are right; the checks' own list names it."""
        library = install(python)
        site = library.parent.parent
        assert sorted(path.name for path in library.parent.iterdir()) == ["__init__.py", library.name]
        (record_file,) = site.glob("*.dist-info/RECORD")
        lines = record_file.read_text(encoding="utf-8").splitlines()
        recorded = {name: digest for name, digest, _ in csv.reader(lines)}
        own = f"{record_file.parent.name}/RECORD"
        assert recorded.pop(own) == ""
        for name, digest in recorded.items():
            content = hashlib.sha256((site / name).read_bytes()).digest()
            assert digest == "sha256=" + base64.urlsafe_b64encode(content).decode().rstrip("="), name
        there = {path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file()}
        assert there == {*recorded, own}
        code = f"import sys; sys.path[:0] = [{str(HERE.parent.parent / 'checks')!r}]; import checklib; "
        told = subprocess.check_output([python, "-IBc", code + "print(checklib.plugins())"], text=True)
        assert told.strip() == f"(['{SIMULATED} 0'], ['lib{SIMULATED}.so'])"

    def test_it_can_be_put_over_itself_and_taken_out(self, python: Path) -> None:
        """Installing twice leaves one; uv takes it out by its RECORD and leaves nothing."""
        site = install(python).parent.parent
        once = sorted(path.name for path in site.iterdir())
        install(python)
        assert sorted(path.name for path in site.iterdir()) == once
        answer = run_uv(["pip", "uninstall", "--python", str(python), SIMULATED])
        assert answer.code == 0, answer.err
        assert list(site.iterdir()) == []


class TestBuild:
    @pytest.fixture(autouse=True)
    def _nothing_built(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(build, "cache_dir", lambda: tmp_path)
        monkeypatch.delenv("CC", raising=False)

    def test_a_machine_without_a_compiler_is_told_so(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Without cc there is a sentence for the skip."""
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(CannotBuildError, match="no C compiler"):
            build.library(Path(sys.executable))

    def test_an_environment_without_tensorflow_is_told_so(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """There is nothing to build against, and nothing half-built is kept."""
        monkeypatch.setenv("CC", sys.executable)
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "env")], check=True)
        with pytest.raises(CannotBuildError, match="no TensorFlow"):
            build.library(tmp_path / "env" / "bin" / "python")
        assert not list((tmp_path / "simulated-gpu").iterdir())

    def test_what_the_compiler_says_is_told(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A compiler that fails is an error with its words, and nothing is kept."""
        monkeypatch.setattr(build, "_tensorflow", lambda _: tmp_path)
        monkeypatch.setenv("CC", sys.executable)  # it is no C compiler
        with pytest.raises(CannotBuildError, match=r"failed:\n.+"):
            build.library(Path(sys.executable))
        assert not list((tmp_path / "simulated-gpu").iterdir())


def test_a_record_of_the_double_is_no_record_by_any_door() -> None:
    """Reading refuses what writing refuses: both go through the one function."""
    data = json.loads(json.dumps(dump_record(of(check("passed", tail=SIMULATED)))))
    with pytest.raises(ResultError, match="evidence of nothing"):
        parse_record(data)
