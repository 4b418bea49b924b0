from __future__ import annotations

import datetime as dt
import re
import subprocess
import sys
from dataclasses import asdict, replace

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name, parse_sdist_filename, parse_wheel_filename
from packaging.version import Version

from metalmatrix.errors import MatrixError
from metalmatrix.published import releases
from metalmatrix.published.releases import PLUGINS, Release, Sdist, Wheel

TODAY = dt.date(2026, 11, 20)
DIGEST = "0" * 64


def release(version: str, *sizes: int, name: str = "tensorflow", yanked: bool = False) -> Release:
    """A release with a wheel of each size."""
    wheels = tuple(Wheel(f"w{number}.whl", DIGEST, size) for number, size in enumerate(sizes))
    return Release(name, version, "2024-01-01", yanked, wheels)


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> list[Release]:
    """A list to fill with the releases that are known instead of the real ones."""
    found: list[Release] = []

    def by_distribution() -> dict[str, dict[str, Release]]:
        names = {release.distribution for release in found}
        return {name: {one.version: one for one in found if one.distribution == name} for name in names}

    monkeypatch.setattr(releases, "_by_distribution", by_distribution)
    return found


class TestData:
    def test_is_what_would_be_written(self) -> None:
        """The data file is byte for byte what the updater writes: sorted, and under its header."""
        text = releases.DATA.read_text(encoding="utf-8")
        as_of = re.search(r'"as_of": "(\d{4}-\d\d-\d\d)"}\n', text)
        assert as_of is not None
        assert releases.dump_releases(releases.parse_releases(text), as_of[1]) == text

    def test_starts_with_what_regenerates_it(self) -> None:
        """The first line tells the command that makes the file anew."""
        first = releases.DATA.read_text(encoding="utf-8").partition("\n")[0]
        assert '"python -m metalmatrix update --force"' in first

    def test_holds_no_address(self) -> None:
        """No address and no host name is kept: who reads the file asks an index of their own."""
        text = releases.DATA.read_text(encoding="utf-8")
        assert "://" not in text
        assert not re.search(r"\.(org|com|io|net)\b", text)

    def test_each_release_is_sound(self) -> None:
        """Every field of every line has the form that its type promises."""
        assert [(one, wrong) for one in releases.load_releases() if (wrong := complaints(one))] == []

    def test_no_release_is_listed_twice(self) -> None:
        """Each version of each distribution has one line."""
        keys = [(one.distribution, one.version) for one in releases.load_releases()]
        assert len(keys) == len(set(keys))


def complaints(one: Release) -> list[str]:
    """What is wrong with a release."""
    found = [
        why
        for why, wrong in (
            ("distribution", one.distribution not in releases.DISTRIBUTIONS),
            ("spelling", str(Version(one.version)) != one.version),
            ("date", dt.date.fromisoformat(one.uploaded) < dt.date(2021, 1, 1)),
            ("type", type(one.yanked) is not bool),
            ("order", list(one.wheels) != sorted(one.wheels, key=lambda wheel: wheel.file)),
        )
        if wrong
    ]
    if one.sdist is not None:
        found += sdist_complaints(one, one.sdist)
    for wheel in one.wheels:
        name, version, _, tags = parse_wheel_filename(wheel.file)
        if (name, str(version)) != (one.distribution, one.version):
            found.append("wheel of another release")
        if not any(re.fullmatch(r"macosx_\d+_\d+_(arm64|universal2)", tag.platform) for tag in tags):
            found.append("wheel for another platform")
        if not re.fullmatch(r"[0-9a-f]{64}", wheel.sha256):
            found.append("digest")
        if type(wheel.size) is not int or wheel.size <= 0:
            found.append("size")
    return found


def sdist_complaints(one: Release, sdist: Sdist) -> list[str]:
    """What is wrong with what is known of a release's sdist."""
    requirements = [Requirement(line) for line in sdist.requires]
    rules = {
        "sdist beside a wheel, or of no plugin": bool(one.wheels) or one.distribution not in PLUGINS,
        "sdist of another release": parse_sdist_filename(sdist.file)
        != (one.distribution, Version(one.version)),
        "sdist's digest": not re.fullmatch(r"[0-9a-f]{64}", sdist.sha256),
        "sdist's size": type(sdist.size) is not int or sdist.size <= 0,
        "requirement at an address": any(requirement.url for requirement in requirements),
        "requirement's spelling": [str(requirement) for requirement in requirements] != [*sdist.requires],
        "Python's spelling": str(SpecifierSet(sdist.requires_python)) != sdist.requires_python,
        "dynamic": not {*sdist.dynamic} <= {"requires-dist", "requires-python"},
    }
    return [why for why, wrong in rules.items() if wrong]


