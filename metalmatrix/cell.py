"""Cells: one Python, one framework, one plugin, and the one name that combination has everywhere.

The id ``py3.11-tf2.15.1-metal1.1.0`` (``-nometal`` without a plugin) is the name of a cell in nox,
in file names, in anchors and in JSON.  It is built only from validated versions, so it is safe as
a file name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from packaging.version import InvalidVersion, Version

from metalmatrix import releases
from metalmatrix.errors import UsageError
from metalmatrix.releases import PLUGIN

NO_PLUGIN = "none"
EXAMPLE = "py3.11-tf2.15.1-metal1.1.0"

_ID = re.compile(r"py(3\.(?:0|[1-9][0-9]?))-tf([0-9][0-9a-z.]{0,24})-(?:nometal|metal([0-9][0-9a-z.]{0,24}))")


@dataclass(frozen=True)
class Cell:
    """One combination of the matrix.

    Attributes:
        python: The minor version, ``3.11``.
        framework: The TensorFlow release, ``2.15.1``, in PEP 440's normal form.
        plugin: The ``tensorflow-metal`` release, or ``none``.
        distribution: The name the framework is installed by.  It is no part of the id: from 2.13 to
            2.16 a release has two names, and only one of them holds its binaries.
    """

    python: str
    framework: str
    plugin: str
    distribution: str

    @property
    def id(self) -> str:
        """The name, ``py3.11-tf2.15.1-metal1.1.0``."""
        plugin = "nometal" if self.plugin == NO_PLUGIN else f"metal{self.plugin}"
        return f"py{self.python}-tf{self.framework}-{plugin}"

    @property
    def tags(self) -> tuple[str, ...]:
        """The identifiers that ``nox -t`` and ``nox -k`` select by: ``py3_11``, ``tf2_15``, ``metal1_1``."""
        parts = [("py", self.python), ("tf", self.framework)]
        if self.plugin != NO_PLUGIN:
            parts.append(("metal", self.plugin))
        tags = [name + "_".join(str(number) for number in Version(text).release[:2]) for name, text in parts]
        return tuple(tags) if self.plugin != NO_PLUGIN else (*tags, "nometal")

    @property
    def sort_key(self) -> tuple[Version, Version, Version]:
        """Framework, plugin, Python, each by version: the order of the table's rows and columns."""
        return Version(self.framework), plugin_key(self.plugin), Version(self.python)

    @classmethod
    def parse(cls, text: str) -> Cell:
        """The cell that an id names, its framework by the name that holds the binaries.

        Raises:
            UsageError: The text is no cell id, or names a release that is not known.
        """
        match = _ID.fullmatch(text)
        if match is None:
            raise UsageError(
                f"{text[:80]!r} is not the id of a cell",
                f"write it like {EXAMPLE}, or py3.11-tf2.15.1-nometal",
            )
        python, framework, plugin = match.groups()
        distribution = releases.distribution_of(framework)
        for name, version in ((distribution, framework), (PLUGIN, plugin)):
            if version is not None and version not in releases.published(name):
                near = releases.closest(name, version)
                hint = (
                    f"the closest are {', '.join(near)}"
                    if near
                    else "`metalmatrix update` reads the index again"
                )
                raise UsageError(f"{text}: no release {version} of {name} is known", hint)
        return cls(python, framework, plugin or NO_PLUGIN, distribution)


def is_version(text: str) -> bool:
    """Whether *text* is a version as the index itself spells it (PEP 440's normal form)."""
    try:
        return str(Version(text)) == text
    except InvalidVersion:
        return False


def plugin_key(plugin: str) -> Version:
    """A key that orders plugins by version, ``none`` first."""
    return Version("0.dev0") if plugin == NO_PLUGIN else Version(plugin)
