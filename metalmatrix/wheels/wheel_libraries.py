"""From an open wheel to the facts about its libraries: which members to read, and what to ask of each.

Of a framework these are ``_pywrap_tensorflow_internal.so``, which Python loads, and every library of the
wheel that it is linked against, directly or not.  A library whose content is known from another wheel (by
the sha256 of ``RECORD``) is not read again: until 2.20, the wheels of a release share all but the first.
Of LiteRT it is what ``interpreter.py`` imports of its own package, as its source says, parsed and not run.

A flat look-up could also find a symbol in the few libraries that other modules bring along
(``lib_native_proto_caster.dylib``, TensorFlow Lite's).  None of those of 2.12.0, 2.18.0, 2.19.1, 2.20.0 and
2.22.0rc0 has one that the libraries read here do not have (looked at in November 2026).
"""

from __future__ import annotations

import ast
import posixpath
import tempfile
from contextlib import ExitStack
from email.parser import HeaderParser
from pathlib import Path
from typing import TYPE_CHECKING

from metalmatrix.published import releases
from metalmatrix.published.targets import ARM64, X86_64, Target
from metalmatrix.wheels.binds import FLAT, MAIN, read_binds
from metalmatrix.wheels.macho import MachO, MachOError
from metalmatrix.wheels.ranged import WheelError
from metalmatrix.wheels.wheel_facts import Bind, Library, Symbol, WheelFacts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from metalmatrix.wheels.binds import Bind as Taken
    from metalmatrix.wheels.wheel_reader import Wheel

PLUGINS = "tensorflow-plugins/"
"""Every library below it is opened by ``import tensorflow``."""

FIRST = "tensorflow/python/_pywrap_tensorflow_internal.so"
"""What Python loads, and through it every other library of TensorFlow."""

LITERT = "ai_edge_litert"
INTERPRETER = f"{LITERT}/interpreter.py"
"""What a user of LiteRT imports."""

MAX_SOURCE = 2**20
"""Bytes of it; that of 2.3.0 has 42,408."""

MAX_LIBRARIES = 40


class NoPluginError(WheelError):
    """A wheel of a plugin has nothing that TensorFlow would open."""


Item = tuple[releases.Release, releases.Wheel]
"""A release, and one of its wheels as the index lists it."""

_SYSTEM = ("/usr/lib/", "/System/Library/")
_MAX_DEPTH = 8


def read_wheel(
    wheel: Wheel, item: Item, symbols: list[Symbol], known: Mapping[str, WheelFacts], scratch: Path
) -> WheelFacts:
    """The facts of an open wheel.

    Args:
        wheel: The wheel.
        item: The release it is of, and its entry there.
        symbols: What plugins are known to take; what a plugin takes beyond that is added.
        known: Wheels that are known, by the sha256 of each of their libraries.
        scratch: A folder on a disk, for libraries of up to 750 MB while they are looked at.

    Raises:
        NoPluginError: It is a plugin's, and installs none.
        WheelError, MachOError: It is not what it is said to be.
        ToolMissingError: LIEF is not installed, and it is a plugin.
        IndexUnreachableError: The connection broke.
    """
    release, listed = item
    target = X86_64 if listed in release.intel else ARM64
    metadata = HeaderParser().parsestr(wheel.metadata("METADATA"))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=scratch)))
        if release.distribution in releases.FRAMEWORKS:
            libraries = _Framework(wheel, folder, stack, symbols, known, target).libraries((FIRST,))
        elif release.distribution in releases.LITERT:
            firsts = imported(wheel)
            more = brought_along(wheel) if firsts else ()
            libraries = _Framework(wheel, folder, stack, (), known, target).libraries(firsts, more)
        else:
            libraries = _plugins(wheel, folder, symbols, target)
    return WheelFacts(
        release.distribution,
        release.version,
        listed.file,
        listed.sha256,
        listed.size,
        tuple(" ".join(line.split()) for line in metadata.get_all("Requires-Dist", [])),
        tuple(libraries),
    )


def _unpacked(wheel: Wheel, name: str, folder: Path) -> Path:
    path = folder / wheel.same(name).sha256
    with path.open("wb") as file:
        wheel.extract(name, file)
    return path


