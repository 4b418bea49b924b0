from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
import tracemalloc
import venv
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from metalmatrix.errors import ToolMissingError, UsageError
from metalmatrix.running.limits import Limits
from metalmatrix.running.supervise import check_catalog, checks_digest, checks_dir, run_checks
from metalmatrix.text import plain, plain_lines, scrub

if TYPE_CHECKING:
    from collections.abc import Callable

    from metalmatrix.running.supervise import CheckResult

    Environment = Callable[[str], Path]

# Enough of TensorFlow for the import and device checks; the tests put their misbehaviour around it.
HEALTHY = """
    import ctypes, os, signal, subprocess, sys, time

    class version:
        VERSION, GIT_VERSION, COMPILER_VERSION = "2.99.0", "v2.99.0", "a compiler"

    class sysconfig:
        get_build_info = staticmethod(lambda: {"is_cuda_build": False})

    class Device:
        def __init__(self, kind):
            self.name = "/physical_device:" + kind + ":0"

    class config:
        @staticmethod
        def list_physical_devices(kind=None):
            return [Device("CPU")] if kind in (None, "CPU") else []
"""
AT_THE_DEVICE_CHECK = """
    def misbehave(kind=None):
        {}
    config.list_physical_devices = staticmethod(misbehave)
"""
QUICK = Limits(seconds=20, memory_mb=2000)


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with a fake TensorBoard and nothing else."""
    folder = tmp_path_factory.mktemp("bare") / "env"
    venv.create(folder, symlinks=True)
    site = next(folder.glob("lib/python*/site-packages"))
    (site / "tensorboard").mkdir()
    (site / "tensorboard/__init__.py").touch()
    (site / "tensorboard/default.py").write_text("get_plugins = list\n")
    info = site / "tensorboard-2.99.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tensorboard\nVersion: 2.99.0\n")
    return folder


@pytest.fixture
def environment(bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    """Puts a fake TensorFlow into the environment, and gives back its interpreter."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("FAKE_NOTES", str(tmp_path / "notes"))

    def put(body: str) -> Path:
        package = next(bare.glob("lib/python*/site-packages")) / "tensorflow"
        shutil.rmtree(package, ignore_errors=True)  # its bytecode, too: two fakes may look the same age
        package.mkdir()
        source = textwrap.dedent(HEALTHY) + textwrap.dedent(body)
        (package / "__init__.py").write_text(source)
        return bare / "bin/python"

    return put


def run(
    python: Path, limits: Limits = QUICK, only: list[str] | None = None
) -> tuple[dict[str, CheckResult], list[str]]:
    """The results by check, and what was told on the way."""
    told: list[str] = []
    results = run_checks(python, limits, only, told.append)
    return {result.check: result for result in results}, told


def processes(told: list[str]) -> int:
    """How many processes were started."""
    return sum(line.startswith("process ") for line in told)


def is_alive(pid: int) -> bool:
    """Whether the process still runs."""
    # What an orphan leaves in a container without an init that reaps is no process any more.
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def noted_pid(tmp_path: Path) -> int:
    """The process id that a fake wrote down."""
    return int((tmp_path / "notes").read_text())


def assert_gone(pid: int) -> None:
    """Waits a moment for the process to end, and insists."""
    until = time.monotonic() + 3
    while is_alive(pid) and time.monotonic() < until:
        time.sleep(0.02)
    assert not is_alive(pid)


def test_a_healthy_environment_takes_one_process(environment: Environment, tmp_path: Path) -> None:
    """Every check runs in one process, facts arrive, and what needs a GPU is skipped with the reason."""
    results, told = run(environment(""), only=["import", "device", "tensorboard"])
    assert {name: result.outcome for name, result in results.items()} == {
        "import": "passed",
        "device": "skipped",
        "tensorboard": "passed",
    }
    assert processes(told) == 1
    assert [line for line in told if line.startswith("start")] == [
        "start import",
        "start device",
        "start tensorboard",
    ]
    assert results["import"].facts["tensorflow"] == "2.99.0"
    assert results["import"].facts["versions"]["tensorboard"] == "2.99.0"
    assert results["device"].message == "TensorFlow lists no GPU and no PluggableDevice plugin is installed."
    assert results["device"].facts["devices"] == ["/physical_device:CPU:0"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ("ctypes.string_at(0)", "SIGSEGV"),
        ("os.kill(os.getpid(), signal.SIGILL)", "SIGILL"),
        ("os.abort()", "SIGABRT"),
    ],
)
def test_a_crash_at_import_has_the_signals_name(environment: Environment, body: str, name: str) -> None:
    """A crash at import is told with its signal and its stack; the rest is skipped, in no more processes."""
    results, told = run(environment(f"def load_plugin():\n    {body}\nload_plugin()"))
    packages, failed, *others = results.values()
    assert packages.outcome == "skipped"  # it ran, and there is no distribution to look at
    assert (failed.outcome, failed.how, failed.signal) == ("failed", "signal", name)
    assert name in failed.message
    assert "in load_plugin" in failed.tail
    assert "<env>/lib" in failed.tail
    assert failed.facts["python"] == ".".join(map(str, sys.version_info[:3]))  # sent before the crash
    assert {(other.outcome, other.message) for other in others} == {
        ("skipped", "TensorFlow cannot be imported.")
    }
    assert processes(told) == 1


