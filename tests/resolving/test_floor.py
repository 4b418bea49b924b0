"""The macOS that a set needs: by tag, by what the libraries were built for, and whose demand it is."""

from __future__ import annotations

import pytest

from metalmatrix.resolving.floor import macos_floor
from metalmatrix.resolving.lock import Lock, Package, Wheel
from metalmatrix.wheels.wheel_facts import Facts, Library, WheelFacts, load_facts
from tests.samples import lock

NOTHING = Facts()


def built(sha256: str, *macos: str) -> WheelFacts:
    """A wheel whose libraries were built for these versions of macOS."""
    libraries = tuple(Library("x", "", "", "", version, (), ()) for version in macos)
    return WheelFacts("x", "1", "x-1-py3-none-any.whl", sha256, 1, (), libraries)


def package(*files: tuple[str, str]) -> Lock:
    """A lock of one package with wheels of these tags and digests."""
    return Lock((Package("x", "1", tuple(Wheel(f"x-1-{tag}.whl", sha256 * 64) for tag, sha256 in files)),))


def test_the_most_demanding_packages_are_named() -> None:
    """The floor of a set is told with the wheels that ask for it, two of them by name."""
    modest = lock("numpy==1.26.4", tag="cp311-cp311-macosx_11_0_arm64")
    demanding = lock(*(f"{name}==1" for name in "abcd"), tag="cp311-cp311-macosx_12_0_arm64")
    made = modest.union(demanding)
    assert made is not None
    assert macos_floor(made, NOTHING) == ("12.0", "a 1 (tagged 12.0), b 1 (tagged 12.0) and 2 more")


def test_versions_of_macos_are_numbers() -> None:
    """MacOS 9 would come before 12: floors are compared as numbers."""
    old = lock("a==1", tag="cp311-cp311-macosx_13_0_arm64").union(
        lock("b==1", tag="cp311-cp311-macosx_13_10_arm64")
    )
    assert old is not None
    assert macos_floor(old, NOTHING) == ("13.10", "b 1 (tagged 13.10)")


def test_a_set_for_any_platform_has_no_floor() -> None:
    """Nothing is claimed where no wheel is tagged for macOS."""
    assert macos_floor(lock("six==1.17.0"), NOTHING) is None


def test_what_a_library_was_built_for_counts_over_the_tag() -> None:
    """A wheel tagged for 12.0 whose second library was built for 13.1 installs on 12 and does not run."""
    made = package(("cp311-cp311-macosx_12_0_arm64", "a"))
    facts = Facts((), (built("a" * 64, "12.0", "13.1"),))
    assert macos_floor(made, facts) == ("13.1", "x 1 (built for 13.1, tagged 12.0)")
    assert macos_floor(made, NOTHING) == ("12.0", "x 1 (tagged 12.0)")


def test_a_library_built_for_less_changes_nothing() -> None:
    """Pip goes by the tag, whatever the library could do."""
    facts = Facts((), (built("a" * 64, "11.0"),))
    assert macos_floor(package(("cp311-cp311-macosx_12_0_arm64", "a")), facts) == (
        "12.0",
        "x 1 (tagged 12.0)",
    )


@pytest.mark.parametrize(
    ("version", "floor"),
    [("0.5.1", ("13.0", "tensorflow-metal 0.5.1 (built for 13.0, tagged 12.0)"))],
)
def test_the_published_wheels(version: str, floor: tuple[str, str]) -> None:
    """The data has the plugin whose tag and library disagree, by its digest."""
    wheel = load_facts().wheel("tensorflow-metal", version, "3.9")
    assert wheel is not None
    made = Lock((Package("tensorflow-metal", version, (Wheel(wheel.file, wheel.sha256),)),))
    assert macos_floor(made, load_facts()) == floor