def imported(wheel: Wheel) -> tuple[str, ...]:
    """The compiled modules of its own package that LiteRT's interpreter imports, as paths in the wheel.

    None where it imports one that the wheel does not have.

    Raises:
        WheelError: There is no interpreter, or it is no Python.
    """
    if INTERPRETER not in wheel.names:
        raise WheelError(f"the wheel has no {INTERPRETER}")
    try:
        tree = ast.parse(wheel.text(INTERPRETER, MAX_SOURCE))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise WheelError(f"{INTERPRETER} cannot be parsed ({type(error).__name__})") from error
    wanted = {
        f"{LITERT}/{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == LITERT and not node.level
        for alias in node.names
    }
    found = {name: name.partition(".")[0] for name in sorted(wheel.names) if name.endswith((".so", ".py"))}
    if not wanted <= {*found.values(), *map(posixpath.dirname, found)}:
        return ()
    return tuple(name for name, module in found.items() if module in wanted and name.endswith(".so"))


def brought_along(wheel: Wheel) -> tuple[str, ...]:
    """The other libraries beside the interpreter, for whoever loads them: a GPU's accelerator is one."""
    return tuple(
        name
        for name in sorted(wheel.names)
        if posixpath.dirname(name) == LITERT
        and posixpath.basename(name).startswith("lib")
        and name.endswith((".so", ".dylib"))
    )


def _plugins(wheel: Wheel, folder: Path, symbols: list[Symbol], target: Target) -> list[Library]:
    """The libraries that TensorFlow opens, with what they take from outside the system."""
    names = sorted(
        name
        for name in wheel.names
        if name.startswith(PLUGINS) and name.count("/") == 1 and name.endswith((".dylib", ".so"))
    )
    if not names:
        raise NoPluginError(f"the wheel installs no library into {PLUGINS}: it is no plugin")
    if len(names) > MAX_LIBRARIES:
        raise WheelError(f"the wheel has more than {MAX_LIBRARIES} libraries in {PLUGINS}")
    listed = {symbol.name: symbol for symbol in symbols}
    found = []
    for name in names:
        path = _unpacked(wheel, name, folder)
        with MachO(path, target) as file:
            image = file.image
            taken = [bind for bind in read_binds(path, target) if _is_taken(file, bind)]
        for bind in taken:
            listed.setdefault(bind.symbol, Symbol(bind.symbol, bind.demangled))
        binds = [Bind(listed[bind.symbol], bind.ordinal, bind.weak) for bind in taken]
        path.unlink()
        found.append(
            Library(
                name,
                wheel.same(name).sha256,
                image.install_name,
                image.uuid,
                image.minimum_macos,
                image.dependencies,
                image.rpaths,
                tuple(binds),
            )
        )
    symbols.extend([*listed.values()][len(symbols) :])
    return found


def _is_taken(file: MachO, bind: Taken) -> bool:
    """Whether a bind is one from outside the system and the library itself; weak look-ups never fail."""
    if bind.ordinal > 0:
        try:
            return not file.image.dependencies[bind.ordinal - 1].name.startswith(_SYSTEM)
        except IndexError as error:
            raise MachOError(f"a bind is for dependency {bind.ordinal}, which there is not") from error
    return bind.ordinal == MAIN or (bind.ordinal == FLAT and file.find(bind.symbol) is None)


