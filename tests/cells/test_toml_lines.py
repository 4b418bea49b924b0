from __future__ import annotations

from pathlib import Path

import pytest

from metalmatrix.cells.toml_lines import Lines

TEXT = """\
# a comment
as-of = 2026-11-20

[axes]
python = [
  "3.9",
  '3.10',  # "3.11" is only spoken of
]
"tensorflow" = ["2.15.1", "2.17.1"]
tensorflow-metal = [
  "2.17.1",
]

[[expect]] # the first
cell = "a"

[[ expect ]]
cell = "b"
note = "c"

[limits.tolerance]
float32 = 1
"""


@pytest.mark.parametrize(
    ("table", "key", "index", "entry", "line"),
    [
        ("", "as-of", 0, None, 2),
        ("axes", "", 0, None, 4),
        ("axes", "python", 0, None, 5),
        ("axes", "python", 0, "3.9", 6),
        ("axes", "python", 0, "3.10", 7),
        ("axes", "tensorflow", 0, "2.17.1", 9),
        ("axes", "tensorflow-metal", 0, "2.17.1", 11),
        ("expect", "", 0, None, 14),
        ("expect", "cell", 0, None, 15),
        ("expect", "", 1, None, 17),
        ("expect", "cell", 1, None, 18),
        ("expect", "note", 1, None, 19),
        ("limits.tolerance", "float32", 0, None, 22),
    ],
)
def test_it_finds_the_line(table: str, key: str, index: int, entry: str | None, line: int) -> None:
    """Tables, keys and the entries of arrays are found where an editor shows them."""
    assert Lines(TEXT).of(table, key, index=index, entry=entry) == line


@pytest.mark.parametrize(
    ("table", "key", "index", "entry", "line"),
    [
        ("axes", "python", 0, "3.14", 5),  # no such entry: its key
        ("expect", "verdict", 1, None, 17),  # no such key: its table
        ("rehearse", "per", 0, None, 1),  # no such table: the file
        ("axes", "python", 0, "2.17.1", 5),  # an entry of another axis
    ],
)
def test_what_stands_nowhere_is_told_at_the_nearest_place(
    table: str, key: str, index: int, entry: str | None, line: int
) -> None:
    """A thing that lacks is told where it would stand."""
    assert Lines(TEXT).of(table, key, index=index, entry=entry) == line


@pytest.mark.parametrize(
    "text", ["", "\n", "x", "=", "[", "[[", "]]", "[]", '"', "a = [", Path(__file__).read_text()]
)
def test_it_reads_anything(text: str) -> None:
    """Whatever the text, asking for a line gives one."""
    assert Lines(text).of("axes", "python", entry="3.9") >= 1
