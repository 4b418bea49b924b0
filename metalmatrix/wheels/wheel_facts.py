"""What is known for ever of each published wheel with binaries: enough to link any pair of them offline.

``data/wheels.jsonl`` is a header, then a line a symbol that some plugin takes from TensorFlow, then a line
a wheel.  The symbols are numbered in the order in which they were first met (plugins by version, binds in
bind order), so that a new plugin only adds lines.  A plugin's line has its binds in bind order, a
framework's which of the symbols each of its libraries exports, both by these numbers: ``0-3 7``.  A library
answers for the first ``asked`` symbols; of those that were met later nothing is known in it.

Pure: text in, facts out.  `wheels.wheel_update` reads the wheels.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from packaging.utils import parse_wheel_filename
from packaging.version import Version

from metalmatrix.errors import MatrixError
from metalmatrix.files import PACKAGE, read_data
from metalmatrix.published import releases
from metalmatrix.published.targets import ARM64, X86_64, Target, is_for
from metalmatrix.spans import dump_runs, parse_runs
from metalmatrix.wheels.macho import Dependency, Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

DATA = PACKAGE / "data" / "wheels.jsonl"
SCHEMA = 1
_HINT = f"to make it anew: {releases.REGENERATE}"
_PLAIN = ("distribution", "version", "file", "sha256", "size")
_KINDS: tuple[Kind, ...] = ("weak", "reexport", "upward", "lazy")


@dataclass(frozen=True)
class Symbol:
    """A symbol that some plugin takes from TensorFlow.

    Attributes:
        name: As the linker has it, the leading underscore included.
        demangled: As a C++ programmer writes it; empty for C.
    """

    name: str
    demangled: str = ""


@dataclass(frozen=True)
class Bind:
    """What a plugin takes: a symbol, of the dependency of that number (-2: any), and whether it may miss."""

    symbol: Symbol
    ordinal: int
    weak: bool = False


@dataclass(frozen=True)
class Library:
    """A library in a wheel.

    Attributes:
        path: Where it is installed, below site-packages.
        sha256: Of the file itself.
        install_name: ``LC_ID_DYLIB``.
        uuid: ``LC_UUID``, as dyld prints it.
        minimum_macos: By its load commands, ``12.0``.
        dependencies: In order.  Of a framework's library the system's are left out: no bind counts them.
        rpaths: In order.  Of a framework's library only those that lead to a folder of its wheel.
        binds: What a plugin takes from outside the system, in bind order; each once.
        exports: Names of symbols of the data that it exports, what it passes on included.
        asked: Names that `exports` answers for.
        passes_on: How many of the exports are another library's.
        hidden: Whether flat look-ups pass it over: Python loads it ``RTLD_LOCAL``.
    """

    path: str
    sha256: str
    install_name: str
    uuid: str
    minimum_macos: str
    dependencies: tuple[Dependency, ...]
    rpaths: tuple[str, ...]
    binds: tuple[Bind, ...] = ()
    exports: frozenset[str] = frozenset()
    asked: frozenset[str] = frozenset()
    passes_on: int = 0
    hidden: bool = False


@dataclass(frozen=True)
class WheelFacts:
    """One wheel.

    Attributes:
        requires: Its ``Requires-Dist`` lines.
        libraries: A plugin's libraries, by path; or the framework's in the order in which they are
            loaded, the one that Python loads first.
    """

    distribution: str
    version: str
    file: str
    sha256: str
    size: int
    requires: tuple[str, ...]
    libraries: tuple[Library, ...]

    @property
    def sort_key(self) -> tuple[str, Version, str]:
        """The order of the data file: by name, version and file name."""
        return self.distribution, Version(self.version), self.file

    @cached_property
    def tags(self) -> tuple[str, ...]:
        """The tags of its file name."""
        return tuple(sorted(str(tag) for tag in parse_wheel_filename(self.file)[3]))

    @cached_property
    def target(self) -> Target:
        """The kind of Macs that it was read for."""
        return ARM64 if any(is_for(tag.split("-")[2], ARM64) for tag in self.tags) else X86_64

    def fits(self, python: str, target: Target = ARM64) -> bool:
        """Whether it installs under the minor version *python*, ``3.11``, on Macs of that kind."""
        wanted = {"cp" + python.replace(".", ""), "py3"}
        return self.target == target and any(tag.split("-")[0] in wanted for tag in self.tags)

    @cached_property
    def flat_exports(self) -> frozenset[str]:
        """The names that a flat look-up finds once its libraries are loaded."""
        return frozenset[str]().union(*(library.exports for library in self.libraries if not library.hidden))

    @cached_property
    def macos_by_tag(self) -> str:
        """The lowest macOS that its tags admit."""
        platforms = [tag.split("-")[2].split("_") for tag in self.tags]
        versions = [(int(part[1]), int(part[2])) for part in platforms if part[0] == "macosx"]
        return ".".join(map(str, min(versions))) if versions else ""

    @cached_property
    def macos_by_binary(self) -> str:
        """The lowest macOS that all its libraries were built for."""
        found = [library.minimum_macos for library in self.libraries if library.minimum_macos]
        return max(found, key=Version, default="")

    @cached_property
    def minimum_macos(self) -> str:
        """The higher of both: pip goes by the tags, and dyld warns by the libraries."""
        return max(filter(None, (self.macos_by_tag, self.macos_by_binary)), key=Version, default="")


@dataclass(frozen=True)
class Facts:
    """All that the data knows.

    Attributes:
        symbols: In the order of their numbers.
        wheels: In the order of the data file.
    """

    symbols: tuple[Symbol, ...] = ()
    wheels: tuple[WheelFacts, ...] = ()

    @cached_property
    def by_sha256(self) -> dict[str, WheelFacts]:
        """The wheels by their digest."""
        return {wheel.sha256: wheel for wheel in self.wheels}

    @cached_property
    def _by_release(self) -> dict[tuple[str, str], list[WheelFacts]]:
        found: dict[tuple[str, str], list[WheelFacts]] = {}
        for wheel in self.wheels:
            found.setdefault((wheel.distribution, wheel.version), []).append(wheel)
        return found

    def wheel(
        self, distribution: str, version: str, python: str, target: Target = ARM64
    ) -> WheelFacts | None:
        """The wheel of a release for the minor version *python*; None where none is known."""
        found = self._by_release.get((distribution, version), ())
        return next((wheel for wheel in found if wheel.fits(python, target)), None)

    def framework(self, version: str, python: str, target: Target = ARM64) -> WheelFacts | None:
        """The same of a framework, by the name that holds its binaries."""
        return self.wheel(releases.distribution_of(version, target), version, python, target)

    @cached_property
    def _frameworks(self) -> dict[tuple[str, Target], list[WheelFacts]]:
        return {}

    def frameworks(self, python: str, target: Target = ARM64) -> list[WheelFacts]:
        """One wheel of each framework release by ascending version: for *python*, or the first it has."""
        if (python, target) not in self._frameworks:
            known = (
                [wheel for wheel in wheels if wheel.target == target]
                for (distribution, _), wheels in self._by_release.items()
                if distribution in releases.FRAMEWORKS
            )
            found = [
                next((wheel for wheel in wheels if wheel.fits(python, target)), wheels[0])
                for wheels in known
                if wheels
            ]
            self._frameworks[python, target] = sorted(found, key=lambda wheel: Version(wheel.version))
        return self._frameworks[python, target]


@cache
def load_facts() -> Facts:
    """What the data knows.

    Raises:
        MatrixError: The data file is missing or damaged.
    """
    return parse_facts(read_data(DATA, _HINT))


def parse_facts(text: str) -> Facts:
    """The facts in *text*, the content of the data file.

    Raises:
        MatrixError: It is no such file, or has another schema.
    """
    symbols: list[Symbol] = []
    wheels: list[WheelFacts] = []
    for number, line in enumerate(text.splitlines() or [""], start=1):
        try:
            entry = json.loads(line)
            if number == 1:
                schema = entry["schema"]
            elif "symbol" in entry:
                symbols.append(_symbol(entry, len(symbols)))
            else:
                wheels.append(from_json(entry, symbols))
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            problem = f"line {number} of {DATA.name} is damaged ({type(error).__name__}: {error})"
            raise MatrixError(problem, _HINT) from error
        if schema != SCHEMA:
            raise MatrixError(
                f"{DATA.name} has schema {schema!r}, and this metalmatrix reads {SCHEMA}", _HINT
            )
    return Facts(tuple(symbols), tuple(wheels))


def _symbol(entry: dict[str, Any], number: int) -> Symbol:
    if entry["symbol"] != number:
        raise ValueError("symbols are not numbered in order")
    return Symbol(entry["name"], entry.get("demangled", ""))


def dump_facts(facts: Facts) -> str:
    """The text of the data file."""
    header = {"regenerate": releases.REGENERATE, "schema": SCHEMA}
    symbols = [
        {"symbol": number, "name": symbol.name}
        | ({"demangled": symbol.demangled} if symbol.demangled else {})
        for number, symbol in enumerate(facts.symbols)
    ]
    wheels = sorted(facts.wheels, key=lambda wheel: wheel.sort_key)
    entries = [header, *symbols, *(to_json(wheel, facts.symbols) for wheel in wheels)]
    return "".join(json.dumps(entry) + "\n" for entry in entries)


def to_json(wheel: WheelFacts, symbols: Sequence[Symbol]) -> dict[str, Any]:
    """A line of the data file, as plain data."""
    numbers = {symbol.name: number for number, symbol in enumerate(symbols)}
    return {name: getattr(wheel, name) for name in _PLAIN} | {
        "requires": list(wheel.requires),
        "libraries": [_library_to_json(library, numbers) for library in wheel.libraries],
    }


def _library_to_json(library: Library, numbers: dict[str, int]) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "path": library.path,
        "sha256": library.sha256,
        "install_name": library.install_name,
        "uuid": library.uuid,
        "macos": library.minimum_macos,
        "needs": [f"{d.kind} {d.name}" if d.kind != "load" else d.name for d in library.dependencies],
        "rpaths": list(library.rpaths),
    }
    if library.binds:
        entry["binds"] = [
            [numbers[bind.symbol.name], bind.ordinal, *([1] if bind.weak else [])] for bind in library.binds
        ]
    if library.asked:
        entry["exports"] = dump_runs(numbers[name] for name in library.exports)
        entry["asked"] = len(library.asked)
        entry["passes_on"] = library.passes_on
    if library.hidden:
        entry["hidden"] = True
    return entry


def from_json(entry: dict[str, Any], symbols: Sequence[Symbol]) -> WheelFacts:
    """The wheel that `to_json` wrote.

    Raises:
        ValueError, KeyError, TypeError, IndexError: The entry is damaged.
    """
    listed = tuple(symbols)
    libraries = []
    for found in entry["libraries"]:
        asked = found.get("asked", 0)
        binds = (Bind(listed[at], ordinal, bool(weak)) for at, ordinal, *weak in found.get("binds", ()))
        numbers = parse_runs(found.get("exports", ""))
        if asked > len(listed) or (numbers and max(numbers) >= asked):
            raise ValueError("a library answers for symbols that are not listed")
        libraries.append(
            Library(
                found["path"],
                found["sha256"],
                found["install_name"],
                found["uuid"],
                found["macos"],
                tuple(_dependency(text) for text in found["needs"]),
                tuple(found["rpaths"]),
                tuple(binds),
                frozenset(listed[number].name for number in numbers),
                _first(listed, asked),
                found.get("passes_on", 0),
                found.get("hidden", False),
            )
        )
    plain = {name: entry[name] for name in _PLAIN}
    return WheelFacts(**plain, requires=tuple(entry["requires"]), libraries=tuple(libraries))


@lru_cache(maxsize=8)
def _first(symbols: tuple[Symbol, ...], count: int) -> frozenset[str]:
    return frozenset(symbol.name for symbol in symbols[:count])


def _dependency(text: str) -> Dependency:
    kind, _, name = text.partition(" ")
    for known in _KINDS:
        if kind == known and name:
            return Dependency(name, known)
    return Dependency(text, "load")
