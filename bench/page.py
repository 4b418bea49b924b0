"""``docs/performance.md`` from ``bench/measured.json``: medians, ratios, targets; pure.

A sentence that depends on a figure is made of it here, so that no measurement can leave an old claim behind.
"""

from __future__ import annotations

import json
import statistics
from typing import TYPE_CHECKING, Any

from bench.growth_page import growth_lines
from bench.machine import ROOT
from bench.measure import median
from bench.words import bytes_text, duration_text, machine_line, seconds_text, table, target

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DATA = ROOT / "bench" / "measured.json"
PAGE = "docs/performance.md"
SCHEMA = 1

HEAD = """\
<!-- made by `nox -s bench`; its figures are those of bench/measured.json, and `nox -s bench -- --render` makes it anew -->

# What it costs, beside what people would use instead

Seconds on one machine tell little, and how two ways compare on it tells more: so those who are compared take turns in one
run, a figure is the median of what each turn took, and what counts are the ratios. *Processor* is user and system time of
the whole tree of processes. A machine on which more processes wait for a core than it has cores makes seconds long and
processor time hardly: each part says how busy it was. Every single sample is in `bench/measured.json`.

```
nox -s bench
nox -s bench -- static growth
nox -s bench -- --quick
```
"""


def load() -> dict[str, Any]:
    """What was measured so far, by part."""
    if not DATA.exists():
        return {}
    data = json.loads(DATA.read_text(encoding="utf-8"))
    if data.pop("schema") != SCHEMA:
        raise SystemExit(f"{DATA.name} is of another schema: measure all parts anew")
    return dict(data)


def dump(measured: Mapping[str, Any]) -> str:
    """What is kept of it: a sample a line."""
    return _lines({"schema": SCHEMA, **measured}) + "\n"


def _lines(value: object, indent: str = "") -> str:
    """JSON in which what holds no list and no object is one line."""
    nested = isinstance(value, (dict, list))
    items = (
        list(value.values() if isinstance(value, dict) else value) if isinstance(value, (dict, list)) else []
    )
    if not nested or not any(isinstance(item, (dict, list)) for item in items):
        return json.dumps(value)
    keys = [f"{json.dumps(key)}: " for key in value] if isinstance(value, dict) else [""] * len(items)
    begin, end = "{}" if isinstance(value, dict) else "[]"
    inner = ",\n".join(
        f"{indent} {key}{_lines(item, indent + ' ')}" for key, item in zip(keys, items, strict=True)
    )
    return f"{begin}\n{inner}\n{indent}{end}"


def render(measured: Mapping[str, Any]) -> str:
    """The whole page."""
    parts = {"job": _job, "static": _static, "facts": _facts, "growth": growth_lines, "tricks": _tricks}
    texts = [HEAD]
    for name, part in parts.items():
        if name in measured:
            lines = [*part(measured[name]), "", machine_line(measured[name]["machine"])]
            texts.append("\n".join(lines) + "\n")
    return "\n".join(texts)


# The parts ------------------------------------------------------------------------------------


