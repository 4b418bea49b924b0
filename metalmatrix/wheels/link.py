"""Whether dyld loads a plugin into a TensorFlow: the rules of the loader, over what is known of both wheels.

``import tensorflow`` opens every library in ``tensorflow-plugins`` with ``dlopen(RTLD_NOW | RTLD_LOCAL)``
after its own are loaded; if dyld refuses, TensorFlow cannot be imported.  The rules are those of dyld-1378
(``JustInTimeLoader::loadDependents``, ``Loader::resolveSymbol``), in dyld's order: libraries first, then
the binds in bind order, so that the message is the one a user would see.

1. A dependency is there when an image that is loaded has exactly that install name, or when an ``rpath``
   leads to a file of the wheels.  System libraries are there; on which macOS is told by `resolving.floor`.
2. A symbol of a numbered dependency must be among *that* library's exports, passed-on ones counted.
3. A flat one (-2) may be in any image that is loaded globally: what Python itself loads is not.
4. What is weak may be missing.

Pure.  What the facts do not know is *unknown*, never a guess.
"""

from __future__ import annotations

import posixpath
import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from packaging.version import Version

from metalmatrix.published.releases import PLUGIN, distribution_of
from metalmatrix.published.targets import ARM64, Target

if TYPE_CHECKING:
    from metalmatrix.cells.cell import Cell
    from metalmatrix.wheels.wheel_facts import Bind, Facts, Library, Symbol, WheelFacts

Outcome = Literal["ok", "fails", "unknown"]

FLAT, WEAK_LOOKUP = -2, -3
FLAT_NAMESPACE = "flat namespace"

SYSTEM_SYMBOLS = frozenset({"_objc_msgSend"})
"""Taken by flat look-up from 0.8.0 on.  The Objective-C runtime has it: plugins until 0.7.1 bind it there."""

_CALLER = "/libtensorflow_framework."
"""The library of TensorFlow that calls ``dlopen``: its ``rpath`` counts as well (``loadChainCaller``)."""

_SYSTEM = ("/usr/lib/", "/System/Library/")
_TENSORFLOWS = re.compile(
    r"_TF_|_TFE_|_TSL_|_SE_|_SP_|__Z.*(?:10tensorflow|3tsl|3xla|6google8protobuf|4absl)"
)
"""Names that no system library has: of its C API, and in its C++ namespaces and those it brings along."""


@dataclass(frozen=True)
class Linked:
    """What dyld makes of a plugin.

    Attributes:
        outcome: ``ok``, ``fails``, or ``unknown`` where the facts do not tell.
        line: The line that names the cause, as dyld prints it behind ``dlopen(..., 0x0006): ``; for the
            other outcomes, a sentence.
        message: All lines that dyld prints, with paths below site-packages.
        symbol: The symbol that is missing; empty where it is none that fails.
        library: Where it was expected: an install name, `FLAT_NAMESPACE`; or the library that is missing.
        plugin: The path of the library that dyld refuses.
    """

    outcome: Outcome
    line: str
    message: str = ""
    symbol: Symbol | None = None
    library: str = ""
    plugin: str = ""

    @property
    def demangled(self) -> str:
        """The missing symbol as a C++ programmer writes it; empty where there is none, or it is C."""
        return self.symbol.demangled if self.symbol else ""


def link_cell(facts: Facts, cell: Cell) -> Linked:
    """What dyld makes of the plugin of a cell, or of LiteRT's own libraries."""
    if cell.lite:
        return link_litert(facts, cell)
    return link_release(
        facts,
        cell.python,
        cell.framework,
        cell.plugin,
        plugin_distribution=cell.plugin_distribution,
        target=cell.target,
    )


def link_release(
    facts: Facts,
    python: str,
    framework: str,
    plugin: str,
    *,
    plugin_distribution: str = PLUGIN,
    target: Target = ARM64,
) -> Linked:
    """What dyld makes of a release of the plugin in a release of TensorFlow, under a minor version of Python.

    Args:
        facts: What is known of the wheels.
        python: ``3.11``.
        framework: Its version.
        plugin: Its version.
        plugin_distribution: The plugin's name.
        target: The kind of Mac.
    """
    wheels, name = [], distribution_of(framework, target)
    for distribution, version in ((name, framework), (plugin_distribution, plugin)):
        wheel = facts.wheel(distribution, version, python, target)
        if wheel is None:
            where = f" on {target}" if target != ARM64 else ""
            what = f"no wheel of {distribution} {version} for Python {python}{where} is known"
            return Linked("unknown", what)
        wheels.append(wheel)
    return link(*wheels)


