from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from bench.synthetic import SIZES, Size, made_up, matrix, write_data
from metalmatrix.cells import matrix_file
from metalmatrix.files import PACKAGE
from metalmatrix.published.releases import PLUGIN, parse_releases
from metalmatrix.resolving.answers import parse_answers
from metalmatrix.wheels.wheel_facts import parse_facts

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("size", SIZES[:3])
def test_a_matrix_has_as_many_cells_as_it_says(size: Size) -> None:
    """Sizes up to a thousand are of published versions only, and are matrices like any."""
    assert len(matrix_file.parse(matrix(size)).cells) == size.cells


def test_the_sizes_are_those_that_are_told() -> None:
    """From ten to ten thousand."""
    assert [size.cells for size in SIZES] == [10, 100, 1000, 10_000]


def test_a_made_up_release_is_known_like_a_published_one(tmp_path: Path) -> None:
    """Its wheels, what is known of their libraries, and an answer for each Python are in the data."""
    shutil.copytree(PACKAGE / "data", tmp_path / "data")
    write_data(tmp_path, 2)
    texts = {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "data").glob("*.jsonl")}
    facts = parse_facts(texts["wheels.jsonl"])
    answers = parse_answers(texts["answers.jsonl"])
    found = [r for r in parse_releases(texts["releases.jsonl"]) if r.version in made_up(2)]
    assert len(found) == 2
    for release in found:
        assert all(facts.by_sha256[wheel.sha256].libraries for wheel in release.wheels)
        asked = [a for q, a in answers.items() if q.requirements == (f"{PLUGIN}=={release.version}",)]
        assert {a.lock.versions[PLUGIN] for a in asked if a.lock} == {release.version}
        assert len(asked) >= 4
