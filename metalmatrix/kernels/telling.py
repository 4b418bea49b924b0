"""The answers of `ops` as lines of text.  Pure."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from metalmatrix.kernels import ops
from metalmatrix.models.placing import CPU, FRAMEWORK, PLUGIN, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from metalmatrix.kernels.beside import Answer
    from metalmatrix.kernels.kernel_facts import Variant
    from metalmatrix.kernels.ops import Change, Row
    from metalmatrix.kernels.rules import Rule
    from metalmatrix.models.graphs import Model
    from metalmatrix.models.placing import Placed, Placement

LIMITS = (
    "Registered is not computes rightly: what a kernel computes, only a run on a Mac tells (docs/ops.md)."
)
DTYPES = ("FLOAT", "HALF", "BFLOAT16", "INT32", "INT64", "BOOL")
TITLES = (
    (CPU, "on the CPU, for want of a kernel"),
    (UNKNOWN, "unknown, since the file leaves out a dtype"),
    (PLUGIN, "on the GPU, by the plugin"),
    (FRAMEWORK, "by TensorFlow's own kernels for every device"),
)
MOST = 40
"""Ops of a kind that are told one by one; the JSON has all."""


def versions(variants: Sequence[Variant]) -> Iterator[str]:
    """Each version in a line: kernels, ops, and of how many ops a dtype has one."""
    width = max(len(variant.label) for variant in variants)
    yield f"{'tensorflow-metal':{width}}  kernels  ops  " + "  ".join(f"{name:>8}" for name in DTYPES)
    for variant in variants:
        kernels = variant.library.kernels
        found = ops.counts(variant)
        counted = "  ".join(f"{found[name]:8}" for name in DTYPES)
        yield f"{variant.label:{width}}  {len(kernels):7}  {len({k.op for k in kernels}):3}  {counted}"
    yield ""
    yield "Under a dtype: the ops that have a kernel for it."
    yield LIMITS


def by_op(names: Sequence[str], rows: Sequence[Row], own: Iterable[Rule]) -> Iterator[str]:
    """Ops, each with its dtypes and the versions that have it, and TensorFlow's own for every device."""
    framework = list(own)
    for name in names:
        yield name
        found = [row for row in rows if row.op == name]
        yield from table_lines(found)
        if not found:
            yield "  no version of tensorflow-metal registers it"
        if hosts := sorted({argument for row in found for argument in row.host}):
            yield f"  in the host's memory: {', '.join(hosts)}"
        mine = [rule for rule in framework if rule.op == name]
        for rule in mine:
            dtypes = "; ".join(f"{at}: {', '.join(sorted(all_))}" for at, all_ in rule.dtypes) or "(any)"
            where = f" (in the host's memory: {', '.join(rule.host)})" if rule.host else ""
            yield f"  TensorFlow's own, for every device: {dtypes}{where}"
        if not found and not mine:
            yield "  nor does TensorFlow itself for every device: it runs on the CPU"
        yield ""
    yield LIMITS


def table_lines(rows: Sequence[Row]) -> Iterator[str]:
    """The dtypes of rows, and their versions."""
    width = max((len(row.told) for row in rows), default=0)
    for row in rows:
        macos = "".join(f"; from macOS {macos} on: {which}" for macos, which in row.macos)
        yield f"  {row.told:{min(width, 60)}}  {row.versions}{macos}"


def of_version(variant: Variant, rows: Sequence[Row], dtype: str) -> Iterator[str]:
    """All that a version registers, of a dtype or of all."""
    named = f" for {dtype}" if dtype else ""
    ops_told = _counted(len({row.op for row in rows}), "op")
    kernels = len(variant.library.kernels)
    yield f"tensorflow-metal {variant.label}: {ops_told}{named}, {kernels} kernels in all"
    width = max((len(row.op) for row in rows), default=0)
    for row in rows:
        floor = "".join(f"  from macOS {macos}" for macos, _ in row.macos)
        yield f"  {row.op:{width}}  {row.told}{floor}"
    yield LIMITS


def change(found: Change) -> Iterator[str]:
    """What a version newly covers, and lost."""
    yield f"tensorflow-metal {found.version} against {found.against}"
    for word, kernels in (("gained", found.gained), ("lost", found.lost)):
        count = sum(len(lines) for _, lines in kernels)
        yield f"  {word}: {_counted(count, 'kernel')} of {_counted(len(kernels), 'op')}"
        for op, lines in kernels:
            yield f"    {op}: {'; '.join(lines)}"


def model(path: str, read: Model, answers: Sequence[Answer]) -> Iterator[str]:
    """Where a model's ops run beside each version: those that answer alike are told once."""
    count = sum(len(graph.nodes) for graph in read.graphs)
    yield f"{path}: {read.kind}, {count:,} ops"
    for note in read.notes:
        yield f"  {note}"
    for line in read.unknown[:MOST]:
        yield f"  unknown: {line}"
    if len(read.unknown) > MOST:
        yield f"  and {len(read.unknown) - MOST} more that are unknown"
    variants = [answer.variant for answer in answers]
    alike: defaultdict[tuple[str, Placement], dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for number in reversed(range(len(answers))):
        answer = answers[number]
        alike[answer.refused, answer.placement][answer.framework].append(number)
    for at, ((refused, placement), beside) in enumerate(alike.items()):
        named = (f"{ops.label_runs(n, variants)} (beside TensorFlow {fw})" for fw, n in beside.items())
        yield ""
        yield f"tensorflow-metal {'; '.join(named)}"
        if refused:
            yield f"  does not run there: {refused}"
            yield "  What follows is only what is registered."
        yield from placed(placement, full=at == 0)
    yield ""
    yield LIMITS


def placed(placement: Placement, *, full: bool) -> Iterator[str]:
    """Where the ops run, what has no kernel first, and what is copied; in *full* each by its name."""
    for where, title in TITLES:
        found = placement.of(where)
        if not found and where != CPU:
            continue
        count, kinds = sum(one.count for one in found), len({one.op for one in found})
        yield f"  {title}: {_counted(count, 'op')} of {_counted(kinds, 'kind')}"
        for part in dict.fromkeys(one.part for one in found if full or where in {CPU, UNKNOWN}):
            yield from _listed([one for one in found if one.part == part], part)
    if placement.copies is None:
        if layers := dict.fromkeys(layer for one in placement.of(CPU) for layer in one.layers):
            yield f"  copies between GPU and CPU: possible in {', '.join(layers)}"
        return
    yield f"  tensors that are copied between GPU and CPU: {sum(copy.count for copy in placement.copies)}"
    for copy in placement.copies[:MOST]:
        yield f"    {copy.source} -> {copy.target}, to the {copy.to}: {copy.count}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _listed(found: Sequence[Placed], part: str) -> Iterator[str]:
    if part:
        yield f"    {part}:"
    for one in found[:MOST]:
        floor = f", from macOS {one.macos} on" if one.macos else ""
        times = f" x{one.count}" if one.count > 1 else ""
        layers = (
            f"  ({', '.join(one.layers[:4])}{', ...' if len(one.layers) > 4 else ''})" if one.layers else ""
        )
        yield f"    {'  ' if part else ''}{' '.join(filter(None, [one.op, one.types]))}{times}{floor}{layers}"
    if len(found) > MOST:
        yield f"    and {len(found) - MOST} more"
