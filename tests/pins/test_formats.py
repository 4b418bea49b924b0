"""Each form of the pins: read by what reads it, and nothing that somebody wrote gets out of its comment."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from packaging.pylock import Pylock, PylockSelectError
from packaging.requirements import Requirement
from packaging.tags import Tag, compatible_tags, cpython_tags, mac_platforms

from metalmatrix.pins import formats
from metalmatrix.pins.addresses import Address, parse_addresses
from tests.pins.made import ADDRESSES, LOCK, pin_set
from tests.samples import HOSTILE

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover - Python 3.10
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Callable

    from packaging.markers import Environment

PINS = [f"{package.name}=={package.version}" for package in LOCK.packages]
HASHED = LOCK.requirements().splitlines()
BREAKOUTS = (
    *HOSTILE,
    'x"\n[[packages]]\nname = "evil"',
    "x'''\"\"\"\nevil = 1",
    "x\n      - evil==1",
    "x\r- evil==1",
    "x\u2028evil==1\u2029evil==2\x85evil==3",
    "x \\\nevil==1 \\",
    "\uffff\ufffe",
    "--index-url https://evil.test/",
)


def environment(python: str = "3.11", system: str = "Darwin", machine: str = "arm64") -> Environment:
    """The markers of a machine, as `packaging` wants them."""
    return {
        "implementation_name": "cpython",
        "implementation_version": f"{python}.9",
        "os_name": "posix",
        "platform_machine": machine,
        "platform_release": "",
        "platform_system": system,
        "platform_version": "",
        "platform_python_implementation": "CPython",
        "python_full_version": f"{python}.9",
        "python_version": python,
        "sys_platform": system.lower(),
    }


def applies(entry: Requirement, machine: Environment) -> bool:
    """Whether the marker of an entry, which it must have, is true there."""
    assert entry.marker
    return entry.marker.evaluate({key: str(value) for key, value in machine.items()})


def mac_tags(python: tuple[int, int] = (3, 11), macos: tuple[int, int] = (13, 0)) -> list[Tag]:
    """What a Mac can install."""
    platforms = list(mac_platforms(macos, "arm64"))
    interpreter = f"cp{python[0]}{python[1]}"
    return [
        *cpython_tags(python, platforms=platforms),
        *compatible_tags(python, interpreter, platforms),
    ]


def conda_pip(text: str) -> list[str]:
    """The lines of the pip section of an ``environment.yml``."""
    pip: list[str] = yaml.safe_load(text)["dependencies"][-1]["pip"]
    return pip


def group_of(text: str) -> list[str]:
    """The entries of the group."""
    group: list[str] = tomllib.loads(text)["dependency-groups"]["known-good"]
    return group


def code_of(text: str) -> list[str]:
    """The lines that are neither blank nor comments."""
    return [line for line in text.splitlines() if line and not line.startswith("#")]


FORMS: dict[str, Callable[..., str]] = {
    "pylock.toml": lambda pins: formats.pylock(pins, ADDRESSES),
    "environment.yml": formats.conda,
    "constraints.txt": formats.constraints,
    "group.toml": formats.group,
}
READ: dict[str, Callable[[str], Any]] = {
    "pylock.toml": tomllib.loads,
    "environment.yml": yaml.safe_load,
    "constraints.txt": code_of,
    "group.toml": tomllib.loads,
}


@pytest.mark.parametrize("form", FORMS)
def test_it_reads_like_this(form: str, golden: Callable[[str, str], None]) -> None:
    """Each form, whole."""
    made = pin_set(companions=("keras-hub",), said=("with keras-hub 0.20.0",), again="3.11 --with keras-hub")
    golden(f"pins-{form}", FORMS[form](made))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("text", BREAKOUTS)
def test_no_message_leaves_its_comment(form: str, text: str) -> None:
    """What is read is the same, whatever somebody wrote into a report, a bound or a verdict."""
    made = FORMS[form](pin_set(text))
    assert READ[form](made) == READ[form](FORMS[form](pin_set()))


@pytest.mark.parametrize("form", FORMS)
@given(text=st.text(max_size=60))
def test_no_text_at_all_leaves_its_comment(form: str, text: str) -> None:
    """The same for any text there is."""
    assert READ[form](FORMS[form](pin_set(text))) == READ[form](FORMS[form](pin_set()))


class TestConstraints:
    def test_every_version_and_no_hash(self) -> None:
        """A constraint adds no package, so a hash would be asked of all that the project adds."""
        assert code_of(formats.constraints(pin_set())) == PINS


class TestConda:
    def test_what_pip_reads_is_the_requirements_file(self) -> None:
        """The lines of the section go to a file; each has its hashes."""
        assert conda_pip(formats.conda(pin_set())) == HASHED

    def test_python_is_conda_s(self) -> None:
        """And the name is one that conda takes: no blank, slash, colon or hash."""
        found = yaml.safe_load(formats.conda(pin_set()))
        assert found["dependencies"][:2] == ["python=3.11", "pip"]
        assert found["name"] == "py3.11-tf2.15.1-metal1.1.0"
        assert not set(found["name"]) & set(" /:#")


class TestPylock:
    @pytest.mark.parametrize("folder", ["", "wheels"])
    def test_it_is_valid_and_selects_every_package_on_a_mac(self, folder: str) -> None:
        """By the reader that the specification's authors keep."""
        made = formats.pylock(pin_set(), {} if folder else ADDRESSES, folder)
        read = Pylock.from_dict(tomllib.loads(made))
        selected = list(read.select(environment=environment(), tags=mac_tags()))
        assert [f"{package.name}=={package.version}" for package, _ in selected] == PINS

    @pytest.mark.parametrize(
        "elsewhere", [environment("3.12"), environment(machine="x86_64"), environment(system="Linux")]
    )
    def test_it_is_for_nothing_else(self, elsewhere: Environment) -> None:
        """Another Python, an Intel Mac and Linux are refused by the file itself."""
        read = Pylock.from_dict(tomllib.loads(formats.pylock(pin_set(), ADDRESSES)))
        with pytest.raises(PylockSelectError):
            list(read.select(environment=elsewhere, tags=mac_tags()))

    def test_a_wheel_that_the_index_does_not_tell_of_is_left_out(self) -> None:
        """Of a package with two wheels, one may be gone."""
        first = LOCK.packages[0]
        other = replace(first.wheels[0], file=first.wheels[0].file.replace("py3", "py2.py3"), sha256="0" * 64)
        lock = replace(LOCK, packages=(replace(first, wheels=(*first.wheels, other)), *LOCK.packages[1:]))
        found = tomllib.loads(formats.pylock(pin_set(lock=lock), ADDRESSES))["packages"][0]["wheels"]
        assert [wheel["hashes"]["sha256"] for wheel in found] == [first.wheels[0].sha256]

    def test_a_folder_s_file_says_how_it_is_filled(self) -> None:
        """It names no address, and so says where the wheels come from."""
        said = formats.fill(pin_set(), "wheels")
        text = formats.pylock(pin_set(said=said), {}, "wheels")
        assert "://" not in text
        assert "pip download --require-hashes --no-deps --dest wheels -r requirements.txt" in text


