"""The words and tables of the page: numbers as people read them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

ALONE = ", of nox alone"
"""What the name of a base line ends with."""


def machine_line(facts: Mapping[str, Any]) -> str:
    """What a part was measured on, and how busy that was."""
    tools = ", ".join(f"{name} {version}" for name, version in facts["tools"].items())
    return (
        f"*Measured on {facts['date'][:10]} in {facts['minutes']:g} minutes: {facts['processor']}, {facts['cores']} cores, "
        f"{facts['memory'] / 2**30:.0f} GiB, {facts['system']}, Python {facts['python']}, {tools}; metalmatrix {facts['metalmatrix']}. "
        f"{facts['load']} processes waited for a core when it began, {facts['load_after']} when it ended.*"
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A table of Markdown."""
    yield ""
    yield f"| {' | '.join(head)} |"
    yield f"| {' | '.join('---' for _ in head)} |"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""


def target(what: str, met: bool, told: str) -> str:  # noqa: FBT001 - a word that is read beside its text
    """A target, whether it is met, and by what."""
    return f"- {'met' if met else '**not met**'}: {what}: {told}"


def exponent_text(value: float) -> str:
    """How something grows."""
    return f"{value:.2f}" if value else "not"


def seconds_text(value: float) -> str:
    """So many seconds."""
    return f"{value:.2f} s" if value < 100 else f"{value:.0f} s"


def duration_text(value: float) -> str:
    """Minutes, or hours."""
    return f"{value / 60:.0f} min" if value < 7200 else f"{value / 3600:.1f} h"


def bytes_text(value: float) -> str:
    """Megabytes, or gigabytes."""
    return f"{value / 1e6:,.1f} MB" if value < 1e9 else f"{value / 1e9:.2f} GB"
