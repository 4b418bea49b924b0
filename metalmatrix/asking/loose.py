"""Loose words: which versions of which axis ``3.11 2.18 1.1.0`` or ``tensorflow==2.18.0 nometal`` mean.

A word may name its axis (``tf2.18``, ``tensorflow-metal==1.1.0``, ``python 3.11``).  Which axis a bare number
belongs to is read off the published versions: the one that has it, and where several have it, the one that no
other word has taken.  A series (``2.18``) means its final releases.  What fits no axis, or more than one, is
refused with what is closest and the command to type.

Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from metalmatrix.asking.axes import Axis, is_series
from metalmatrix.asking.slips import closest
from metalmatrix.cells.cell import EXAMPLE, NO_PLUGIN
from metalmatrix.published import releases
from metalmatrix.published.releases import FRAMEWORKS
from metalmatrix.published.targets import ARM64, X86_64, Target
from metalmatrix.text import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from metalmatrix.asking.axes import Kind
    from metalmatrix.cells.cell import Cell

COMMAND = "nox -s explain --"
"""How a command begins that an error tells to type."""

EXAMPLES = f"write an id like {EXAMPLE}, or loose words; type: {COMMAND} 3.11 2.15.1 1.1.0"

_MACS: dict[Target, str] = {ARM64: "Apple silicon", X86_64: "Intel Macs"}

_NONE = ("none", "nometal", "no-metal", "noplugin", "no-plugin")

_WORD = re.compile(
    r"(?P<stem>(?P<label>[a-z][a-z_-]*?)?(?:\[[a-z,_-]*\])?(?P<sign>={1,3}|@|-)?v?)(?P<number>[0-9].*)?"
)


@dataclass(frozen=True)
class Word:
    """One word as it is read.

    Attributes:
        text: As typed.
        stem: What stands before the number.
        label: The name in the stem, normalised; empty for a bare number.
        number: The version; empty where there is none.
        requirement: Whether it is written ``name==version``.
    """

    text: str
    stem: str = ""
    label: str = ""
    number: str = ""
    requirement: bool = False


@dataclass(frozen=True)
class _Choice:
    """What a word chooses: versions of an axis."""

    word: Word
    axis: Axis
    versions: tuple[str, ...]


@dataclass(frozen=True)
class Problem:
    """What is wrong with the word at a place.

    Attributes:
        near: What is near it.
        instead: What to type instead, if that is known.
        why: What else there is to know: of several words, told once.
    """

    place: int
    what: str
    near: str = ""
    instead: str = ""
    why: str = ""


def read(text: str) -> Word:
    """A word taken apart; it has neither label nor number where that cannot be done."""
    match = _WORD.fullmatch(text.lower())
    if match is None:
        return Word(text)
    label = canonicalize_name(match["label"] or "").strip("-")
    number = re.sub(r"\.[*x]\Z", "", match["number"] or "")
    if re.search(r"[*?\[]", number):
        return Word(text)  # a pattern
    if label in {"py", "cp", "python"} and re.fullmatch(r"[0-9]{2,3}", number):
        number = f"{number[0]}.{number[1:]}"  # cp311
    return Word(text, match["stem"], "" if label == "v" else label, number, "=" in (match["sign"] or ""))


class Loose:
    """Words that together choose from each axis; several words of one axis add up.

    Args:
        words: As read.
        axes: All there are.
        named: Whether each word has to name its axis, as the parts of an id do.
        target: The kind of Macs that is asked about.

    Attributes:
        problems: What is wrong with words that choose nothing, or may choose from several axes.
    """

    def __init__(
        self, words: Sequence[Word], axes: tuple[Axis, ...], *, named: bool = False, target: Target = ARM64
    ) -> None:
        self._axes = axes
        self._target = target
        self._named = named
        self._words: dict[int, Word] = {}
        before = None
        for place, word in enumerate(words):
            if before is not None and self._is_label_of(self._words[before], word):
                label = self._words.pop(before)
                self._words[place] = replace(word, text=f"{label.text} {word.text}", label=label.label)
            else:
                self._words[place] = word
            before = place
        self._choices, self.problems = self._settled()

    def select(self, cells: Iterable[Cell]) -> list[Cell]:
        """The cells that the words choose, as far as they are clear."""
        wanted: dict[Kind, set[tuple[str, str]]] = {}
        for choice in self._choices:
            name = (
                choice.axis.name if choice.axis.kind == "plugin" and choice.versions != (NO_PLUGIN,) else ""
            )
            wanted.setdefault(choice.axis.kind, set()).update((name, version) for version in choice.versions)
        return [cell for cell in cells if all(_keys(cell)[kind] in keys for kind, keys in wanted.items())]

    def notes(self) -> list[str]:
        """What is to be said of names that do not hold a framework's binaries."""
        return [
            note
            for choice in self._choices
            # Without `==`, TensorFlow is the product and not the distribution.
            if choice.word.label in FRAMEWORKS
            and (choice.word.requirement or choice.word.label != FRAMEWORKS[0])
            for note in _name_notes(choice.word.label, choice.versions, self._target)
        ]

    def _is_label_of(self, label: Word, word: Word) -> bool:
        """Whether the first of two words names what the second is a version of: ``tensorflow 2.18``."""
        axis = self._axis(label)
        if axis is None or label.number or word.label or not word.number:
            return False
        return bool(axis.matches(word.number)) or not any(a.matches(word.number) for a in self._axes)

    def _axis(self, word: Word) -> Axis | None:
        """The axis that a word's label names."""
        return next((axis for axis in self._axes if word.label in axis.labels), None)

    def _settled(self) -> tuple[list[_Choice], list[Problem]]:
        """What each word chooses, or what is wrong with it."""
        options = {place: self._options(word) for place, word in self._words.items()}
        taken: set[Kind] = set()
        while True:  # each round, the words that are clear take their axes from those that are not
            sure = {found[0].axis.kind for found in options.values() if len(found) == 1}
            if sure <= taken:
                break
            taken |= sure
            for place, found in options.items():
                if len(found) > 1:
                    options[place] = [choice for choice in found if choice.axis.kind not in taken] or found
        problems = [
            self._ambiguous(place, found) if found else self._unclear(place, taken)
            for place, found in options.items()
            if len(found) != 1
        ]
        clear = [found[0] for found in options.values() if len(found) == 1]
        return [c for c in clear if c.word.number or c.axis.kind == "plugin"], problems

    def _options(self, word: Word) -> list[_Choice]:
        """What a word may choose, by axis."""
        axis = self._axis(word)
        if word.label in _NONE and not word.number:
            return [_Choice(word, Axis("plugin", "", "", ()), (NO_PLUGIN,))]
        if axis and not word.number:
            return [_Choice(word, axis, axis.versions)]
        if (word.label and not axis) or not word.number:
            return []
        return [
            _Choice(word, one, found)
            for one in ([axis] if axis else self._axes)
            if (found := one.matches(word.number))
        ]

    # What is wrong ----------------------------------------------------------------------------

    def _ambiguous(self, place: int, found: list[_Choice]) -> Problem:
        number = self._words[place].number
        what = f"{number!r} may be {_listed([f'{choice.axis.name} {number}' for choice in found], 'or')}"
        ways = [f"{choice.axis.prefix}{number}" for choice in found]
        return Problem(place, what, f"write {_listed(ways, 'or')}", ways[0])

    def _unclear(self, place: int, taken: set[Kind]) -> Problem:
        """A word that chooses nothing."""
        word = self._words[place]
        shown = repr(plain(word.text, 60))
        if re.search(r"[<>~!]", word.text):
            return Problem(place, f"{shown} is a range: write a version, a series (2.18) or a pattern")
        axis = self._axis(word)
        if word.label and axis is None:
            labels = [label for one in self._axes for label in one.labels]
            what = f"{shown} is neither the id of a cell nor a version"
            for near in closest(word.label, [*_NONE, *labels], 1):
                return self._mislabelled(place, what, near)
            return Problem(place, what, f"a word is a version of {_spans(self._axes, 'or')}, or nometal")
        free = [one for one in self._axes if one.kind not in taken] or list(self._axes)
        return self._unknown(place, word.number or word.text.lower(), [axis] if axis else free)

    def _mislabelled(self, place: int, what: str, label: str) -> Problem:
        """A word whose name is a slip of *label*; its number may be one as well."""
        word = self._words[place]
        meant = replace(word, label=label, stem=word.stem.replace(word.label, label, 1))
        axis = self._axis(meant)
        if axis and word.number and not axis.matches(word.number):
            self._words[place] = meant
            unknown = self._unknown(place, word.number, [axis])
            return replace(unknown, what=f"{what}, and {unknown.what}")
        return Problem(
            place, what, f"did you mean {label}", label if axis is None else meant.stem + word.number
        )

    def _unknown(self, place: int, number: str, axes: list[Axis]) -> Problem:
        """A number that none of *axes* has."""
        shown = repr(plain(number, 60))
        what = f"{shown} is no known version of {_listed([axis.name for axis in axes], 'or')}"
        framework = next((axis for axis in axes if axis.kind == "framework"), None)
        known = {version for name in FRAMEWORKS for version in releases.published(name)}
        if framework and is_series(number) and (early := framework.series(number)):
            what = f"TensorFlow {number} has only pre-releases so far, and they are to be named"
            return Problem(place, what, f"known is {early[-1]}", self._instead(place, framework, early[-1]))
        if framework and any(f"{version}.".startswith(f"{number}.") for version in known):
            what = f"TensorFlow {number} was published without a wheel for {_MACS[self._target]}"
            axes = [framework]
        elif later := _later(number, axes):
            why = f"known is what was published by {releases.read_on()}: `nox -s update` shows what is newer"
            near = [(later, version) for version in later.before(number)[:3]]
            return replace(self._closest(place, what, near), why=why)
        meant = {text: (axis, version) for axis in axes for text, version in axis.candidates.items()}
        near = list(dict.fromkeys(meant[text] for text in closest(number, meant)))
        if not near:
            return Problem(place, what, f"known are {_spans(axes, 'and')}")
        return self._closest(place, what, near)

    def _closest(self, place: int, what: str, near: Sequence[tuple[Axis, str]]) -> Problem:
        """A problem with the versions that are near, the nearest first."""
        named: list[str] = []
        for at, (axis, version) in enumerate(near):
            again = at and near[at - 1][0] is axis
            named.append(version if again else f"{axis.name} {version}")
        said = f"the closest {'is' if len(near) == 1 else 'are'} {_listed(named, 'and')}"
        return Problem(place, what, said, self._instead(place, *near[0]))

    def _instead(self, place: int, axis: Axis, version: str) -> str:
        """The word with *version* in place of its number, named where the bare number would not be clear."""
        stem = self._words[place].stem
        clear = not self._named and sum(bool(other.matches(version)) for other in self._axes) == 1
        return f"{stem if stem or clear else axis.prefix}{version}"


