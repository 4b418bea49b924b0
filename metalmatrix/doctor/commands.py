"""`doctor` on the command line: looks, reads, and tells."""

from __future__ import annotations

import io
import os
import platform
import shutil
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import metalmatrix
from metalmatrix.doctor import deep, text
from metalmatrix.doctor.attach import Private, attachment
from metalmatrix.doctor.exam import COULD_NOT_LOOK, Exam, examine, packages
from metalmatrix.doctor.known import load_known
from metalmatrix.doctor.look import active, interpreter, look
from metalmatrix.doctor.machine import this_machine
from metalmatrix.doctor.rules import load_rules
from metalmatrix.doctor.scene import Scene
from metalmatrix.doctor.telling import tell as told
from metalmatrix.errors import MetalmatrixError
from metalmatrix.errors import told as told_of
from metalmatrix.output import print_json, tell

if TYPE_CHECKING:
    import argparse

    from metalmatrix.doctor.finding import Finding

_WIDEST = 110


def doctor(options: argparse.Namespace) -> int:
    """Say what is wrong, and what to type."""
    if options.write:
        from metalmatrix.doctor.known_write import write  # noqa: PLC0415 - needs the whole package

        tell(f"data/doctor.jsonl: {'written' if write() else 'as it was'}")
        return 0
    try:
        exam = _exam(options)
    except (MetalmatrixError, OSError) as error:
        said = told_of(error) if isinstance(error, OSError) else error
        print(f"error: {said}", file=sys.stderr)  # noqa: T201 - the command line's own voice
        return COULD_NOT_LOOK
    if options.json:
        print_json(exam.to_json())
    else:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")  # a terminal without UTF-8 is no reason to fail
        width = min(shutil.get_terminal_size((_WIDEST, 24)).columns, _WIDEST)
        sys.stdout.write(told(exam, width))
    return exam.code


def _exam(options: argparse.Namespace) -> Exam:
    rules, known = load_rules(), load_known()
    message, clues, scene = "", None, None
    if options.traceback is not None:
        if options.traceback == "-" and sys.stdin.isatty():
            tell("paste the message, then Ctrl-D on a line of its own")
        message = text.read(options.traceback)
        clues = text.clues(message)
    if options.python or options.deep or clues is None:
        python, chosen = (interpreter(options.python), "--python") if options.python else active(os.environ)
        scene = Scene(look(python, chosen), this_machine(), known, os.environ)
    more: tuple[Finding, ...] = ()
    failed = ""
    if options.deep and scene:
        try:
            results = deep.run(scene.environment.python, tell)
            more = tuple(deep.findings(results, clues or text.Clues(), rules, known))
        except (MetalmatrixError, OSError) as error:
            failed = told_of(error) if isinstance(error, OSError) else str(error)
    exam = examine(rules, known, scene=scene, text=message, clues=clues, more=more, failed=failed)
    return replace(exam, attach=attachment(_facts(exam), message, _private(scene)))


def _facts(exam: Exam) -> list[str]:
    """What a report needs to be understood, a line each."""
    lines = [f"metalmatrix {metalmatrix.__version__} doctor, with the table as of {exam.as_of}"]
    if exam.scene:
        seen, machine = exam.scene.environment, exam.scene.machine
        lines += [
            f"machine: {machine.told}",
            f"python: {seen.version} {seen.implementation} for {seen.machine}, {seen.manager}: {seen.python}",
            f"packages: {', '.join(packages(exam.scene)) or 'nothing of TensorFlow'}",
        ]
    lines.append(f"found: {', '.join(item.id for item in exam.diagnoses) or 'nothing'}")
    lines += [f"not known: {sentence}" for sentence in exam.unknowns]
    return lines


def _private(scene: Scene | None) -> Private:
    """What is known to be private on this machine."""
    paths = {os.path.expanduser("~"): "~"}  # noqa: PTH111 - Path.home() raises where there is none
    if scene:
        paths[scene.environment.prefix] = "<env>"
    paths.update({os.path.realpath(path): name for path, name in list(paths.items())})
    names = [os.environ.get(name, "") for name in ("USER", "LOGNAME", "USERNAME")]
    return Private(paths, (*(name for name in names if name != "root"), platform.node().partition(".")[0]))
