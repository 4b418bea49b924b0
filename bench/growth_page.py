"""The page's part on growth: exponents, and what one more plugin version costs; pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from bench.measure import median
from bench.words import ALONE, bytes_text, exponent_text, seconds_text, table, target

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

LINEAR = 1.15
"""The exponent up to which a cost is taken for linear."""


def growth_lines(data: Mapping[str, Any]) -> Iterator[str]:
    """The part of the page."""
    yield "## How it grows"
    yield ""
    made = [size for size in data["sizes"] if size["made_up"]]
    beyond = (
        f"; {made[-1]['made_up']} of the plugins of the largest are made up, copies of the published ones in turn"
        if made
        else ""
    )
    yield (
        "Matrices of synthetic axes, with versions spread over all Pythons, frameworks and plugins that were published, so that the "
        "mix is similar; cells without a plugin, which cost less, are all of the smallest and ever fewer of the larger"
        f"{beyond}. The base line is nox with as many sessions that do nothing. *Grows* is the exponent between the two largest sizes, "
        "the cost of the smallest taken off: 1 is linear. For steps inside one process the function calls are counted as well, in a "
        "run of its own: the count does not depend on load, caches or the garbage collector. A run with nothing to install writes a file a cell to the disk; one with nothing changed finds them there."
    )
    sizes = data["sizes"]
    counts = [size["cells"] for size in sizes]
    costs = [{cost["name"]: median(cost, "cpu") for cost in size["costs"]} for size in sizes]
    calls = {cost["name"]: [cost["calls"]] for cost in sizes[0]["costs"] if "calls" in cost}
    for size in sizes[1:]:
        for cost in size["costs"]:
            if "calls" in cost:
                calls[cost["name"]].append(cost["calls"])
    rows, exponents, by_time = [], {}, []
    for name in costs[0]:
        spent = [cost[name] for cost in costs]
        base = f"{name}{ALONE}"
        if base in costs[0]:  # what nox takes for as many sessions is nox's
            rows.append([name, *map(seconds_text, spent), exponent_text(exponent(counts, spent)), ""])
            name, spent = f"{name}, what is ours of it", [cost[name] - cost[base] for cost in costs]  # noqa: PLW2901
        grows, counted = exponent(counts, spent), exponent(counts, calls.get(name, ()))
        if not name.endswith(ALONE):
            exponents[name] = counted or grows
            by_time += [f"{name} {exponent_text(grows)}"] if grows > LINEAR else []
        rows.append(
            [name, *map(seconds_text, spent), exponent_text(grows), exponent_text(counted) if counted else ""]
        )
    head = [f"{count:,}" for count in counts]
    yield from table(["processor time, by cells", *head, "grows", "its calls grow"], rows)
    worst = max(exponents, key=lambda name: exponents[name])
    yield target(
        f"nothing of ours grows faster than linearly, by its calls or else its time (up to {LINEAR} is taken for linear)",
        exponents[worst] <= LINEAR,
        f"the most is {exponent_text(exponents[worst])} ({worst})"
        + (f"; by time alone {', '.join(by_time)} would be more" if by_time else ""),
    )
    one = data["one_more"]
    wheels, questions = one["wheels"], one["questions"]
    more = questions["after"] - questions["before"]
    yield ""
    yield (
        f"One more plugin version, counted: {one['plugin']} was taken out of all that is known, and came back. It brings "
        f"{one['cells']:,} of the {one['all']:,} cells, and costs {wheels['read']} wheels read ({bytes_text(wheels['bytes'])}; it has "
        f"{wheels['published']}), {more} questions to the resolver (one for each of {questions['pythons']} Pythons), no framework read "
        "again, and no rehearsal, since a rehearsal's environment has no plugin."
    )
    yield ""
    kept = wheels["read"] == wheels["published"] and more <= questions["pythons"]
    yield target(
        "a plugin version costs one plugin read, and nothing per cell",
        kept,
        f"{wheels['read']} wheels, {more} questions",
    )


def exponent(cells: Sequence[int], seconds: Sequence[float]) -> float:
    """How a cost grows between the two largest sizes, what the smallest costs taken off; 0 where it does not."""
    if len(seconds) < 3 or min(seconds[-2:]) <= seconds[0]:
        return 0.0
    before, after = (value - seconds[0] for value in seconds[-2:])
    steps = [count - cells[0] for count in cells[-2:]]
    return math.log(after / before) / math.log(steps[1] / steps[0])