def _job(data: Mapping[str, Any]) -> Iterator[str]:
    warm = {entry["name"]: entry for entry in data["warm"]}
    cold = {entry["name"]: entry for entry in data["cold"]}
    ours = warm[data["ours"]]
    yield f"## {len(data['cells'])} cells, the same checks"
    yield ""
    yield (
        f"{', '.join(f'`{cell}`' for cell in data['cells'])}: on Linux, so `tensorflow-cpu`. The others are a noxfile and a tox.ini "
        "of a dozen lines (`bench/job.py`). They install the exact pins that ours found, and call the same supervisor for the same "
        "checks. Ours has two sets a cell, pinned and plain, where they have one: with two it does twice the checks; with one, the "
        "results of the plain sets are there already, and it does what they do. With full caches pip has its wheels in a folder, since "
        "not every index lets it cache them. It says nothing against them that they keep their "
        "environments: a person who wants to look into one has it."
    )
    yield from table(
        [
            "caches full, environments and results gone",
            "command",
            "turns",
            "wall",
            "processor",
            "wall, times ours",
        ],
        [
            [
                name,
                f"`{entry['command']}`",
                str(len(entry["samples"])),
                seconds_text(median(entry)),
                seconds_text(median(entry, "cpu")),
                f"{median(entry) / median(ours):.2f}",
            ]
            for name, entry in warm.items()
        ],
    )
    yield from table(
        [
            "empty caches, once",
            "wall",
            "processor",
            "came over the network",
            "most disk",
            "of it environments",
        ],
        [
            [
                name,
                seconds_text(median(entry)),
                seconds_text(median(entry, "cpu")),
                bytes_text(entry["downloaded"]),
                bytes_text(entry["disk"]),
                bytes_text(entry["environments"]),
            ]
            for name, entry in cold.items()
        ],
    )
    yield (
        "What came over the network was counted by a proxy on the same machine that all had to use (`bench/tunnel.py`), encryption "
        f"included. Disk is what files take, those with several names once, looked at every {data['look_every']:g} s; ours keeps one "
        "environment a worker, and both sets' wheels."
    )
    yield ""
    plain, tox = (median(warm[data[key]]) / median(ours) for key in ("plain", "tox"))
    serial = median(warm[data["plain"]]) / median(warm[data["ours"].replace("-j 2", "one after the other")])
    told = f"{plain:.1f} times, with two workers where it has one; {serial:.1f} times, one after the other"
    yield target("at least 5 times as fast as nox as it comes, warm", plain >= 5, told)
    if plain < 5:
        least = median(ours, "cpu") / data["machine"]["cores"]
        yield (
            f"  - Ours keeps the cores busy for {least / median(ours):.0%} of its time: with no idle moment it would take "
            f"{seconds_text(least)}, and nox as it comes {median(warm[data['plain']]) / least:.1f} times that. More is had only by doing less, and "
            "most of what is done is the checks, in the profile below."
        )
    yield target("at least 1.5 times as fast as tox-uv in parallel, warm", tox >= 1.5, f"{tox:.1f} times")
    mine, theirs = cold[data["cold_ours"]], cold[data["plain"]]
    share = mine["disk"] / theirs["disk"]
    alone = mine["environments"] / theirs["environments"]
    told = f"{share:.2f} of it with the caches, {alone:.1%} of it without"
    yield target("a third of the disk of nox as it comes", share <= 1 / 3, told)
    if share > 1 / 3:
        yield (
            "  - What takes the disk is the cache: each TensorFlow unpacked once, about a gigabyte each, which is what makes the "
            "next run warm. Environments are links into it. Less would be had only by emptying the cache after each cell."
        )
    again = median(data["again"])
    yield target("the same again with nothing changed, under 5 s", again < 5, seconds_text(again))
    yield ""
    yield from _profile(data["profile"], len(data["cells"]))


def _checks(spent: Mapping[str, float]) -> float:
    """The seconds of all checks of all cells."""
    return sum(seconds for name, seconds in spent.items() if name not in {"all", "wall"})


def _profile(spent: Mapping[str, float], cells: int) -> Iterator[str]:
    """Where the time of ours goes, one cell after the other, one set a cell."""
    checks = _checks(spent)
    rows: list[tuple[str, float]] = [
        ("the checks' first import of TensorFlow", spent["import"]),
        ("the check of numbers", spent["numerics"]),
        ("all other checks", checks - spent["import"] - spent["numerics"]),
        ("installing, bytecode, starting and ending processes", spent["all"] - checks),
        ("nox, the plan, environments made and removed, the table", spent["wall"] - spent["all"]),
    ]
    yield f"Where the time of ours goes, one cell after the other, one set a cell: {seconds_text(spent['wall'])} in all."
    yield from table(
        ["what", "seconds a cell", "of all"],
        [[what, f"{value / cells:.2f}", f"{value / spent['wall']:.0%}"] for what, value in rows],
    )
    yield (
        f"So the checks themselves are {checks / spent['wall']:.0%} of it. That is the limit to how far ours can be ahead of anybody who "
        "makes the same checks: nobody can be faster than they are, and all tools pay for them alike. What the ways to "
        "save time are worth stands below."
    )