def link_litert(facts: Facts, cell: Cell) -> Linked:
    """What dyld makes of what ``ai_edge_litert.interpreter`` imports.

    Of each library that Python is led to, the others are asked for; what it takes of them is not known.  A
    wheel that is known without a library is one whose interpreter imports what the wheel does not have.
    """
    name, version, python = cell.distribution, cell.framework, cell.python
    wheel = facts.wheel(name, version, python)
    if wheel is None:
        return Linked("unknown", f"no wheel of {name} {version} for Python {python} is known")
    if not wheel.libraries:
        return Linked("fails", "its interpreter imports a compiled module that the wheel does not have")
    for first in wheel.libraries:
        if first.hidden and (answer := _loaded(wheel, first)).outcome != "ok":
            return answer
    return Linked("ok", "dyld finds every library that the interpreter asks for")


def _loaded(wheel: WheelFacts, first: Library) -> Linked:
    """What dyld makes of a module that Python imports, and of what that leads to, breadth first."""
    waiting: list[tuple[Library, tuple[Library, ...]]] = [(first, (first,))]
    seen = {first.path}
    for library, chain in waiting:
        process = _Process(wheel, wheel, library, chain, "0x0002")
        if (answer := process.load()).outcome != "ok":
            return answer
        for dependency in library.dependencies:
            found = process.image(dependency.name)
            if found and found.path not in seen:
                seen.add(found.path)
                waiting.append((found, (*chain, found)))
    return _OK


def link(framework: WheelFacts, plugin: WheelFacts) -> Linked:
    """What dyld makes of the libraries of *plugin*, in the process that has loaded *framework*."""
    if not framework.libraries or not plugin.libraries:
        empty = plugin if framework.libraries else framework
        return Linked("unknown", f"{empty.distribution} {empty.version} has no library that is known")
    answers = [_Process(framework, plugin, library).load() for library in plugin.libraries]
    for outcome in ("fails", "unknown"):
        for answer in answers:
            if answer.outcome == outcome:
                return answer
    return answers[0]


