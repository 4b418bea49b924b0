"""The table inside of somebody's own Markdown: what stands between two markers is replaced; pure."""

from __future__ import annotations

from metalmatrix.errors import UsageError

BEGIN, END = "<!-- metalmatrix:begin -->", "<!-- metalmatrix:end -->"


def embedded(text: str, lines: list[str], name: str) -> str:
    """*text* with *lines* between its markers, with the line ends that stand there.

    Args:
        text: The document.
        lines: What is to stand there.
        name: The document's, for what is said where it has no such place.

    Raises:
        UsageError: The markers are not there once each, in their order.
    """
    hint = f"put a line {BEGIN} where the table is to stand, and a line {END} behind it"
    for marker in (BEGIN, END):
        if not (count := text.count(marker)):
            raise UsageError(f"{name} does not have the marker {marker}", hint)
        if count > 1:
            raise UsageError(f"{name} has the marker {marker} {count} times", hint)
    before, _, rest = text.partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise UsageError(f"{name} has {END} before {BEGIN}", hint)
    end = "\r\n" if rest.startswith("\r\n") else "\n"
    return end.join([f"{before}{BEGIN}", "", *lines, "", f"{END}{after}"])