def test_a_hang_is_killed_and_shows_where_it_was(environment: Environment, tmp_path: Path) -> None:
    """A hang ends at the limit, the tail names the function, and the temporary folder is gone."""
    started = time.monotonic()
    python = environment("def wait_for_the_plugin():\n    time.sleep(60)\nwait_for_the_plugin()")
    results, _ = run(python, Limits(seconds=1))
    assert results["import"].how == "hang"
    assert results["import"].message == "The check did not end within 1 s."
    assert "in wait_for_the_plugin" in results["import"].tail
    assert 1 <= results["import"].seconds < 2
    assert time.monotonic() - started < 5
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("body", "how"), [("ctypes.string_at(0)", "signal"), ("time.sleep(60)", "hang")])
def test_a_later_crash_or_hang_leaves_the_other_checks(environment: Environment, body: str, how: str) -> None:
    """A check that crashes or hangs is retired and a new process runs the ones after it."""
    python = environment(AT_THE_DEVICE_CHECK.format(body))
    results, told = run(python, Limits(seconds=1), ["import", "device", "matmul", "tensorboard"])
    assert results["import"].outcome == "passed"
    assert (results["device"].outcome, results["device"].how) == ("failed", how)
    assert "in misbehave" in results["device"].tail
    assert results["matmul"].how == "exception"  # there is no NumPy: it ran
    assert results["tensorboard"].outcome == "passed"
    assert processes(told) == 2


def test_each_check_has_its_own_tail(environment: Environment) -> None:
    """What a check prints at once after the one before it is its own, a crash's stack above all."""
    body = "print('said by the device check'); sys.stdin.read(); ctypes.string_at(0)"
    python = environment(AT_THE_DEVICE_CHECK.format(body) + "    print('said at import')")

    def be_slow(line: str) -> None:
        if line == "start import":
            time.sleep(0.5)  # whatever the child does meanwhile is in the pipes by then

    first, second = run_checks(python, QUICK, ["import", "device"], be_slow)
    assert first.tail == "said at import"
    assert second.signal == "SIGSEGV"
    assert "in misbehave" in second.tail
    assert "said by the device check" not in first.tail


@pytest.mark.parametrize("body", ["sys.exit(0)", "os._exit(0)"])
def test_an_exit_is_no_success(environment: Environment, body: str) -> None:
    """A check that ends the process with code 0 has not passed."""
    results, _ = run(environment(body))
    assert (results["import"].outcome, results["import"].how) == ("failed", "exit")
    assert results["tensorboard"].outcome == "skipped"


def test_output_without_end_is_killed_and_bounded(environment: Environment) -> None:
    """Printing without end is stopped, and the supervisor keeps little of it."""
    python = environment("while True:\n    os.write(2, b'no end ' * 9000)")
    psutil.Process().memory_info()  # its import is not what is measured
    tracemalloc.start()
    try:
        results, _ = run(python)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert results["import"].how == "output"
    assert len(results["import"].tail) <= 4000
    assert "no end no end" in results["import"].tail
    assert peak < 4_000_000


@pytest.mark.parametrize("where", ["", "if os.fork() == 0:\n    "])
def test_too_much_memory_is_killed(environment: Environment, where: str) -> None:
    """Memory over the limit ends the check, a descendant's memory too."""
    results, _ = run(
        environment(f"{where}held = b'x' * 400_000_000\ntime.sleep(9)"), Limits(8, memory_mb=200)
    )
    assert results["import"].how == "memory"
    assert results["import"].message == "The check held more than 200 MiB of memory."
    assert results["import"].seconds < 5


