from __future__ import annotations

import copy
import json
import re
from typing import Any

import pytest

from bench import growth_page, page, tricks
from bench.machine import ROOT

MEASURED = page.load()


def test_the_page_is_what_was_measured() -> None:
    """docs/performance.md is made of bench/measured.json; `nox -s bench -- --render` makes it anew."""
    assert page.render(MEASURED) == (ROOT / page.PAGE).read_text(encoding="utf-8")


def test_what_was_measured_survives_its_file() -> None:
    """The file is JSON with a sample a line, as it was written."""
    text = page.dump(MEASURED)
    assert text == page.DATA.read_text(encoding="utf-8")
    assert json.loads(text) == {"schema": page.SCHEMA, **MEASURED}


def test_a_newer_file_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:  # noqa: ANN401
    """Figures of another schema are not read as if they were these."""
    (tmp_path / "measured.json").write_text('{"schema": 99}', encoding="utf-8")
    monkeypatch.setattr(page, "DATA", tmp_path / "measured.json")
    with pytest.raises(SystemExit, match="schema"):
        page.load()


@pytest.mark.parametrize(
    ("seconds", "grows"),
    [([0.3, 0.4, 1.3, 10.3], 1.0), ([0.0, 0.01, 1.0, 100.0], 2.0), ([0.3, 0.3, 0.3, 0.3], 0.0)],
)
def test_the_exponent_is_without_what_a_start_costs(seconds: list[float], grows: float) -> None:
    """Linear is 1 and square 2, whatever the start; what does not grow is 0."""
    assert growth_page.exponent([10, 100, 1000, 10_000], seconds) == pytest.approx(grows, abs=0.01)


MACHINE = {
    "date": "2026-11-20T10:00:00Z",
    "minutes": 3,
    "processor": "a chip",
    "cores": 2,
    "memory": 2**34,
    "system": "Linux",
    "python": "3.11.7",
    "tools": {"nox": "1"},
    "metalmatrix": "0.1.0",
    "load": 0.1,
    "load_after": 1.5,
}


def growth(seconds: list[float]) -> dict[str, Any]:
    """What `growth` gives, where a listing of 10 to 10,000 cells takes so long."""
    sizes = [
        {
            "cells": 10**power,
            "made_up": 0,
            "costs": [{"name": "nox -l", "command": "nox -l", "samples": [{"seconds": value, "cpu": value}]}],
        }
        for power, value in enumerate(seconds, 1)
    ]
    one_more = {
        "plugin": "tensorflow-metal 1.2.0",
        "cells": 308,
        "all": 6776,
        "wheels": {"read": 4, "published": 4, "bytes": 5_000_000},
        "questions": {"before": 840, "after": 847, "pythons": 7},
    }
    return {"machine": MACHINE, "sizes": sizes, "one_more": one_more}


@pytest.mark.parametrize(
    ("last", "word"),
    [(10.3, "- met: nothing of ours grows"), (100.3, "- **not met**: nothing of ours grows")],
)
def test_a_target_is_met_by_its_figures(last: float, word: str) -> None:
    """A figure that is too high turns the sentence."""
    assert word in page.render({"growth": growth([0.3, 0.4, 1.3, last])})


def test_calls_that_were_counted_tell_more_than_time() -> None:
    """Where both are known a step is judged by what it did, and not by how long that took."""
    data = growth([0.3, 0.4, 1.3, 100.3])
    for size in data["sizes"]:
        size["costs"][0]["calls"] = size["cells"] * 100
    assert "- met: nothing of ours grows" in page.render({"growth": data})
    data["sizes"][-1]["costs"][0]["calls"] *= 10
    assert "- **not met**: nothing of ours grows" in page.render({"growth": data})


def test_one_more_plugin_is_counted_and_not_believed() -> None:
    """A question a cell would turn that sentence, too."""
    data = growth([0.3, 0.4, 1.3, 10.3])
    assert "- met: a plugin version costs one plugin read" in page.render({"growth": data})
    data["one_more"]["questions"]["after"] += 308
    assert "- **not met**: a plugin version costs one plugin read" in page.render({"growth": data})


def test_a_trick_that_saves_nothing_is_seen() -> None:
    """Each stands with the place it is in, what it took with it and without it, and their ratio."""
    taken = [{"samples": [{"seconds": seconds, "cpu": seconds}]} for seconds in (2.0, 5.0, 1.0)]
    two = [
        {"trick": "links", "where": "`a.py`", "work": "it all", "with": taken[0], "without": taken[1]},
        {"trick": "luck", "where": "`b.py`", "work": "a bit", "with": taken[0], "without": taken[2]},
    ]
    text = page.render({"tricks": {"machine": MACHINE, "cell": "py3.11-tf2.19.1-nometal", "tricks": two}})
    assert "| links | `a.py` | it all | 2.00 s | 5.00 s | 2.50 |" in text
    assert "| luck | `b.py` | a bit | 2.00 s | 1.00 s | 0.50 |" in text


def test_turns_that_differ_more_than_the_ways_do_tell_nothing() -> None:
    """Medians of 2 s and 5 s are no ratio where one way took from 1 s to 3 s."""
    turns = [[1.0, 2.0, 3.0], [5.0, 5.0, 5.0]]
    uneven, even = ({"samples": [{"seconds": s, "cpu": s} for s in some]} for some in turns)
    one = {"trick": "links", "where": "`a.py`", "work": "it all", "with": uneven, "without": even}
    text = page.render({"tricks": {"machine": MACHINE, "cell": "py3.11-tf2.19.1-nometal", "tricks": [one]}})
    assert "| 2.00 s | 5.00 s | uncertain |" in text


def test_a_target_that_is_not_met_has_its_limit_beside_it() -> None:
    """The limit is what ours would take on busy cores; where the target is met nobody needs one."""
    job = copy.deepcopy(MEASURED["job"])
    job["machine"]["cores"] = 2
    for entry in job["warm"]:
        seconds, cpu = (10.0, 15.0) if entry["name"] == job["ours"] else (45.0, 45.0)
        entry["samples"] = [{"seconds": seconds, "cpu": cpu}]
    text = page.render({"job": job})
    assert "- **not met**: at least 5 times as fast as nox as it comes, warm: 4.5 times" in text
    assert (
        "busy for 75% of its time: with no idle moment it would take 7.50 s, and nox as it comes 6.0" in text
    )
    for entry in job["warm"]:
        if entry["name"] == job["plain"]:
            entry["samples"] = [{"seconds": 50.0, "cpu": 50.0}]
    text = page.render({"job": job})
    assert "- met: at least 5 times as fast as nox as it comes, warm: 5.0 times" in text
    assert "no idle moment" not in text


def test_each_trick_is_in_a_place_that_there_is() -> None:
    """The page names files: they are there, and what leaves a trick out knows each of them."""
    left_out = (ROOT / "bench" / "without.py").read_text(encoding="utf-8")
    for name, (_, where, _) in tricks.TRICKS.items():
        assert f'"{name}": ' in left_out
        for path in re.findall(r"`([\w/]+\.py)`", where):
            assert (ROOT / path).is_file()
