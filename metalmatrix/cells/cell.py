"""Cells: one Python, one framework, one plugin, and the one name that combination has everywhere.

The id ``py3.11-tf2.15.1-metal1.1.0`` (``-nometal`` without a plugin) is the name of a cell in nox,
in file names, in anchors and in JSON.  ``metal`` is the plugin that most have, ``tensorflow-metal``;
another is spelled as in file names of wheels: ``py3.12-tf2.21.0-tensorflow_metal_plugin-0.4.1``.  The kind
of Mac is part of the id where it is not Apple silicon: ``py3.9-tf2.12.0-metal0.8.0-x86_64``; and the route
by which it is installed where that is not a virtual environment: ``py3.9-tf2.12.0-metal0.8.0-conda``, or
``-conda-forge`` where TensorFlow itself comes from a conda channel.
LiteRT, which runs a model without TensorFlow, is a route with ids of its own: ``py3.11-litert2.3.0``, and
``py3.11-tflite_runtime2.14.0`` by the name that it had.
An id is built only from validated names and versions, so it is safe as a file name.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Literal

from packaging.version import InvalidVersion, Version

from metalmatrix.errors import UsageError
from metalmatrix.published import releases
from metalmatrix.published.releases import LITERT, PLUGIN, PLUGINS
from metalmatrix.published.targets import ARM64, X86_64, Target

NO_PLUGIN = "none"
EXAMPLE = "py3.11-tf2.15.1-metal1.1.0"

Route = Literal["venv", "conda", "conda-forge", "litert"]
VENV: Route = "venv"
CONDA: Route = "conda"
CONDA_FORGE: Route = "conda-forge"
LITE: Route = "litert"
"""How a cell is installed: into a virtual environment, or into one of conda, with conda's interpreter, or
with conda's interpreter and its TensorFlow, where only the plugin comes from the package index; or LiteRT in
place of TensorFlow, into a virtual environment."""
SUFFIXES = (CONDA, CONDA_FORGE)
"""The routes that an id ends with."""
ROUTES = (VENV, *SUFFIXES, LITE)

_VERSION = r"[0-9][0-9a-z.]{0,24}"
_ID = re.compile(
    rf"py(?P<python>3\.(?:0|[1-9][0-9]?))-tf(?P<framework>{_VERSION})-"
    rf"(?:nometal|metal(?P<metal>{_VERSION})|(?P<name>(?=.{{1,60}}-)[a-z0-9]+(?:_[a-z0-9]+)*)-(?P<other>{_VERSION}))"
    rf"(?:-(?P<target>{X86_64}))?(?:-conda(?:-forge)?)?"
)
_LITE_NAMES = dict(zip(LITERT, ("litert", "tflite_runtime"), strict=True))
"""What ids call the distributions of LiteRT."""

_LITE_ID = re.compile(
    rf"py(?P<python>3\.(?:0|[1-9][0-9]?))-(?P<name>{'|'.join(_LITE_NAMES.values())})(?P<version>{_VERSION})"
)


@dataclass(frozen=True)
class Cell:
    """One combination of the matrix.

    Attributes:
        python: The minor version, ``3.11``.
        framework: The TensorFlow release, ``2.15.1``, in PEP 440's normal form; or LiteRT's.
        plugin: The plugin's release, or ``none``.
        distribution: The name the framework is installed by.  It is no part of the id: from 2.13 to
            2.16 a release has two names, and only one of them holds its binaries.
        plugin_distribution: The plugin's name, normalised; empty without a plugin.
        target: The kind of Mac it is for.
        route: How it is installed.
    """

    python: str
    framework: str
    plugin: str
    distribution: str
    plugin_distribution: str = PLUGIN
    target: Target = ARM64
    route: Route = VENV

    def __post_init__(self) -> None:
        if self.plugin == NO_PLUGIN:  # one cell, whichever plugin it is without
            object.__setattr__(self, "plugin_distribution", "")

    @property
    def lite(self) -> str:
        """What ids call LiteRT, by the name that is installed; empty for a cell of TensorFlow."""
        return _LITE_NAMES.get(self.distribution, "")

    @property
    def product(self) -> str:
        """What is installed, for people: ``TensorFlow``, ``LiteRT``, ``tflite_runtime``."""
        return {"": "TensorFlow", "litert": "LiteRT"}.get(self.lite, self.lite)

    @property
    def id(self) -> str:
        """The name, ``py3.11-tf2.15.1-metal1.1.0``."""
        if self.lite:
            return f"py{self.python}-{self.lite}{self.framework}"
        plugin = f"{self.plugin_distribution.replace('-', '_')}-{self.plugin}"
        if self.plugin == NO_PLUGIN:
            plugin = "nometal"
        elif self.plugin_distribution == PLUGIN:
            plugin = f"metal{self.plugin}"
        parts = [f"py{self.python}", f"tf{self.framework}", plugin]
        parts += [] if self.target == ARM64 else [self.target]
        return "-".join(parts if self.route == VENV else [*parts, self.route])

    @property
    def plugin_name(self) -> str:
        """The plugin for people: ``metal 1.1.0``, ``no plugin``, and the route: ``metal 1.1.0 conda``."""
        if self.lite:
            return self.product
        name = "metal" if self.plugin_distribution == PLUGIN else self.plugin_distribution
        told = "no plugin" if self.plugin == NO_PLUGIN else f"{name} {self.plugin}"
        return told if self.route == VENV else f"{told} {self.route}"

    @property
    def tags(self) -> tuple[str, ...]:
        """The identifiers that ``nox -t`` and ``nox -k`` select by: ``py3_11``, ``tf2_15``, ``metal1_1``."""
        parts = [("py", self.python), (self.lite or "tf", self.framework)]
        if self.plugin != NO_PLUGIN:
            name = "metal" if self.plugin_distribution == PLUGIN else self.plugin_distribution
            parts.append((name.replace("-", "_"), self.plugin))
        tags = [name + "_".join(str(number) for number in Version(text).release[:2]) for name, text in parts]
        tags += ["nometal"] if self.plugin == NO_PLUGIN and not self.lite else []
        tags += [] if self.target == ARM64 else [self.target]
        return tuple(tags) if self.route == VENV else (*tags, self.route.replace("-", "_"))

    @property
    def plugin_key(self) -> tuple[bool, str, Version, int]:
        """The order of the table's columns: no plugin, ``metal``, others by name; each by version, route."""
        name = self.plugin_distribution
        return name not in {"", PLUGIN}, name, Version(self.plugin if name else "0"), ROUTES.index(self.route)

    @property
    def sort_key(self) -> tuple[str, Version, tuple[bool, str, Version, int], Version]:
        """The order of the table: LiteRT last; framework, plugin, Python, each by version."""
        return self.lite, Version(self.framework), self.plugin_key, Version(self.python)

    @classmethod
    def parse(cls, text: str) -> Cell:
        """The cell that an id names, its framework by the name that holds the binaries.

        Raises:
            UsageError: The text is no cell id, or names a release that is not known.
        """
        match = _LITE_ID.fullmatch(text)
        if match is not None:
            lite = next(name for name, short in _LITE_NAMES.items() if short == match["name"])
            return _published(cls(match["python"], match["version"], NO_PLUGIN, lite, route=LITE))
        match = _ID.fullmatch(text)
        if match is None:
            raise UsageError(
                f"{text[:80]!r} is not the id of a cell",
                f"write it like {EXAMPLE}, py3.11-tf2.15.1-nometal or py3.11-litert2.3.0",
            )
        python, framework = match["python"], match["framework"]
        plugin, plugin_distribution = match["metal"] or match["other"] or NO_PLUGIN, PLUGIN
        if match["name"]:
            plugin_distribution = _known_plugin(text, match["name"].replace("_", "-"), plugin)
        target = X86_64 if match["target"] else ARM64
        name = releases.distribution_of(framework, target)
        return _published(cls(python, framework, plugin, name, plugin_distribution, target, route_of(text)))


