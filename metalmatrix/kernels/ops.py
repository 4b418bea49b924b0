"""What plugins register, asked in several ways: by op, by version, from version to version; and as a table.

Pure.  Versions are `kernel_facts.Variant`s, oldest first; where the wheels of a version differ by Python,
each kind is one of its own.  What many versions share is told as runs of versions.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from metalmatrix.spans import runs

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from metalmatrix.kernels.kernel_facts import Variant
    from metalmatrix.kernels.tensorflow_c import Kernel

Dtypes = tuple[tuple[str, str], ...]
Box = tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True)
class Row:
    """Kernels of one op that the same versions have.

    Attributes:
        op: The op.
        dtypes: For each attribute that is asked for, the dtypes it may have: every one with every other.
        host: The arguments in the host's memory.
        versions: The versions that register them, as runs of labels: ``1.0.0-1.2.0``.
        numbers: The same as numbers of variants.
        macos: Where it is not always: a macOS from which on, with the versions, as runs of labels.
    """

    op: str
    dtypes: Box
    host: tuple[str, ...]
    versions: str
    numbers: tuple[int, ...]
    macos: tuple[tuple[str, str], ...] = ()

    @property
    def told(self) -> str:
        """The dtypes in a line: ``T=BFLOAT16,FLOAT Tidx=INT32``."""
        return " ".join(f"{name}={','.join(allowed)}" for name, allowed in self.dtypes) or "(any)"

    def to_json(self) -> dict[str, Any]:
        """The row as the machine interface tells it."""
        return {
            "op": self.op,
            "dtypes": {name: list(allowed) for name, allowed in self.dtypes},
            "host_memory": list(self.host),
            "versions": self.versions,
            "macos": dict(self.macos),
        }


@dataclass(frozen=True)
class Change:
    """What a version registers that the one before did not, and the other way round.

    Attributes:
        version, against: The labels of both.
        gained, lost: Kernels of an op, its dtypes in a line each, by op.
    """

    version: str
    against: str
    gained: tuple[tuple[str, tuple[str, ...]], ...]
    lost: tuple[tuple[str, tuple[str, ...]], ...]

    def count(self, kernels: tuple[tuple[str, tuple[str, ...]], ...], dtype: str) -> int:
        """Of how many ops a dtype was gained or lost: *kernels* is one of the two."""
        return sum(any(f"={dtype}" in told for told in lines) for _, lines in kernels)

    def to_json(self) -> dict[str, Any]:
        """The change as the machine interface tells it."""
        return {
            "version": self.version,
            "against": self.against,
            "gained": {op: list(lines) for op, lines in self.gained},
            "lost": {op: list(lines) for op, lines in self.lost},
        }


def label_runs(numbers: Iterable[int], variants: Sequence[Variant]) -> str:
    """Versions as ``0.1.0-0.6.0, 1.2.0``; ``all`` for all there are, if several."""
    found = runs(numbers)
    if found == [(0, len(variants) - 1)] and len(variants) > 1:
        return "all"
    labels = [variant.label for variant in variants]
    return ", ".join(
        labels[first] if first == last else f"{labels[first]}-{labels[last]}" for first, last in found
    )


def told(dtypes: Dtypes) -> str:
    """The constraints of a kernel in a line."""
    return " ".join(f"{name}={dtype}" for name, dtype in dtypes) or "(any)"


def table(variants: Sequence[Variant], ops: Iterable[str] | None = None, dtype: str = "") -> tuple[Row, ...]:
    """All ops with their dtypes and the versions that register them, by op.

    Args:
        variants: The versions.
        ops: These only.
        dtype: Kernels only that have this dtype for one of their attributes.
    """
    wanted = None if ops is None else set(ops)
    where: defaultdict[tuple[str, Dtypes, tuple[str, ...]], dict[int, str]] = defaultdict(dict)
    for number, variant in enumerate(variants):
        for kernel in variant.library.kernels:
            if (wanted is None or kernel.op in wanted) and _has(kernel, dtype):
                where[kernel.op, kernel.dtypes, kernel.host][number] = kernel.macos
    together: defaultdict[tuple[Any, ...], list[Dtypes]] = defaultdict(list)
    for (op, dtypes, host), at in where.items():
        together[op, host, tuple(sorted(at.items()))].append(dtypes)
    rows = []
    for (op, host, at), alike in together.items():
        numbers = tuple(number for number, _ in at)
        floors: defaultdict[str, list[int]] = defaultdict(list)
        for number, macos in at:
            floors[macos].append(number)
        macos_runs = tuple((m, label_runs(found, variants)) for m, found in sorted(floors.items()) if m)
        labels = label_runs(numbers, variants)
        rows += [Row(op, box, host, labels, numbers, macos_runs) for box in boxes(alike)]
    return tuple(sorted(rows, key=lambda row: (row.op, row.numbers, row.dtypes)))


def _has(kernel: Kernel, dtype: str) -> bool:
    return not dtype or any(has == dtype for _, has in kernel.dtypes)


def boxes(found: Iterable[Dtypes]) -> list[Box]:
    """Constraints joined where they differ in one attribute alone: each box is every one with every other."""
    joined: set[Box] = {tuple((name, (dtype,)) for name, dtype in dtypes) for dtypes in found}
    for place in range(max((len(box) for box in joined), default=0)):
        groups: defaultdict[tuple[Any, ...], set[str]] = defaultdict(set)
        for box in joined:
            if place >= len(box):
                groups[(box,)] = set()
                continue
            rest = (box[:place], box[place][0], box[place + 1 :])
            groups[rest] |= set(box[place][1])
        joined = {
            key[0] if len(key) == 1 else (*key[0], (key[1], tuple(sorted(dtypes))), *key[2])
            for key, dtypes in groups.items()
        }
    return sorted(joined)


def change(older: Variant, newer: Variant) -> Change:
    """What *newer* registers that *older* does not, and the other way round."""
    had, has = ({(k.op, k.dtypes) for k in variant.library.kernels} for variant in (older, newer))
    return Change(newer.label, older.label, _by_op(has - had), _by_op(had - has))


def _by_op(kernels: Iterable[tuple[str, Dtypes]]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for op, dtypes in sorted(kernels):
        found[op].append(told(dtypes))
    return tuple((op, tuple(lines)) for op, lines in found.items())


def changes(variants: Sequence[Variant]) -> tuple[Change, ...]:
    """Each version against the one before, for the same Pythons where the wheels of one of them differ."""
    found = []
    for number, newer in enumerate(variants):
        older = before(variants, number)
        if older is not None:
            found.append(change(older, newer))
    return tuple(found)


def before(variants: Sequence[Variant], number: int) -> Variant | None:
    """The version before a variant; of those that differ by Python, the one that shares most Pythons."""
    newer = variants[number]
    versions = list(
        dict.fromkeys(variant.version for variant in variants[:number] if variant.version != newer.version)
    )
    candidates = [variant for variant in variants[:number] if versions and variant.version == versions[-1]]
    shared = set(newer.pythons)
    return max(reversed(candidates), key=lambda variant: len(shared & set(variant.pythons)), default=None)


def variant_for(variants: Sequence[Variant], version: str, python: str) -> int | None:
    """The number of the variant that a version is under a Python; None where nothing is known of it."""
    return next(
        (at for at, one in enumerate(variants) if one.version == version and python in one.pythons), None
    )


def change_of(variants: Sequence[Variant], version: str, python: str) -> Change | None:
    """What the plugin of a cell newly covers or lost; None of the first version, or where it is not known."""
    number = variant_for(variants, version, python)
    older = before(variants, number) if number is not None else None
    return change(older, variants[number]) if number is not None and older is not None else None


def as_data(variants: Sequence[Variant]) -> dict[str, Any]:
    """All of it for a page: the versions with their counts, the rows of each op, each version's changes."""
    rows: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in table(variants):
        rows[row.op].append(row.to_json())
    return {
        "versions": [
            {
                "label": variant.label,
                "version": variant.version,
                "pythons": list(variant.pythons),
                "kernels": len(variant.library.kernels),
                "ops": len({kernel.op for kernel in variant.library.kernels}),
                "by_dtype": dict(sorted(counts(variant).items())),
            }
            for variant in variants
        ],
        "ops": dict(rows),
        "changes": [found.to_json() for found in changes(variants)],
    }


def counts(variant: Variant) -> Counter[str]:
    """Of how many ops a version has a kernel for each dtype, of any of their attributes."""
    pairs = {(kernel.op, dtype) for kernel in variant.library.kernels for _, dtype in kernel.dtypes}
    return Counter(dtype for _, dtype in pairs)
