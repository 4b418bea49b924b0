"""The machine that the doctor runs on: whether it is an Apple-silicon Mac, its macOS, the session.

An edge: macOS is asked by the absolute paths of its own tools, with limits; elsewhere nothing is asked.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass

from metalmatrix.running.conditions import GRAPHICAL, this_moment
from metalmatrix.running.host import native_arch, output_of, parse_sw_vers


@dataclass(frozen=True)
class Machine:
    """What matters of a machine; each fact is empty or None where it could not be had.

    Attributes:
        system: ``macos``, ``linux``, ``windows``.
        arch: What programs made for it run as, also where this process is translated: ``arm64``.
        macos: The version of macOS, ``15.2``.
        session: launchd's name for the session.
        virtual: Whether macOS is a guest of a hypervisor.
    """

    system: str = ""
    arch: str = ""
    macos: str = ""
    session: str = ""
    virtual: bool | None = None

    @property
    def is_apple_silicon(self) -> bool:
        """Whether it is one of the Macs that this project is about."""
        return self.system == "macos" and self.arch == "arm64"

    @property
    def told(self) -> str:
        """The machine in a line."""
        if self.is_apple_silicon:
            session = f", session {self.session}" if self.session else ""
            virtual = ", a virtual machine" if self.virtual else ""
            return f"macOS {self.macos or '(version unknown)'} on Apple silicon{session}{virtual}"
        name = {"macos": f"macOS {self.macos} on Intel", "linux": f"Linux on {self.arch}"}.get(self.system)
        name = name or f"{self.system or 'an unknown system'} on {self.arch}"
        return f"{name}: no Apple-silicon Mac, so wheels, plugin and GPU are not looked at"

    @property
    def without_login(self) -> bool:
        """Whether the session is known not to be that of somebody who is logged in at the screen."""
        return self.session not in {"", GRAPHICAL}


def this_machine() -> Machine:
    """The machine that this process runs on."""
    system = platform.system().lower().replace("darwin", "macos")
    if system != "macos":
        return Machine(system=system, arch=native_arch())
    moment = this_moment()
    version, _ = parse_sw_vers(output_of(["/usr/bin/sw_vers"], seconds=5) or "")
    return Machine(system, native_arch(), version, moment.session, moment.virtual)
