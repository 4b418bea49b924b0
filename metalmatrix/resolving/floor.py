"""The lowest macOS that a set of versions needs, and which of its wheels demands it.

Two things ask for a macOS.  pip goes by a wheel's tags: of several wheels of one release the one with the
lowest tag counts, since pip takes whichever fits.  The loader goes by what the libraries were built for
(``LC_BUILD_VERSION``): a wheel may be tagged for less, and then installs where it does not run
(tensorflow-metal 0.5.1: tagged 12.0, built for 13.0).  The latter is known of the wheels that have been read,
TensorFlow's and its plugins'; of every other wheel in a lock only the tags are, and `KNOWN` says so.

Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from metalmatrix.published.targets import ARM64

if TYPE_CHECKING:
    from metalmatrix.published.targets import Target
    from metalmatrix.resolving.lock import Lock, Package
    from metalmatrix.wheels.wheel_facts import Facts

KNOWN = (
    "What a library was built for is known of TensorFlow, its plugins and LiteRT; "
    "of other wheels the tags are."
)
"""How far a floor goes."""

_NAMED = 2
"""Of more packages that ask for as much, the first are named."""


def macos_floor(lock: Lock, facts: Facts, target: Target = ARM64) -> tuple[str, str] | None:
    """The macOS that *lock* needs, and what demands it; None where every wheel is for any platform.

    None as well where packages are conda's: what they ask for is not in their names.

    Returns:
        ``("13.0", "tensorflow-metal 0.5.1 (built for 13.0, tagged 12.0)")``.
    """
    if lock.by_conda.packages:
        return None
    asked = {package: (package.macos_floor(target), _built_for(package, facts)) for package in lock.packages}
    floor = max((max(pair) for pair in asked.values()), default=(0, 0))
    if floor == (0, 0):
        return None
    demands = [
        f"{package.name} {package.version} ({_said(tagged, built)})"
        for package, (tagged, built) in asked.items()
        if max(tagged, built) == floor
    ]
    more = f" and {len(demands) - _NAMED} more" if len(demands) > _NAMED else ""
    return _text(floor), ", ".join(demands[:_NAMED]) + more


def _built_for(package: Package, facts: Facts) -> tuple[int, int]:
    """What its libraries were built for: the least of its wheels; (0, 0) where that is not known."""
    known = [facts.by_sha256.get(wheel.sha256) for wheel in package.wheels]
    built = [_parsed(wheel.macos_by_binary) if wheel else (0, 0) for wheel in known]
    return min(built, default=(0, 0))


def _parsed(text: str) -> tuple[int, int]:
    major, _, minor = text.partition(".")
    return int(major or 0), int(minor.partition(".")[0] or 0)


def _text(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"


def _said(tagged: tuple[int, int], built: tuple[int, int]) -> str:
    if built <= tagged:
        return f"tagged {_text(tagged)}"
    return f"built for {_text(built)}, tagged {_text(tagged)}"
