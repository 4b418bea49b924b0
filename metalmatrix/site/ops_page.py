"""``site/ops.html``: which ops the plugin registers, for which dtypes, in which versions; pure.

A page of its own, so that the one with the table stays small.  Like that one it is whole without
JavaScript, asks nobody for anything, and escapes whatever it shows.
"""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from metalmatrix.kernels import ops
from metalmatrix.site.html import render as render_page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metalmatrix.kernels.kernel_facts import Variant

_SHOWN = ("FLOAT", "HALF", "BFLOAT16")
"""Of the dtypes, those that a model is computed in: how many ops have each is told of a version."""


class Registered(NamedTuple):
    """What one version registers.

    Attributes:
        label: The version, with the Pythons where its wheels differ.
        kernels: How many kernels.
        ops: Of how many ops.
        by_dtype: Of how many ops for each of the dtypes of models.
        change: What is new and what was lost against the version before; None of the first.
        told: The change in a sentence.
    """

    label: str
    kernels: int
    ops: int
    by_dtype: tuple[tuple[str, int], ...]
    change: ops.Change | None
    told: str

    @property
    def changed(self) -> bool:
        """Whether any op is new or lost."""
        return bool(self.change and (self.change.gained or self.change.lost))


def registered(variants: Sequence[Variant], number: int) -> Registered:
    """What the variant of that number registers."""
    variant, older = variants[number], ops.before(variants, number)
    counts = ops.counts(variant)
    change = ops.change(older, variant) if older else None
    return Registered(
        variant.label,
        len(variant.library.kernels),
        len({kernel.op for kernel in variant.library.kernels}),
        tuple((dtype, counts[dtype]) for dtype in _SHOWN),
        change,
        _told(change) if change else "the first version",
    )


def _told(change: ops.Change) -> str:
    parts = [
        f"{word} {_count(sum(len(lines) for _, lines in kernels), 'kernel')} of {_count(len(kernels), 'op')}"
        f" ({_dtypes(kernels)})"
        for word, kernels in (("newly has", change.gained), ("lost", change.lost))
        if kernels
    ]
    return f"against {change.against} it {' and '.join(parts) or 'registers the same'}"


def _count(number: int, name: str) -> str:
    return f"{number} {name}{'' if number == 1 else 's'}"


def _dtypes(kernels: tuple[tuple[str, tuple[str, ...]], ...]) -> str:
    """The dtypes of models among the kernels, each with the number of its ops; else how many of others."""
    found = Counter(
        dtype for _, lines in kernels for dtype in _SHOWN if any(f"={dtype}" in line for line in lines)
    )
    return ", ".join(f"{dtype} for {count}" for dtype, count in found.most_common()) or "other dtypes"


def render(variants: Sequence[Variant]) -> str:
    """The page."""
    rows = ops.table(variants)
    return render_page(
        "ops.html",
        "ops.js",
        versions=[registered(variants, number) for number in range(len(variants))],
        ops=[(op, list(found)) for op, found in groupby(rows, key=lambda row: row.op)],
        dtypes=sorted({dtype for row in rows for _, allowed in row.dtypes for dtype in allowed}),
        shown=_SHOWN,
    )
