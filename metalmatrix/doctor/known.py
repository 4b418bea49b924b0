"""What the table knows, as little as the doctor needs of it, read with the standard library alone.

``data/doctor.jsonl`` is made by `known_write` and has: the day, the repairs, each framework and plugin
with its Pythons, the line that dyld prints for each pair that does not load, what TensorFlow says of each
that it refuses then, what is reported of a pair, and each set that may be handed out, the best first.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from metalmatrix.errors import MatrixError
from metalmatrix.files import PACKAGE, read_data

if TYPE_CHECKING:
    from collections.abc import Iterable

DATA = PACKAGE / "data" / "doctor.jsonl"
SCHEMA = 1
REGENERATE = "python3 -m metalmatrix doctor --write"
_HINT = f"to make it anew: {REGENERATE}"


@dataclass(frozen=True)
class Bound:
    """A repair: a bound without which these frameworks break; the fields are those of ``repairs.toml``."""

    bound: str
    frameworks: str
    python: str
    check: str
    why: str
    since: str
    upload: str


@dataclass(frozen=True)
class Release:
    """A framework or a plugin.

    Attributes:
        version: In PEP 440's normal form.
        distribution: The name that holds its binaries.
        pythons: The minor versions it has a wheel for Apple silicon for, ascending.
        macos: The macOS that its wheels ask for, by tag or by what they were built for.
    """

    version: str
    distribution: str
    pythons: tuple[str, ...]
    macos: str


@dataclass(frozen=True)
class Pins:
    """A set that may be handed out.

    Attributes:
        cell: The id of its cell.
        verdict: ``works`` or ``likely``.
        known: How well: ``proven``, ``reported`` or ``predicted``.
        macos: The macOS that it needs.
        requirements: Framework, plugin and bounds, as PEP 508 writes them.
    """

    cell: str
    verdict: str
    known: str
    macos: str
    requirements: tuple[str, ...]

    @property
    def python(self) -> str:
        """The minor version of Python."""
        return self.cell[2:].partition("-")[0]

    @property
    def framework(self) -> str:
        """The framework's version."""
        return self.cell.partition("-tf")[2].partition("-")[0]

    @property
    def has_plugin(self) -> bool:
        """Whether a plugin is among them."""
        return not self.cell.endswith("-nometal")

    @property
    def command(self) -> str:
        """What prints the whole set with hashes."""
        return f"nox -s pins -- {self.cell}"


@dataclass(frozen=True)
class Told:
    """What a public report says of a pair, as the table has it."""

    framework: str
    plugin: str
    stage: str
    message: str
    source: str


@dataclass(frozen=True)
class Known:
    """All of it.

    Attributes:
        links: The line that dyld prints by framework and plugin version; empty where it loads the plugin.
        refused: What TensorFlow says of a plugin that dyld loads and it does not take, by the same pairs.
        pins: In the order in which they are to be recommended.
    """

    as_of: str = ""
    bounds: tuple[Bound, ...] = ()
    frameworks: tuple[Release, ...] = ()
    plugins: tuple[Release, ...] = ()
    links: dict[tuple[str, str], str] = field(default_factory=dict)
    refused: dict[tuple[str, str], str] = field(default_factory=dict)
    told: tuple[Told, ...] = ()
    pins: tuple[Pins, ...] = ()

    def framework(self, version: str) -> Release | None:
        """The framework of that version."""
        return next((item for item in self.frameworks if item.version == version), None)

    def plugin(self, version: str) -> Release | None:
        """The release of ``tensorflow-metal`` of that version."""
        return next((item for item in self.plugins if item.version == version), None)

    def pythons(self, releases: Iterable[Release]) -> tuple[str, ...]:
        """The Pythons that any of *releases* has a wheel for, ascending."""
        found = {python for release in releases for python in release.pythons}
        return tuple(sorted(found, key=numbers))

    def choose(
        self, python: str = "", macos: str = "", framework: str = "", below: str = "", *, plugin: bool = True
    ) -> Pins | None:
        """The set to recommend.

        Args:
            python: The minor version; any if empty.
            macos: What the Mac runs; any if empty.
            framework: This release before any other, where there is a set with it.
            below: Only frameworks of a lower version.
            plugin: Whether a set without a plugin is the last resort.
        """
        found = [
            item
            for item in self.pins
            if (not python or item.python == python)
            and (not macos or numbers(item.macos) <= numbers(macos))
            and (not below or numbers(item.framework) < numbers(below))
            and (item.has_plugin or not plugin)
        ]
        if not found and plugin:
            return self.choose(python, macos, framework, below, plugin=False)
        return next((item for item in found if item.framework == framework), found[0] if found else None)

    def printing(self, symbol: str, python: str = "") -> list[tuple[str, str]]:
        """The pairs, framework and plugin, of which dyld's line names *symbol* or library.

        With a minor version of Python only those that both have a wheel for it.
        """
        quoted = (f": {symbol}", f"'{symbol}'")
        return self.installable((pair for pair, line in self.links.items() if line.endswith(quoted)), python)

    def installable(self, pairs: Iterable[tuple[str, str]], python: str = "") -> list[tuple[str, str]]:
        """Those of *pairs* that both have a wheel for a minor version of Python; all where it is empty."""
        pythons = {
            release.version: release.pythons for kind in (self.frameworks, self.plugins) for release in kind
        }
        return [pair for pair in pairs if not python or all(python in pythons[name] for name in pair)]


def numbers(version: str) -> tuple[int, ...]:
    """What orders plain versions, two numbers at least: ``(3, 11)``, and ``(13, 0)`` for ``13``."""
    found = tuple(int(part) for part in version.split(".") if part.isdigit())
    return found + (0,) * (2 - len(found))


def is_final(version: str) -> bool:
    """Whether it is no pre-release."""
    return version.replace(".", "").isdigit()


@lru_cache(maxsize=None)
def load_known() -> Known:
    """What the data knows.

    Raises:
        MatrixError: The data file is missing or damaged.
    """
    return parse(read_data(DATA, _HINT))


def parse(text: str) -> Known:
    """What *text*, the content of the data file, has.

    Raises:
        MatrixError: It is no such file, or has another schema.
    """
    try:
        header, *lines = (json.loads(line) for line in text.splitlines())
        schema = header["schema"]
        if schema == SCHEMA:
            return _parsed(header["as_of"], lines)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        problem = f"{DATA.name} is damaged ({type(error).__name__}: {error})"
        raise MatrixError(problem, _HINT) from error
    raise MatrixError(f"{DATA.name} has schema {schema!r}, and this metalmatrix reads {SCHEMA}", _HINT)


def _parsed(as_of: str, lines: Iterable[dict[str, Any]]) -> Known:
    found: dict[str, list[Any]] = {"bound": [], "framework": [], "plugin": [], "told": [], "pins": []}
    said: dict[str, dict[tuple[str, str], str]] = {"links": {}, "refused": {}}
    for line in lines:
        ((kind, entry),) = line.items()
        if kind in said:
            for plugin, frameworks in entry["pairs"].items():
                said[kind].update({(framework, plugin): entry["line"] for framework in frameworks})
            continue
        entry = {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}
        made = {"bound": Bound, "told": Told, "pins": Pins}.get(kind, Release)(**entry)
        found[kind].append(made)
    return Known(
        as_of,
        tuple(found["bound"]),
        tuple(found["framework"]),
        tuple(found["plugin"]),
        said["links"],
        said["refused"],
        tuple(found["told"]),
        tuple(found["pins"]),
    )
