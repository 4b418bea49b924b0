"""The Mac that pins are for: its Python, macOS and chip, as they are named or as this machine has them.

What a chip can change is little.  Every wheel is for arm64 alike, so neither what is resolved nor what the
loader makes of it depends on the chip; only what ran can.  So any Apple silicon will do, until the checks
have run on the chip that is named: then those runs decide, and runs on other chips are set aside.

Pure: the host and the words in, the machine out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from metalmatrix.errors import UsageError
from metalmatrix.resolving.question import MACOS_TARGET
from metalmatrix.text import plain
from metalmatrix.verdicts.verdict import verdict

if TYPE_CHECKING:
    from metalmatrix.running.host import Host
    from metalmatrix.verdicts.evidence import Evidence
    from metalmatrix.verdicts.report import CellReport

FIRST_MACOS = (11, 0)
"""The first macOS on Apple silicon."""

_CHIP = re.compile(r"(?:apple[ -])?m([1-9][0-9]?)(?:[ -](pro|max|ultra))?")
_CHIP_OF_HOST = re.compile(r"-apple-(m[1-9][0-9]?(?:-(?:pro|max|ultra))?)(?=-)")
_ANY_CHIP = ("any", "arm64", "apple-silicon", "apple silicon")


@dataclass(frozen=True)
class Machine:
    """A Mac that pins are for.

    Attributes:
        python: The minor version that is named; empty where none is.
        running: On a Mac, the Python that runs this: taken where none is named and a good set has it.
        macos: Its macOS: major and minor version.
        chip: ``m2`` or ``m2-max``; empty for any Apple silicon.
        assumed: What nobody named and this machine does not tell, and how to name it; empty where nothing is.
    """

    python: str
    running: str
    macos: tuple[int, int]
    chip: str
    assumed: str = ""

    @property
    def macos_text(self) -> str:
        """Its macOS: ``13.0``."""
        return _text(self.macos)

    @property
    def told(self) -> str:
        """Its macOS and its chip in words."""
        return f"macOS {self.macos_text} on {_chip_name(self.chip) or 'any Apple silicon'}"

    def has_macos_for(self, report: CellReport) -> bool:
        """Whether its macOS is what the pinned set needs; what is not known to be is not."""
        return report.macos is not None and self.has_macos(report.macos)

    def has_macos(self, floor: str) -> bool:
        """Whether its macOS is *floor* or later."""
        return _parsed(floor) <= self.macos

    def seen(self, report: CellReport) -> CellReport:
        """The report with the runs on this chip alone, for each set of which one counts; else as it is."""
        here = {
            item.set
            for item in report.evidence
            if self._is_run_here(item) and item.outcome in {"ok", "fails"} and not item.uncounted
        }
        if not here:
            return report
        kept = tuple(
            item
            for item in report.evidence
            if item.kind != "ran" or item.set not in here or self._is_run_here(item)
        )
        pinned, as_plain = verdict(report.cell, kept), verdict(report.cell, kept, "plain")
        return replace(report, verdict=pinned, plain=as_plain, evidence=kept)

    def of_chip(self, report: CellReport) -> str:
        """What is known of the set on this chip, in a sentence; empty where no chip is meant."""
        if not self.chip:
            return ""
        runs = [
            item
            for item in report.evidence
            if item.kind == "ran" and item.run and item.set == "pinned" and not item.uncounted
        ]
        name = _chip_name(self.chip)
        if any(self._is_run_here(item) for item in runs):
            return f"the checks ran on {name}"
        elsewhere = f", and did on {', '.join(sorted({item.source for item in runs}))}" if runs else ""
        return f"the wheels are the same for every Apple chip; the checks have not run on {name}{elsewhere}"

    def _is_run_here(self, item: Evidence) -> bool:
        found = _CHIP_OF_HOST.search(item.source) if item.kind == "ran" and item.run else None
        return bool(self.chip and found and f"{found[1]}-".startswith(f"{self.chip}-"))


def machine_of(
    host: Host, running: str, *, python: str | None, macos: str | None, chip: str | None
) -> Machine:
    """The machine that is meant: what is named, then what *host* is, if it is a Mac; else what is assumed.

    Args:
        host: The machine this runs on.
        running: The Python that runs this, ``3.11``.
        python: The Python that is named; None where none is.
        macos: The macOS that is named; None where none is.
        chip: The chip that is named; None where none is.

    Raises:
        UsageError: Something that is named is none.
    """
    here = host.is_apple_silicon
    named_python = _python(python) if python is not None else ""
    found = macos if macos is not None else host.os_version if here else ""
    told = _macos(found, named=macos is not None)
    named_chip = _named_chip(chip) if chip is not None else _chip_of(host.chip) if here else ""
    ways = [
        "--python 3.11" if not (named_python or here) else "",
        f"--macos {_text(told or _parsed(MACOS_TARGET))}" if told is None else "",
        "--chip m1" if chip is None and not here else "",
    ]
    assumed = ""
    if any(ways):
        what = [
            "any Python" if ways[0] else "",
            f"macOS {MACOS_TARGET}" if ways[1] else "",
            "any Apple silicon" if ways[2] else "",
        ]
        why = "this Mac does not tell it" if here else "this is no Apple-silicon Mac"
        assumed = (
            f"{why}: assumed {', '.join(filter(None, what))}; to name yours: {' '.join(filter(None, ways))}"
        )
    return Machine(
        named_python,
        running if here and not named_python else "",
        told or _parsed(MACOS_TARGET),
        named_chip,
        assumed,
    )


def _python(text: str) -> str:
    match = re.fullmatch(r"(?:py(?:thon)?|cp)?(3)\.?([0-9]{1,2})(?:\.[0-9]{1,2})?", text.strip().lower())
    if match is None:
        raise UsageError(f"{plain(text, 40)!r} is no minor version of Python", "write it like --python 3.11")
    return f"{match[1]}.{int(match[2])}"


def _macos(text: str, *, named: bool) -> tuple[int, int] | None:
    """Major and minor version; 13 is 13.0.  None where this machine does not tell."""
    match = re.fullmatch(r"([0-9]{2})(?:\.([0-9]{1,2}))?(?:\.[0-9]{1,2})?", text.strip())
    if match is None:
        if named:
            hint = "write it like --macos 14 or --macos 13.4: the Apple menu, About This Mac"
            raise UsageError(f"{plain(text, 40)!r} is no version of macOS", hint)
        return None
    found = int(match[1]), int(match[2] or 0)
    if found < FIRST_MACOS:
        if not named:
            return None
        first = _text(FIRST_MACOS)
        raise UsageError(
            f"macOS {_text(found)} does not run on Apple silicon: {first} is the first", f"--macos {first}"
        )
    return found


def _named_chip(text: str) -> str:
    wanted = " ".join(text.lower().split())
    if wanted in _ANY_CHIP:
        return ""
    match = _CHIP.fullmatch(wanted)
    if match is None:
        hint = "write it like --chip m1 or --chip 'm2 max', or leave it out"
        raise UsageError(f"{plain(text, 40)!r} is no Apple silicon, which all pins here are for", hint)
    return "-".join(filter(None, [f"m{match[1]}", match[2]]))


def _chip_of(name: str) -> str:
    """The chip in what a Mac calls it, ``Apple M2 Max``; empty where that is no such name."""
    match = _CHIP.match(name.lower())
    return "-".join(filter(None, [f"m{match[1]}", match[2]])) if match else ""


def _chip_name(chip: str) -> str:
    return f"Apple {chip.replace('-', ' ').title()}" if chip else ""


def _parsed(text: str) -> tuple[int, int]:
    major, _, minor = text.partition(".")
    return int(major), int(minor or 0)


def _text(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
