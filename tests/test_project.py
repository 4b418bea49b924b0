"""The repository as a whole: its lists agree, its files hold nothing private, importing it does nothing."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from packaging.requirements import Requirement

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover - Python 3.10
    import tomli as tomllib

ROOT = Path(__file__).parent.parent
MODULES = sorted((ROOT / "metalmatrix").rglob("*.py"))

# Joined here, so that this file does not hold what it looks for.
REGISTRIES = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pypi", "python", "org"),
        ("pythonhosted", "org"),
        ("anaconda", "org"),
        ("anaconda", "com"),
        ("jfrog", "io"),
        ("pkg", "dev"),
    )
)
# /home/a and /Users/a, a letter each, are nobody's.
HOMES = re.compile(r"/(?:home|Users)/[A-Za-z0-9_.-]{2,}/|" + "/" + r"root/|[A-Za-z]:\\Users\\")


@cache
def repository() -> tuple[Path, ...]:
    """Every file of the repository that is or could be committed."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip("this is no clone")
    return tuple(
        path for name in listed.stdout.decode().split("\0") if name and (path := ROOT / name).is_file()
    )


def texts() -> list[tuple[str, str]]:
    """Name and text of every file of the repository."""
    return [
        (path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8", errors="replace"))
        for path in repository()
    ]


def script_block(text: str) -> list[str]:
    """The dependencies of a script's PEP 723 block."""
    block = re.search(r"(?m)^# /// script\n((?:#(?: .*)?\n)+?)# ///$", text)
    assert block is not None
    content = "".join(line[2:] + "\n" for line in block[1].splitlines())
    return list(tomllib.loads(content)["dependencies"])


class TestDependencies:
    @pytest.fixture
    def project(self) -> dict[str, object]:
        """pyproject.toml's own table."""
        text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
        return dict(tomllib.loads(text))

    def test_the_two_lists_agree(self, project: dict[str, dict[str, list[str]]]) -> None:
        """`nox` alone is in noxfile.py's block and not in the package's: the rest is the same list."""
        block = script_block((ROOT / "noxfile.py").read_text(encoding="utf-8"))
        assert [line for line in block if Requirement(line).name != "nox"] == project["project"][
            "dependencies"
        ]
        assert any(Requirement(line).name == "nox" for line in block)

    def test_what_the_library_imports_is_in_the_list(self, project: dict[str, dict[str, list[str]]]) -> None:
        """Every module from elsewhere is declared, and everything declared is imported."""
        source = "\n".join(path.read_text(encoding="utf-8") for path in MODULES)
        found = set(re.findall(r"(?m)^ *(?:from|import) ([a-z_]\w*)", source))
        # (typing_extensions is only for the type checker, which brings it along)
        elsewhere = found - set(sys.stdlib_module_names) - {"metalmatrix", "tomllib", "typing_extensions"}
        optional: dict[str, list[str]] = project["project"]["optional-dependencies"]  # type: ignore[assignment]
        listed = project["project"]["dependencies"] + [line for lines in optional.values() for line in lines]
        declared = {Requirement(line).name.replace("-", "_").removeprefix("py_") for line in listed}
        assert elsewhere == declared

    def test_the_script_needs_no_other_python(self, project: dict[str, dict[str, str]]) -> None:
        """The script and the package ask for the same Python."""
        text = (ROOT / "noxfile.py").read_text(encoding="utf-8")
        wanted = project["project"]["requires-python"]
        assert f'# requires-python = "{wanted}"\n' in text


class TestFiles:
    @pytest.mark.parametrize("host", REGISTRIES)
    def test_no_file_names_a_registry(self, host: str) -> None:
        """Which index is asked is the user's business: no file knows one by its host."""
        assert [name for name, text in texts() if host in text.lower()] == []

    def test_no_file_holds_a_home(self) -> None:
        """The folders of whoever wrote a file are not in it."""
        found = {(name, path) for name, text in texts() for path in HOMES.findall(text)}
        assert found == set()

    def test_the_rules_find_what_they_look_for(self) -> None:
        """A path of a home is found, and the letter that stands for any is passed over."""
        for folder in ("home", "Users"):
            assert HOMES.search(f"/{folder}/someone/x")
        assert not HOMES.search("/home/a/include")

    def test_a_module_is_one_thing(self) -> None:
        """A module of more than 350 lines is two."""
        lengths = {
            path.relative_to(ROOT): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES
        }
        assert {name: length for name, length in lengths.items() if length > 350} == {}

    def test_the_noxfile_is_glue(self) -> None:
        """What a person types, and nothing that wants a test of its own: under 200 lines."""
        assert len((ROOT / "noxfile.py").read_text(encoding="utf-8").splitlines()) < 200

    def test_every_module_says_what_it_is(self) -> None:
        """Each module of the library opens with its design in a sentence."""
        assert [path.name for path in MODULES if not path.read_text(encoding="utf-8").startswith('"""')] == []

    def test_every_test_says_what_it_holds(self) -> None:
        """Each test has a sentence, which is what a reader of a failure reads first."""
        bare = re.compile(r'(?m)^ *def (test_\w+)\([^)]*\)(?: -> None)?:\n(?! *r?""")')
        paths = sorted((ROOT / "tests").glob("test_*.py"))
        assert [
            (path.name, name) for path in paths for name in bare.findall(path.read_text(encoding="utf-8"))
        ] == []


# Runs an import under an audit hook, and prints what it loaded and what it did.
PROBE = """
import json, os, sys, types
did = []
def hook(event, arguments):
    if event.startswith(("socket.", "subprocess.", "os.system", "os.exec", "os.mkdir", "os.re")):
        did.append(event)
    if event == "open" and any(letter in str(arguments[1] or "") for letter in "wax+"):
        did.append(f"open {arguments[0]}")
sys.addaudithook(hook)
class Stub(types.ModuleType):
    def __getattr__(self, name):
        return self
    def __call__(self, *arguments, **more):
        if len(arguments) == 1 and callable(arguments[0]) and not more:
            return arguments[0]
        return self
    def __getitem__(self, key):
        return self
sys.path.insert(0, sys.argv[1])
if sys.argv[2] == "noxfile":
    sys.modules["nox"] = Stub("nox")
__import__(sys.argv[2])
print(json.dumps({"modules": sorted(sys.modules), "did": did}))
sys.stdout.flush()
os._exit(0)
"""
HEAVY = (
    "jinja2",
    "rich",
    "jsonschema_rs",
    "psutil",
    "uv",
    "hypothesis",
    "pypi_simple",
    "requests",
    "http.client",
    "ssl",
)


class TestImporting:
    @pytest.mark.parametrize(
        "module", ["noxfile", "metalmatrix", "metalmatrix.cells.matrix_file", "metalmatrix.cli"]
    )
    def test_it_is_pure_and_light(self, module: str, tmp_path: Path) -> None:
        """Listing the sessions loads nothing heavy, writes nothing, asks no network and starts nothing."""
        done = subprocess.run(
            [sys.executable, "-B", "-c", PROBE, str(ROOT), module],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        assert module in told["modules"]
        assert set(HEAVY) & set(told["modules"]) == set()
        assert told["did"] == []
        assert list(tmp_path.iterdir()) == []

    def test_the_probe_sees_what_it_looks_for(self, tmp_path: Path) -> None:
        """A module that writes, connects and starts a program when imported is caught at all three."""
        (tmp_path / "naughty.py").write_text(
            "import socket, subprocess, sys, rich\n"
            "open('x', 'w').close()\n"
            "s = socket.socket()\n"
            "s.close()\n"
            "subprocess.run([sys.executable, '-c', ''])\n",
            encoding="utf-8",
        )
        done = subprocess.run(
            [sys.executable, "-B", "-c", PROBE, str(tmp_path), "naughty"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        told = json.loads(done.stdout)
        assert "rich" in told["modules"]
        assert {"open x", "socket.__new__", "subprocess.Popen"} <= set(told["did"])
