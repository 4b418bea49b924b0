"""``site/``: all that is published, written; what is no longer published goes.

::

    site/index.html             the page
    site/ops.html               which ops run on the GPU, by version and dtype
    site/compat.json, .md       the matrix, for machines (compat.schema.json) and as Markdown
    site/junit.xml              the matrix, for a CI that shows tests
    site/cells/<id>.json        a cell with its sets: of the matrix, and of all that can be installed
    site/pins/<id>.txt          its pins with hashes, where they may be handed out
    site/badge/<id>.json        a badge: of a cell of the matrix; python3.11.json of the best set of a Python

A file that would be the same is left alone, so that thousands of them are written once.  Names are made of
cells' ids and of Pythons alone.
"""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metalmatrix.asking import install
from metalmatrix.cells import history
from metalmatrix.diff.compare import compare
from metalmatrix.diff.sources import table_of
from metalmatrix.errors import UsageError
from metalmatrix.files import read_bounded, write_atomic
from metalmatrix.kernels.kernel_facts import load_variants
from metalmatrix.pins.pins import requirements
from metalmatrix.resolving.answers import answered_as_of
from metalmatrix.resolving.repairs import repairs_for
from metalmatrix.running.run import default_results
from metalmatrix.searching.breaks import dated, load_breaks
from metalmatrix.site import badge, junit, ops_page, page, summary
from metalmatrix.site.embed import embedded
from metalmatrix.site.publication import Publication, best_of, may_be_handed_out
from metalmatrix.table import feed, markdown, show
from metalmatrix.verdicts.explain import Explainer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from metalmatrix.verdicts.report import CellReport, Report

_OURS = re.compile(
    r"(?:py3\.\d{1,2}-(?:tf|litert|tflite_runtime)[0-9a-z._-]{1,120}|python3\.\d{1,2})\.(?:json|txt)"
)
"""What a file of ours is called in the folders of one file a cell: nothing else is removed."""


def site_folder() -> Path:
    """Where the site is: ``site/`` of the clone, or of the working folder."""
    return default_results().root.parent / "site"


def publication(report: Report, tell: Callable[[str], None], since: str | None = None) -> Publication:
    """All that is published.

    Args:
        report: The table of the matrix.
        tell: Gets the progress.
        since: The last publication, as `diff` takes a table; None where there is none to compare with.

    Raises:
        MetalmatrixError: There is no table where *since* says.
    """
    changes = compare(table_of(since, tell), feed.render(report)) if since else None
    tell("every published combination, and the page: a few seconds")
    day = answered_as_of()
    inside = {item.cell.id for item in report.cells}
    explainer = Explainer(day, default_results())  # cells that are no longer in the matrix may have run
    others = explainer.reports(
        (cell for cell in (*history.cells(), *history.litert()) if cell.id not in inside), tell
    )
    return Publication(report, tuple(others), day.isoformat(), show.current_score(), changes, load_variants())


def write_site(made: Publication, folder: Path | None = None) -> list[Path]:
    """Write all of it; the files that a person opens."""
    folder = folder or site_folder()
    top = {
        "index.html": page.render(made),
        "ops.html": ops_page.render(made.variants),
        "compat.json": json.dumps(feed.render(made.table), indent=1) + "\n",
        feed.SCHEMA_FILE.name: read_bounded(feed.SCHEMA_FILE),
        "compat.md": markdown.render(made.table),
        "junit.xml": junit.render(made.table),
    }
    for name, text in top.items():
        write_atomic(folder / name, text)
    for name, files in (("cells", _cells(made)), ("pins", _pins(made)), ("badge", _badges(made))):
        _write_folder(folder / name, files)
    return [folder / name for name in top]


def embed(report: Report, path: Path) -> None:
    """Put the table between the markers of a Markdown file.

    Raises:
        UsageError: The file cannot be read, or has no such place.
    """
    try:
        text = read_bounded(path)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}", "name a Markdown file that is there") from error
    write_atomic(path.resolve(), embedded(text, list(markdown.table(report)), path.name))


def append_summary(made: Publication) -> None:
    """Append the summary to the file that the CI names, where it does."""
    if path := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(summary.render(made))


def _write_folder(folder: Path, files: Mapping[str, str]) -> None:
    """Write the files of a folder that are not as they should be; remove those no longer published."""
    for name, text in files.items():
        path = folder / name
        with suppress(OSError, UnicodeDecodeError):
            if read_bounded(path) == text:
                continue
        write_atomic(path, text)
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name not in files and _OURS.fullmatch(path.name):
            path.unlink(missing_ok=True)


def _cells(made: Publication) -> dict[str, str]:
    inside = {item.cell for item in made.table.cells}
    return {
        f"{item.cell.id}.json": json.dumps(cell_file(item)) + "\n"
        for item in made.cells
        if item.cell in inside or item.verdict.word != "not-installable"
    }


def cell_file(item: CellReport) -> dict[str, Any]:
    """What ``site/cells/<id>.json`` holds: the cell as in ``compat.json``, its sets, and what to type."""
    good = may_be_handed_out(item)
    return {
        "schema": feed.SCHEMA,
        "regenerate": "nox -s table",
        **feed.cell_data(item),
        "sets": feed.sets([item]),
        "install": list(install.from_nothing(item.cell, item.pinned_lock)) if good else [],
        "pins": f"pins/{item.cell.id}.txt" if good else None,
    }


def _pins(made: Publication) -> dict[str, str]:
    return dict(_pin_files(made))


def _pin_files(made: Publication) -> Iterator[tuple[str, str]]:
    inside = {item.cell for item in made.table.cells}
    for item in made.cells:
        if may_be_handed_out(item) and item.pinned_lock:
            repairs = dated(repairs_for(item.cell), item.cell, load_breaks())
            day = made.table.as_of.isoformat() if item.cell in inside else made.others_as_of
            yield f"{item.cell.id}.txt", requirements(item, item.pinned_lock, repairs, day)


def _badges(made: Publication) -> dict[str, str]:
    badges = {item.cell.id: badge.of_cell(item) for item in made.table.cells}
    best: dict[str, CellReport] = {}
    for item in best_of(made.cells):
        best.setdefault(item.cell.python, item)
    for python in {item.cell.python for item in made.cells}:
        badges[f"python{python}"] = badge.of_python(python, best.get(python))
    return {f"{name}.json": json.dumps(data, ensure_ascii=False) + "\n" for name, data in badges.items()}
