"""A table that is read: by its schema, of a known number, each cell once; else it is refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metalmatrix.diff.document import parse
from metalmatrix.errors import ResultError
from metalmatrix.table import feed
from tests.diff.tables import cell, table
from tests.samples import realistic


def test_what_the_feed_writes_is_read() -> None:
    """The table is the data that was written."""
    made = feed.render(realistic())
    assert parse(json.dumps(made)) == json.loads(json.dumps(made))


def test_schema_1_names_no_sets() -> None:
    """A table of before there were sets is read as one without."""
    old = {**table(cell()), "schema": 1}
    del old["sets"], old["cells"][0]["pinned_set"], old["cells"][0]["plain_set"]
    read = parse(json.dumps(old))
    assert read["sets"] == {}
    assert read["cells"][0]["pinned_set"] is None


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("[]", "no table"),
        ('{"schema": 3}', "newer than 2"),
        ('{"schema": true}', "no table"),
        ('{"schema": 1, "cells": [1]}', "no table"),
        (json.dumps({**table(cell()), "cells": [cell(verdict="great")]}), "cells/0/verdict"),
        (json.dumps({**table(cell()), "cells": [cell("../../etc/passwd")]}), "cells/0/cell"),
        (json.dumps({**table(cell()), "cells": [cell(), cell()]}), "tells a cell twice"),
    ],
)
def test_what_is_no_table_is_refused(text: str, what: str) -> None:
    """The reason is told, with what to do."""
    with pytest.raises(ResultError, match=what) as refused:
        parse(text)
    assert refused.value.hint


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda x: st.lists(x) | st.dictionaries(st.text(), x),
    )
)
def test_no_json_gets_through(data: object) -> None:
    """Whatever JSON is no table is refused with that one error."""
    with pytest.raises(ResultError):
        parse(json.dumps(data))
