# /// script
# requires-python = ">=3.10"
# dependencies = [
#   "nox[uv]>=2026.10.20",
#   "filelock>=3.16",
#   "jinja2>=3.1.6",
#   "jsonschema-rs>=0.33",
#   "markupsafe>=3.0",
#   "packaging>=24.2",
#   "platformdirs>=4.3",
#   "psutil>=6.1",
#   "pypi-simple>=1.6",
#   "requests>=2.32",
#   "rich>=13.9",
#   "tomli>=2.2; python_version < '3.11'",
#   "tomlkit>=0.13.2",
#   "urllib3>=2.2",
#   "uv>=0.9",
# ]
# ///
"""metalmatrix: the compatibility matrix for TensorFlow on Apple silicon.

nox -s matrix                                 every cell, and then the table;  -- --fresh --keep --plain
nox -s matrix -j 2 -p 3.11 -k "tf2_15"        some cells, two at a time
nox -s "matrix(py3.11-tf2.15.1-metal1.1.0)"   one cell
nox -s pins                                   the best known-good set, a requirements file with hashes
nox -s doctor                                 what is wrong with an environment, and what to type
nox -s table                                  what is known, without running anything; nox -s serve shows it
nox -s tests                                  the project's own tests
nox -s NAME -- --help                         examples of each session for people
"""

from __future__ import annotations

import atexit
import sys
from pathlib import Path

import nox

ROOT = Path(__file__).parent
sys.path.insert(0, str(ROOT))  # nox does not, and its workers start elsewhere

from metalmatrix.cells import matrix_file  # noqa: E402
from metalmatrix.errors import IndexUnreachableError, MetalmatrixError, UsageError, told  # noqa: E402
from metalmatrix.running import run_name  # noqa: E402

nox.needs_version = ">=2026.10.20"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.error_on_missing_interpreters = False  # such a cell is untested, and the table says so
nox.options.sessions = ["matrix"]

PYPROJECT = nox.project.load_toml(ROOT / "pyproject.toml")


def end_in_table() -> None:
    """Show the table after all that nox says, whatever failed, and under -j too."""
    if run_name.plan_path().exists():
        from metalmatrix.running.session import end_in_table as show

        try:
            show()
        except MetalmatrixError as error:
            print(f"error: {error}")
        except OSError as error:
            print(f"error: {told(error)}")


if run_name.join_run():
    atexit.register(end_in_table)

try:
    CELLS = matrix_file.load().cells
except MetalmatrixError as error:
    sys.exit(f"error: {error}")


def call(session: nox.Session, name: str) -> None:
    """Do what ``python -m metalmatrix NAME`` does with the session's arguments."""
    from metalmatrix.cli import main

    try:
        code = main([name, *session.posargs])
    except SystemExit as end:  # argparse has said what is wrong
        code = int(end.code or 0)
    if code:
        session.error(f"exit code {code}, see above")


@nox.session(venv_backend="none", allow_parallel=True)
@nox.parametrize("python,cell_id", [nox.param(c.python, c.id, id=c.id, tags=list(c.tags)) for c in CELLS])
def matrix(session: nox.Session, cell_id: str) -> None:
    """Run one cell: resolve it for macOS, run the checks in its own environment, keep the result."""
    from metalmatrix.running.session import run_cell

    try:
        report = run_cell(cell_id, session.posargs, Path(__file__), session.log)
    except IndexUnreachableError as error:
        session.error(f"unknown: {error}")
    except UsageError as error:
        sys.exit(f"error: {error}")  # once, and not for each of the cells
    except MetalmatrixError as error:
        session.error(str(error))
    except OSError as error:
        session.error(told(error))
    session.log(report.headline)
    if report.surprise:
        session.error(f"a surprise: {report.headline}")
    if report.untested and report.verdict.word != "not-installable":
        session.skip(f"{report.headline}; not run: {report.untested}")


