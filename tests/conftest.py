"""Fixtures for all tests, and the one option they add.

``pytest --regold`` writes the files under ``tests/golden/`` anew from what the renderers give now, and
fails the tests that changed one: read the diff, then run pytest again.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from metalmatrix.running.checklist import checks_dir

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GOLDEN = Path(__file__).parent / "golden"

# The same examples on every machine and in every run; no failing example is kept.
settings.register_profile("metalmatrix", max_examples=60, deadline=None, derandomize=True, database=None)
settings.load_profile("metalmatrix")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds `--regold`."""
    parser.addoption("--regold", action="store_true", help="write tests/golden/ anew from what is rendered")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compares a whole text with a file of ``tests/golden/``, or writes the file under ``--regold``."""

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        before = path.read_text(encoding="utf-8") if path.exists() else None
        if request.config.getoption("--regold"):
            path.write_text(text, encoding="utf-8")
        assert text == before, f"tests/golden/{name} differs; if that is meant: pytest --regold"

    return compare


@pytest.fixture
def load() -> Iterator[Callable[[str], Any]]:
    """Imports modules of ``checks/`` as `run.py` does, and forgets them afterwards."""
    before = set(sys.modules)
    sys.path.insert(0, str(checks_dir()))
    yield importlib.import_module
    sys.path.remove(str(checks_dir()))
    for name in set(sys.modules) - before:
        if (checks_dir() / f"{name}.py").exists():
            del sys.modules[name]
