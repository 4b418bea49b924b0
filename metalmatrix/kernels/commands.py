"""`ops` on the command line: questions about kernels, answered from the data."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from metalmatrix.asking.explanation import line
from metalmatrix.errors import UsageError
from metalmatrix.kernels import asked, beside, telling
from metalmatrix.kernels import ops as questions
from metalmatrix.kernels.framework_facts import load_framework
from metalmatrix.kernels.kernel_facts import load_variants
from metalmatrix.models.files import read_model
from metalmatrix.output import print_json, tell
from metalmatrix.table.terminal import print_lines
from metalmatrix.text import plain
from metalmatrix.wheels.wheel_facts import load_facts

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator

    from metalmatrix.kernels.kernel_facts import Variant

_TOGETHER = "ask one thing at a time: ops, --diff OLD NEW, or --model FILE"


def ops(options: argparse.Namespace) -> int:
    """Say which ops a plugin registers, and which of a model's are among them.

    Raises:
        UsageError: What is asked for does not exist, or the model cannot be read.
    """
    _fit_together(options)
    dtype = asked.dtype(options.dtype) if options.dtype else ""
    variants = load_variants()
    chosen = asked.version(options.version, variants, options.python) if options.version else variants
    if options.diff:
        return _diff(options, variants)
    if options.model:
        return _model(options, chosen)
    if options.ops:
        return _ops(options, chosen, dtype)
    if options.version or dtype:
        return _version(options, chosen if options.version else variants[-1:], dtype)
    if options.json:
        _print_rows(questions.table(variants))
    else:
        _print(telling.versions(variants))
    return 0


def _fit_together(options: argparse.Namespace) -> None:
    """Refuse what would be left unheard.

    Raises:
        UsageError: Two questions are asked, or an option goes with another one.
    """
    if sum(map(bool, (options.ops, options.diff, options.model))) > 1:
        raise UsageError("ops, --diff and --model are different questions", _TOGETHER)
    if options.python and not (options.version or options.diff):
        raise UsageError(
            "--python goes with --version or --diff", "name one: ops --version 0.8.0 --python 3.11"
        )
    if options.version and options.diff:
        raise UsageError("--version and --diff name different versions", _TOGETHER)
    if options.framework and not options.model:
        raise UsageError("--framework goes with --model", _TOGETHER)
    if options.dtype and (options.diff or options.model):
        raise UsageError("--dtype goes with ops or --version", _TOGETHER)


def _print(texts: Iterator[str]) -> None:
    """Print lines; what is too long goes on below, further in."""
    print_lines(line(text.lstrip(), indent=len(text) - len(text.lstrip()), hang=4) for text in texts)


def _print_rows(rows: Iterable[questions.Row]) -> None:
    print_json([row.to_json() for row in rows])


def _ops(options: argparse.Namespace, variants: tuple[Variant, ...], dtype: str) -> int:
    facts = load_framework()
    registered = {kernel.op for variant in load_variants() for kernel in variant.library.kernels}
    names = [asked.op(text, {*registered, *facts.on_the_cpu, *facts.signatures}) for text in options.ops]
    rows = questions.table(variants, names, dtype)
    if options.json:
        _print_rows(rows)
    else:
        own = [
            rule for rule in facts.rules[facts.releases[-1]] if rule.op in names and rule.device == "DEFAULT"
        ]
        _print(telling.by_op(names, rows, own))
    return 0


def _version(options: argparse.Namespace, variants: tuple[Variant, ...], dtype: str) -> int:
    tables = [(variant, questions.table([variant], dtype=dtype)) for variant in variants]
    if options.json:
        print_json({variant.label: [row.to_json() for row in rows] for variant, rows in tables})
    else:
        _print(text for variant, rows in tables for text in telling.of_version(variant, rows, dtype))
    return 0


def _diff(options: argparse.Namespace, variants: tuple[Variant, ...]) -> int:
    older, newer = (asked.version(text, variants, options.python) for text in options.diff)
    found = [questions.change(one, other) for one in older for other in newer]
    if options.json:
        print_json([change.to_json() for change in found])
    else:
        _print(text for change in found for text in telling.change(change))
    return 0


def _model(options: argparse.Namespace, variants: tuple[Variant, ...]) -> int:
    facts = load_framework()
    framework = options.framework or ""
    try:
        if framework:
            framework = str(Version(framework))
    except InvalidVersion as error:
        raise UsageError(
            f"{plain(framework, 40)!r} is no version of TensorFlow", "write it like 2.18"
        ) from error
    tell(f"reading {plain(str(options.model), 200)}")
    model = read_model(options.model, facts)
    if framework and (swapped := beside.stands_for(framework, facts)):
        model = replace(model, notes=(*model.notes, swapped))
    found = list(beside.answers(model, variants, facts, load_facts(), framework))
    if options.json:
        print_json(
            {
                "kind": model.kind,
                "notes": list(model.notes),
                "unknown": list(model.unknown),
                "answers": [answer.to_json() for answer in found],
            }
        )
    else:
        _print(telling.model(plain(options.model.name, 80), model, found))
    return 0
