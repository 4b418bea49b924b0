"""Runs the jobs of a workflow here: their own ``run:`` scripts, word for word, by bash.

What GitHub does between them is done by hand: a checkout is a clone, artifacts are folders, an expression is
looked up.  Whatever a workflow uses that is not known here is an error, so that no step is passed over.  The
only thing made believe is what would be downloaded: `uvx nox` is the nox of this environment, and neither
Pythons nor packages are installed.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from tests.clone import ROOT, Clone

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WORKFLOWS = ROOT / ".github" / "workflows"
_EXPRESSION = re.compile(r"\$\{\{ (.+?) \}\}")
_SHIMS = {
    "uvx": f"""#!/bin/sh
[ "$1" = "nox[uv]" ] || exit 97
shift
exec "{sys.executable}" -m nox "$@"
""",
    "python3": f"""#!/bin/sh
[ "$1 $2" = "-m pip" ] || exec "{sys.executable}" "$@"
""",
    "uv": """#!/bin/sh
[ "$1 $2" = "python install" ] && [ $# -gt 2 ] || exit 96
""",
}
TRUE = {"${{ !cancelled() }}", "${{ !cancelled() && needs.split.result == 'success' }}"}
"""Conditions that hold where every job before went well."""


def load(name: str) -> dict[str, Any]:
    """A workflow as plain data, its triggers under ``on``."""
    data: dict[Any, Any] = yaml.safe_load((WORKFLOWS / name).read_text(encoding="utf-8"))
    return {"on": data.pop(True), **data}  # YAML 1.1 takes the word for a truth value


def steps(data: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every step of a workflow, with its job's name."""
    for job, body in data["jobs"].items():
        for step in body.get("steps", ()):
            yield job, step


def evaluated(expression: str, context: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
    """What an expression of the few kinds that are used here gives."""
    for part in expression.split(" || "):
        part = part.strip()  # noqa: PLW2901
        if found := re.fullmatch(r"'(.*)'", part):
            return found[1]
        if found := re.fullmatch(r"fromJSON\((.+)\)", part):
            return json.loads(evaluated(found[1], context))
        value: Any = context
        for key in part.split("."):
            value = value[key]
        if value not in ("", None):
            return value
    return ""


def filled(text: object, context: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
    """A value of a workflow with its expressions looked up."""
    if not isinstance(text, str):
        return text
    if found := _EXPRESSION.fullmatch(text):
        return evaluated(found[1], context)
    return _EXPRESSION.sub(lambda match: str(evaluated(match[1], context)), text)


@dataclass
class Here:
    """This machine in the place of GitHub's.

    Attributes:
        folder: Where everything goes.
        index: The package index.
        matrix: The text of ``matrix.toml``.
        artifacts: Folder by the name of an artifact.
        summary: What the jobs wrote into their summaries.
    """

    folder: Path
    index: str
    matrix: str
    artifacts: dict[str, Path] = field(default_factory=dict)
    summary: str = ""

    def job(
        self, body: dict[str, Any], name: str, context: dict[str, Any], *, fails: bool = False
    ) -> dict[str, Any]:
        """Run one job; the outputs of its steps.

        Args:
            body: The job.
            name: A name for its folder.
            context: What its expressions can look up.
            fails: Whether a step is to end with an error.
        """
        clone, shims = self.machine(name)
        context = {**context, "steps": {}}
        failed = False
        for step in body["steps"]:
            condition = step.get("if", "${{ success() }}")
            assert condition in {*TRUE, "${{ success() }}"}, condition
            if "uses" in step:
                self._use(step["uses"].partition("@")[0], filled_all(step.get("with", {}), context), clone)
            elif not failed or condition in TRUE:
                code, outputs = self._run(step, context, clone, shims)
                context["steps"][step.get("id", "")] = {"outputs": outputs}
                failed = failed or code != 0
                assert code == 0 or fails, f"{step.get('name')} ended with {code}"
        assert failed == fails
        outputs = {key: filled(value, context) for key, value in body.get("outputs", {}).items()}
        return {"outputs": outputs, "result": "success"}

    def machine(self, name: str) -> tuple[Clone, Path]:
        """A machine of that name with a fresh clone, and the folder with what is made believe on it."""
        clone = Clone.make(self.folder / name, self.index, self.matrix)
        shims = self.folder / name / "bin"
        shims.mkdir()
        for program, text in _SHIMS.items():
            (shims / program).write_text(text, encoding="utf-8")
            (shims / program).chmod(0o755)
        return clone, shims

    def script(self, lines: list[str], clone: Clone, shims: Path, **environment: str) -> None:
        """Run the lines of a script, by a shell."""
        path = f"{shims}{os.pathsep}{clone.env['PATH']}"
        environment = {**clone.env, **environment, "PATH": path}
        subprocess.run(
            ["sh", "-e", "-c", "\n".join(lines)],  # noqa: S607 - as a CI runs it
            cwd=clone.root,
            env=environment,
            check=True,
            timeout=300,
        )

    def _run(
        self, step: dict[str, Any], context: dict[str, Any], clone: Clone, shims: Path
    ) -> tuple[int, dict[str, str]]:
        output, summary = self.folder / "output", self.folder / "summary"
        output.write_text("", encoding="utf-8")
        summary.write_text("", encoding="utf-8")
        environment = {key: str(value) for key, value in filled_all(step.get("env", {}), context).items()}
        done = subprocess.run(
            ["bash", "-e", "-c", step["run"]],  # noqa: S607 - as GitHub runs it
            cwd=clone.root,
            env={
                **clone.env,
                **environment,
                "GITHUB_OUTPUT": str(output),
                "GITHUB_STEP_SUMMARY": str(summary),
                "PATH": f"{shims}{os.pathsep}{clone.env['PATH']}",
            },
            check=False,
            timeout=300,
        )
        self.summary += summary.read_text(encoding="utf-8")
        lines = output.read_text(encoding="utf-8").splitlines()
        return done.returncode, dict(line.split("=", 1) for line in lines)

    def _use(self, action: str, options: dict[str, Any], clone: Clone) -> None:
        match action:
            case "actions/checkout" | "astral-sh/setup-uv":
                pass  # it is a clone, and the programs are shims
            case "actions/upload-artifact":
                source = clone.root / options["path"]
                assert any(source.iterdir())
                shutil.copytree(source, self._new(options["name"]))
            case "actions/upload-pages-artifact":
                shutil.copytree(clone.root / options["path"], self._new("github-pages"))
            case "actions/download-artifact" if "name" in options:
                shutil.copytree(
                    self.artifacts[options["name"]], clone.root / options["path"], dirs_exist_ok=True
                )
            case "actions/download-artifact":
                for name in fnmatch.filter(self.artifacts, options["pattern"]):
                    shutil.copytree(self.artifacts[name], clone.root / options["path"] / name)
            case _:
                raise AssertionError(action)

    def _new(self, name: str) -> Path:
        assert name not in self.artifacts, f"{name} is uploaded twice"
        self.artifacts[name] = self.folder / "artifacts" / name
        return self.artifacts[name]


def filled_all(values: dict[str, Any], context: dict[str, Any]) -> dict[str, Any]:
    """The same of several."""
    return {key: filled(value, context) for key, value in values.items()}