def _keys(cell: Cell) -> dict[Kind, tuple[str, str]]:
    return {
        "python": ("", cell.python),
        "framework": ("", cell.framework),
        "plugin": (cell.plugin_distribution, cell.plugin),
    }


def _later(number: str, axes: Sequence[Axis]) -> Axis | None:
    """The axis of which *number* would be a new version; of several, where it is the smaller a leap.

    A first number of its own, as of a TensorFlow 3, is taken for a plugin's only where that is named.
    """
    found = [
        (-ahead[0], ahead[1], at)
        for at, axis in enumerate(axes)
        if (ahead := axis.newer(number)) and (ahead[0] or axis.kind == "framework" or len(axes) == 1)
    ]
    return axes[min(found)[-1]] if found else None


def _spans(axes: Iterable[Axis], word: str) -> str:
    """From which version to which each axis goes."""
    spans = [f"{axis.name} {axis.versions[0]} to {axis.versions[-1]}" for axis in axes if axis.versions]
    return _listed(spans, word)


def _listed(names: Sequence[str], word: str) -> str:
    """Names as a sentence has them: ``a, b or c``."""
    return f" {word} ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _name_notes(name: str, versions: Iterable[str], target: Target) -> Iterable[str]:
    """A sentence for each version whose binaries another distribution holds than *name*."""
    for version in versions:
        real = releases.distribution_of(version, target)
        if real == name:
            continue
        release = releases.published(name).get(version)
        if release is None:
            what = f"{name} {version} was never published"
        elif releases.has_binaries(release, target):
            yield f"{name} {version} is another build, by Apple: {real} {version} is what is explained here"
            continue
        elif release.wheels_for(target):
            what = f"{name} {version} is an empty wheel on {_MACS[target]}"
        else:
            what = f"{name} {version} has no wheel for {_MACS[target]}"
        yield f"{what}: {real} {version} holds the binaries, and is what is explained here"
