"""The documents say what is so: their examples are run, and the README's table is what the renderer makes."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import re
import shlex
import subprocess
import sys

import pytest
import yaml

from metalmatrix.cells.cell import Cell
from metalmatrix.cli import main, parser
from metalmatrix.site.embed import BEGIN, END, embedded
from metalmatrix.table import markdown
from metalmatrix.verdicts.report import CellReport, Report
from metalmatrix.verdicts.verdict import Verdict
from tests.clone import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
GOLDEN = ROOT / "tests" / "golden" / "readme.json"
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def commands(program: str) -> list[str]:
    """The command lines of a program in the documents' code blocks, without explanation and redirection."""
    blocks = [
        block
        for path in DOCUMENTS
        for block in re.findall(r"```\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)
    ]
    lines = [part for block in blocks for line in block.splitlines() for part in line.split(" && ")]
    found = (re.sub(r"^python3 -m ", "", line) for line in lines)
    return sorted({re.split(r"\s{3,}|\s>\s", line)[0] for line in found if line.startswith(f"{program} ")})


@pytest.mark.parametrize("command", commands("nox"))
def test_each_nox_command_of_the_documents_selects_sessions(command: str) -> None:
    """What a document tells to type names sessions that exist."""
    arguments = shlex.split(command)[1:]
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    done = subprocess.run(
        [sys.executable, "-m", "nox", *options, "--list", "--json"],
        cwd=ROOT,
        env=os.environ | {"NOX_SCRIPT_MODE": "none"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert json.loads(done.stdout)


@pytest.mark.parametrize("command", [line for line in commands("nox") if " -- " in line])
def test_what_stands_behind_the_dashes_is_understood(command: str) -> None:
    """Of a session that is a command of the program, the document's arguments are taken too."""
    arguments = shlex.split(command)
    name = arguments[arguments.index("-s") + 1]
    if name in _subparsers() and name != "matrix":  # whose cells nox itself selects
        given = arguments[arguments.index("--") + 1 :]
        assert parser().parse_args([name, *given]).command == name


CI_PAGE = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("text", re.findall(r"```yaml\n(.*?)```", CI_PAGE, re.DOTALL))
def test_the_pipelines_of_the_ci_page_type_commands_that_exist(text: str) -> None:
    """Each is YAML; each nox line names a session, with arguments that it takes; all four commands occur."""

    def lines(value: object) -> list[str]:
        if isinstance(value, dict):
            scripts = [value[key] for key in ("script", "commands") if key in value]
            return [line for script in scripts for line in script] + lines(list(value.values()))
        return [line for item in value for line in lines(item)] if isinstance(value, list) else []

    found = [line for line in lines(yaml.safe_load(text)) if " -m nox -s " in line]
    seen = set()
    for line in found:
        command = re.split(r" > |; ", line.partition(" -m nox -s ")[2])[0].replace("$$", "$")
        name, _, given = command.partition(" -- ")
        if line.startswith("xargs"):
            assert command == "< sessions.txt"
            continue
        seen.add(name.split()[0])
        given = re.sub(r'"\$.*?"', lambda m: "1/4" if "/" in m[0] else "site", given)
        assert parser().parse_args(
            [name.split()[0], *([] if name.startswith("matrix") else shlex.split(given))]
        )
    assert seen == {"matrix", "shards", "merge", "table", "diff"}


@pytest.mark.parametrize("command", commands("metalmatrix"))
def test_each_metalmatrix_command_of_the_documents_is_understood(command: str) -> None:
    """What a document tells to type is a command line that the program takes."""
    assert parser().parse_args(shlex.split(command)[1:])


def _subparsers() -> dict[str, argparse.ArgumentParser]:
    (action,) = (a for a in parser()._actions if isinstance(a, argparse._SubParsersAction))
    return dict(action.choices)


@pytest.mark.parametrize("name", _subparsers())
def test_each_example_of_the_help_is_understood(name: str) -> None:
    """`--help` shows examples, and each of them is taken."""
    epilog = _subparsers()[name].epilog or ""
    examples = re.findall(r"python3? -m metalmatrix (.*?)(?:\s{3,}.*)?$", epilog, re.MULTILINE)
    assert examples
    for example in examples:
        assert parser().parse_args(shlex.split(example)).command == name


def _report() -> Report:
    data = json.loads(GOLDEN.read_text(encoding="utf-8"))
    cells = [
        CellReport(
            Cell.parse(c["cell"]), Verdict(c["verdict"], "", ""), Verdict(c["plain"], "", ""), None, "", ()
        )
        for c in data["cells"]
    ]
    return Report(dt.date.fromisoformat(data["as_of"]), tuple(cells))


def test_the_readmes_table_is_the_renderers(request: pytest.FixtureRequest) -> None:
    """The README's table is rendered from a recorded run; `--regold` takes the one in site/ and writes it."""
    path = ROOT / "README.md"
    if request.config.getoption("--regold"):
        site = json.loads((ROOT / "site" / "compat.json").read_text(encoding="utf-8"))
        cells = [{key: cell[key] for key in ("cell", "verdict", "plain")} for cell in site["cells"]]
        lines = ",\n".join(json.dumps(cell) for cell in cells)
        GOLDEN.write_text(f'{{"as_of": "{site["as_of"]}", "cells": [\n{lines}\n]}}\n', encoding="utf-8")
        path.write_text(embedded(README, list(markdown.table(_report())), path.name), encoding="utf-8")
    told = path.read_text(encoding="utf-8")
    assert told.count(BEGIN) == told.count(END) == 1
    assert told == embedded(told, list(markdown.table(_report())), path.name)


@pytest.mark.index
def test_the_readmes_explanation_is_given(capsys: pytest.CaptureFixture[str]) -> None:
    """The pair that guides recommend can be explained from any machine."""
    assert main(["explain", "py3.9-tf2.12.0-metal0.8.0", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["macos"] == "12.0"
    assert [item["outcome"] for item in found["evidence"] if item["kind"] == "resolved"] == ["ok", "ok"]
    assert [item["outcome"] for item in found["evidence"] if item["kind"] == "linked"] == ["ok"]
    assert found["verdict"] == "likely"
    assert found["plain"] == "degraded"
    assert found["nearest"] == []
    wanted = '"tensorflow-macos==2.12.0" "tensorflow-metal==0.8.0" "setuptools<82"'
    assert found["install"] == ["uv venv --python 3.9", f"uv pip install --only-binary :all: {wanted}"]
