"""``site/index.html``: the whole history on one page that asks nobody for anything; pure.

The page is whole without JavaScript: the grid is a table, what is known stands below it, each dossier once
(`dossiers.py`).  The script narrows the grid and tells one cell, from what is on the page and from a model
that holds numbers and names of releases alone.  Every text goes through the template's escaping, and the
page's own policy forbids any script or style but the two that were put in here, by their hashes.
"""

from __future__ import annotations

import re
from collections import Counter
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from packaging.version import Version

from metalmatrix.asking import install
from metalmatrix.cells.cell import EXAMPLE, VENV
from metalmatrix.pins.pins import known
from metalmatrix.resolving.floor import KNOWN
from metalmatrix.resolving.question import MACOS_TARGET
from metalmatrix.site import routes
from metalmatrix.site.dossiers import shared
from metalmatrix.site.html import island
from metalmatrix.site.html import render as render_page
from metalmatrix.site.ops_page import registered
from metalmatrix.site.publication import best_of, is_early
from metalmatrix.table.layout import python_span, span, warnings
from metalmatrix.verdicts.verdict import SIGNS, VERDICTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from metalmatrix.cells.cell import Cell
    from metalmatrix.kernels.kernel_facts import Variant
    from metalmatrix.site.dossiers import Group, Shared
    from metalmatrix.site.publication import Publication
    from metalmatrix.verdicts.report import CellReport

MACOS = ("11.0", "12.0", "13.0", "14.0", "15.0", "26.0")
"""The releases of macOS for Apple silicon (November 2026), beside those that wheels ask for."""

MOST_CHANGES = 80
"""Changes that the page tells; of more it tells the number."""

_MAC = re.compile(r"macos-(?P<macos>\d+(?:\.\d+)*)-apple-(?P<chip>m\d[a-z0-9-]*?)-\d+gb")
_ORDER = sorted(VERDICTS, key=lambda word: word == "not-installable")
"""Of the verdicts in a field: the best first, and last what says least of the framework and the plugin."""


class Line(NamedTuple):
    """One line of a field: a verdict, the Pythons, and where what is known of the first of them stands."""

    word: str
    plain_worse: bool
    pythons: str
    dossier: int


class Column(NamedTuple):
    """A plugin: its distribution (empty for none), its version, its column's name, how ids of cells end."""

    family: str
    version: str
    name: str
    suffix: str


def render(publication: Publication) -> str:
    """The page."""
    items = tuple(item for item in publication.cells if item.cell.route == VENV)
    told = shared(publication.cells)
    columns, frameworks = _columns(items), _newest({item.cell.framework for item in items})
    ran, macs = _ran(items)
    changes, variants = publication.changes, publication.variants
    comparisons = publication.score.compared
    context: dict[str, Any] = {
        "model": island(_model(publication, told, columns, frameworks)),
        "total": len(items),
        "as_of": publication.table.as_of.isoformat(),
        "others_as_of": publication.others_as_of,
        "counts": [(w, n) for w in VERDICTS if (n := Counter(i.verdict.word for i in items)[w])],
        "ran": len(ran),
        "macs": macs,
        "rehearsed": sum(
            item.cell not in ran and any(e.kind == "rehearsed" and e.run for e in item.evidence)
            for item in items
        ),
        "warnings": warnings(publication.table),
        "pythons": _oldest({item.cell.python for item in items}),
        "macos": _newest({*MACOS, *(item.macos for item in items if item.macos)}),
        "chips": sorted({chip for seen in ran.values() for _, chip in seen}),
        "best": [
            {
                "item": item,
                "known": known(item),
                "early": is_early(item.cell),
                "lines": install.from_nothing(item.cell, item.pinned_lock),
            }
            for item in best_of(items)
        ],
        "families": [
            (name, len(list(found))) for name, found in groupby(column.family for column in columns)
        ],
        "columns": columns,
        "rows": [
            {"framework": f, "fields": [_lines(told.fields.get((f, c.name), ()), told) for c in columns]}
            for f in frameworks
        ],
        "compared_routes": list(routes.compared(publication.cells, told)),
        "litert": list(routes.litert(publication.cells, told)),
        "changes": changes[:MOST_CHANGES] if changes is not None else None,
        "more_changes": max(0, len(changes or ()) - MOST_CHANGES),
        "score": publication.score.agreed if comparisons else publication.score.line,
        "compared": comparisons,
        "uncompared": len(publication.score.comparisons) - len(comparisons),
        "verdicts": VERDICTS.items(),
        "example": EXAMPLE,
        "target": MACOS_TARGET,
        "known": KNOWN,
        "dossiers": list(_by_word(told)),
        "stories": told.stories,
        "observations": told.observations,
        "holds": told.holds,
        "bound": lambda hold: "".join(p for p in hold if isinstance(p, str)).partition(":")[0],
        "place": told.places.__getitem__,
        "near": told.neighbours,
        "floors": told.floors,
        "registered": [registered(variants, number) for number in range(len(variants))],
    }
    return render_page("page.html", "page.js", **context)


