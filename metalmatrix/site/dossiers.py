"""What is known of thousands of cells, said once for all of which it is the same; pure.

A **dossier** is what is known of a cell: verdict, evidence in its order, what to type, and the **story** of
its plain install.  Dossiers share stories, and both share pieces of evidence.  Most cells share their dossier
but for the three versions they are made of, so those are `Axis` in a text where cells of different versions
share it, and are filled in again where one cell is told.  6,776 cells come to a hundred or two of dossiers
and a few dozen pieces of evidence: so the whole history stands on one page.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from metalmatrix.asking import install
from metalmatrix.asking.explanation import evidence_sentence, label
from metalmatrix.cells.cell import NO_PLUGIN
from metalmatrix.running.plan import NOTHING_TO_INSTALL
from metalmatrix.site.publication import may_be_handed_out
from metalmatrix.table.layout import short
from metalmatrix.table.show import NOT_RUN
from metalmatrix.text import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from metalmatrix.cells.cell import Cell
    from metalmatrix.reported.neighbours import Neighbour
    from metalmatrix.verdicts.evidence import Evidence, Kind, Outcome
    from metalmatrix.verdicts.report import CellReport

_T = TypeVar("_T")
_plain = lru_cache(4096)(plain)
"""Most texts come up many times."""
_MESSAGE, _SOURCE = 700, 200
_WORDS = re.compile(r"(?<![\w.])[\w.]*\w")
"""What a version can stand as by itself: it may end a sentence."""

_EXAMPLE_TAG = re.compile(r" \(e\.g\., `cp\d+`\)")
"""Which Python's tag the resolver gives as an example: the refusal is the same for each."""


class Axis(Enum):
    """A version that a text has in common with its cell."""

    PYTHON = "python"
    FRAMEWORK = "framework"
    PLUGIN = "plugin"

    def of(self, cell: Cell) -> str:
        """The cell's own."""
        return str(getattr(cell, self.value))


Text = tuple[str | Axis, ...]
"""A text in parts: what was written, and the versions to fill in."""


@dataclass(frozen=True)
class Piece:
    """One piece of evidence, as it is told.

    Attributes:
        kind: How it was had.
        sets: ``pinned``, ``plain``, ``pinned and plain``, or empty where the set does not matter.
        outcome: As it was observed.
        said: It in a sentence.
        date: As much of it as is known.
        source: A host, a file of the data, or an address.
        notes: What changes no verdict.
    """

    kind: Kind
    sets: str
    outcome: Outcome
    said: Text
    date: str
    source: Text
    notes: tuple[Text, ...] = ()


@dataclass(frozen=True)
class Story:
    """What became of a plain install, and what its pins hold back.

    Attributes:
        label: The plain set's verdict with its sign, and where it fails.
        pieces: The evidence about the plain set alone.
        holds: What the pins hold back.
    """

    label: str
    pieces: tuple[Piece, ...]
    holds: tuple[Text, ...]


@dataclass(frozen=True)
class Dossier:
    """What is known of cells that have it in common.

    Attributes:
        word: The verdict.
        label: It with its sign, and where it fails.
        plain_worse: Whether a plain install fares worse.
        said: What the verdict says.
        told: Whether a piece of the evidence says the same.
        pieces: The evidence about the pinned set, or both, in its order.
        story: What is known of the plain set alone; None where there is nothing.
        untested: Why no checks ran, where that is more than that nobody ran them.
        surprise: What was expected instead.
        install: The lines to type; empty where nothing is handed out.
    """

    word: str
    label: str
    plain_worse: bool
    said: Text
    told: bool = False
    pieces: tuple[Piece, ...] = ()
    story: Story | None = None
    untested: Text = ()
    surprise: Text = ()
    install: tuple[Text, ...] = ()


class Group(NamedTuple):
    """Pythons of one field of which the same is known; all but the Pythons are places in `Shared`."""

    pythons: tuple[str, ...]
    dossier: int
    floor: int
    near: int


