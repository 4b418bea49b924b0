"""The diagnoses: what is said of each finding, what mends it, and the messages it is recognised by, as data.

``data/diagnoses.json`` has an entry for each, in the order in which they are to be fixed; JSON, since
Python 3.8 reads no TOML.  A message is a pattern of literal fragments: an item is a list of fragments that
follow one another on one line; all items of ``all``, at least one of ``any`` and none of ``none`` must be in
the text.  That cannot backtrack: each item is one walk over the text (`find`), however hostile.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from metalmatrix.doctor.finding import Finding, finding
from metalmatrix.errors import MatrixError
from metalmatrix.files import PACKAGE, read_data

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DATA = PACKAGE / "data" / "diagnoses.json"
SCHEMA = 1
_HINT = "take the file from the repository"

_LINES = 50_000
"""Lines that begin like an item and end otherwise, of one text; nobody's traceback has as many."""

_TOKEN = re.compile(r"[A-Za-z0-9_.$@/+~-]{1,200}")
_BEFORE, _AFTER = 120, 400


@dataclass(frozen=True)
class Message:
    """A pattern.

    Attributes:
        all: Items that must be in the text.
        any: Of these, at least one; of none, no matter.
        none: Items that must not be in it.
        capture: Names of the words that stand right behind a fragment.
        when: A specifier (PEP 440) for a captured version.
        source: Where such a message was published, or what produced it.
        example: A text that it recognises.
        near: A text that is nearly one, and is something else.
    """

    all: tuple[tuple[str, ...], ...]
    source: str
    example: str
    near: str
    any: tuple[tuple[str, ...], ...] = ()
    none: tuple[tuple[str, ...], ...] = ()
    capture: dict[str, str] = field(default_factory=dict)
    when: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Rule:
    """A diagnosis.

    Attributes:
        id: Its name.
        layer: What it is about: a key of `Rules.layers`.
        what: What is wrong, in a sentence.
        why: Why that is so, in a sentence.
        source: Where that is known from.
        fix: The commands that mend it, with the placeholders of `remedy`.
        fix_text: Those where there is only a text, where they are others.
        python: ``here`` where the pins are for this Python, ``any`` where another may be needed, ``plugin``
            where it must be one that has a plugin.
        below: Pins must hold a framework of a lower version.
        leave: Whether the framework that is there is a part of what is wrong.
        messages: The patterns it is recognised by.
    """

    id: str
    layer: str
    what: str
    why: str
    source: str
    fix: tuple[str, ...]
    fix_text: tuple[str, ...] = ()
    python: str = "here"
    below: str = ""
    leave: bool = False
    messages: tuple[Message, ...] = ()


@dataclass(frozen=True)
class Rules:
    """All of them.

    Attributes:
        layers: Why each layer comes before the next, by its name, in order.
        rules: By id, in the order in which they are to be fixed.
    """

    layers: dict[str, str]
    rules: dict[str, Rule]


@lru_cache(maxsize=None)
def load_rules() -> Rules:
    """The rules of the data file.

    Raises:
        MatrixError: It is missing or damaged.
    """
    return parse(read_data(DATA, _HINT))


def parse(text: str) -> Rules:
    """The rules in *text*, the content of the data file.

    Raises:
        MatrixError: It is no such file, or has another schema.
    """
    try:
        data = json.loads(text)
        schema = data["schema"]
        rules = [_rule(entry) for entry in data["diagnoses"]]
        layers = dict(data["layers"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise MatrixError(f"{DATA.name} is damaged ({type(error).__name__}: {error})", _HINT) from error
    if schema != SCHEMA:
        raise MatrixError(f"{DATA.name} has schema {schema!r}, and this metalmatrix reads {SCHEMA}", _HINT)
    order = list(layers)
    rules.sort(key=lambda rule: order.index(rule.layer))
    return Rules(layers, {rule.id: rule for rule in rules})


def _rule(entry: dict[str, Any]) -> Rule:
    lists = {name: tuple(entry.get(name, ())) for name in ("fix", "fix_text")}
    messages = tuple(_message(message) for message in entry.get("messages", ()))
    return Rule(**{**entry, **lists, "messages": messages})


def _message(entry: dict[str, Any]) -> Message:
    items: dict[str, tuple[tuple[str, ...], ...]] = {
        name: tuple(tuple(item) for item in entry[name]) for name in ("all", "any", "none") if name in entry
    }
    texts = {name: "\n".join(entry[name]) for name in ("example", "near")}
    return Message(**{**entry, **items, **texts})


@dataclass(frozen=True)
class Match:
    """Where a message is in a text.

    Attributes:
        quotes: The lines that it was recognised by.
        words: What was captured, by name.
    """

    quotes: tuple[str, ...]
    words: dict[str, str]


def match(message: Message, text: str, satisfies: Callable[[str, str], bool | None]) -> Match | None:
    """Whether *message* is in *text*, and where.

    Args:
        message: The pattern.
        text: Without terminal escapes; lines end with a newline.
        satisfies: Whether a version is within a specifier.
    """
    if any(find(text, item) >= 0 for item in message.none):
        return None
    places = [find(text, item) for item in message.all]
    if min(places) < 0:
        return None
    some = [place for place in (find(text, item) for item in message.any) if place >= 0]
    if message.any and not some:
        return None
    words = {name: _word(text, fragment) for name, fragment in message.capture.items()}
    if not all(satisfies(words.get(name, ""), specifier) for name, specifier in message.when.items()):
        return None
    return Match(tuple(_quote(text, place) for place in places), words)


def find(text: str, item: Sequence[str]) -> int:
    """Where the fragments of *item* follow one another on one line; -1 where they do not.

    The leftmost way is tried on each line: where that fails, so does every other (no fragment is optional).
    """
    start = 0
    for _ in range(_LINES):
        begin = text.find(item[0], start)
        if begin < 0:
            return -1
        at = begin + len(item[0])
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        for fragment in item[1:]:
            at = text.find(fragment, at, end)
            if at < 0:
                break
            at += len(fragment)
        else:
            return begin
        start = end
    return -1


def _word(text: str, fragment: str) -> str:
    """The word behind the first *fragment* of the text; empty where there is none."""
    place = text.find(fragment)
    found = _TOKEN.match(text, place + len(fragment)) if place >= 0 else None
    return found[0].rstrip(".,") if found else ""


def _quote(text: str, place: int) -> str:
    """The part of a line around *place*."""
    place += text.startswith("\n", place)
    first = max(0, place - _BEFORE)
    begin = text.rfind("\n", first, place) + 1
    if not begin:  # the line is longer: from the next word on
        begin = text.find(" ", first, place) + 1 or first
    end = text.find("\n", place, place + _AFTER)
    return text[begin : end if end >= 0 else place + _AFTER].strip()


def recognised(
    rules: Rules, text: str, satisfies: Callable[[str, str], bool | None]
) -> list[tuple[Finding, dict[str, str]]]:
    """The diagnoses whose messages are in *text*, each with the words that were captured."""
    found = []
    for rule in rules.rules.values():
        for message in rule.messages:
            matched = match(message, text, satisfies)
            if matched:
                saw = [f"the text says: {quote}" for quote in matched.quotes]
                found.append((finding(rule.id, saw), matched.words))
                break
    return found