def test_sigkill_from_outside_counts_as_memory(environment: Environment) -> None:
    """A SIGKILL that the supervisor did not send is most likely the system's, for want of memory."""
    results, _ = run(environment("os.kill(os.getpid(), signal.SIGKILL)"))
    assert (results["import"].how, results["import"].signal) == ("memory", "SIGKILL")
    assert "from outside" in results["import"].message


@pytest.mark.parametrize("own_session", [False, True])
def test_a_grandchild_does_not_outlive_the_run(
    environment: Environment, tmp_path: Path, *, own_session: bool
) -> None:
    """What a check leaves behind is ended, in the group or (once seen) in a session of its own."""
    python = environment(f"""
        left = subprocess.Popen(["sleep", "60"], start_new_session={own_session})
        open(os.environ["FAKE_NOTES"], "w").write(str(left.pid))
        if {own_session}:
            time.sleep(0.7)  # memory is looked at four times a second: that is when it is seen
    """)
    results, _ = run(python, only=["import"])
    assert results["import"].outcome == "passed"
    assert_gone(noted_pid(tmp_path))


def test_ctrl_c_ends_the_child(environment: Environment, tmp_path: Path) -> None:
    """An interrupt of the supervisor leaves no process behind and is raised again."""
    note = "open(os.environ['FAKE_NOTES'], 'w').write(str(os.getpid())); time.sleep(60)"
    python = environment(AT_THE_DEVICE_CHECK.format(note))

    def interrupt(line: str) -> None:
        if line == "start device":
            until = time.monotonic() + 5
            while not (tmp_path / "notes").exists() and time.monotonic() < until:
                time.sleep(0.01)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_checks(python, QUICK, on_event=interrupt)
    assert_gone(noted_pid(tmp_path))


