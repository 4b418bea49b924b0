"""What a run was made under: the login session, the memory, a virtual machine, the interpreter.

It is kept with each run and not with its host: it may be otherwise an hour later, and machines alike
share a folder whose ``host.json`` is the first one's.  Pure functions read what macOS's own programs
print; the edge is `this_moment`, a few of them by absolute path, bounded in time and output.  What each
fact means for a run's vote is in `votes`, how it is recognised and from where that is known in
``docs/hosts.md``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from metalmatrix.running.host import normalised, output_of, parse_sysctl

if TYPE_CHECKING:
    from pathlib import Path

Pressure = Literal["", "normal", "warning", "critical"]

GRAPHICAL = "Aqua"
"""What launchd calls the session of somebody who is logged in at the screen (Technical Note TN2083)."""

# NOTE_MEMORYSTATUS_PRESSURE_* of bsd/sys/event_private.h in xnu, which the sysctl gives.
_PRESSURES: dict[str, Pressure] = {"1": "normal", "2": "warning", "4": "critical"}
_SYSCTLS = ("kern.hv_vmm_present", "kern.memorystatus_vm_pressure_level")
_PROBE = "import os; print(os.uname().machine)"


@dataclass(frozen=True)
class Conditions:
    """What one run was made under; each fact is empty or None where it could not be had.

    Attributes:
        session: launchd's name for the session: ``Aqua``, ``Background``, ``LoginWindow``, ``System`` ...
        memory_pressure: The kernel's own judgement: ``normal``, ``warning`` or ``critical``.
        virtual: Whether macOS is a guest of a hypervisor.
        interpreter: What the Python that ran the checks runs as: ``arm64`` or ``x86_64``.
    """

    session: str = ""
    memory_pressure: Pressure = ""
    virtual: bool | None = None
    interpreter: str = ""


def parse_managername(text: str) -> str:
    """The session's name from the output of ``launchctl managername``; empty where it is none."""
    name = text.strip()
    return name if re.fullmatch(r"[A-Za-z]{1,20}", name) else ""


def parse_machine(text: str) -> str:
    """An architecture by its one name, from what an interpreter says of itself; empty where it is none."""
    name = normalised(text.strip())
    return name if re.fullmatch(r"[a-z0-9_]{1,20}", name) else ""


def parse_sysctls(text: str) -> tuple[bool | None, Pressure]:
    """Whether it is a virtual machine, and the memory pressure, from the output of ``sysctl name ...``."""
    told = parse_sysctl(text)
    present, level = (told.get(name, "") for name in _SYSCTLS)
    return {"0": False, "1": True}.get(present), _PRESSURES.get(level, "")


def this_moment(python: Path | None = None) -> Conditions:
    """What a run on this Mac would be made under now.

    Args:
        python: The interpreter that is to run the checks; what it runs as is asked of itself.
    """
    virtual, pressure = parse_sysctls(output_of(["/usr/sbin/sysctl", "-i", *_SYSCTLS], seconds=5) or "")
    asked = output_of([str(python), "-I", "-c", _PROBE], seconds=10, limit=4096) if python else None
    return Conditions(
        session=parse_managername(output_of(["/bin/launchctl", "managername"], seconds=5) or ""),
        memory_pressure=pressure,
        virtual=virtual,
        interpreter=parse_machine(asked or ""),
    )
