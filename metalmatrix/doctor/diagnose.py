"""From findings to diagnoses: in the order in which to fix them, with commands and pins.  Pure.

The order is that of the layers in ``data/diagnoses.json``, each with its reason, and within a layer that of
the file: what is mended first decides what is left of the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from metalmatrix.doctor.finding import merged
from metalmatrix.doctor.remedy import Place, commands

if TYPE_CHECKING:
    from collections.abc import Iterable

    from metalmatrix.doctor.finding import Finding
    from metalmatrix.doctor.known import Known, Pins
    from metalmatrix.doctor.rules import Rule, Rules


@dataclass(frozen=True)
class Diagnosis:
    """One thing that is wrong, and what to do.

    Attributes:
        id: Its name.
        note: Whether it may be harmless.
        what: What is wrong, in a sentence.
        why: Why, in a sentence.
        source: Where that is known from.
        saw: What was seen, in sentences.
        commands: The lines to type.
        pins: The set of the table for it; None where there is none.
    """

    id: str
    note: bool
    layer: str
    what: str
    why: str
    source: str
    saw: tuple[str, ...]
    commands: tuple[str, ...]
    pins: Pins | None

    def to_json(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "id": self.id,
            "note": self.note,
            "layer": self.layer,
            "what": self.what,
            "why": self.why,
            "source": self.source,
            "saw": list(self.saw),
            "commands": list(self.commands),
            "pins": pins_to_json(self.pins),
        }


def pins_to_json(pins: Pins | None) -> dict[str, Any] | None:
    """A set as JSON has it."""
    if pins is None:
        return None
    return {
        "cell": pins.cell,
        "verdict": pins.verdict,
        "known": pins.known,
        "macos": pins.macos,
        "requirements": list(pins.requirements),
        "command": pins.command,
    }


@dataclass(frozen=True)
class Wanted:
    """What pins are asked for; each is empty where it is not known.

    Attributes:
        python: The minor version of Python that is there.
        macos: The version of macOS.
        framework: The release to stay at, where there is a set with it.
    """

    python: str = ""
    macos: str = ""
    framework: str = ""


def diagnoses(
    findings: Iterable[Finding], rules: Rules, known: Known, place: Place, wanted: Wanted
) -> list[Diagnosis]:
    """What is wrong, problems and notes each in the order in which to look at them."""
    found = {item.id: item for item in merged(findings)}
    made = []
    for rule in rules.rules.values():
        item = found.get(rule.id)
        if item is not None:
            pins = choose(rule, known, wanted)
            fix = (rule.fix_text if not place.python else ()) or rule.fix
            lines = commands(fix, place, pins, item.values)
            made.append(
                Diagnosis(
                    rule.id, item.note, rule.layer, rule.what, rule.why, rule.source, item.saw, lines, pins
                )
            )
    return sorted(made, key=lambda diagnosis: diagnosis.note)


def choose(rule: Rule, known: Known, wanted: Wanted) -> Pins | None:
    """The set of the table that goes with a diagnosis.

    For this Python and macOS, with the same framework where that is possible; where another Python is
    needed, or this one has no set at all, the best of any.  What no set of the macOS gives is not given.
    """
    framework = "" if rule.leave else wanted.framework
    anywhere = known.choose("", wanted.macos, below=rule.below)
    here = known.choose(wanted.python, wanted.macos, framework, rule.below) if wanted.python else None
    if here is None or (rule.python in {"any", "plugin"} and not here.has_plugin):
        return anywhere
    return here