def test_an_exception_is_told_without_paths(
    environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The class is qualified, and neither the home nor the environment's path is published."""
    home = tmp_path / "home of somebody"
    monkeypatch.setenv("HOME", str(home))
    python = environment(f"""
        class BadPlugin(Exception): pass
        raise BadPlugin("cannot\\nload {home}/lib.so for", __file__)
    """)
    results, _ = run(python)
    failed = results["import"]
    assert (failed.how, failed.exception) == ("exception", "tensorflow.BadPlugin")
    assert "~/lib.so" in failed.message
    assert "<env>/lib/python" in failed.message
    assert "raise BadPlugin" in failed.tail
    assert 'File "checks/run.py"' in failed.tail
    assert "somebody" not in json.dumps(failed.facts) + failed.message + failed.tail
    assert str(python.parent.parent) not in failed.message + failed.tail
    assert results["device"].outcome == "skipped"


def test_forged_events_count_for_nothing(environment: Environment) -> None:
    """Lines on the event pipe without the token, or for a check that is not running, are ignored."""
    results, told = run(
        environment("""
            import json
            frame = sys._getframe()
            while "job" not in frame.f_locals:
                frame = frame.f_back
            token = frame.f_locals["job"]["token"]
            done = {"event": "done", "check": "import", "outcome": "passed"}
            fd = int(sys.argv[1])
            for event in (
                b"nonsense", b"[" * 50000, b"\\xff\\xfe", b"[1]", b"x" * 200000,
                json.dumps(done).encode(),
                json.dumps(dict(done, token="0")).encode(),
                json.dumps(dict(done, token=token, check="tensorboard")).encode(),
                json.dumps(dict(done, token=token, outcome=["passed"])).encode(),
                json.dumps(dict(done, token=token, event="start", check="device")).encode(),
                json.dumps(dict(done, token=token, event={}, check=[])).encode(),
                json.dumps(dict(done, token=token, facts={"long": "x" * 70000})).encode(),
            ):
                os.write(fd, event + b"\\n")
            raise ImportError("the truth")
        """)
    )
    assert (results["import"].outcome, results["import"].message) == ("failed", "the truth")
    assert results["tensorboard"].outcome == "skipped"
    assert sum(line.startswith("ignored") for line in told) == 12


def test_events_without_end_are_killed(environment: Environment) -> None:
    """An environment that floods the event pipe is stopped like one that prints without end."""
    results, _ = run(environment("while True:\n    os.write(int(sys.argv[1]), b'x' * 5000)"))
    assert results["import"].how == "output"


def test_facts_are_cleaned_and_bounded(environment: Environment) -> None:
    """Facts come out as finite, printable, bounded JSON, whatever the environment put into them."""
    results, _ = run(
        environment("""
            deep = []
            for _ in range(50):
                deep = [deep]
            version.VERSION = float("nan")
            version.GIT_VERSION = "\\x1b[31mred\\ud800" + "x" * 5000
            version.COMPILER_VERSION = deep
            sysconfig.get_build_info = staticmethod(lambda: {"huge": 1e308, 3: (object, b"raw")})
        """),
        only=["import"],
    )
    facts = results["import"].facts
    json.dumps(facts, allow_nan=False).encode()
    assert facts["tensorflow"] == "nan"
    assert facts["git_version"].startswith("redxx")
    assert len(facts["git_version"]) <= 1000
    assert facts["build_info"]["3"] == ["<class 'object'>", "b'raw'"]
    assert "…" in json.dumps(facts["compiler"], ensure_ascii=False)


def test_what_is_printed_becomes_plain_text(environment: Environment) -> None:
    """Terminal escapes, invalid UTF-8 and characters that reorder a line are not passed on."""
    python = environment(r"""
        os.write(1, b"\x1b[31mred\x1b[0m \x1b]0;title\x07bad \xff\xfe bytes \xe2\x80\xae reversed\x00\r\n")
        raise ImportError("\x1b[2Jtwo\nlines\u202e\x07")
    """)
    results, _ = run(python, only=["import"])
    assert results["import"].tail.startswith("red bad �� bytes  reversed\n")
    assert results["import"].message == "two lines"
    assert "\x1b" not in results["import"].tail


def test_a_gpu_gets_the_memory_limit_a_process_of_its_own(environment: Environment, tmp_path: Path) -> None:
    """With a GPU the limit is set before anything touched it, and a limit out of bounds is not tried."""
    python = environment("""
        with open(os.environ["FAKE_NOTES"], "a") as notes:
            notes.write("%d\\n" % os.getpid())
        state = []
        def list_physical_devices(kind=None):
            return [Device("GPU")] if kind == "GPU" else [Device("CPU"), Device("GPU")]
        def configure(device, limits):
            if state and state[0] != limits:
                raise RuntimeError("Virtual devices cannot be modified after being initialized")
            state[:] = [limits]
        config.list_physical_devices = staticmethod(list_physical_devices)
        config.list_logical_devices = staticmethod(lambda kind: [0])
        config.set_logical_device_configuration = staticmethod(configure)
        config.LogicalDeviceConfiguration = staticmethod(lambda memory_limit: memory_limit)
    """)
    limits = replace(QUICK, device_memory_mb=10**9)  # nothing so large is tried
    results, told = run(python, limits, ["import", "tensorboard", "memory-limit"])
    limit = results["memory-limit"]
    assert limit.outcome == "passed"
    assert "was not tried" in limit.facts["skipped_parts"][0]
    assert (limit.facts["before"], limit.facts["after_same"]) == ("accepted", "accepted")
    assert limit.facts["after_other"].startswith("RuntimeError: Virtual devices")
    assert processes(told) == 2
    assert len(set((tmp_path / "notes").read_text().split())) == 2


def script(path: Path, body: str) -> Path:
    """An executable in place of an interpreter."""
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o700)
    return path


def test_an_interpreter_that_does_not_start_is_a_finding(tmp_path: Path) -> None:
    """An interpreter that ends or hangs before the first check is told as such, with what it printed."""
    results, told = run(script(tmp_path / "ends", "echo no encodings >&2; exit 3"))
    for check in ("packages", "import"):
        assert results[check].how == "exit"
        assert results[check].message == "The process ended early before the check began, with exit code 3."
        assert results[check].tail == "no encodings"
    assert processes(told) == 2
    results, told = run(script(tmp_path / "hangs", "sleep 60"), Limits(seconds=0.3), ["matmul", "fit"])
    assert [result.how for result in results.values()] == ["hang", "hang"]
    assert results["fit"].message == "The check did not end within 0.3 s before the check began."
    assert processes(told) == 2


def test_what_cannot_be_run_says_what_to_type(tmp_path: Path) -> None:
    """A missing interpreter and an unknown check are errors of the tool, with a hint."""
    with pytest.raises(ToolMissingError, match="cannot be started: No such file"):
        run_checks(tmp_path / "bin/python", QUICK)
    with pytest.raises(UsageError, match="no check named matmull") as caught:
        run_checks(Path(sys.executable), QUICK, only=["matmull"])
    assert "memory-limit" in caught.value.hint


