"""One examination: what was looked at, what it comes to, and the exit code.  Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import metalmatrix
from metalmatrix.doctor import from_text, signs
from metalmatrix.doctor.diagnose import Wanted, diagnoses, pins_to_json
from metalmatrix.doctor.finding import LONGEST
from metalmatrix.doctor.remedy import Place
from metalmatrix.text import plain

if TYPE_CHECKING:
    from metalmatrix.doctor.diagnose import Diagnosis
    from metalmatrix.doctor.finding import Finding
    from metalmatrix.doctor.known import Known, Pins
    from metalmatrix.doctor.rules import Rules
    from metalmatrix.doctor.scene import Scene
    from metalmatrix.doctor.text import Clues

HEALTHY, PROBLEM, COULD_NOT_LOOK = 0, 1, 2

_TOLD = ("numpy", "keras", "tf-keras", "protobuf", "setuptools", "tensorboard", "h5py", "pyarrow")
"""Packages that are told of beside TensorFlow and plugins: most of what breaks it is one of these."""


@dataclass(frozen=True)
class Exam:
    """What came of an examination.

    Attributes:
        scene: The environment and the machine; None where only a text was read.
        clues: What the text tells of where it is from; None where there was none.
        diagnoses: Problems and notes, in the order in which to look at them.
        pins: The set to recommend where nothing is wrong, or several things are.
        unknowns: What could not be told, in sentences.
        asks: What would make the answer surer.
        failed: Why a part could not be done that was asked for.
        layers: Why the order is that, by layer.
        attach: What to attach to a report.
    """

    scene: Scene | None
    clues: Clues | None
    diagnoses: tuple[Diagnosis, ...]
    pins: Pins | None
    as_of: str
    unknowns: tuple[str, ...] = ()
    asks: tuple[str, ...] = ()
    failed: str = ""
    layers: dict[str, str] = field(default_factory=dict)
    attach: str = ""

    @property
    def problems(self) -> tuple[Diagnosis, ...]:
        """What is wrong."""
        return tuple(item for item in self.diagnoses if not item.note)

    @property
    def notes(self) -> tuple[Diagnosis, ...]:
        """What may be harmless."""
        return tuple(item for item in self.diagnoses if item.note)

    @property
    def healthy(self) -> bool | None:
        """Whether nothing is wrong; None where that cannot be told: a text proves no health."""
        if self.problems:
            return False
        return None if self.clues is not None or self.unknowns or self.failed else True

    @property
    def code(self) -> int:
        """The exit code; that of a part that could not be done goes before what the rest has found."""
        if self.failed:
            return COULD_NOT_LOOK
        return {True: HEALTHY, False: PROBLEM, None: COULD_NOT_LOOK}[self.healthy]

    def to_json(self) -> dict[str, Any]:
        """As JSON has it."""
        environment = self.scene.environment if self.scene else None
        machine = self.scene.machine if self.scene else None
        named = [package.partition(" ") for package in packages(self.scene)]
        return {
            "schema": 1,
            "version": metalmatrix.__version__,
            "as_of": self.as_of,
            "healthy": self.healthy,
            "environment": environment
            and {
                "python": environment.python,
                "chosen": environment.chosen,
                "version": environment.version,
                "machine": environment.machine,
                "manager": environment.manager,
                "packages": {name: version for name, _, version in named},
            },
            "machine": machine
            and {
                "system": machine.system,
                "arch": machine.arch,
                "macos": machine.macos,
                "session": machine.session,
                "virtual": machine.virtual,
            },
            "text": self.clues
            and {"python": self.clues.python, "macos": self.clues.macos, "versions": self.clues.versions},
            "diagnoses": [item.to_json() for item in self.diagnoses],
            "pins": pins_to_json(self.pins),
            "unknown": list(self.unknowns),
            "asks": list(self.asks),
            "failed": self.failed,
            "attach": self.attach,
        }


def packages(scene: Scene | None) -> list[str]:
    """The installed packages that matter, ``numpy 2.0.2``, the TensorFlows and plugins first."""
    if scene is None:
        return []
    installed = scene.environment.distributions
    first = [item for item in installed if item.name.startswith("tensorflow")]
    rest = [item for name in _TOLD for item in installed if item.name == name]
    return [plain(f"{item.name} {item.version}", 100) for item in (*first, *rest)][:40]


def examine(  # noqa: PLR0913 - what an examination is made of
    rules: Rules,
    known: Known,
    *,
    scene: Scene | None = None,
    text: str = "",
    clues: Clues | None = None,
    more: tuple[Finding, ...] = (),
    failed: str = "",
) -> Exam:
    """What is wrong, and what to do.

    Args:
        rules: The diagnoses.
        known: What the table knows.
        scene: The environment and the machine, where they are looked at.
        text: A traceback, where there is one, with its *clues*.
        clues: What it tells of where it is from.
        more: What the checks found.
        failed: Why they could not be run.
    """
    found: list[Finding] = list(more)
    unknowns: list[str] = []
    if scene:
        found += signs.findings(scene)
        unknowns += [plain(sentence, LONGEST) for sentence in signs.unknowns(scene)]
    if clues:
        read = from_text.findings(text, clues, rules, known)
        found += read
        if not read:
            unknowns.append("No message that is known here is in the text.")
    place, wanted = _place(scene, clues), _wanted(scene, clues)
    made = diagnoses(found, rules, known, place, wanted)
    asked = from_text.asks(made, clues) if clues and not scene else []
    pins = known.choose(wanted.python, wanted.macos, wanted.framework) if wanted.python else None
    pins = pins or known.choose("", wanted.macos)
    layers = rules.layers
    return Exam(scene, clues, tuple(made), pins, known.as_of, tuple(unknowns), tuple(asked), failed, layers)


def _place(scene: Scene | None, clues: Clues | None) -> Place:
    if scene:
        seen = scene.environment
        return Place(seen.manager, seen.python, seen.minor, scene.machine.is_apple_silicon)
    return Place(clues.manager if clues else "pip")


def _wanted(scene: Scene | None, clues: Clues | None) -> Wanted:
    """What pins are for: this environment's Python on this Mac, or what the text tells of both."""
    framework = scene.framework.version if scene and scene.framework else ""
    return Wanted(
        python=scene.environment.minor if scene else (clues.python if clues else ""),
        macos=(scene.machine.macos if scene and scene.machine.is_apple_silicon else "")
        or (clues.macos if clues else ""),
        framework=framework or (clues.framework if clues else ""),
    )
