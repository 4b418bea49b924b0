"""Puts the pins' dependency group into somebody's ``pyproject.toml``, and nothing else.

The group is the pins' own: its entries and its comments are replaced as a whole, at the place where it
stands.  All else stays as it is, down to the blanks; what cannot be done so is refused.  Pure.
"""

from __future__ import annotations

import difflib
import sys
from typing import TYPE_CHECKING, Any

import tomlkit
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from tomlkit.exceptions import TOMLKitError

from metalmatrix.errors import UsageError
from metalmatrix.pins.formats import GROUP
from metalmatrix.published import releases
from metalmatrix.resolving.repairs import load_repairs
from metalmatrix.text import plain

if TYPE_CHECKING:
    from collections.abc import Collection

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover - Python 3.10
    import tomli as tomllib

_TABLE = "dependency-groups"


def put(text: str, group: str, companions: Collection[str] = ()) -> str:
    """The text of a ``pyproject.toml`` with the group in it.

    Args:
        text: The file as it is.
        group: The group with its table, as `formats.group` gives it.
        companions: Names of packages that the group has beside what pins always have.

    Raises:
        UsageError: The text is no such file, or has a group of that name that is somebody's own.
    """
    try:
        before, document = tomllib.loads(text), tomlkit.parse(text)
    except (tomllib.TOMLDecodeError, TOMLKitError, RecursionError) as error:
        raise UsageError(f"it is no TOML: {plain(str(error), 200)}", "mend it first") from error
    made = tomllib.loads(group)[_TABLE][GROUP]
    if "\r\n" in text:
        group = group.replace("\n", "\r\n")
    groups = before.get(_TABLE, {})
    if not isinstance(groups, dict):
        raise UsageError(f"its {_TABLE} is no table", "PEP 735 tells what it is to be")
    keys = [key for key in groups if canonicalize_name(key) == GROUP]
    if len(keys) > 1:
        raise UsageError(f"it has the group {GROUP} twice: {', '.join(keys)}", "keep one of them")
    key = keys[0] if keys else GROUP
    _refuse_theirs(groups.get(key, []), made, companions)
    if _TABLE not in before:
        end = "\r\n" if "\r\n" in text else "\n"
        changed = f"{text.rstrip()}{end}{end}{group}" if text.strip() else group
    else:
        document[_TABLE][key] = tomlkit.parse(group)[_TABLE][GROUP]
        changed = tomlkit.dumps(document)
    expected = {**before, _TABLE: {**groups, key: made}}
    try:
        kept = tomllib.loads(changed) == expected
    except tomllib.TOMLDecodeError:
        kept = False
    if not kept:
        raise UsageError(
            f"the group cannot be put there and nothing else changed: its {_TABLE} is written unusually",
            f"write it as a table, [{_TABLE}], or copy the group by hand: leave --write out",
        )
    return changed


def diff(before: str, after: str, name: str) -> str:
    """What changes, as a unified diff; empty where nothing does."""
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), f"{name} (before)", f"{name} (after)", lineterm=""
    )
    return "".join(f"{line}\n" for line in lines)


def _refuse_theirs(entries: Any, made: list[str], companions: Collection[str]) -> None:  # noqa: ANN401
    """Raise where a group of that name has entries that would be lost."""
    hint = (
        f"ask for it --with the others, or move it to a group of yours, which may hold "
        f'{{ include-group = "{GROUP}" }} too'
    )
    if not isinstance(entries, list):
        raise UsageError(f"its group {GROUP} is no list", hint)
    ours = {*releases.FRAMEWORKS, *releases.PLUGINS, *(item.requirement.name for item in load_repairs())}
    ours |= {*companions, *(Requirement(line).name for line in made)}
    for entry in entries:
        try:
            name = canonicalize_name(Requirement(entry).name) if isinstance(entry, str) else ""
        except InvalidRequirement:
            name = ""
        if name not in ours:
            shown = plain(str(entry), 80)
            raise UsageError(f"its group {GROUP} has {shown!r}, which these pins do not have", hint)
