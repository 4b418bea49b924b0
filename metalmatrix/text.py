"""Text from elsewhere, made fit to print and to publish.

What a check prints or raises was written by somebody else: it may hold terminal escapes, characters
that reorder a line, and the paths of the person who ran it.  `scrub` takes out the paths, `plain`
and `plain_lines` everything that is not text, and `tail_of` does both to the end of a program's output.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# ECMA-48: control sequences (colours, cursor), operating system commands (titles, links), two-byte escapes.
_ESCAPES = re.compile(r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]")
_LINE_ENDS = re.compile(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]")

# Lines of faulthandler's that say nothing about the crash and would fill the tail.
_IMPORT_FRAMES = re.compile(r'^  File "<frozen importlib[^\n]*\n', re.MULTILINE)
_MODULES = re.compile(r"Extension modules: [^\n]*\(total: (\d+)\)")
_STACK = re.compile(r"Fatal Python error: |Timeout \(\d+:")


def scrub(text: str, replacements: Mapping[str, str]) -> str:
    """``text`` with each path in ``replacements`` replaced, the longest first.

    A path ends where its last name ends: ``/home/a`` is not replaced in ``/home/ab``.  It may begin
    anywhere, as in ``-I/home/a/include``.  Empty paths and the root are left alone.
    """
    paths = sorted((path for path in replacements if path.strip("/")), key=len, reverse=True)
    if not paths:
        return text
    pattern = "(?:" + "|".join(map(re.escape, paths)) + ")(?![A-Za-z0-9_])"
    return re.sub(pattern, lambda match: replacements[match[0]], text)


def plain_lines(text: str, limit: int) -> str:
    """``text`` without escapes and control characters, at most its last ``limit`` characters."""
    if text.isprintable():
        return text[-limit:]  # none of these is; most texts are, and a table has 40,000
    text = _LINE_ENDS.sub("\n", _ESCAPES.sub("", text))
    # Cc: controls, Cf: invisible and reordering characters, Cs: half characters that no file can hold.
    kept = (c for c in text if c in "\n\t" or unicodedata.category(c) not in {"Cc", "Cf", "Cs"})
    return "".join(kept)[-limit:]


def plain(text: str, limit: int) -> str:
    """``text`` on one line, without escapes and control characters, at most ``limit`` characters.

    What is too long loses its middle: TensorFlow says at one end what happened, at the other why.
    """
    line = " ".join(plain_lines(text, len(text) + 1).split())
    if len(line) <= limit:
        return line
    half = (limit - 3) // 2
    return f"{line[:half]} … {line[-half:]}"


def tail_of(raw: bytes, limit: int, replacements: Mapping[str, str]) -> str:
    """The last ``limit`` characters of an output, scrubbed and plain.

    Of faulthandler's stack, which begins with the innermost call, it is the beginning that is kept.
    ``raw`` should be several times longer than ``limit`` where there is as much.
    """
    text = raw.decode("utf-8", "replace")
    if len(raw) > limit * 4:
        text = text[1024:]  # where the output was cut it may have halved a path, which scrub cannot know
    text = _MODULES.sub(r"Extension modules: \1", _IMPORT_FRAMES.sub("", scrub(text, replacements)))
    if stack := _STACK.search(text):
        before, after = text[: stack.start()], text[stack.start() :]
        text = before[-(limit // 4) :] + after[: limit - limit // 4]
    return plain_lines(text, limit).strip()
