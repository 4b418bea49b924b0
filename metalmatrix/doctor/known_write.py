"""Makes ``data/doctor.jsonl`` of the table: what the doctor knows where nothing but Python is installed.

Needs the whole package, no index and no run: it is what `static` says of every published combination as of
the day of ``matrix.toml``, of which only the sets that may be handed out, the lines of dyld and what
TensorFlow refuses are kept.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from packaging.version import Version

from metalmatrix.asking.install import requirements
from metalmatrix.cells import history
from metalmatrix.cells.cell import NO_PLUGIN, Cell
from metalmatrix.cells.matrix_file import load
from metalmatrix.doctor import known
from metalmatrix.files import write_atomic
from metalmatrix.kernels.kernel_facts import load_kernels
from metalmatrix.pins.pins import known as how_known
from metalmatrix.pins.pins import ordered
from metalmatrix.published.releases import PLUGIN
from metalmatrix.resolving.repairs import load_repairs
from metalmatrix.verdicts.explain import Explainer
from metalmatrix.verdicts.observe import from_linked
from metalmatrix.wheels.link import link_cell
from metalmatrix.wheels.wheel_facts import load_facts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from metalmatrix.verdicts.report import CellReport

_BOUND = ("bound", "frameworks", "python", "check", "why", "since", "upload")


def write(path: Path = known.DATA) -> bool:
    """Write the data file, and say whether it has changed."""
    text = dump()
    changed = not path.exists() or path.read_text(encoding="utf-8") != text
    if changed:
        write_atomic(path, text)
        known.load_known.cache_clear()
    return changed


def dump() -> str:
    """The text of the data file, as the other data has it now."""
    explainer = Explainer(load().as_of)
    reports = [
        report
        for report in explainer.reports(history.cells())
        if report.cell.plugin_distribution in {"", PLUGIN}
    ]
    explainer.reached()
    header = {"regenerate": known.REGENERATE, "schema": known.SCHEMA, "as_of": explainer.as_of}
    repairs = [{"bound": {name: getattr(repair, name) for name in _BOUND}} for repair in load_repairs()]
    entries = [header, *repairs, *_releases(), *_links(), *_told(reports)]
    for report in ordered(reports):
        lock = explainer.lock(report.cell)
        pins = {
            "cell": report.cell.id,
            "verdict": report.verdict.word,
            "known": how_known(report),
            "macos": report.macos or "",
            "requirements": requirements(report.cell, lock),
        }
        entries.append({"pins": pins})
    return "".join(json.dumps(entry) + "\n" for entry in entries)


def _releases() -> Iterator[dict[str, Any]]:
    """Each framework and plugin with the Pythons that it has a wheel for."""
    facts = load_facts()
    plugins = [(name, version) for name, version in history.plugins() if version != NO_PLUGIN]
    for kind, found in (("framework", history.frameworks()), ("plugin", plugins)):
        for name, version in found:
            wheels = {python: facts.wheel(name, version, python) for python in history.pythons()}
            had = {python: wheel for python, wheel in wheels.items() if wheel}
            if had:
                macos = min((wheel.minimum_macos for wheel in had.values()), key=Version)
                entry = {"version": version, "distribution": name, "pythons": list(had), "macos": macos}
                yield {kind: entry}


def _links() -> Iterator[dict[str, Any]]:
    """What dyld, then TensorFlow say of each pair of which it is the same for every Python.

    The others are not known: a plugin that one Python can use and another cannot is not told to be well.
    """
    lines: dict[tuple[str, str], dict[str, list[str]]] = {}
    for plugin_name, plugin in history.plugins():
        for _, framework in history.frameworks():
            if plugin_name != PLUGIN or plugin == NO_PLUGIN:
                continue
            cells = [Cell.parse(f"py{python}-tf{framework}-metal{plugin}") for python in history.pythons()]
            answers = {answer for answer in map(_answer, cells) if answer}
            if len(answers) == 1:
                line, refusal = answers.pop()
                for said in [("links", line), *([("refused", refusal)] if refusal else [])]:
                    lines.setdefault(said, {}).setdefault(plugin, []).append(framework)
    for kind, line in sorted(lines):
        yield {kind: {"line": line, "pairs": lines[kind, line]}}


def _answer(cell: Cell) -> tuple[str, str] | None:
    """The line of dyld, and what TensorFlow says of a plugin that dyld loads; None where it is not known."""
    linked = link_cell(load_facts(), cell)
    if linked.outcome == "ok":
        found = from_linked(cell, load_facts(), load_kernels())
        return "", found.message if found and found.outcome == "fails" else ""
    return (linked.line, "") if linked.outcome == "fails" else None


def _told(reports: list[CellReport]) -> Iterator[dict[str, Any]]:
    """What is reported of a pair beyond its import, once for all its Pythons."""
    seen = set()
    for report in reports:
        cell, verdict = report.cell, report.verdict
        if verdict.source and (cell.framework, cell.plugin) not in seen:
            seen.add((cell.framework, cell.plugin))
            entry = {
                "framework": cell.framework,
                "plugin": cell.plugin,
                "stage": verdict.stage,
                "message": verdict.message,
                "source": verdict.source,
            }
            yield {"told": entry}
