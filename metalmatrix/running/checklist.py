"""The checks as data: read from their sources, which are neither imported nor run.

``checks/`` runs inside the environments that are checked.  Out here its modules are parsed, so that
the list and the advice have one home, and a cache can tell when the checks have changed.
"""

from __future__ import annotations

import ast
import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from metalmatrix.errors import MatrixError
from metalmatrix.files import PACKAGE

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class CheckInfo:
    """What is known of a check without running it.

    Attributes:
        id: Its name in results and on the command line.
        title: One line that is true when the check passes.
        stage: The stage that its failure counts for.
        weight: ``breaks`` or ``degrades``: what its failure does to a verdict.
        advice: What a failure means and what to do, for the user.
    """

    id: str
    title: str
    stage: str
    weight: str
    advice: str


@lru_cache(maxsize=None)
def checks_dir() -> Path:
    """The folder of the checks: beside the package in the repository, inside it when installed."""
    beside = PACKAGE.parent / "checks"
    return beside if (beside / "run.py").is_file() else PACKAGE / "_checks"


def prefix_of(*, lite: bool) -> str:
    """How the modules of the checks begin that a cell of TensorFlow has, or one of LiteRT."""
    return "litert_" if lite else "check_"


@lru_cache(maxsize=None)
def check_catalog(*, lite: bool = False) -> tuple[CheckInfo, ...]:
    """The checks of TensorFlow, or of LiteRT, in the order in which they run.

    Raises:
        MatrixError: A module of ``checks/`` does not declare what a check has to.
    """
    order = _constants(checks_dir() / "run.py")[0].get("LITERT" if lite else "ORDER", ())
    assert isinstance(order, tuple)  # noqa: S101 - our own file; a test reads the catalog
    catalog = []
    for check in order:
        path = checks_dir() / f"{prefix_of(lite=lite)}{check.replace('-', '_')}.py"
        constants, advice = _constants(path)
        if constants.get("ID") != check or not advice:
            raise MatrixError(f"{path.name} declares no ID {check!r}, or has no docstring.")
        title, stage, weight = (str(constants.get(key, "")) for key in ("TITLE", "STAGE", "WEIGHT"))
        if not (title and stage and weight in {"breaks", "degrades"}):
            raise MatrixError(f"{path.name} must declare TITLE, STAGE and WEIGHT (breaks or degrades).")
        catalog.append(CheckInfo(check, title, stage, weight, advice))
    return tuple(catalog)


@lru_cache(maxsize=None)
def checks_seed() -> int:
    """The seed of everything random in the checks."""
    seed = _constants(checks_dir() / "checklib.py")[0].get("SEED")
    assert isinstance(seed, int)  # noqa: S101 - our own file; a test reads it
    return seed


def checks_digest() -> str:
    """SHA-256 over the names and sources of the checks, in hexadecimal: results are good for these."""
    digest = hashlib.sha256()
    for path in sorted(checks_dir().glob("*.py")):
        source = path.read_bytes()
        digest.update(f"{path.name} {len(source)}\n".encode())
        digest.update(source)
    return digest.hexdigest()


@lru_cache(maxsize=None)
def check_digest(check: str) -> str:
    """SHA-256 over the sources that decide what one check says: its own, and those that it imports.

    ``run.py`` is not among them: it carries what is said, and says nothing itself.
    """
    digest = hashlib.sha256()
    waiting, seen = [checks_dir() / f"check_{check.replace('-', '_')}.py"], set()
    while waiting:
        path = waiting.pop(0)
        if path not in seen and path.is_file():
            seen.add(path)
            source = path.read_bytes()
            digest.update(f"{path.name} {len(source)}\n".encode())
            digest.update(source)
            waiting += [checks_dir() / f"{name}.py" for name in sorted(_imported(ast.parse(source)))]
    return digest.hexdigest()


def _imported(tree: ast.Module) -> set[str]:
    """The modules that a module names in its imports."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def _constants(path: Path) -> tuple[dict[str, object], str]:
    """The literal constants that the module at ``path`` assigns, and its docstring."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    constants: dict[str, object] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                constants[node.targets[0].id] = ast.literal_eval(node.value)
            except ValueError:
                continue  # computed: not one of those that are read here
    return constants, ast.get_docstring(tree) or ""
