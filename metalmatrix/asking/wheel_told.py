"""A wheel in plain sentences, as `explain` prints it; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.version import Version

from metalmatrix.asking import wheel_tags
from metalmatrix.asking.explanation import TextLine, line
from metalmatrix.asking.wheel import LISTED
from metalmatrix.published.releases import FRAMEWORKS
from metalmatrix.text import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from metalmatrix.asking.wheel import Explained
    from metalmatrix.asking.wheel_tags import Taken

_REFUSED = "`is not a supported wheel on this platform`"
_ROSETTA = "tensorflow/tensorflow issue 58339"
_MOST_TAGS = 20


def lines(items: Iterable[Explained]) -> Iterator[TextLine]:
    """The explanations, one below the other."""
    for number, item in enumerate(items):
        if number:
            yield line()
            yield line()
        yield from _lines(item)


def _lines(item: Explained) -> Iterator[TextLine]:
    named, content = item.named, item.content
    yield line(named.file, "title")
    size = f" of {content.size:,} bytes, here on disk" if content else ", by its name alone"
    yield line(f"A wheel of {named.distribution} {named.version}{size}.")
    for told in item.contradictions:
        yield line()
        yield line(f"Mind: {told}.", "broken", hang=2)
    yield line()
    yield line("What its tags mean", "title")
    meanings = wheel_tags.meanings(named.tags)
    width = max(len(tag) for tag, _ in meanings)
    for tag, meaning in meanings[:_MOST_TAGS]:
        yield line(f"{tag:<{width}}  {meaning}", indent=2, hang=width + 2)
    yield line()
    yield line("Who is given it on a Mac, by pip's rules", "title")
    for told in _takers(item):
        yield line(told, indent=2, hang=2)
    if content and content.requires_python:
        asked = plain(content.requires_python, 80)
        yield line(f"Inside, it asks for Python {asked} as well.", indent=2, hang=2)
    if built := list(_built(item)):
        yield line()
        yield line("Which macOS it needs", "title")
        for told in built:
            yield line(told, indent=2, hang=2)
    yield line()
    yield line("What it holds", "title")
    yield line(_sentence(item.holds) or "That is not known from its name.", indent=2, hang=2)
    for path, why in content.unread[:LISTED] if content else ():
        yield line(f"{plain(path, 100)} was not read: {plain(why, 160)}.", "dim", indent=2, hang=2)
    yield line()
    yield line("What is known of it", "title")
    yield line(item.known, indent=2, hang=2)
    if item.command:
        yield line()
        yield line("What it works with", "title")
        yield line(item.command, "command", indent=2, whole=True)


def _takers(item: Explained) -> Iterator[str]:
    """On which Macs and Pythons pip takes it, and how it runs there."""
    by_machine = {taken.machine: taken for taken in item.named.taken}
    arm, intel = by_machine.get("arm64"), by_machine.get("x86_64")
    if arm:
        yield f"Apple silicon: yes, {_from(arm)}. It runs natively."
    if intel:
        yield f"Intel Macs: yes, {_from(intel)}."
    if arm and intel:
        yield "An x86-64 Python on Apple silicon, under Rosetta 2, is given what an Intel Mac is."
    elif intel:
        yield (
            "Apple silicon: only in an x86-64 Python, under Rosetta 2; a native one is told that it "
            f"{_REFUSED}."
        )
        if item.named.distribution in FRAMEWORKS:
            yield (
                "There tensorflow-macos 2.9 and 2.10 are reported to end at the import, by an illegal "
                f"instruction: {_ROSETTA}."
            )
    elif arm:
        yield (
            "Nobody else: an Intel Mac, and an x86-64 Python on Apple silicon under Rosetta 2, are told "
            f"that it {_REFUSED}."
        )
    else:
        yield "Nobody: no CPython 3 on a Mac asks for one of these tags."


def _from(taken: Taken) -> str:
    macos = f"macOS {taken.macos} or later" if taken.macos else "any macOS"
    return f"{macos}, {taken.told}"


def _built(item: Explained) -> Iterator[str]:
    """What macOS the tags ask for, and what the libraries were built for."""
    by_tag = {taken.machine: taken.macos for taken in item.named.taken}
    for machine, built in item.built_for.items():
        if not built:
            yield f"{machine}: no load command tells what its libraries were built for."
            continue
        tagged = by_tag.get(machine, "") if machine in by_tag else None
        told = f"{machine}: its libraries were built for macOS {built}"
        if tagged is None:
            yield f"{told}, and pip gives it to no such Python."
        elif not tagged or Version(tagged) < Version(built):
            lowest = f"macOS {tagged} on" if tagged else "any macOS on"
            yield f"{told}, and pip takes it from {lowest}: in between the loader may refuse it."
        else:
            yield f"{told}, its tags ask for {tagged}."


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}." if text else ""
