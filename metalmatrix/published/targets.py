"""The two kinds of Macs that wheels are published for: what a cell, a question and a wheel are for."""

from __future__ import annotations

from typing import Literal

Target = Literal["arm64", "x86_64"]

ARM64: Target = "arm64"
X86_64: Target = "x86_64"

TARGETS: tuple[Target, ...] = (ARM64, X86_64)
"""Apple silicon, which is meant where nothing is said, and Intel Macs."""

_MACHINES: dict[Target, tuple[str, ...]] = {ARM64: ("_arm64", "_universal2"), X86_64: ("_x86_64",)}
"""How the platform tags end of the wheels that are kept.  No framework or plugin was ever universal2."""


def is_for(platform: str, target: Target) -> bool:
    """Whether a platform tag, ``macosx_12_0_arm64``, is one of the wheels kept for *target*."""
    return platform.startswith("macosx_") and platform.endswith(_MACHINES[target])


def named(target: Target) -> str:
    """The target as a sentence has it: ``arm64``, ``x86-64``."""
    return target.replace("_", "-")
