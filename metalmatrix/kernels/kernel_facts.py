"""What is known for ever of each plugin's library: the kernels that it registers, and its platform.

``data/kernels.jsonl`` is a header, then a line a library, numbered in the order in which they were first
read, then a line a kernel with the libraries that register it (``0-3 7``): versions share most of them, and
a new one only adds numbers.  A library is named by its sha256; which wheels have it, `wheels.wheel_facts`
knows.  A kernel that a library registers twice stands there twice.

Pure: text in, facts out.  `kernels.kernel_update` reads the libraries, `kernels.emulate` runs them.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from metalmatrix.errors import MatrixError
from metalmatrix.files import PACKAGE, read_data
from metalmatrix.kernels.platform_c import Platform
from metalmatrix.kernels.tensorflow_c import DTYPES, Kernel, OpDefinition
from metalmatrix.published import releases
from metalmatrix.published.targets import ARM64
from metalmatrix.spans import dump_runs, parse_runs
from metalmatrix.wheels.wheel_facts import load_facts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from metalmatrix.wheels.wheel_facts import Facts

DATA = PACKAGE / "data" / "kernels.jsonl"
SCHEMA = 1
_HINT = f"to make it anew: {releases.REGENERATE}"
_FLAGS = ("unified_memory", "bfc_allocator", "memory_growth", "optimizes")


@dataclass(frozen=True)
class PluginLibrary:
    """One library that TensorFlow opens as a plugin.

    Attributes:
        sha256: Of the file.
        macos: What it was built for, ``12.0``.
        platform: What it says of itself.
        sites: How many places in its code begin a kernel.
        kernels: Sorted; each with the macOS from which on it is registered.
        ops: The ops that it defines.
        unfinished: Ops of which it begins a kernel that it does not register.
    """

    sha256: str
    macos: str
    platform: Platform
    sites: int
    kernels: tuple[Kernel, ...]
    ops: tuple[OpDefinition, ...] = ()
    unfinished: tuple[str, ...] = ()


@dataclass(frozen=True)
class Variant:
    """A version of a plugin, where its wheels differ by Python: those that register the same.

    Attributes:
        version: The version.
        pythons: The minor versions whose wheels these are, ascending.
        alone: Whether all wheels of the version register the same.
        library: One of their libraries.
    """

    version: str
    pythons: tuple[str, ...]
    alone: bool
    library: PluginLibrary

    @property
    def label(self) -> str:
        """``1.2.0``, or ``0.8.0 (Python 3.11)`` where that matters."""
        return self.version if self.alone else f"{self.version} (Python {_pythons(self.pythons)})"


def _pythons(found: tuple[str, ...]) -> str:
    return found[0] if len(found) == 1 else f"{found[0]}-{found[-1]}"


@dataclass(frozen=True)
class KernelFacts:
    """All libraries that have been read, in the order of their numbers."""

    libraries: tuple[PluginLibrary, ...] = ()

    @cached_property
    def by_sha256(self) -> dict[str, PluginLibrary]:
        """The libraries by their digest."""
        return {library.sha256: library for library in self.libraries}

    def variants(self, wheels: Facts, distribution: str = releases.PLUGIN) -> tuple[Variant, ...]:
        """The versions of a plugin on arm64, oldest first; where wheels differ, the older Pythons first."""
        found: dict[str, dict[tuple[Kernel, ...], tuple[PluginLibrary, list[str]]]] = defaultdict(dict)
        for wheel in wheels.wheels:  # by name, version and file
            libraries = [self.by_sha256.get(library.sha256) for library in wheel.libraries]
            ours = wheel.distribution == distribution and wheel.target == ARM64
            if not ours or len(libraries) != 1 or libraries[0] is None:
                continue
            library = libraries[0]
            pythons = found[wheel.version].setdefault(library.kernels, (library, []))[1]
            pythons += {_python(tag) for tag in wheel.tags}
        return tuple(
            Variant(version, tuple(sorted(pythons, key=_order)), len(sets) == 1, library)
            for version, sets in found.items()
            for library, pythons in sorted(sets.values(), key=lambda item: _order(min(item[1], key=_order)))
        )

    def of_wheel(
        self, wheels: Facts, distribution: str, version: str, python: str
    ) -> tuple[PluginLibrary, ...] | None:
        """The libraries of a wheel; None where one of them has not been read, or no wheel is known."""
        wheel = wheels.wheel(distribution, version, python)
        found = [self.by_sha256.get(library.sha256) for library in wheel.libraries] if wheel else []
        known = tuple(library for library in found if library is not None)
        return known if known and len(known) == len(found) else None


def _python(tag: str) -> str:
    digits = tag.partition("-")[0].removeprefix("cp")
    return f"{digits[:1]}.{digits[1:]}"


def _order(python: str) -> tuple[int, ...]:
    return tuple(int(part) for part in python.split(".") if part.isdecimal())


@cache
def load_kernels() -> KernelFacts:
    """What the data knows.

    Raises:
        MatrixError: The data file is missing or damaged.
    """
    return parse_kernels(read_data(DATA, _HINT))


@cache
def load_variants(distribution: str = releases.PLUGIN) -> tuple[Variant, ...]:
    """The versions of a plugin whose kernels are known, oldest first.

    Raises:
        MatrixError: A data file is missing or damaged.
    """
    return load_kernels().variants(load_facts(), distribution)


def parse_kernels(text: str) -> KernelFacts:
    """The facts in *text*, the content of the data file.

    Raises:
        MatrixError: It is no such file, or has another schema.
    """
    libraries: list[PluginLibrary] = []
    kernels: defaultdict[int, list[Kernel]] = defaultdict(list)
    for number, line in enumerate(text.splitlines() or [""], start=1):
        try:
            entry = json.loads(line)
            if number == 1:
                schema = entry["schema"]
            elif "library" in entry:
                libraries.append(_library(entry, len(libraries)))
            else:
                kernel, where = _kernel(entry)
                for at, macos in where.items():
                    kernels[at].append(replace(kernel, macos=macos))
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            problem = f"line {number} of {DATA.name} is damaged ({type(error).__name__}: {error})"
            raise MatrixError(problem, _HINT) from error
        if schema != SCHEMA:
            said = f"{DATA.name} has schema {schema!r}, and this metalmatrix reads {SCHEMA}"
            raise MatrixError(said, _HINT)
    if set(kernels) - set(range(len(libraries))):
        raise MatrixError(f"{DATA.name} has kernels of a library that it does not have", _HINT)
    return KernelFacts(
        tuple(replace(library, kernels=tuple(kernels[at])) for at, library in enumerate(libraries))
    )


def _library(entry: dict[str, Any], number: int) -> PluginLibrary:
    if entry["library"] != number:
        raise ValueError("libraries are not numbered in order")
    flags = {name: bool(entry.get(name, False)) for name in _FLAGS}
    size, words = entry["executor"]["size"], tuple(parse_runs(entry["executor"]["set"]))
    return PluginLibrary(
        entry["sha256"],
        entry["macos"],
        Platform(entry["platform"], entry["device"], executor_size=size, executor=words, **flags),
        entry["sites"],
        (),
        tuple(
            OpDefinition(op["name"], tuple(op["attributes"]), tuple(op["inputs"]), tuple(op["outputs"]))
            for op in entry.get("defines", ())
        ),
        tuple(entry.get("unfinished", ())),
    )


def _kernel(entry: dict[str, Any]) -> tuple[Kernel, dict[int, str]]:
    """A kernel, and the libraries that have it, each with the macOS from which on."""
    dtypes = tuple((str(name), str(dtype)) for name, dtype in entry["dtypes"].items())
    if any(dtype not in DTYPES for _, dtype in dtypes):
        raise ValueError(f"no dtype of TensorFlow's: {dtypes}")
    kernel = Kernel(
        entry["kernel"],
        entry.get("device", "GPU"),
        dtypes,
        tuple(entry.get("host", ())),
        priority=entry.get("priority", 0),
        label=entry.get("label", ""),
    )
    floors = {at: macos for macos, runs in entry.get("macos", {}).items() for at in parse_runs(runs)}
    return kernel, {at: floors.get(at, "") for at in parse_runs(entry["in"])}


def dump_kernels(facts: KernelFacts) -> str:
    """The text of the data file."""
    lines: list[dict[str, Any]] = [{"regenerate": releases.REGENERATE, "schema": SCHEMA}]
    # The same kernel twice in one library is two lines: the number tells them apart.
    where: defaultdict[tuple[Kernel, int], dict[int, str]] = defaultdict(dict)
    for at, library in enumerate(facts.libraries):
        lines.append(_library_entry(at, library))
        seen: defaultdict[Kernel, int] = defaultdict(int)
        for kernel in library.kernels:
            plain = replace(kernel, macos="", name="")
            where[plain, seen[plain]][at] = kernel.macos
            seen[plain] += 1
    ordered = sorted(where.items(), key=lambda item: (sort_key(item[0][0]), item[0][1]))
    lines += [_kernel_entry(kernel, found) for (kernel, _), found in ordered]
    return "".join(json.dumps(line) + "\n" for line in lines)


def sort_key(kernel: Kernel) -> tuple[object, ...]:
    """The order of kernels: by op, then by dtypes."""
    return (kernel.op, kernel.device, kernel.dtypes, kernel.host, kernel.priority, kernel.label)


def _library_entry(at: int, library: PluginLibrary) -> dict[str, Any]:
    platform = library.platform
    entry: dict[str, Any] = {
        "library": at,
        "sha256": library.sha256,
        "macos": library.macos,
        "platform": platform.name,
        "device": platform.device,
        "executor": {"size": platform.executor_size, "set": dump_runs(platform.executor)},
        "sites": library.sites,
    }
    entry |= {name: True for name in _FLAGS if getattr(platform, name)}
    if library.ops:
        entry["defines"] = [
            {"name": op.name, "attributes": op.attributes, "inputs": op.inputs, "outputs": op.outputs}
            for op in library.ops
        ]
    if library.unfinished:
        entry["unfinished"] = library.unfinished
    return entry


def _kernel_entry(kernel: Kernel, where: Mapping[int, str]) -> dict[str, Any]:
    entry: dict[str, Any] = {"kernel": kernel.op, "dtypes": dict(kernel.dtypes)}
    if len(entry["dtypes"]) != len(kernel.dtypes):
        raise ValueError(f"a kernel of {kernel.op} constrains an attribute twice, which the data cannot hold")
    if kernel.device != "GPU":
        entry["device"] = kernel.device
    entry |= {name: value for name in ("host", "priority", "label") if (value := getattr(kernel, name))}
    entry["in"] = dump_runs(where)
    if floors := sorted(set(where.values()) - {""}):
        entry["macos"] = {macos: dump_runs(at for at in where if where[at] == macos) for macos in floors}
    return entry


def with_library(facts: KernelFacts, libraries: Iterable[PluginLibrary]) -> KernelFacts:
    """*facts* and *libraries*, which get the next numbers."""
    return KernelFacts((*facts.libraries, *libraries))