def _model(
    publication: Publication, told: Shared, columns: tuple[Column, ...], frameworks: tuple[str, ...]
) -> dict[str, Any]:
    """What the script knows: which dossier each cell has, by numbers; words stand on the page."""
    pythons = _oldest({item.cell.python for item in publication.cells if item.cell.route == VENV})
    fields: dict[tuple[Group, ...], int] = {}

    def number(found: tuple[Group, ...]) -> int:
        return fields.setdefault(found, len(fields))

    grid = [[number(told.fields.get((f, column.name), ())) for column in columns] for f in frameworks]
    inside = {item.cell for item in publication.table.cells if item.cell.route == VENV}
    return {
        "pythons": pythons,
        "frameworks": frameworks,
        "plugins": [[column.name, column.version, column.suffix] for column in columns],
        "order": _ORDER,
        "signs": SIGNS,
        "dossiers": [[_ORDER.index(d.word), int(d.plain_worse)] for d in told.dossiers],
        "floors": [version for version, _ in told.floors],
        "near": told.near,
        "fields": [
            [[sum(1 << pythons.index(p) for p in g.pythons), g.dossier, g.floor, g.near] for g in found]
            for found in fields
        ],
        "grid": grid,
        "matrix": [
            [f in {cell.framework for cell in inside} for f in frameworks],
            [column.name in {cell.plugin_name for cell in inside} for column in columns],
        ],
        "kernels": _numbers(publication.variants),
        "ran": {cell.id: sorted(seen) for cell, seen in _ran(publication.cells)[0].items()},
    }


def _numbers(variants: Iterable[Variant]) -> dict[str, dict[str, int]]:
    """For the plugin's column and a Python, which of the variants it is."""
    found: dict[str, dict[str, int]] = {}
    for number, variant in enumerate(variants):
        found.setdefault(f"metal {variant.version}", {}).update(dict.fromkeys(variant.pythons, number))
    return found


def _ran(items: Iterable[CellReport]) -> tuple[dict[Cell, set[tuple[str, str]]], list[str]]:
    """The macOS and chip of the Macs that each cell ran on, and all of them in words."""
    found: dict[Cell, set[tuple[str, str]]] = {}
    for item in items:
        for e in item.evidence:
            if e.kind == "ran" and e.outcome in {"ok", "fails"} and (mac := _MAC.fullmatch(e.source)):
                chip = mac["chip"].replace("-", " ").upper().replace(" VIRTUAL", " (virtual)")
                found.setdefault(item.cell, set()).add((mac["macos"], chip))
    seen = sorted({mac for macs in found.values() for mac in macs})
    return found, [f"{chip} with macOS {macos}" for macos, chip in seen]


def _lines(groups: Iterable[Group], told: Shared) -> Iterator[Line]:
    """What a field shows: what cannot be installed is named only where there is nothing else."""

    def key(group: Group) -> tuple[int, bool]:
        found = told.dossiers[group.dossier]
        return _ORDER.index(found.word), found.plain_worse

    lines = []
    for (place, worse), found in groupby(sorted(groups, key=key), key=key):
        same = list(found)
        pythons = python_span(python for group in same for python in group.pythons)
        lines.append(Line(_ORDER[place], worse, pythons, same[0].dossier))
    if any(line.word != "not-installable" for line in lines):
        yield from (line for line in lines if line.word != "not-installable")
    else:
        yield from (line._replace(pythons="") for line in lines)


def _by_word(told: Shared) -> Iterator[tuple[str, list[tuple[int, str, Any]]]]:
    """The dossiers with their numbers and whose they are, by verdict, those of most cells first."""
    order = sorted(range(len(told.dossiers)), key=lambda number: -len(told.cells[number]))
    found = [(number, span(told.cells[number]), told.dossiers[number]) for number in order]
    for word in VERDICTS:
        if members := [one for one in found if one[2].word == word]:
            yield word, members


def _columns(items: Iterable[CellReport]) -> tuple[Column, ...]:
    """The columns: no plugin, then each plugin's releases, the newest first."""
    cells = {item.cell.plugin_key: item.cell for item in items}
    newest = sorted(cells, key=lambda key: key[2], reverse=True)
    ordered = sorted(newest, key=lambda key: key[:2])
    return tuple(
        Column(
            cell.plugin_distribution,
            cell.plugin,
            cell.plugin_name,
            cell.id.split("-", 2)[2],
        )
        for cell in map(cells.__getitem__, ordered)
    )


def _oldest(versions: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(versions, key=Version))


def _newest(versions: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(versions, key=Version, reverse=True))