def _published(cell: Cell) -> Cell:
    """The cell itself.

    Raises:
        UsageError: It names a release that is not known.
    """
    for name, version in (
        (cell.distribution, cell.framework),
        (cell.plugin_distribution, cell.plugin),
    ):
        if name and version not in releases.published(name):
            near = releases.closest(name, version)
            hint = (
                f"the closest are {', '.join(near)}" if near else "`metalmatrix update` reads the index again"
            )
            raise UsageError(f"{cell.id}: no release {version} of {name} is known", hint)
    return cell


def route_of(cell_id: str) -> Route:
    """The route that an id tells."""
    if _LITE_ID.fullmatch(cell_id):
        return LITE
    return next((route for route in SUFFIXES if cell_id.endswith(f"-{route}")), VENV)


def _known_plugin(text: str, name: str, version: str) -> str:
    """The plugin of that name, which an id spells out.

    Raises:
        UsageError: There is none, or it is the one that an id spells ``metal``: no cell has two names.
    """
    if name == PLUGIN:
        raise UsageError(
            f"{text}: {name} has a short name", f"write {text.rsplit('-', 2)[0]}-metal{version} instead"
        )
    if name not in PLUGINS:
        near = difflib.get_close_matches(name, PLUGINS) or PLUGINS
        raise UsageError(f"{text}: no plugin {name} is known", f"the closest are {', '.join(near)}")
    return name


def is_version(text: str) -> bool:
    """Whether *text* is a version as the index itself spells it (PEP 440's normal form)."""
    try:
        return str(Version(text)) == text
    except InvalidVersion:
        return False
