"""Asking uv one question, now: a child process, its answer read strictly."""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

from metalmatrix.resolving import conda
from metalmatrix.resolving.lock import from_pylock
from metalmatrix.resolving.question import MACOS_TARGET, PLATFORMS, Answer, Question
from metalmatrix.resolving.uv import run_uv

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover - Python 3.10
    import tomli as tomllib

UNREACHABLE = "the package index could not be asked"
"""How the reason begins where the index did not answer; other reasons are uv's own."""


def ask(question: Question) -> Answer:
    """Ask uv, now; wheels only, since whoever installs TensorFlow has no compiler for it.

    What is asked for a platform of conda's is for the conda solver.
    """
    if question.platform in conda.SUBDIRS.values():
        return conda.solve(question)
    with tempfile.TemporaryDirectory() as folder:
        wanted, bounds, lock = (
            Path(folder, name) for name in ("requirements.in", "bounds.txt", "pylock.toml")
        )
        wanted.write_text("\n".join(question.requirements), encoding="utf-8")
        bounds.write_text("\n".join(question.bounds), encoding="utf-8")
        if question.preferred:
            lock.write_text(_preferences(question.preferred), encoding="utf-8")
        arguments = ["pip", "compile", str(wanted), "--constraint", str(bounds), "--quiet", "--no-header"]
        arguments += ["--output-file", str(lock), "--python", sys.executable, "--only-binary", ":all:"]
        if platform := PLATFORMS.get(question.platform):
            arguments += ["--python-platform", platform]
        # Uploads of the day itself count, and a day ends at the same moment everywhere.
        arguments += ["--python-version", question.python, "--exclude-newer", f"{question.as_of}T23:59:59Z"]
        for late in question.late:
            arguments += ["--exclude-newer-package", f"{late}T23:59:59Z"]
        said = run_uv(arguments, env={"MACOSX_DEPLOYMENT_TARGET": MACOS_TARGET})
        written = lock.read_text(encoding="utf-8") if said.code == 0 else ""
    if said.unreachable:
        return Answer("unknown", message=f"{UNREACHABLE}: {reason(said.err)}", unreachable=True)
    if said.code == 0:
        try:
            return Answer("ok", from_pylock(tomllib.loads(written)))
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            return Answer("unknown", message=f"the resolver's lock is not understood: {error}"[:500])
    if "No solution found" not in said.err:
        return Answer("unknown", message=f"the resolver failed: {reason(said.err)}")
    sentence, blame = explain_failure(said.err)
    return Answer("fails", message=sentence, blame=blame)


def _preferences(preferred: tuple[str, ...]) -> str:
    """A ``pylock.toml`` of just names and versions: what an output file has, uv keeps where it can."""
    packages = [pin.split("==") for pin in preferred]
    entries = "".join(f'[[packages]]\nname = "{name}"\nversion = "{version}"\n' for name, version in packages)
    return f'lock-version = "1.0"\ncreated-by = "metalmatrix"\n{entries}'


def reason(stderr: str) -> str:
    """What uv wrote as one line, the innermost cause last, without addresses."""
    lines = [
        re.sub(r"\S*://\S+", "(address)", line.strip().removeprefix("error:").removeprefix("cause:").strip())
        for line in stderr.splitlines()
    ]
    return ": ".join(filter(None, lines))[:500]


def explain_failure(stderr: str) -> tuple[str, str]:
    """The resolver's sentence and the package to blame, from what uv wrote.

    The package to blame is the one that the derivation says has no wheel or no version; else the
    first it speaks of.
    """
    text = stderr.split("No solution found", 1)[-1].split("\n", 1)[-1]
    text = re.sub(r"^\s*(?:cause:|╰─▶)", " ", text, flags=re.MULTILINE)
    text = re.sub(r"^(warning|help):.*$", " ", text, flags=re.MULTILINE)
    text = re.sub(r"https?://\S+", "the package index", text)
    sentence = " ".join(text.split())[:2000]
    name = r"([a-z0-9][a-z0-9._-]*[a-z0-9])(?:\[[^\]]*\])?(?:[<>=!~][^\s]*)?"
    for pattern in (
        rf"{name} has no (?:usable )?wheels",
        rf"no versions? of {name}",
        rf"[Bb]ecause (?:all versions of )?{name}",
    ):
        if match := re.search(pattern, sentence):
            return sentence, match[1]
    return sentence, ""