class TestAddresses:
    WHEEL = LOCK.packages[0].wheels[0]

    def parse(self, url: object, sha256: str = WHEEL.sha256, **more: object) -> dict[str, Address]:
        """The addresses in a lock file with one wheel."""
        wheel = {"url": url, "hashes": {"sha256": sha256}, **more}
        return parse_addresses({"packages": [{"name": "x", "wheels": [wheel]}]}, LOCK)

    def test_an_address_is_that_of_a_file_of_the_lock(self) -> None:
        """By name and hash; its size is told along."""
        url = f"https://index.test/a%2Bb/{self.WHEEL.file}"
        assert self.parse(url, size=12) == {self.WHEEL.sha256: Address(url, 12)}
        assert self.parse(url, size=-1)[self.WHEEL.sha256].size == 0
        assert self.parse(url, size="12")[self.WHEEL.sha256].size == 0

    @pytest.mark.parametrize(
        "url",
        [
            "https://index.test/other-1.0-py3-none-any.whl",
            f"file:///tmp/{WHEEL.file}",
            f"https://user:secret@index.test/{WHEEL.file}",
            f'https://index.test/"; evil = "/{WHEEL.file}',
            f"https://index.test/\\u0022/{WHEEL.file}",
            f"https://index.test/\n/{WHEEL.file}",
            f"https://index.test/{'x' * 3000}/{WHEEL.file}",
            "",
        ],
    )
    def test_what_is_no_address_of_it_is_not_believed(self, url: str) -> None:
        """Another file, another scheme, a password, whatever would leave the string."""
        assert self.parse(url) == {}

    def test_another_hash_is_another_file(self) -> None:
        """The name alone is not enough."""
        assert self.parse(f"https://index.test/{self.WHEEL.file}", "0" * 64) == {}


class TestGroup:
    def test_it_names_what_is_asked_for_under_markers(self) -> None:
        """Framework, plugin, bounds and companions, for Apple silicon and the Python alone."""
        entries = [Requirement(line) for line in group_of(formats.group(pin_set(companions=("keras-hub",))))]
        assert [f"{e.name}{e.specifier}" for e in entries] == [
            "tensorflow==2.15.1",
            "tensorflow-metal==1.1.0",
            "setuptools<82",
            "keras-hub==0.20.0",
        ]
        for entry in entries:
            assert applies(entry, environment())
            for other in (environment("3.12"), environment(machine="x86_64"), environment(system="Linux")):
                assert not applies(entry, other)

    def test_it_may_stand_for_several_pythons(self) -> None:
        """From the first to the last; 3.10 is more than 3.9."""
        first = Requirement(group_of(formats.group(pin_set(pythons=("3.9", "3.10", "3.11"))))[0])
        good = [p for p in ("3.8", "3.9", "3.10", "3.11", "3.12") if applies(first, environment(p))]
        assert good == ["3.9", "3.10", "3.11"]


class TestCommand:
    def test_it_is_one_line_of_every_pin(self) -> None:
        """Nothing is left to a resolver, and no shell takes anything of it for its own."""
        made = formats.command(pin_set())
        assert made.count("\n") == 1
        words = shlex.split(made)
        assert words[:3] == ["uv", "pip", "install"]
        assert "--no-deps" in words
        assert words[-len(PINS) :] == PINS

    def test_no_message_gets_into_it(self) -> None:
        """It has no comment, since zsh would run one."""
        assert formats.command(pin_set("$(evil)")) == formats.command(pin_set())
