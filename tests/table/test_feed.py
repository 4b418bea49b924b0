from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest

from metalmatrix.table import feed
from metalmatrix.verdicts.report import Report
from metalmatrix.verdicts.verdict import VERDICTS
from tests.samples import DAY, HOSTILE, realistic, report_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SCHEMA = json.loads(feed.SCHEMA_FILE.read_text(encoding="utf-8"))


def dumped(made: Report) -> str:
    """The file's text."""
    return json.dumps(feed.render(made), indent=1, ensure_ascii=False) + "\n"


def test_it_reads_like_this(golden: Callable[[str, str], None]) -> None:
    """The whole feed of the realistic report."""
    golden("compat.json", dumped(realistic()))


def test_each_cell_has_all_that_explain_says() -> None:
    """What the machine interface says of one cell stands in the feed, under the same names."""
    made = realistic()
    for item, told in zip(made.cells, feed.render(made)["cells"], strict=True):
        assert item.to_json().items() <= told.items()


def test_each_cell_has_the_same_keys() -> None:
    """A reader of the feed need not ask whether a key is there."""
    assert len({tuple(cell) for cell in feed.render(realistic())["cells"]}) == 1


def test_every_word_is_explained() -> None:
    """The verdicts of the cells are among those that the feed itself tells the meaning of."""
    told = feed.render(realistic())
    assert {cell["verdict"] for cell in told["cells"]} == set(VERDICTS) == set(told["verdicts"])


def test_it_says_what_makes_it_less_than_whole() -> None:
    """A reader can tell a partial feed from a whole one, and a surprise from what is expected."""
    told = feed.render(realistic())
    assert told["missing"] == ["linux-debian-12-x86-64-amd-epyc-24gb/py3.12-tf2.20.0-metal1.1.0"]
    assert len(told["problems"]) == 1
    assert told["excluded"] == [{"cell": "py3.9-tf2.20.0-nometal", "reason": "nobody asks for it"}]
    assert [cell["cell"] for cell in told["cells"] if cell["surprise"]] == ["py3.11-tf2.15.1-metal1.1.0"]
    assert {cell["expected"] for cell in told["cells"]} == {None, "broken"}


@pytest.mark.parametrize("message", HOSTILE[:-1])
def test_what_others_wrote_is_text(message: str) -> None:
    """Strings come back as they were, and the file holds no raw control character."""
    text = dumped(report_of(message))
    told = json.loads(text)
    assert told["problems"] == [message]
    assert told["cells"][0]["evidence"][0]["message"].startswith(message)
    assert "\x1b" not in text
    assert text.encode("utf-8")


@pytest.mark.parametrize("made", [realistic(), Report(DAY, ()), *map(report_of, HOSTILE[:-1])])
def test_it_is_by_its_schema(made: Report) -> None:
    """The schema that is published beside the feed takes it, whatever others wrote."""
    jsonschema_rs.validate(SCHEMA, json.loads(dumped(made)))


def test_a_cell_by_conda_is_by_the_schema_too() -> None:
    """Its id, and how it is installed, which every cell tells."""
    made = realistic()
    conda = replace(made.cells[0], cell=replace(made.cells[0].cell, route="conda"))
    told = json.loads(dumped(replace(made, cells=(conda, *made.cells[1:]))))
    jsonschema_rs.validate(SCHEMA, told)
    assert [cell["route"] for cell in told["cells"]][:2] == ["conda", "venv"]
    assert told["cells"][0]["cell"].endswith("-conda")


def test_the_schema_names_every_key() -> None:
    """No key is in the feed that the schema does not tell of."""

    def unnamed(data: Any, schema: dict[str, Any], where: str) -> Iterator[str]:  # noqa: ANN401
        schema = SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
        if isinstance(data, list):
            for item in data:
                yield from unnamed(item, schema["items"], where)
        elif isinstance(data, dict) and "properties" in schema:
            yield from (f"{where}.{key}" for key in data.keys() - schema["properties"].keys())
            for key in data.keys() & schema["properties"].keys():
                yield from unnamed(data[key], schema["properties"][key], f"{where}.{key}")

    assert set(unnamed(feed.render(realistic()), SCHEMA, "")) == set()
    assert list(unnamed({"cells": [{"evidence": [{"x": 1}]}]}, SCHEMA, "")) == [".cells.evidence.x"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("cell", "../../etc"),
        ("verdict", "maybe"),
        ("stage", "later"),
        ("pinned_set", "x"),
        ("evidence", [{"kind": "dreamt"}]),
        ("expected", ""),
    ],
)
def test_the_schema_refuses_what_is_no_feed(key: str, value: object) -> None:
    """A word out of no list, an id that is none: whoever reads a feed by the schema is told."""
    told = json.loads(dumped(realistic()))
    told["cells"][0][key] = value
    with pytest.raises(jsonschema_rs.ValidationError):
        jsonschema_rs.validate(SCHEMA, told)


def test_the_sets_are_there_once() -> None:
    """Every set that a cell names is told by its versions, and no other; a cell without one says null."""
    told = feed.render(realistic())
    named = {cell[key] for cell in told["cells"] for key in ("pinned_set", "plain_set")}
    assert None in named
    assert named - {None} == set(told["sets"])
    first = told["cells"][0]
    assert told["sets"][first["pinned_set"]]["numpy"] == "1.26.4"
    assert told["sets"][first["plain_set"]]["numpy"] == "2.3.5"


def test_an_empty_report_is_a_feed() -> None:
    """A matrix without cells has a feed that says so."""
    assert feed.render(Report(DAY, ()))["cells"] == []
