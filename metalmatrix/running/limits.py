"""The limits that checks run under, declared in ``matrix.toml`` and recorded in each result."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Limits:
    """What one check may take.

    Attributes:
        seconds: Wall-clock seconds a check may run before it is killed.
        memory_mb: Resident megabytes (MiB) the process of a check may hold before it is killed.
        device_memory_mb: Megabytes (MiB) of the logical device that the ``memory-limit`` check asks for.
        speed_ratio: How fast the GPU must be, as a multiple of the CPU's speed, to pass the ``speed`` check.
        tolerance: Largest error by dtype name (``float32``), relative to the largest expected magnitude.
    """

    seconds: float = 180
    memory_mb: int = 8192
    device_memory_mb: int = 256
    speed_ratio: float = 0.15
    tolerance: Mapping[str, float] = field(
        default_factory=lambda: {"float32": 1e-5, "float64": 1e-12, "float16": 1e-2, "bfloat16": 4e-2}
    )