@dataclass(frozen=True)
class _Process:
    """A process that has loaded the framework, and is about to open a library of the plugin.

    Attributes:
        chain: The libraries that led to this one, the opened one first; empty where it is opened itself.
        flags: Those of ``dlopen``, as dyld prints them.
    """

    framework: WheelFacts
    plugin: WheelFacts
    library: Library
    chain: tuple[Library, ...] = ()
    flags: str = "0x0006"

    def load(self) -> Linked:
        images: list[Library | None] = []
        doubt = ""
        for dependency in self.library.dependencies:
            name = dependency.name
            image = None if name.startswith(_SYSTEM) else self.image(name)
            images.append(image)
            if image is not None or name.startswith(_SYSTEM) or dependency.kind == "weak":
                continue
            if name.startswith("/"):
                doubt = doubt or f"whether {name} is there depends on the Mac"
                continue
            return self._refused(f"Library not loaded: {name}", library=name)
        for bind in self.library.binds:
            answer = self._bind(bind, images)
            if answer.outcome == "fails":
                return answer
            if answer.outcome == "unknown":
                doubt = doubt or answer.line
        if doubt:
            return Linked("unknown", doubt, plugin=self.library.path)
        return Linked("ok", "dyld finds every library and symbol it asks for", plugin=self.library.path)

    def image(self, name: str) -> Library | None:
        """The library that dyld takes for a dependency of that name."""
        loaded = [*self.framework.libraries, *self.plugin.libraries]
        for image in () if self.chain else self.framework.libraries:  # nothing of LiteRT's is loaded yet
            if image.install_name == name:
                return image
        # the library's own rpaths, then those of whoever led to it, or calls dlopen
        callers = [self.library, *reversed(self.chain)]
        callers += [image for image in self.framework.libraries if _CALLER in image.path]
        tried = [(caller, rpath) for caller in callers for rpath in caller.rpaths]
        paths = [_resolved(name, self.library)]
        if name.startswith("@rpath/"):
            paths = [_resolved(name.replace("@rpath", rpath, 1), caller) for caller, rpath in tried]
        return next((image for path in paths for image in loaded if image.path == path), None)

    def _bind(self, bind: Bind, images: list[Library | None]) -> Linked:
        name = bind.symbol.name
        if bind.weak or bind.ordinal == WEAK_LOOKUP:
            return _OK
        if bind.ordinal == FLAT:
            return self._flat(bind.symbol)
        if not 0 < bind.ordinal <= len(images):
            return Linked("unknown", f"{name} is looked up in the program that Python is")
        dependency, image = self.library.dependencies[bind.ordinal - 1], images[bind.ordinal - 1]
        if image is None:
            if dependency.kind != "weak":
                return _OK  # the system's, or already in doubt
            return self._not_found(bind.symbol, dependency.name, "<no uuid> unknown")
        if name in image.exports:
            return _OK
        if name not in image.asked:
            return Linked("unknown", f"{image.path} was read before any plugin took {name} from it")
        return self._not_found(bind.symbol, dependency.name, f"<{image.uuid}> {image.path}")

    def _flat(self, symbol: Symbol) -> Linked:
        if symbol.name in SYSTEM_SYMBOLS or symbol.name in self.framework.flat_exports:
            return _OK
        seen = [image for image in self.framework.libraries if not image.hidden]
        if unread := [image.path for image in seen if symbol.name not in image.asked]:
            return Linked("unknown", f"{unread[0]} was read before any plugin took {symbol.name}")
        if not _TENSORFLOWS.match(symbol.name):
            return Linked("unknown", f"{symbol.name} is not TensorFlow's; the system may have it")
        line = f"symbol not found in flat namespace '{symbol.name}'"
        return self._refused(line, symbol=symbol, library=FLAT_NAMESPACE)

    def _not_found(self, symbol: Symbol, library: str, where: str) -> Linked:
        return self._refused(
            f"Symbol not found: {symbol.name}", f"  Expected in:     {where}", symbol=symbol, library=library
        )

    def _refused(self, line: str, *more: str, symbol: Symbol | None = None, library: str = "") -> Linked:
        opened = self.chain[0] if self.chain else self.library
        lines = [f"dlopen({opened.path}, {self.flags}): {line}"]
        if library != FLAT_NAMESPACE:
            lines.append(f"  Referenced from: <{self.library.uuid}> {self.library.path}")
        return Linked("fails", line, "\n".join([*lines, *more]), symbol, library, self.library.path)


_OK = Linked("ok", "")


def _resolved(name: str, loader: Library) -> str:
    """Where a name of a library leads, below site-packages; empty where it leads elsewhere."""
    if not name.startswith("@loader_path"):
        return ""
    return posixpath.normpath(name.replace("@loader_path", posixpath.dirname(loader.path), 1))


def gone_since(facts: Facts, linked: Linked, framework: WheelFacts) -> str:
    """The framework release since which what *linked* misses is gone, up to *framework*.

    Empty where no earlier release had it, or where nothing is missing.
    """
    if linked.outcome != "fails":
        return ""
    since = ""
    python = next((tag[2:3] + "." + tag.split("-")[0][3:] for tag in framework.tags if tag[:2] == "cp"), "")
    ascending = facts.frameworks(python, framework.target)
    later = bisect_right(ascending, Version(framework.version), key=lambda wheel: Version(wheel.version))
    for wheel in reversed(ascending[:later]):
        if _has(wheel, linked):
            return since
        since = wheel.version
    return ""


def _has(framework: WheelFacts, linked: Linked) -> bool:
    """Whether a framework has what *linked* misses."""
    symbol, flat = linked.symbol, linked.library == FLAT_NAMESPACE
    images = [
        image
        for image in framework.libraries
        if (not image.hidden if flat else image.install_name == linked.library)
    ]
    return any(symbol is None or symbol.name in image.exports for image in images)