def test_complaints_about_an_sdist_are_made() -> None:
    """The rules for what an sdist declares notice a line that breaks all of them."""
    sdist = Sdist("torch-1.0.tar.gz", "abc", 0, ("x@file:///x",), ">= 3.10", ("version",))
    bad = replace(release("2.15.0", 1), sdist=sdist)
    assert len(sdist_complaints(bad, sdist)) == 8
    good = Sdist("x-1.0.tar.gz", DIGEST, 1, ("six>=1.0",), ">=3.10", ("requires-dist",))
    assert sdist_complaints(Release(PLUGINS[1], "1.0", "2026-01-01", False, ()), good) == [  # noqa: FBT003
        "sdist of another release"
    ]


def test_complaints_are_made() -> None:
    """The rules for the data file notice a line that breaks all of them."""
    wheels = (
        Wheel("tensorflow_metal-1.0-cp39-cp39-win_amd64.whl", "abc", 0),
        Wheel("tensorflow-2.15-cp39-cp39-macosx_12_0_arm64.whl", DIGEST, 1),
    )
    bad = Release("torch", "2.15-rc0", "2001-01-01", "no", wheels)  # type: ignore[arg-type]
    assert set(complaints(bad)) == {
        *("distribution", "spelling", "date", "type", "order", "digest", "size"),
        *("wheel of another release", "wheel for another platform"),
    }


def test_the_first_plugin_is_the_one_that_ids_call_metal() -> None:
    """Names of plugins are normalised, as indexes and ids have them, and no name stands twice."""
    assert PLUGINS[0] == releases.PLUGIN == "tensorflow-metal"
    assert [canonicalize_name(name) for name in PLUGINS] == [*PLUGINS]
    assert len({*releases.DISTRIBUTIONS}) == len(releases.DISTRIBUTIONS)
    assert all(name.replace("-", "_").isidentifier() for name in PLUGINS)


def test_what_a_mac_gets_by_installing() -> None:
    """A stub is nothing; a plugin has no stubs, however small it is, and may have to be compiled."""
    sdist = Sdist("x-1.0.tar.gz", DIGEST, 1, (), "", ())
    small = release("1.0", 2_000, name="tensorflow-metal-plugin")
    source = replace(release("1.0", name="tensorflow-metal-plugin"), sdist=sdist)
    assert [releases.has_binaries(one) for one in (release("9.0", 2_000), small, source)] == [
        *(False, True, False),
    ]
    assert [releases.installs(one) for one in (release("9.0", 2_000), small, source)] == [False, True, True]


class TestDistributionOf:
    @pytest.mark.parametrize(
        ("version", "name"),
        [
            ("2.5.0", "tensorflow-macos"),
            ("2.13.0", "tensorflow-macos"),
            ("2.15.0", "tensorflow-macos"),
            ("2.15.1", "tensorflow"),
            ("2.16.2", "tensorflow"),
            ("2.20.0", "tensorflow"),
        ],
    )
    def test_real_frameworks(self, version: str, name: str) -> None:
        """Frameworks that were really published go by the name that holds their binaries."""
        assert releases.distribution_of(version) == name

    def test_sizes_decide(self, known: list[Release]) -> None:
        """A stub of 2 kB loses against the other name's binaries, whatever the version."""
        known += [release("9.0", 2_000), release("9.0", 2_000, 10**8, name="tensorflow-macos")]
        assert releases.distribution_of("9.0") == "tensorflow-macos"

    def test_without_binaries(self, known: list[Release]) -> None:
        """Where neither name has binaries, it is the one that was published."""
        known += [release("9.0"), release("9.1", 2_000, name="tensorflow-macos")]
        assert releases.distribution_of("9.0") == "tensorflow"
        assert releases.distribution_of("9.1") == "tensorflow-macos"

    @pytest.mark.parametrize("version", ["2.99.0", "", "../etc", "latest"])
    def test_never_published(self, version: str) -> None:
        """A version that does not exist gets a name all the same, under which it is then not found."""
        assert version not in releases.published(releases.distribution_of(version))


class TestExpand:
    def test_real_releases(self) -> None:
        """A specifier stands for the releases in its range, in ascending order."""
        assert releases.expand("tensorflow", ">=2.16,<2.18", TODAY) == [
            "2.16.1",
            "2.16.2",
            "2.17.0",
            "2.17.1",
        ]
        assert releases.expand("tensorflow-metal", ">=1.0", TODAY) == ["1.0.0", "1.0.1", "1.1.0", "1.2.0"]

    def test_pre_releases_must_be_named(self) -> None:
        """Release candidates count only where the specifier speaks of one."""
        assert releases.expand("tensorflow", "==2.19.*", TODAY) == ["2.19.0", "2.19.1"]
        assert releases.expand("tensorflow", ">=2.19.0rc0,<2.20", TODAY) == ["2.19.0rc0", "2.19.0", "2.19.1"]

    def test_only_pre_releases(self, known: list[Release]) -> None:
        """A range in which only candidates lie is empty: installers would take one, a matrix must not."""
        known.append(release("9.0rc0"))
        assert releases.expand("tensorflow", ">=8", TODAY) == []

    def test_as_of_counts_the_day_itself(self) -> None:
        """A release counts from the day of its upload on."""
        assert releases.expand("tensorflow-metal", ">=1.1", dt.date(2025, 1, 30)) == ["1.1.0"]
        assert releases.expand("tensorflow-metal", ">=1.1", dt.date(2025, 1, 31)) == ["1.1.0", "1.2.0"]

    def test_yanked(self, known: list[Release]) -> None:
        """A yanked release is had by its exact version only."""
        known += [release("9.0", yanked=True), release("9.0.1")]
        assert releases.expand("tensorflow", "==9.0.*", TODAY) == ["9.0.1"]
        assert releases.expand("tensorflow", "==9.0", TODAY) == ["9.0"]

    def test_no_specifier(self) -> None:
        """What is no specifier is refused in a sentence that shows one."""
        with pytest.raises(MatrixError, match=r"'2\.15 or so' is no version specifier\n  hint: .*>=2\.15"):
            releases.expand("tensorflow", "2.15 or so", TODAY)

    def test_unknown_distribution(self) -> None:
        """Of a distribution whose releases are not kept, nothing is known."""
        assert releases.expand("numpy", ">=1", TODAY) == []


