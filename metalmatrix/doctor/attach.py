"""What to attach to a report: the facts and the end of the text, without names, home paths and tokens.  Pure.

A report is public.  What is known to be private is taken out by what it is (the home folder, the user's and
the machine's names, the environment's folder), and what looks private by how it is written: the folder of any
user, ``name@machine``, a token, a password in an address.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from metalmatrix.text import plain_lines, scrub

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_LINES = 40
_CHARACTERS = 8000

_HOMES = re.compile(r"(?:/Users/|/home/|[A-Za-z]:\\Users\\)([^/\\\s\"':,()]{1,64})")
_AT = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w.-]{1,128}")
_CREDENTIALS = re.compile(r"(://)[^/\s@]{1,200}@")
_SECRETS = re.compile(
    r"\b(?:gh[pousr]_|github_pat_|glpat-|hf_|pypi-|sk-|xox[abprs]-|AKIA|AIza|eyJ)[A-Za-z0-9_.\-]{8,400}"
    r"|(?i:(?:token|secret|password|passwd|api[_-]?key|authorization)[\"']?\s{0,3}[=:]\s{0,3}(?:bearer\s|basic\s)?)"
    r"[\"']?[^\s\"',;]{4,400}"
    r"|(?i:bearer\s)[A-Za-z0-9_.\-]{8,400}"
)
# A long run of letters and digits that mixes both is a key of some kind; symbols of dyld have underscores.
_KEYS = re.compile(
    r"(?<![A-Za-z0-9_/.-])(?=[A-Za-z]{0,60}[0-9])(?=[0-9]{0,60}[A-Za-z])[A-Za-z0-9]{32,200}(?![A-Za-z0-9_/.-])"
)
_SHORTEST = 3


@dataclass(frozen=True)
class Private:
    """What must not be in a report.

    Attributes:
        paths: Folders, and what stands for each.
        names: Names of the person and of the machine.
    """

    paths: Mapping[str, str]
    names: tuple[str, ...] = ()


def attachment(facts: Iterable[str], text: str, private: Private) -> str:
    """The lines to attach.

    Args:
        facts: Lines about machine, environment and what was found.
        text: The traceback; empty where there is none.
        private: What is known to be private here.
    """
    said = "\n".join(facts)
    end = "\n".join(text.strip().splitlines()[-_LINES:])
    if len(end) > _CHARACTERS:
        end = end[-_CHARACTERS:].partition("\n")[2] or end[-_CHARACTERS:]
    if end:
        said += f"\n\nthe end of the text:\n{end}"
    return scrubbed(said, private)


def scrubbed(text: str, private: Private) -> str:
    """*text* without what is private."""
    text = scrub(plain_lines(text, len(text) + 1), private.paths)
    names = {name for name in private.names if len(name) >= _SHORTEST}
    names |= {found for found in _HOMES.findall(text) if len(found) >= _SHORTEST and found != "Shared"}
    text = _HOMES.sub("~", text)
    text = _CREDENTIALS.sub(r"\1", text)
    text = _AT.sub("<name>@<machine>", text)
    text = _SECRETS.sub("<secret>", text)
    text = _KEYS.sub("<secret>", text)
    for name in sorted(names, key=len, reverse=True):
        text = re.sub(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])", "<name>", text)
    return text