class _Framework:
    """The libraries of a framework, opened as they are asked for."""

    def __init__(
        self,
        wheel: Wheel,
        folder: Path,
        stack: ExitStack,
        symbols: Sequence[Symbol],
        known: Mapping[str, WheelFacts],
        target: Target,
    ) -> None:
        self._wheel, self._folder, self._stack, self._target = wheel, folder, stack, target
        self._asked = [symbol.name for symbol in symbols]
        self._names = frozenset(self._asked)
        self._known = known
        self._folders = {posixpath.dirname(name) for name in wheel.names}
        self._members = frozenset(wheel.names)
        self._open: dict[str, MachO] = {}
        self._facts: dict[str, Library] = {}
        self._firsts: Sequence[str] = ()

    def libraries(self, firsts: Sequence[str], more: Sequence[str] = ()) -> list[Library]:
        """What Python loads and what it is linked against, breadth first, as dyld loads them; then *more*."""
        if not set(firsts) <= self._members:
            raise WheelError(f"the wheel has no {firsts[0]}")
        self._firsts = firsts
        paths = [*firsts]
        for path in paths:
            library = self._library(path)
            for dependency in library.dependencies:
                found = self._path(library, dependency.name)
                if found and found not in paths:
                    paths.append(found)
            if len(paths) > MAX_LIBRARIES:
                raise WheelError(f"{firsts[0]} is linked against more than {MAX_LIBRARIES} libraries")
        for path in more[:MAX_LIBRARIES]:
            if path not in paths:
                self._library(path)
                paths.append(path)
        return [self._with_exports(path) for path in paths]

    def _library(self, path: str) -> Library:
        """A library without its exports."""
        if path in self._facts:
            return self._facts[path]
        sha256 = self._wheel.same(path).sha256
        library = self._known_library(path, sha256)
        if library is None:
            image = self._file(path).image
            library = Library(
                path,
                sha256,
                image.install_name,
                image.uuid,
                image.minimum_macos,
                tuple(need for need in image.dependencies if not need.name.startswith(_SYSTEM)),
                tuple(rpath for rpath in image.rpaths if self._folder_of(path, rpath) in self._folders),
                hidden=path in self._firsts,
            )
        self._facts[path] = library
        return library

    def _known_library(self, path: str, sha256: str) -> Library | None:
        """The library as another wheel told it, if what it passes on is the same there."""
        other = self._known.get(sha256)
        libraries = {library.sha256: library for library in other.libraries} if other else {}
        library = libraries.get(sha256)
        if library is None or library.path != path or library.asked != self._names:
            return None
        needs = [found for need in library.dependencies if (found := self._path(library, need.name))]
        same = all(self._wheel.same(need).sha256 in libraries for need in needs)
        return library if same or not library.passes_on else None

    def _file(self, path: str) -> MachO:
        if path not in self._open:
            unpacked = _unpacked(self._wheel, path, self._folder)
            self._open[path] = self._stack.enter_context(MachO(unpacked, self._target))
            unpacked.unlink()  # the map keeps it until it is closed
        return self._open[path]

    def _with_exports(self, path: str) -> Library:
        library = self._facts[path]
        if library.asked:
            return library
        found, passed = set(), 0
        for name in self._asked:
            export = self._file(path).find(name)
            if self._has(path, name):
                found.add(name)
                passed += export is None or export.ordinal > 0
        return Library(
            library.path,
            library.sha256,
            library.install_name,
            library.uuid,
            library.minimum_macos,
            library.dependencies,
            library.rpaths,
            (),
            frozenset(found),
            self._names,
            passed,
            library.hidden,
        )

    def _has(self, path: str, name: str, depth: int = 0) -> bool:
        """Whether a library exports a name itself, or passes on one that is really there."""
        if depth > _MAX_DEPTH:
            raise MachOError("libraries pass a symbol on to each other in a circle")
        library = self._facts[path]
        if name in library.asked:
            return name in library.exports
        file = self._file(path)
        export = file.find(name)
        if export is None:
            passed = [need.name for need in file.image.dependencies if need.kind == "reexport"]
            return any(self._has_in(library, need, name, depth) for need in passed)
        return not export.ordinal or self._has_in(
            library, file.image.dependencies[export.ordinal - 1].name, export.name, depth
        )

    def _has_in(self, library: Library, dependency: str, name: str, depth: int) -> bool:
        if dependency.startswith(_SYSTEM):
            return True  # what the wheel's own linker found there
        path = self._path(library, dependency)
        return bool(path) and self._has(path, name, depth + 1)

    def _path(self, library: Library, name: str) -> str:
        """The member that a dependency's name leads to; empty for none."""
        names = [name]
        if name.startswith("@rpath/"):
            names = [name.replace("@rpath", rpath.rstrip("/"), 1) for rpath in library.rpaths]
        for candidate in names:
            path = posixpath.normpath(candidate.replace("@loader_path", posixpath.dirname(library.path), 1))
            if candidate.startswith("@loader_path") and path in self._members:
                return path
        return ""

    def _folder_of(self, path: str, rpath: str) -> str:
        if not rpath.startswith("@loader_path"):
            return ""
        return posixpath.normpath(rpath.replace("@loader_path", posixpath.dirname(path), 1))