class TestClosest:
    def test_same_series_first(self) -> None:
        """A slip in the last number is told the releases of that series."""
        assert releases.closest("tensorflow", "2.15.3")[:2] == ["2.15.1", "2.15.0"]

    def test_look_alikes(self) -> None:
        """A slip elsewhere is told what looks alike."""
        assert "1.1.0" in releases.closest("tensorflow-metal", "1.11.0")

    @pytest.mark.parametrize("text", ["latest", "", "\x00", "nightly" * 1000])
    def test_nothing_alike(self, text: str) -> None:
        """What looks like no version has no closest one, and does no harm."""
        assert releases.closest("tensorflow", text) == []


class TestParse:
    def test_another_schema(self) -> None:
        """A file of another schema is refused, and the message says what makes it anew."""
        with pytest.raises(MatrixError, match=r"has schema 2.* reads 1\n  hint: .*update --force"):
            releases.parse_releases('{"schema": 2}\n')

    @pytest.mark.parametrize(
        "line", ["", "{", "null", "[]", '{"distribution": "tensorflow"}', '{"wheels": [1]}']
    )
    def test_damage_is_located(self, line: str) -> None:
        """A damaged line is told by its number."""
        with pytest.raises(MatrixError, match=r"line 2 of releases\.jsonl is damaged"):
            releases.parse_releases(f'{{"schema": 1}}\n{line}\n')

    def test_empty(self) -> None:
        """An empty file is damaged, not a world without releases."""
        with pytest.raises(MatrixError, match="line 1"):
            releases.parse_releases("")

    def test_more_facts_are_welcome(self) -> None:
        """Fields of later versions are passed over, in a release and in its wheels."""
        one = release("9.0", 5)
        text = releases.dump_releases([one], "2026-11-20").replace('"size": 5', '"size": 5, "later": {}')
        assert releases.parse_releases(text.replace('"yanked"', '"more": 1, "yanked"')) == (one,)

    def test_what_an_sdist_declares_comes_back(self) -> None:
        """A release with an sdist is read as it was written, and one without has no such field."""
        sdist = Sdist("x-1.0.tar.gz", DIGEST, 1, ("six>=1.0", "tensorflow"), ">=3.10", ("requires-dist",))
        both = (release("9.0", 5), replace(release("1.0", name="x"), sdist=sdist))
        text = releases.dump_releases(both, "2026-11-20")
        assert releases.parse_releases(text) == both
        assert text.count('"sdist"') == 1
        with pytest.raises(MatrixError, match="line 3"):
            releases.parse_releases(text.replace('"requires_python"', '"python"'))

    def test_missing_file(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        """Without its file, the project says how to get it."""
        monkeypatch.setattr(releases, "DATA", tmp_path_factory.mktemp("empty") / "releases.jsonl")
        releases.load_releases.cache_clear()
        try:
            with pytest.raises(MatrixError, match="cannot be read"):
                releases.load_releases()
        finally:
            releases.load_releases.cache_clear()


def test_order_of_the_file() -> None:
    """Releases are written by name and ascending version, however they come."""
    mixed = [
        release("2.10.0"),
        release("2.9.0"),
        release("1.0", name="tensorflow-metal"),
        release("2.10.0rc1"),
    ]
    found = releases.parse_releases(releases.dump_releases(mixed, "2026-11-20"))
    assert [one.version for one in found] == ["2.9.0", "2.10.0rc1", "2.10.0", "1.0"]
    assert asdict(found[0]) == asdict(mixed[1])


def test_import_reads_nothing() -> None:
    """Importing the module opens no data file and no HTTP client: listing the sessions stays instant."""
    script = (
        "import sys; opened = []\n"
        "sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == 'open' else None)\n"
        "import metalmatrix.published.releases, metalmatrix.published.update\n"
        "print([name for name in opened if name.endswith('.jsonl')], {'requests', 'bs4'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[]", "set()"]
