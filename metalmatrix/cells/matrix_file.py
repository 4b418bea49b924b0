"""Reading ``matrix.toml``: strict, and every refusal names the line, the reason and what to type.

The file is for people and for machines: one entry a line.  ``tomllib`` gives values without positions, so
`Lines` finds the line of a key or an entry: ``matrix.toml:12: ...``.  All problems are told at once.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
import sys
from typing import TYPE_CHECKING, Any, cast

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from metalmatrix.cells.cell import LITE, NO_PLUGIN, Cell, is_version
from metalmatrix.cells.matrix import Expect, Matrix, Per, Rehearse
from metalmatrix.cells.matrix_shape import shape_problems
from metalmatrix.cells.toml_lines import Lines
from metalmatrix.errors import MatrixError, UsageError
from metalmatrix.files import PACKAGE
from metalmatrix.published import releases
from metalmatrix.published.releases import FRAMEWORKS, LITERT, PLUGINS
from metalmatrix.running.limits import Limits
from metalmatrix.verdicts.verdict import VERDICTS

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover - Python 3.10
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

PYTHONS = tuple(f"3.{minor}" for minor in range(8, 16))
"""The Pythons that a specifier is expanded against: 3.8, the first with an arm64 wheel, to 3.15."""

_EXPECTABLE = tuple(word for word in VERDICTS if word != "unknown")
_MOST = 1_000_000
"""No limit is larger: more seconds or megabytes are no limit, and signals and timers do not take them."""
_PER = ("framework", "environment", "none")
_STAND_INS = {"linux-x86_64": "tensorflow-cpu", "linux-aarch64": "tensorflow"}


def default_path() -> Path:
    """Where ``matrix.toml`` is: beside the package in a clone, else the copy inside the package."""
    beside = PACKAGE.parent / "matrix.toml"
    return beside if beside.is_file() else PACKAGE / "data" / "matrix.toml"


@functools.cache
def load(path: Path | None = None) -> Matrix:
    """The matrix of the file at *path*.

    Raises:
        MatrixError: The file cannot be read, or says something that cannot be meant.
    """
    path = path or default_path()
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        hint = "run this in a clone of metalmatrix"
        raise MatrixError(f"{path.name} cannot be read: {error}", hint) from error
    return parse(text, path.name)


def parse(text: str, name: str = "matrix.toml") -> Matrix:
    """The matrix that *text* declares.

    Raises:
        MatrixError: Every problem found, a line each, as ``name:line: what: what to type``.
    """
    try:
        data = tomllib.loads(text)
    except ValueError as error:  # TOMLDecodeError, or a number with more digits than Python reads
        line = match[1] if (match := re.search(r"at line (\d+)", str(error))) else len(text.splitlines())
        raise MatrixError(f"{name}:{line}: {error}", "see https://toml.io for the syntax") from error
    reader = _Reader(data, Lines(text))
    matrix = reader.matrix()
    if reader.problems:
        raise MatrixError("\n".join(f"{name}:{line}: {what}" for line, what in sorted(reader.problems)))
    return matrix


class _Reader:
    """One reading of one file: collects the problems, so that all of them are told at once."""

    def __init__(self, data: dict[str, Any], lines: Lines) -> None:
        self.data = data
        self.lines = lines
        self.problems: set[tuple[int, str]] = set()
        self.axes_are_sound = False

    def problem(self, line: int, what: str) -> None:
        self.problems.add((line, what))

    def matrix(self) -> Matrix:
        """What the file says; meant only where no problem was found."""
        self._shape("", self.data)
        as_of = self.data.get("as-of")
        if not isinstance(as_of, dt.date) or isinstance(as_of, dt.datetime):
            as_of = dt.date.max
        axes = self.data.get("axes")
        cells = {cell.id: cell for cell in self._cells(axes, as_of)} if isinstance(axes, dict) else {}
        # Rules about cells that a slip in the axes keeps away are not to blame.
        self.axes_are_sound = not self.problems
        excluded = self._exclude(cells, self._include(cells, as_of))
        ordered = sorted(cells.values(), key=lambda cell: cell.sort_key)
        ordered.sort(key=lambda cell: (*cell.sort_key[:2], -Version(cell.python).minor))
        return Matrix(
            as_of=as_of,
            cells=tuple(ordered),
            excluded=excluded,
            expects=self._expects(ordered),
            limits=self._limits(),
            rehearse=self._rehearse(),
        )

    def _shape(self, table: str, value: dict[str, Any], index: int = 0) -> bool:
        """Whether a table has only known keys of the right types, and all that are needed."""
        found = list(shape_problems(table, value))
        for key, what in found:
            self.problem(self.lines.of(table, key, index=index), what)
        return not found

    def _table(self, *path: str) -> dict[str, Any]:
        """The table at *path*; empty where it is none, which its own table's shape tells."""
        value: Any = self.data
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        return value if isinstance(value, dict) else {}

    # The axes ---------------------------------------------------------------------------------

    def _cells(self, axes: dict[str, Any], as_of: dt.date) -> Iterator[Cell]:
        self._shape("axes", axes)
        pythons = self._axis("python", axes, as_of)
        plugins = [(name, version) for name in PLUGINS for version in self._axis(name, axes, as_of)]
        without = [name for name, version in plugins if version == NO_PLUGIN]
        for name in without[1:]:
            line = self.lines.of("axes", name, entry=NO_PLUGIN)
            self.problem(line, f"duplicate cells: {without[0]} has {NO_PLUGIN!r} already; remove it here")
        frameworks = [(name, version) for name in FRAMEWORKS for version in self._axis(name, axes, as_of)]
        if not any(axes.get(name) for name in FRAMEWORKS):
            self.problem(self.lines.of("axes"), 'no framework: list at least one, `tensorflow = ["2.17.1"]`')
        seen: dict[str, str] = {}
        for name, version in frameworks:
            if version in seen:
                real = releases.distribution_of(version)
                self.problem(
                    self.lines.of("axes", name, entry=version),
                    f"duplicate cells: {version} is listed under {seen[version]} and under {name}; "
                    f"keep it under {real}, which holds its binaries",
                )
            seen[version] = name
        for name, version in frameworks:
            for python in pythons:
                for plugin_name, plugin in plugins:
                    yield Cell(python, version, plugin, name, plugin_name)
        for name in LITERT:
            for version in self._axis(name, axes, as_of):
                yield from (Cell(python, version, NO_PLUGIN, name, route=LITE) for python in pythons)

    def _axis(self, name: str, axes: dict[str, Any], as_of: dt.date) -> list[str]:
        """The versions of an axis, each once, in the order of the file."""
        entries = axes.get(name)
        if not isinstance(entries, list):
            return []
        if not entries and name not in FRAMEWORKS:
            self.problem(self.lines.of("axes", name), f"the axis {name} is empty: list at least one version")
        versions: dict[str, str] = {}
        for entry in entries:
            line = self.lines.of("axes", name, entry=entry)
            if not isinstance(entry, str):
                self.problem(line, f'[axes] {name}: {entry!r} is to be a string: "{entry}"')
                continue
            for version in self._expand(name, entry, as_of, line):
                if version in versions:
                    self.problem(
                        line,
                        f"duplicate cells: {name} {version} is given by {versions[version]!r} and {entry!r}",
                    )
                versions[version] = entry
        return list(versions)

    def _expand(self, name: str, entry: str, as_of: dt.date, line: int) -> Iterable[str]:
        """The versions that one entry stands for: itself, or what its specifier matches."""
        if name in PLUGINS and entry == NO_PLUGIN:
            return (entry,)
        if is_version(entry):
            return (entry,) if self._known(name, entry, as_of, line) else ()
        try:
            specifier = SpecifierSet(entry if entry.strip() else "nothing")  # "" would match all there is
        except InvalidSpecifier:
            self.problem(line, f"{name}: {entry!r} is {_no_version(entry)}")
            return ()
        if name == "python":
            found = [version for version in PYTHONS if specifier.contains(version)]
            known = f"{PYTHONS[0]} to {PYTHONS[-1]}"
        else:
            # Of a framework with two names, a specifier means the one that holds the binaries.
            listed = releases.published(name)
            found = [v for v in releases.expand(name, entry, as_of) if releases.installs(listed[v])]
            known = f"the releases up to {as_of}: {', '.join(list(listed)[-4:])} are the newest"
        if not found:
            self.problem(line, f"{name}: the specifier {entry!r} matches nothing of {known}")
        return found

    def _known(self, name: str, version: str, as_of: dt.date, line: int) -> bool:
        if name == "python":
            if version not in PYTHONS:
                self.problem(line, f"python {version} is not known; write one of {', '.join(PYTHONS)}")
            return version in PYTHONS
        release = releases.published(name).get(version)
        if release is None:
            near = ", ".join(releases.closest(name, version))
            what = f"{name} {version} was never published, as far as is known; the closest are {near}"
            self.problem(line, what)
        elif release.uploaded > as_of.isoformat():
            self.problem(
                line,
                f"{name} {version} was uploaded on {release.uploaded}, after as-of = {as_of}; "
                "take it out, or write a later day",
            )
            return False
        return release is not None

    # The rules --------------------------------------------------------------------------------

    def _rules(self, table: str) -> Iterator[tuple[int, dict[str, Any]]]:
        rules = self.data.get(table)
        for index, rule in enumerate(rules if isinstance(rules, list) else ()):
            if not isinstance(rule, dict):
                self.problem(self.lines.of(table), f"write [[{table}]], a table for each rule")
            elif self._shape(table, rule, index):
                yield self.lines.of(table, "cell", index=index), rule

    def _include(self, cells: dict[str, Cell], as_of: dt.date) -> set[str]:
        """Add the cells that are included by name; their ids."""
        included: set[str] = set()
        for line, rule in self._rules("include"):
            try:
                cell = Cell.parse(rule["cell"])
            except UsageError as error:
                self.problem(line, str(error).replace("\n  hint", "; hint"))
                continue
            parts = {"python": cell.python, cell.distribution: cell.framework}
            parts |= {cell.plugin_distribution: cell.plugin} if cell.plugin_distribution else {}
            known = [self._known(name, version, as_of, line) for name, version in parts.items()]
            if not all(known):
                continue
            if cell.target != "arm64":
                self.problem(line, f"{cell.id}: arm64 is what is run; `nox -s explain` tells of Intel Macs")
            if cell.id in cells:
                self.problem(line, f"duplicate cells: {cell.id} is there already; remove this rule")
            cells[cell.id] = cell
            included.add(cell.id)
        return included

    def _exclude(self, cells: dict[str, Cell], included: set[str]) -> tuple[tuple[Cell, str], ...]:
        excluded: dict[str, tuple[Cell, str]] = {}
        for line, rule in self._rules("exclude"):
            pattern = Expect(rule["cell"], "", "")
            matching = [cell for cell in cells.values() if pattern.matches(cell)]
            if not matching and self.axes_are_sound:
                self.problem(line, f"[[exclude]] {rule['cell']!r} matches no cell; `nox -l` lists them")
            for cell in matching:
                if cell.id in included:
                    self.problem(line, f"contradictory rules: {cell.id} is included and excluded; remove one")
                if cell.id in excluded:
                    self.problem(line, f"contradictory rules: {cell.id} is excluded twice; remove one")
                excluded[cell.id] = (cell, rule["reason"])
        for cell_id in excluded:
            del cells[cell_id]
        if not cells and not self.problems:
            self.problem(self.lines.of("exclude"), "the rules exclude every cell; remove one")
        return tuple(excluded.values())

    def _expects(self, cells: list[Cell]) -> tuple[Expect, ...]:
        expects: list[Expect] = []
        for line, rule in self._rules("expect"):
            expect = Expect(**rule)
            if expect.verdict not in _EXPECTABLE:
                self.problem(
                    line,
                    f"verdict {expect.verdict!r} cannot be expected; write one of {', '.join(_EXPECTABLE)}",
                )
            if expect.url and not re.fullmatch(r"https://[^\s<>\"']{1,500}", expect.url):
                self.problem(line, f"url {expect.url!r} is to begin with https:// and hold no blanks")
            matching = [cell for cell in cells if expect.matches(cell)]
            if not matching and self.axes_are_sound:
                self.problem(line, f"[[expect]] {expect.cell!r} matches no cell; `nox -l` lists them")
            for earlier in expects:
                if earlier.verdict != expect.verdict and any(map(earlier.matches, matching)):
                    both = next(filter(earlier.matches, matching)).id
                    self.problem(
                        line,
                        f"contradictory rules: {both} is expected {earlier.verdict} and {expect.verdict}; "
                        "remove one",
                    )
            expects.append(expect)
        return tuple(expects)

    # The rest ---------------------------------------------------------------------------------

    def _limits(self) -> Limits:
        default = Limits()
        values: dict[str, Any] = {}
        for path in (("limits",), ("limits", "tolerance")):
            where, table = ".".join(path), self._table(*path)
            self._shape(where, table)
            for key, value in table.items():
                # A bool is for the shape to refuse; nan is above nothing.
                number = isinstance(value, (int, float)) and not isinstance(value, bool)
                if number and not 0 < value <= _MOST:
                    what = f"[{where}] {key} = {value!r} is to be a number above 0, and at most {_MOST:,}"
                    self.problem(self.lines.of(where, key), what)
            values |= table
        return Limits(
            seconds=values.get("seconds", default.seconds),
            memory_mb=values.get("memory-mb", default.memory_mb),
            device_memory_mb=values.get("device-memory-mb", default.device_memory_mb),
            speed_ratio=values.get("speed-ratio", default.speed_ratio),
            tolerance={dtype: values.get(dtype, largest) for dtype, largest in default.tolerance.items()},
        )

    def _rehearse(self) -> Rehearse:
        table = self._table("rehearse")
        self._shape("rehearse", table)
        per = table.get("per", "framework")
        if isinstance(per, str) and per not in _PER:
            self.problem(self.lines.of("rehearse", "per"), f"per = {per!r} is to be one of {', '.join(_PER)}")
        stand_in = self._table("rehearse", "stand-in")
        self._shape("rehearse.stand-in", stand_in)
        for platform, name in stand_in.items():
            if isinstance(name, str) and not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
                line = self.lines.of("rehearse.stand-in", platform)
                self.problem(line, f'{platform} = {name!r} is to name a distribution, like "tensorflow-cpu"')
        return Rehearse(cast("Per", per), table.get("stand-in", _STAND_INS))


def _no_version(entry: str) -> str:
    """What an axis's entry is instead of a version or a specifier, and what to type."""
    try:
        return f"not the version's normal form; write {str(Version(entry))!r}"
    except InvalidVersion:
        return 'neither a version ("2.15.1") nor a specifier (">=2.15,<2.18")'
