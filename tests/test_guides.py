"""docs/guides.md says what is so: each line of its tables is what the data gives today."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from packaging.version import Version

from metalmatrix.asking.commands import meant
from metalmatrix.asking.explanation import explained, label
from metalmatrix.cells.cell import Cell
from metalmatrix.cells.matrix_file import load
from metalmatrix.published import releases
from metalmatrix.resolving.floor import macos_floor
from metalmatrix.resolving.question import Question, platform_of
from metalmatrix.resolving.resolve import Resolver
from metalmatrix.wheels.wheel_facts import Facts
from tests.clone import ROOT

if TYPE_CHECKING:
    from metalmatrix.published.targets import Target

TEXT = (ROOT / "docs" / "guides.md").read_text(encoding="utf-8")
ROWS = [
    [field.strip() for field in line.strip("|").split("|")]
    for line in TEXT.splitlines()
    if re.match(r"\|.*\| `py3", line)
]
LITERT = [
    [field.strip() for field in line.strip("|").split("|")]
    for line in TEXT.splitlines()
    if re.match(r"\| (arm64|x86_64) \|", line)
]


def test_there_are_lines() -> None:
    """The tables are found, and every cell that the text names is one."""
    assert len(ROWS) >= 8
    assert len(LITERT) >= 8
    assert all(Cell.parse(cell_id) for cell_id in re.findall(r"`(py3[^`]+)`", TEXT))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[1].strip("`"))
def test_what_a_guide_gives(row: list[str]) -> None:
    """Both verdicts, and the nearest cell that is better, or none where it is good itself."""
    _, cell_id, plain, pinned, instead = row
    query, universe, explainer = meant([cell_id.strip("`")])
    (report,) = explainer.reports(query.cells)
    item = explained(report, universe, explainer.reports)
    assert (plain, pinned) == (label(report.plain), label(report.verdict))
    better = item.near[0].cell.id if item.near else ""
    assert instead.strip("`") == better


@pytest.mark.index
@pytest.mark.parametrize("row", LITERT, ids=lambda row: "-".join(row[:2]))
def test_what_there_is_of_litert(row: list[str]) -> None:
    """Both names, as the resolver answers for that Mac and Python as of the day."""
    mac, python, *told = row
    target: Target = "x86_64" if mac == "x86_64" else "arm64"
    resolver = Resolver(load().as_of)
    for name, said in zip(("tflite-runtime", "ai-edge-litert"), told, strict=True):
        (answer,) = resolver.ask_all(
            [Question(python, (name,), (), load().as_of, platform=platform_of(target))]
        )
        if said == "no wheel":
            assert (answer.outcome, answer.blame) == ("fails", name)
        else:
            assert answer.lock is not None
            floor = macos_floor(answer.lock, Facts(), target)
            assert f"{answer.lock.versions[name]}, macOS {floor[0] if floor else ''}" == said


@pytest.mark.parametrize(
    ("cell_id", "names", "target"),
    [
        ("py3.12-tf2.21.0-metal1.2.0", ("tensorflow", "tensorflow-metal"), "arm64"),
        ("py3.9-tf2.20.0-metal1.2.0", ("tensorflow", "tensorflow-metal"), "arm64"),
        ("py3.9-tf2.16.2-metal1.2.0-conda", ("tensorflow-macos", "tensorflow-metal"), "arm64"),
        ("py3.11-tf2.16.2-metal1.0.0-x86_64", ("tensorflow", "tensorflow-metal"), "x86_64"),
    ],
)
def test_no_versions_are_the_newest(cell_id: str, names: tuple[str, str], target: Target) -> None:
    """Where a guide names no versions, its cell is of the newest final releases that have a wheel."""
    assert f"`{cell_id}`" in TEXT
    cell = Cell.parse(cell_id)
    tag = f"-cp{cell.python.replace('.', '')}-"
    for name, version in zip(names, (cell.framework, cell.plugin), strict=True):
        finals = [
            Version(number)
            for number, release in releases.published(name).items()
            if any(tag in wheel.file for wheel in release.wheels_for(target)) and not release.yanked
        ]
        assert str(max(number for number in finals if not number.is_prerelease)) == version
