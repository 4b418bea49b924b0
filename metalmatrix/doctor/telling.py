"""The answer for people: what was looked at, what is wrong, in what order, and what to type.  Pure."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from metalmatrix.doctor.exam import packages
from metalmatrix.text import plain, plain_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from metalmatrix.doctor.diagnose import Diagnosis
    from metalmatrix.doctor.exam import Exam
    from metalmatrix.doctor.known import Pins

_HEAD = 9
_LONGEST = 2000
_REPORT = (
    "To report it, attach this. Names, home paths and tokens are taken out, as far as they can be "
    "recognised: read it all the same."
)


def tell(exam: Exam, width: int = 100) -> str:
    """The whole answer."""
    lines = [*_looked_at(exam, width), ""]
    count = len(exam.problems)
    if count > 1:
        lines += [f"{count} problems, in the order in which to fix them:", ""]
    for number, item in enumerate(exam.problems, start=1):
        lines += [*_diagnosis(item, f"{number}. " if count > 1 else "", exam, width), ""]
        if number < count and item.layer == "interpreter" and exam.problems[number].layer != "interpreter":
            lines += [*_wrapped("A new environment has nothing of what follows:", width), ""]
    for item in exam.notes:
        lines += [*_diagnosis(item, "Note: ", exam, width), ""]
    lines += _verdict(exam, width)
    if exam.problems or exam.healthy is None:
        lines += [*_pins(exam, width), ""]
    lines += _open_ends(exam, width)
    while lines and not lines[-1]:
        lines.pop()
    return "\n".join(lines) + "\n"


def _open_ends(exam: Exam, width: int) -> Iterator[str]:
    """What is not known, what would help, and what to attach to a report of it."""
    said = [f"Not known: {sentence}" for sentence in exam.unknowns]
    said += [f"To be surer: {sentence}" for sentence in exam.asks]
    failed, *hint = exam.failed.splitlines() or [""]
    said += [f"Not done: {failed}"] if failed else []
    for sentence in said:
        yield from _wrapped(sentence, width)
    yield from (plain_lines(line, _LONGEST) for line in hint)
    if exam.attach and exam.healthy is not True and (exam.unknowns or exam.failed):
        yield ""
        yield from _wrapped(_REPORT, width)
        yield ""
        for line in exam.attach.splitlines():
            yield f"    {line}".rstrip()


def _looked_at(exam: Exam, width: int) -> Iterator[str]:
    if exam.scene:
        seen, machine = exam.scene.environment, exam.scene.machine
        made = {"uv": "made by uv", "conda": "made by conda"}.get(seen.manager, "")
        made = made or ("a virtual environment" if seen.virtual else "no virtual environment")
        yield from _row("python", f"{seen.python} ({seen.chosen})", width)
        yield from _row("", f"Python {seen.version} for {seen.machine}, {made}", width)
        yield from _row("here", machine.told, width)
        yield from _row("has", ", ".join(packages(exam.scene)) or "nothing of TensorFlow", width)
    if exam.clues:
        clues = exam.clues
        named = [f"Python {clues.python}"] if clues.python else []
        named += [f"macOS {clues.macos}"] if clues.macos else []
        named += [f"{name} {version}" for name, version in clues.versions.items()]
        yield from _row("text", f"names {', '.join(named)}" if named else "names no versions", width)


def _diagnosis(item: Diagnosis, head: str, exam: Exam, width: int) -> Iterator[str]:
    what, indent = f"{head}{item.what} [{item.id}]", " " * len(head)
    yield from textwrap.wrap(what, width, subsequent_indent=indent, break_on_hyphens=False)
    for sentence in item.saw:
        yield from _row("saw", sentence, width)
    yield from _row("why", item.why, width)
    yield from _row("", item.source, width)
    for index, command in enumerate(item.commands):
        yield f"  {'' if index else 'type':<{_HEAD - 2}}{command}"
    if item.pins and not (exam.pins and item.pins.cell == exam.pins.cell):
        pins = f"{item.pins.cell} ({item.pins.verdict}); all of it: {item.pins.command}"
        yield from _row("pins", pins, width)


def _verdict(exam: Exam, width: int) -> list[str]:
    if exam.healthy is True:
        there = exam.scene is not None and exam.scene.machine.is_apple_silicon
        more = "" if there else " of what can be seen from this machine"
        said = f"Healthy: nothing{more} is known against what is installed"
        said += ", but for the notes above, each of which may be harmless." if exam.notes else "."
        return [*_wrapped(said, width), *_wrapped(f"({_DEEP})", width)]
    if exam.healthy is None and not exam.problems:
        return ["No problem that has a name here was found.", ""]
    layers = dict.fromkeys(item.layer for item in exam.problems)
    if len(layers) > 1:
        why = "; ".join(exam.layers[layer] for layer in layers if layer in exam.layers)
        return [*_wrapped(f"That order, since {why}.", width), ""]
    return []


_DEEP = "TensorFlow was not imported: --deep runs the checks in that environment, --traceback reads a message"


def _pins(exam: Exam, width: int) -> Iterator[str]:
    pins = exam.pins
    if pins is None:
        yield "The table has no set for that Python and macOS."
        return
    yield from _wrapped(f"From the table, as of {exam.as_of}: {_set(pins)}.", width)
    yield f"  {' '.join(pins.requirements)}"
    yield f"  {pins.command}    prints all of it, with hashes"


def _set(pins: Pins) -> str:
    gpu = "" if pins.has_plugin else ", without a GPU: no plugin goes with it"
    macos = f" on macOS {pins.macos} or later" if pins.macos else ""
    return f"{pins.cell} is {pins.verdict} ({pins.known}), for Python {pins.python}{macos}{gpu}"


def _row(head: str, text: str, width: int) -> list[str]:
    text = plain(text, _LONGEST)
    lead = f"  {head:<{_HEAD - 2}}"
    return textwrap.wrap(
        text,
        width,
        initial_indent=lead,
        subsequent_indent=" " * _HEAD,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(plain(text, _LONGEST), width, break_long_words=False, break_on_hyphens=False)
