"""Questions to the resolver, and its answers: plain data, so that they can be kept and shipped."""

from __future__ import annotations

import datetime as dt  # noqa: TC003 - a field of a dataclass
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from metalmatrix.published.targets import Target
    from metalmatrix.resolving.lock import Lock

MACOS_TARGET = "13.0"
"""The macOS that uv resolves for: its own default, set so that no shell changes it."""

MACOS = "macos-arm64"

PLATFORMS = {MACOS: "aarch64-apple-darwin", "macos-x86_64": "x86_64-apple-darwin"}
"""What uv calls the platforms of Macs."""

Outcome = Literal["ok", "fails", "unknown"]


def platform_of(target: Target) -> str:
    """The platform of one kind of Macs, ``macos-arm64``."""
    return f"macos-{target}"


@dataclass(frozen=True)
class Question:
    """What the resolver is asked: requirements and bounds, for a Python and a platform, as of a day.

    Attributes:
        python: The minor version, ``3.11``.
        requirements: What is to be installed.
        bounds: Constraints; they add no package.
        as_of: The last day whose uploads count.
        preferred: Versions to keep wherever they can be had, as ``name==version``.
        platform: A platform of Macs, or another platform key: then it is the machine this runs on; one of
            conda's (``osx-arm64``) where the conda solver is asked, for packages of a channel.
        late: Packages whose uploads count up to a day of their own, as ``name=2022-09-11``.
    """

    python: str
    requirements: tuple[str, ...]
    bounds: tuple[str, ...]
    as_of: dt.date
    preferred: tuple[str, ...] = ()
    platform: str = MACOS
    late: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    """What the resolver said.

    Attributes:
        outcome: ``ok`` with a lock; ``fails`` where no set of wheels satisfies the question;
            ``unknown`` where it could not be asked, or where what it says leaves that open.
        lock: The exact versions.
        message: The resolver's own sentence, or why it could not be asked.
        blame: The package that has no fitting wheel or version; empty where it could not be asked.
        unreachable: Whether the index did not answer.
    """

    outcome: Outcome
    lock: Lock | None = None
    message: str = ""
    blame: str = ""
    unreachable: bool = False