def _static(data: Mapping[str, Any]) -> Iterator[str]:
    cells = data["cells"]
    yield f"## Static verdicts of all {cells:,} published cells"
    yield ""
    yield (
        "Ours gives each cell its verdict, two sets of versions, and what the loader says; a resolver says whether one set "
        f"installs. Those were asked about a sample (seed {data['seed']}), each question once before it was timed; the time for all "
        "cells is the mean times their number."
    )
    ours = {entry["name"]: entry for entry in data["ours"]}
    best = median(ours["again"])
    rows = [
        [
            f"ours, {name}",
            f"`{entry['command']}`",
            f"{cells:,}",
            seconds_text(median(entry)),
            seconds_text(median(entry, "cpu")),
            "1",
        ]
        for name, entry in ours.items()
    ]
    ratios = {}
    for key in ("uv", "pip"):
        samples = data[key]["samples"]
        mean, cpu = (statistics.mean(sample[field] for sample in samples) for field in ("seconds", "cpu"))
        ratios[key] = mean * cells / best
        rows.append(
            [
                f"{key}, one question a cell",
                f"`{data[key]['command']}`",
                f"{len(samples)} of {cells:,}",
                f"{duration_text(mean * cells)} ({mean:.2f} s each)",
                duration_text(cpu * cells),
                f"{ratios[key]:,.0f}",
            ]
        )
    yield from table(["who", "command", "cells asked", "all cells", "processor", "times ours"], rows)
    new = median(ours["a new clone"])
    yield (
        f"Whether a plain set installs: uv agrees with ours in {data['uv']['agree']} of {len(data['uv']['samples'])} cells, pip in "
        f"{data['pip']['agree']} of {len(data['pip']['samples'])}. They differ where a plugin is published as source alone, which "
        "those two were told not to build: ours goes by what the source declares."
    )
    yield ""
    yield target(
        "the whole history from a clone in under 2 s",
        new < 2,
        f"{new:.2f} s, {best:.2f} s once it has bytecode",
    )
    yield target(
        "at least 100 times as fast as a question a cell", ratios["uv"] >= 100, f"{ratios['uv']:,.0f} times"
    )


def _facts(data: Mapping[str, Any]) -> Iterator[str]:
    yield "## The facts of a new framework wheel"
    yield ""
    yield (
        "*Alone* is a wheel of a release of which nothing is known, *after* another wheel of a release of which one has been read. "
        "Everything that was read was the same as what the data has."
    )
    rows = []
    shares = {"alone": [], "after": []}  # type: dict[str, list[tuple[str, float]]]
    for wheel in data["wheels"]:
        for how in ("alone", "after", "download"):
            entry = wheel[how]
            got = median(entry, "bytes")
            if how in shares:
                shares[how].append((wheel["version"], wheel["size"] / got))
            rows.append(
                [
                    wheel["version"] if how == "alone" else "",
                    "downloaded" if how == "download" else f"read {how}",
                    bytes_text(got),
                    f"1/{wheel['size'] / got:.1f}",
                    seconds_text(median(entry)),
                    seconds_text(median(entry, "cpu")),
                    bytes_text(median(entry, "memory")),
                ]
            )
    yield from table(["release", "how", "bytes", "of the wheel", "wall", "processor", "memory"], rows)
    low = min(share for _, share in shares["alone"])
    met = [version for version, share in shares["after"] if share >= 15]
    told = f"alone from 1/{max(share for _, share in shares['alone']):.1f} to 1/{low:.1f}"
    told += f"; after another, it is kept by {', '.join(met)}" if met else ""
    yield target("a fifteenth of the bytes, for 2.12 and later", low >= 15, told)
    yield ""
    again = [version for version, share in shares["after"] if share < 15]
    yield (
        "Why, and what the limit is: 14 names of the C API that plugins take by flat look-up are in `libtensorflow_cc` alone, so "
        "whether dyld finds them is known only from its export trie. That stands at the end of the library, which is one deflate stream "
        "of more than 100 MB, and such a stream can be read from its beginning only. Not to read it would make two thirds of the pairs "
        "of a plugin's and a framework's wheel *unknown* (4,097 of 6,164 in November 2026). What is not needed is not fetched: the other "
        f"wheels of a release have the same library and read none of it again{f', but for {chr(44).join(again)}' if again else ''}."
    )


def _spread(entry: Mapping[str, Any]) -> float:
    """The longest turn, as a multiple of the shortest."""
    seconds = [sample["seconds"] for sample in entry["samples"]]
    return float(max(seconds) / min(seconds))


def _tricks(data: Mapping[str, Any]) -> Iterator[str]:
    yield "## What each trick saves"
    yield ""
    yield (
        f"A trick makes ours faster at the price of more code, in one place. The same work with it and without it, on `{data['cell']}` "
        "where it takes an environment; what leaves the trick out is `bench/without.py`. Linking is uv's default, which nox with uv and "
        "tox-uv have as well. Where the turns of one way differ by more than the two ways do, nothing can be said."
    )
    rows = []
    for trick in data["tricks"]:
        ours, plain = median(trick["with"]), median(trick["without"])
        certain = max(map(_spread, (trick["with"], trick["without"]))) < max(plain / ours, ours / plain)
        rows.append(
            [
                trick["trick"],
                trick["where"],
                trick["work"],
                seconds_text(ours),
                seconds_text(plain),
                f"{plain / ours:.2f}" if certain else "uncertain",
            ]
        )
    yield from table(["trick", "where", "work", "with it", "without", "times"], rows)
