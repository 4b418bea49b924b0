"""Public reports: what people said of a combination, kept as data with its source.

``data/reports.jsonl`` is a header and one report a line, by id, written by hand and linted by
``tests/test_reports.py``.  Versions, macOS and chip stand as the reporter wrote them (``2.14`` is a series,
``<2.16`` a bound): `reported.about` interprets them.  What an outcome can do to a verdict, and which
subtypes tell of a circumstance and not of the pair, are the two tables below, and nowhere else.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from functools import cache
from typing import TYPE_CHECKING, Any

from packaging.specifiers import SpecifierSet

from metalmatrix.errors import MatrixError
from metalmatrix.files import PACKAGE, read_data
from metalmatrix.published.releases import PLUGIN

if TYPE_CHECKING:
    from collections.abc import Iterable

DATA = PACKAGE / "data" / "reports.jsonl"
SCHEMA = 1
_HINT = "it is written by hand: git diff, or git checkout, metalmatrix/data/reports.jsonl"
_LISTS = ("python", "inferred_fields")
_YES_OR_NO = ("apple_silicon", "without_plugin")


@dataclass(frozen=True)
class Effect:
    """What an outcome tells.

    Attributes:
        words: It as a half-sentence.
        stage: Where it fails; empty where it does not, or where no report decides.
        degrades: Whether the rest stays usable.
        imported: Whether TensorFlow was imported, the plugin loaded; None where that is not told.
    """

    words: str
    stage: str = ""
    degrades: bool = False
    imported: bool | None = None

    @property
    def tells(self) -> bool:
        """Whether it tells of more than what can be installed."""
        return bool(self.stage) or self.imported is not None


OUTCOMES = {
    "works": Effect("works", imported=True),
    "import-fails": Effect("fails at import", "import", imported=False),
    # Without a GPU there may be no plugin, and a hang may come before or after the import.
    "no-gpu-detected": Effect("finds no GPU", "device"),
    "hangs": Effect("hangs", "fit"),
    "fit-fails": Effect("fails in training", "fit", imported=True),
    "slow": Effect("is slow", "fit", degrades=True, imported=True),
    "wrong-results": Effect("gives wrong results", "numerics", degrades=True, imported=True),
    # What can be installed changes with the day: the resolver says it, as of the matrix's.
    "not-installable": Effect("cannot be installed"),
}
"""The closed list of outcomes."""

CIRCUMSTANCES = {
    "cross-library": "another library in the same process is part of it",
    "dep-conflict": "another package's requirements are to blame",
    "double-registration": "two plugins registered the same platform",
    "installs-only": "only its installation was seen",
    "lockfile-metadata": "another tool's lock left a package out",
    "macos-too-old": "the macOS is older than the plugin's library admits",
    "no-wheel-for-arch": "the Mac is no arm64 one",
    "no-wheel-for-python": "there was no wheel for that Python",
    "plugin-not-installed": "the plugin was not installed",
    "rosetta-avx": "an x86-64 Python ran under Rosetta 2",
    "sdist-build": "a package had to be built from source",
    "wrong-distribution": "the framework is another build than the plugin's",
}
"""Subtypes that tell of how it was run or installed: such a report changes no verdict."""

OF_THE_PAIR = ("abi-regression", "memory-leak", "op-broken", "op-missing")
"""The other subtypes there are: what they tell is the framework's and the plugin's."""

CONFIDENCES = ("high", "medium", "low")


@dataclass(frozen=True)
class Report:
    """One public report; what it does not tell is empty.

    Attributes:
        id: Its name here.
        python: Versions it names, ``3.11.4`` or ``3.11``.
        tf_dist: The distribution of the framework.
        tf: The framework's version as reported: a release, a series (``2.14``), a bound or a nightly.
        metal: The plugin's version, likewise.
        plugin: The distribution of the plugin.
        keras: For which Keras it was reported, as a specifier.
        outcome: One of `OUTCOMES`.
        subtype: One of `CIRCUMSTANCES` or `OF_THE_PAIR`.
        works_level: How far it was seen to work.
        error: What was seen to fail.
        fix: What helped.
        source_url: Where it was said.
        date: ``YYYY-MM-DD``, or ``YYYY-MM``.
        confidence: How sure the collector is of what is told here.
        inferred_fields: Fields that the source does not say in so many words.
        apple_silicon: Whether it was seen there.
        without_plugin: Whether its own words say that what was seen was seen without a plugin, on the CPU.
    """

    id: str
    outcome: str
    source_url: str
    apple_silicon: bool
    python: tuple[str, ...] = ()
    tf_dist: str = ""
    tf: str = ""
    metal: str = ""
    plugin: str = PLUGIN
    macos: str = ""
    chip: str = ""
    keras: str = ""
    subtype: str = ""
    works_level: str = ""
    error: str = ""
    fix: str = ""
    date: str = ""
    confidence: str = ""
    inferred_fields: tuple[str, ...] = ()
    without_plugin: bool = False

    @property
    def effect(self) -> Effect:
        """What its outcome tells."""
        return OUTCOMES[self.outcome]

    @property
    def circumstance(self) -> str:
        """Why it says nothing of the pair; empty where it does."""
        if not self.apple_silicon:
            return "the Mac is no Apple silicon one"
        return CIRCUMSTANCES.get(self.subtype, "")

    @property
    def pythons(self) -> tuple[str, ...]:
        """The minor versions it names."""
        return tuple(dict.fromkeys(".".join(text.split(".")[:2]) for text in self.python))

    @property
    def named(self) -> str:
        """The releases it names, in its own words: ``tensorflow 2.14 with tensorflow-metal 1.1.0``."""
        framework = f"{self.tf_dist or 'TensorFlow'} {self.tf or 'of no release named'}"
        if not self.metal and self.plugin == PLUGIN:
            return f"{framework}, no plugin named"
        return f"{framework} with {self.plugin} {self.metal}".strip()

    @property
    def message(self) -> str:
        """What was reported, on what, how sure that is and what of it is inferred."""
        seen = self.error or self.works_level
        where = [
            f"Python {', '.join(self.python)}" if self.python else "",
            f"Keras {self.keras}" if self.keras else "",
            f"macOS {self.macos}" if self.macos else "",
            self.chip,
        ]
        aside = [
            ", ".join(filter(None, where)),
            f"what helped: {self.fix}" if self.fix else "",
            f"confidence {self.confidence}" if self.confidence else "",
            f"inferred: {', '.join(self.inferred_fields)}" if self.inferred_fields else "",
            self.circumstance,
        ]
        return f"{self.effect.words}: {seen} ({'; '.join(filter(None, aside))})"


def dump_reports(reports: Iterable[Report]) -> str:
    """The text of the data file."""
    entries: list[dict[str, Any]] = [{"schema": SCHEMA}]
    for report in sorted(reports, key=lambda report: report.id):
        entry = asdict(report)
        entries.append(
            {field.name: entry[field.name] for field in fields(Report) if entry[field.name] != field.default}
        )
    return "".join(json.dumps(entry) + "\n" for entry in entries)


def parse_reports(text: str) -> tuple[Report, ...]:
    """The reports in *text*, the content of the data file.

    Raises:
        MatrixError: It is no such file, or has another schema.
    """
    header, *lines = text.splitlines() or [""]
    try:
        schema = json.loads(header)["schema"]
    except (ValueError, KeyError, TypeError) as error:
        problem = f"line 1 of {DATA.name} is damaged ({type(error).__name__}: {error})"
        raise MatrixError(problem, _HINT) from error
    if schema != SCHEMA:
        raise MatrixError(f"{DATA.name} has schema {schema!r}, and this metalmatrix reads {SCHEMA}", _HINT)
    found = []
    for number, line in enumerate(lines, start=2):
        try:
            found.append(_report(json.loads(line)))
        except (ValueError, TypeError, AttributeError) as error:
            problem = f"line {number} of {DATA.name} is damaged ({type(error).__name__}: {error})"
            raise MatrixError(problem, _HINT) from error
    return tuple(found)


def _report(entry: dict[str, Any]) -> Report:
    """The report of one line; a field that is not known is a slip of the pen, and refused."""
    entry = dict(entry)
    for name, value in entry.items():
        parts = value if name in _LISTS else [value]
        kind = bool if name in _YES_OR_NO else str
        if not isinstance(parts, list) or not all(isinstance(part, kind) for part in parts):
            raise TypeError(f"{name} is {type(value).__name__}")
        if name in _LISTS:
            entry[name] = tuple(parts)
    if entry.get("outcome") not in OUTCOMES:
        raise ValueError(f"no such outcome: {entry.get('outcome')!r}")
    SpecifierSet(entry.get("keras", ""))  # its error is a ValueError: a lock's Keras is held against it
    return Report(**entry)


@cache
def load_reports() -> tuple[Report, ...]:
    """Every report, by id.

    Raises:
        MatrixError: The data file is missing or damaged.
    """
    return parse_reports(read_data(DATA, _HINT))