@dataclass(frozen=True)
class Shared:
    """All cells, by field, and what they share.

    Attributes:
        fields: The groups of each framework and plugin, as a column is headed.
        dossiers: What is known of them.
        stories: What became of plain installs.
        observations: The evidence of dossiers and stories.
        holds: What pins hold back.
        places: The place of each story, piece and text of a dossier in the three above.
        floors: The macOS that cells need, and who asks for it; an empty version where none is known.
        near: Places of neighbours in `neighbours`, which are near the same cells.
        neighbours: The public reports near cells.
        cells: The cells that share each dossier.
    """

    fields: dict[tuple[str, str], tuple[Group, ...]]
    dossiers: tuple[Dossier, ...]
    stories: tuple[Story, ...]
    observations: tuple[Piece, ...]
    holds: tuple[Text, ...]
    places: Mapping[Story | Piece | Text, int]
    floors: tuple[tuple[str, Text], ...]
    near: tuple[tuple[int, ...], ...]
    neighbours: tuple[Neighbour, ...]
    cells: tuple[tuple[Cell, ...], ...]


class _Numbers(Generic[_T]):
    """Numbers for things as they come up, each distinct one once, with the cells they came up for."""

    def __init__(self) -> None:
        self.cells: dict[_T, list[Cell]] = {}
        self.numbers: dict[_T, int] = {}

    def __call__(self, thing: _T, *cells: Cell) -> int:
        self.cells.setdefault(thing, []).extend(cells)
        return self.numbers.setdefault(thing, len(self.numbers))

    def settled(self) -> tuple[_T, ...]:
        """All of them, by their numbers, the versions filled in that all cells of one have in common."""
        return tuple(_settled(thing, cells) for thing, cells in self.cells.items())


def shared(items: Iterable[CellReport]) -> Shared:
    """The cells of a publication, each distinct thing that is known of them once."""
    dossiers, floors = _Numbers[Dossier](), _Numbers[tuple[str, Text]]()
    near, neighbours = _Numbers[tuple[int, ...]](), _Numbers["Neighbour"]()
    groups: dict[tuple[str, str], dict[tuple[int, int, int], list[str]]] = {}
    for item in items:
        cell = item.cell
        told = () if item.verdict.word == "not-installable" else item.neighbours
        key = (
            dossiers(dossier(item), cell),
            floors((item.macos or "", in_parts(cell, item.macos_by, _SOURCE)), cell),
            near(tuple(neighbours(neighbour, cell) for neighbour in told), cell),
        )
        groups.setdefault((cell.framework, cell.plugin_name), {}).setdefault(key, []).append(cell.python)
    stories, observations, holds = _Numbers[Story](), _Numbers[Piece](), _Numbers[Text]()
    for made, cells in dossiers.cells.items():
        if made.story:
            stories(made.story, *cells)
        for piece in (*made.pieces, *(made.story.pieces if made.story else ())):
            observations(piece, *cells)
        for hold in made.story.holds if made.story else ():
            holds(hold, *cells)
    numbered: tuple[Mapping[Any, int], ...] = (stories.numbers, observations.numbers, holds.numbers)
    return Shared(
        {at: tuple(Group(tuple(p), *key) for key, p in found.items()) for at, found in groups.items()},
        dossiers.settled(),
        stories.settled(),
        observations.settled(),
        holds.settled(),
        {thing: number for numbers in numbered for thing, number in numbers.items()},
        floors.settled(),
        near.settled(),
        neighbours.settled(),
        tuple(map(tuple, dossiers.cells.values())),
    )