def test_the_catalog_names_every_check_with_its_advice() -> None:
    """The catalog has the checks in the order in which they run, each with advice for the user."""
    catalog = check_catalog()
    assert [(info.id, info.stage, info.weight) for info in catalog] == [
        ("packages", "import", "breaks"),
        ("import", "import", "breaks"),
        ("device", "device", "breaks"),
        ("placement", "device", "breaks"),
        ("ops", "matmul", "breaks"),
        ("matmul", "matmul", "breaks"),
        ("fit", "fit", "breaks"),
        ("save", "fit", "degrades"),
        ("tensorboard", "fit", "degrades"),
        ("speed", "fit", "degrades"),
        ("numerics", "numerics", "degrades"),
        ("memory-limit", "memory-limit", "degrades"),
        ("memory-growth", "memory-limit", "degrades"),
    ]
    assert all(len(info.advice) > 100 for info in catalog)
    modules = {path.stem for path in checks_dir().glob("check_*.py")}
    assert modules == {"check_" + info.id.replace("-", "_") for info in catalog}


def test_the_checks_are_python_38() -> None:
    """The checks parse as Python 3.8, the oldest that an environment may have."""
    for path in checks_dir().glob("*.py"):
        ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 8))


def test_the_checks_leave_no_bytecode(
    environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Running the checks writes nothing into their folder."""
    copy = tmp_path / "checks"
    shutil.copytree(checks_dir(), copy, ignore=shutil.ignore_patterns("__pycache__"))
    before = sorted(copy.rglob("*"))
    monkeypatch.setattr("metalmatrix.running.supervise.checks_dir", lambda: copy)
    results, _ = run(environment(""), only=["import"])
    assert results["import"].outcome == "passed"
    assert sorted(copy.rglob("*")) == before


SHELL = "TF_PLUGGABLE_DEVICE_LIBRARY_PATH", "TF_XLA_FLAGS", "XLA_FLAGS", "TF_USE_LEGACY_KERAS"


@pytest.mark.parametrize("sealed", [True, False])
def test_a_sealed_check_sees_no_plugin_of_the_shell_or_of_the_user(
    environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, sealed: bool
) -> None:
    """TensorFlow loads plugins by a variable, and those among the user's own packages."""
    for name in SHELL:
        monkeypatch.setenv(name, "/a/plugin.so")
    monkeypatch.setenv("PYTHONUSERBASE", "/a/home")
    python = environment("""
        import json, site
        told = {"user": site.getusersitepackages(), "names": sorted(os.environ)}
        open(os.environ["FAKE_NOTES"], "w").write(json.dumps(told))
    """)
    run_checks(python, QUICK, ["import"], sealed=sealed)
    told = json.loads((tmp_path / "notes").read_text())
    assert [name for name in SHELL if name in told["names"]] == ([] if sealed else list(SHELL[:3]))
    assert told["user"].startswith("/a/home") != sealed


def test_the_digest_changes_with_the_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Results in a cache are good for exactly these sources."""
    digest = checks_digest()
    assert len(digest) == 64
    copy = shutil.copytree(checks_dir(), tmp_path / "checks")
    monkeypatch.setattr("metalmatrix.running.checklist.checks_dir", lambda: copy)
    assert checks_digest() == digest
    (copy / "check_ops.py").write_text("changed")
    assert checks_digest() != digest


def test_importing_the_supervisor_is_light() -> None:
    """Neither psutil nor a check is imported for a listing."""
    code = (
        "import sys, metalmatrix.running.supervise as s; s.check_catalog();"
        "print('psutil' in sys.modules, 'checklib' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=checks_dir().parent
    )
    assert done.stdout.split() == ["False", "False"]


@pytest.mark.parametrize(
    ("text", "scrubbed"),
    [
        ("/home/a/env/lib", "<env>/lib"),
        ("-I/home/a/include", "-I~/include"),
        ("/home/ab /home/a. /home/a-b", "/home/ab ~. ~-b"),
        ("/", "/"),
    ],
)
def test_scrub_takes_the_longest_path(text: str, scrubbed: str) -> None:
    """A path is replaced whole, the longer before the shorter, and never within another name."""
    assert scrub(text, {"/home/a": "~", "/home/a/env": "<env>", "/": "root", "": "empty"}) == scrubbed


def test_plain_keeps_both_ends_within_the_limit() -> None:
    """A long message keeps its beginning and its end; lines keep their end."""
    assert plain("a\tb\r\nc\x85d", 20) == "a b c d"
    assert plain("begin " + "x" * 99 + " end", 21) == "begin xxx … xxxxx end"
    assert plain_lines("one\r\ntwo\rthree\x1b[", 100) == "one\ntwo\nthree"
    assert plain_lines("one\ntwo", 3) == "two"
