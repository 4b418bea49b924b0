from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from bench.synthetic import SIZES, Size, copied, made_up, matrix, spread, write_data
from metalmatrix.cells import matrix_file
from metalmatrix.files import PACKAGE
from metalmatrix.published.releases import PLUGIN, parse_releases
from metalmatrix.resolving.answers import parse_answers
from metalmatrix.resolving.question import MACOS
from metalmatrix.wheels.wheel_facts import parse_facts

if TYPE_CHECKING:
    from pathlib import Path

    from metalmatrix.resolving.question import Answer


@pytest.mark.parametrize("size", SIZES[:3])
def test_a_matrix_has_as_many_cells_as_it_says(size: Size) -> None:
    """Sizes up to a thousand are of published versions only, and are matrices like any."""
    assert len(matrix_file.parse(matrix(size)).cells) == size.cells


def test_the_sizes_are_those_that_are_told() -> None:
    """From ten to ten thousand."""
    assert [size.cells for size in SIZES] == [10, 100, 1000, 10_000]


def test_versions_are_spread_over_all() -> None:
    """A small size has old versions and new ones, as a large one has: its cells cost the same."""
    assert spread("abcdefghij", 5) == list("acegi")
    assert spread("abc", 3) == list("abc")


def test_made_up_releases_are_copies_of_each_in_turn() -> None:
    """More of them are no other mix."""
    patterns = [pattern.version for pattern in copied(40).values()]
    assert len(set(patterns)) > 10
    assert max(map(patterns.count, patterns)) - min(map(patterns.count, patterns)) <= 1


def test_a_made_up_release_is_known_like_a_published_one(tmp_path: Path) -> None:
    """Its wheels, what is known of their libraries, and an answer for each Python are in the data."""
    shutil.copytree(PACKAGE / "data", tmp_path / "data")
    write_data(tmp_path, 18)
    texts = {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "data").glob("*.jsonl")}
    facts = parse_facts(texts["wheels.jsonl"])
    answers = parse_answers(texts["answers.jsonl"])
    found = [r for r in parse_releases(texts["releases.jsonl"]) if r.version in made_up(18)]
    assert len(found) == 18

    def asked(version: str) -> list[Answer]:
        of = [q for q in answers if q.requirements == (f"{PLUGIN}=={version}",)]
        return [answers[q] for q in of if q.platform == MACOS]

    for release in found:
        pattern = copied(18)[release.version]
        for wheel, old in zip(release.wheels, pattern.wheels, strict=True):
            known, like = facts.by_sha256.get(wheel.sha256), facts.by_sha256.get(old.sha256)
            assert (known and known.libraries) == (like and like.libraries)
        assert len(asked(release.version)) == len(asked(pattern.version)) >= 1
        assert {a.lock.versions[PLUGIN] for a in asked(release.version) if a.lock} <= {release.version}