def dossier(item: CellReport) -> Dossier:
    """What is known of one cell.

    Of what cannot be installed the refusal is all there is to say: that nobody has linked or run it follows.
    A plain install has a story where it fares otherwise, or pins that are handed out hold something back.
    """
    cell, verdict, expect = item.cell, item.verdict, item.expect
    surprise = f"expected {expect.verdict}: {expect.note}" if expect and item.surprise else ""
    if verdict.word == "not-installable":
        surprised = in_parts(cell, surprise)
        return Dossier(
            verdict.word, label(verdict), plain_worse=False, said=refusal(item), surprise=surprised
        )
    known = any(verdict.message == e.message for e in item.evidence if e.set != "plain")
    found = tuple(pieces(item))
    alone = tuple(piece for piece in found if piece.sets == "plain")
    good = may_be_handed_out(item)
    holds = tuple(in_parts(cell, text) for text in item.holds) if good else ()
    alike = (item.plain.word, item.plain.stage) == (verdict.word, verdict.stage)
    lines = install.from_nothing(cell, item.pinned_lock) if good else ()
    return Dossier(
        verdict.word,
        label(verdict),
        item.plain_is_worse,
        in_parts(cell, verdict.message),
        known,
        tuple(piece for piece in found if piece.sets != "plain"),
        Story(label(item.plain), alone, holds) if holds or (alone and not alike) else None,
        in_parts(cell, "" if item.untested in {NOT_RUN, NOTHING_TO_INSTALL} else item.untested),
        in_parts(cell, surprise),
        tuple(in_parts(cell, line) for line in lines),
    )


def refusal(item: CellReport) -> Text:
    """Why a cell cannot be installed, in the first statement of the resolver's sentence."""
    return in_parts(item.cell, short(_EXAMPLE_TAG.sub("", plain(item.verdict.message, 4 * _MESSAGE))))


def pieces(item: CellReport) -> Iterator[Piece]:
    """The evidence in its order, what is the same of both sets once."""
    sets: dict[Evidence, list[str]] = {}
    for evidence in item.evidence:
        sets.setdefault(replace(evidence, set=""), []).append(evidence.set)
    for evidence, about in sets.items():
        yield Piece(
            evidence.kind,
            " and ".join(sorted(filter(None, about))),
            evidence.outcome,
            in_parts(item.cell, evidence_sentence(evidence, cell=item.cell)),
            plain(evidence.date, 20),
            in_parts(item.cell, evidence.source, _SOURCE),
            tuple(in_parts(item.cell, note) for note in evidence.notes),
        )


def in_parts(cell: Cell, text: str, limit: int = _MESSAGE) -> Text:
    """A text with the cell's own versions taken out, each where it stands by itself."""
    own = {cell.framework: Axis.FRAMEWORK, cell.python: Axis.PYTHON}
    if cell.plugin != NO_PLUGIN:
        own.setdefault(cell.plugin, Axis.PLUGIN)
    text = _plain(text, limit)
    if not any(version in text for version in own):
        return (text,) if text else ()
    found: list[str | Axis] = []
    start = 0
    for word in _WORDS.finditer(text):
        if axis := own.get(word[0]):
            found += [text[start : word.start()], axis]
            start = word.end()
    return tuple(part for part in (*found, text[start:]) if part)


def filled(text: Text, cell: Cell) -> str:
    """A text with the versions of one cell."""
    return "".join(part.of(cell) if isinstance(part, Axis) else part for part in text)


def _settled(thing: _T, cells: list[Cell]) -> _T:
    """A thing with the versions filled in that all of its cells have in common, but for what it shares."""
    values = {axis: {axis.of(cell) for cell in cells} for axis in Axis}
    known = {axis: found.pop() for axis, found in values.items() if len(found) == 1}

    def settle(part: Any) -> Any:  # noqa: ANN401 - whatever a dossier is made of
        if isinstance(part, Axis):
            return known.get(part, part)
        if not isinstance(part, tuple):
            return part
        return part if any(isinstance(inner, Piece) for inner in part) else tuple(map(settle, part))

    settled: _T
    if isinstance(thing, Dossier | Piece):
        settled = replace(thing, **{f.name: settle(getattr(thing, f.name)) for f in fields(thing)})
    else:
        settled = thing if isinstance(thing, Story) else settle(thing)
    return settled
