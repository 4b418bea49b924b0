"""What a person types to mean versions, ops and dtypes, and what was meant where it is none of them."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from metalmatrix.asking.slips import closest
from metalmatrix.errors import UsageError
from metalmatrix.kernels.tensorflow_c import DTYPES
from metalmatrix.text import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from metalmatrix.kernels.kernel_facts import Variant

ALIASES = {
    "float16": "HALF",
    "fp16": "HALF",
    "float32": "FLOAT",
    "fp32": "FLOAT",
    "single": "FLOAT",
    "float64": "DOUBLE",
    "bf16": "BFLOAT16",
}
"""How dtypes are named elsewhere, by how TensorFlow's C API names them."""


def dtype(text: str) -> str:
    """The dtype that is meant.

    Raises:
        UsageError: There is none of that name.
    """
    name = text.lower().removeprefix("dt_").removeprefix("tf.")
    known = {each.lower(): each for each in DTYPES[1:]} | ALIASES
    if name in known:
        return known[name]
    raise UsageError(
        *_unknown(text, "a dtype of TensorFlow's", known, "write it like half, float32 or bfloat16")
    )


def op(text: str, known: Iterable[str]) -> str:
    """The op that is meant, whatever its case.

    Raises:
        UsageError: TensorFlow has none of that name.
    """
    by_lower = {each.lower(): each for each in sorted(known, reverse=True)}
    if found := by_lower.get(text.lower()):
        return found
    what, hint = _unknown(text, "an op of TensorFlow's", by_lower, "its ops are named like MatMul and Conv2D")
    for lower, name in by_lower.items():
        hint = hint.replace(f" {lower}?", f" {name}?").replace(f" {lower},", f" {name},")
    raise UsageError(what, hint)


def version(text: str, variants: Sequence[Variant], python: str | None) -> tuple[Variant, ...]:
    """The variants that a version means: several where its wheels differ by Python, and no Python is given.

    Raises:
        UsageError: There is no such version, or none for that Python.
    """
    versions = list(dict.fromkeys(variant.version for variant in variants))
    wanted = text.removeprefix("metal").lstrip("v=")
    with suppress(InvalidVersion):
        wanted = next((v for v in versions if Version(v) == Version(wanted)), wanted)  # 1.2 is 1.2.0
    found = [variant for variant in variants if variant.version == wanted]
    if not found:
        how = f"there are {versions[0]} to {versions[-1]}"
        raise UsageError(
            *_unknown(text, "a version of tensorflow-metal whose kernels are known", versions, how)
        )
    fitting = tuple(variant for variant in found if python is None or python in variant.pythons)
    if not fitting:
        pythons = ", ".join(each for variant in found for each in variant.pythons)
        raise UsageError(
            f"tensorflow-metal {wanted} has no wheel for Python {plain(python or '', 20)}",
            f"it has for {pythons}",
        )
    return fitting


def _unknown(text: str, kind: str, known: Iterable[str], how: str) -> tuple[str, str]:
    near = closest(text, known)
    return f"{plain(text, 60)!r} is not {kind}", f"did you mean {', '.join(near)}?" if near else how
