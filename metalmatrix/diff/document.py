"""A published table as it is read: validated by its schema before anything of it is used.

Schema 1 had no sets of versions; such a table is read as one that names none.
"""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any, cast

from metalmatrix.errors import ResultError
from metalmatrix.table.feed import SCHEMA, SCHEMA_FILE

if TYPE_CHECKING:
    from collections.abc import Mapping

_REMAKE = "`nox -s table` writes one"


def parse(text: str) -> Mapping[str, Any]:
    """The table in the text of a ``compat.json``.

    Raises:
        ResultError: It is no JSON, written by a newer metalmatrix, does not follow the schema, or names a
            cell twice.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ResultError(f"it is no JSON: {str(error)[:200]}", _REMAKE) from error
    return validated(data)


def validated(data: object) -> Mapping[str, Any]:
    """The same of plain data."""
    version = data.get("schema") if isinstance(data, dict) else None
    if type(version) is int and version > SCHEMA:
        raise ResultError(
            f"it has schema {version}, newer than {SCHEMA}",
            "git pull, to read it with the newest metalmatrix",
        )
    if isinstance(data, dict) and type(version) is int and version == 1:
        data = _from_schema_1(data)
    try:
        error = next(iter(_validator().iter_errors(data)), None)
    except ValueError as problem:  # half a character, or nested deeper than it follows
        raise ResultError(f"it cannot be checked: {problem}", _REMAKE) from problem
    if error is not None:
        where = "/".join(str(part)[:40] for part in error.instance_path) or "the file"
        raise ResultError(f"it is no table: {where}: {error.message[:200]}", _REMAKE)
    table = cast("dict[str, Any]", data)
    names = [cell["cell"] for cell in table["cells"]]
    if len(set(names)) != len(names):
        raise ResultError("it tells a cell twice", _REMAKE)
    return table


def _from_schema_1(data: dict[str, Any]) -> dict[str, Any]:
    """The data as schema 2 has it; what is wrong with it stays wrong, for the validator to find."""
    cells = data.get("cells")
    if isinstance(cells, list):
        none = {"pinned_set": None, "plain_set": None}
        cells = [{**none, **cell} if isinstance(cell, dict) else cell for cell in cells]
    return {**data, "schema": SCHEMA, "cells": cells, "sets": {}}


@functools.cache
def _validator() -> Any:  # noqa: ANN401 - the library's validator has no public type
    from jsonschema_rs import validator_for  # noqa: PLC0415 - 50 ms that listing the sessions need not pay

    return validator_for(json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))