@nox.session(venv_backend="none")
def table(session: nox.Session) -> None:
    """Show what is known, complete or not, and write the page and the feeds: -- --since OLD --readme FILE."""
    if run_name.plan_path().exists():
        session.log("the table follows at the end of this run")
    else:
        call(session, "table")


PEOPLE = {
    "explain": "Say all that is known of cells, and what to install: -- 3.11 2.18 1.1.0, or ids [--json].",
    "check": "Run checks alone in a kept environment: -- --cell ID --only CHECK, or -- --python PATH.",
    "pins": "Print the best known-good pins, for this Mac or -- --python 3.11 --macos 13; -- --help.",
    "serve": "Show site/ in a browser of this machine, made first where it is not there; Ctrl-C ends it.",
    "diff": "Say what has changed between two tables and why, and stop on a surprise: -- OLD [NEW].",
    "contribute": "On a Mac, run what is missing of its chip and macOS: -- [--minutes 60] [--list].",
    "merge": "Join results from elsewhere into results/, none overwritten by an older one: -- DIR...",
    "shards": "Split the cells that nox lists among machines: -- LIST --runners macos-15 --minutes 45.",
    "day": "Move the day of matrix.toml: -- 2026-11-20, or -- today.",
    "doctor": "Say what is wrong with an environment, and what to type: -- --python .venv, --traceback -.",
    "ops": "Say which ops run on the GPU, for which dtypes: -- MatMul, or -- --model FILE.",
    "static": "Give every published combination its verdict, offline: -- --as-of 2026-10-01 --json.",
    "when": "Say since when a plain install is broken, and by what: -- py3.11-tf2.14.0-nometal.",
    "repair": "Find the bounds that mend a cell: -- py3.11-tf2.14.0-nometal --force; or -- --check.",
}
"""Sessions that do what ``python -m metalmatrix NAME`` does, each with the sentence that ``nox -l`` shows."""


def offer(name: str, sentence: str) -> None:
    """Make one of them a session."""

    def run(session: nox.Session) -> None:
        call(session, name)

    run.__doc__ = sentence
    nox.session(name=name, venv_backend="none")(run)


for person_types, does in PEOPLE.items():
    offer(person_types, does)


@nox.session
def update(session: nox.Session) -> None:
    """Show what has been published since, as a diff of the data; -- --force writes it."""
    session.install("-e", ".[read,kernels]")  # reading a new wheel's libraries takes LIEF and Unicorn
    session.run("python", "-m", "metalmatrix", "update", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the project's tests; -- -m "not index and not tensorflow" for those that need no network."""
    session.install("-e", ".[read,kernels]", *nox.project.dependency_groups(PYPROJECT, "tests"))
    session.run("coverage", "erase")
    session.run("coverage", "run", "-m", "pytest", *session.posargs)
    session.run("coverage", "combine", silent=True)
    session.run("coverage", "report")


@nox.session
def bench(session: nox.Session) -> None:
    """Measure it beside what people would use instead; -- static --quick, see --help."""
    session.install("-e", ".[read]", *nox.project.dependency_groups(PYPROJECT, "bench"))
    session.run("python", "-m", "bench", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check the style, and the workflows of CI; -- --fix mends what can be mended."""
    session.install(*nox.project.dependency_groups(PYPROJECT, "lint"))
    session.run("ruff", "check", *session.posargs)
    session.run("ruff", "format", *([] if "--fix" in session.posargs else ["--check"]))
    workflows = sorted(map(str, ROOT.glob(".github/workflows/*.yml")))
    session.run("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *workflows)
    session.run("actionlint", *workflows)
    session.run("zizmor", "--offline", "--no-progress", *workflows)


@nox.session
def typecheck(session: nox.Session) -> None:
    """Check the types, strictly."""
    session.install("-e", ".[read,kernels]", *nox.project.dependency_groups(PYPROJECT, "typecheck"))
    session.run("mypy")


if __name__ == "__main__":
    nox.main()
