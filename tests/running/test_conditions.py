from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from metalmatrix.running import conditions
from metalmatrix.running.conditions import (
    Conditions,
    parse_machine,
    parse_managername,
    parse_sysctls,
    this_moment,
)
from metalmatrix.running.host import output_of

if TYPE_CHECKING:
    from collections.abc import Sequence

# What the commands print, as public documents show it; docs/hosts.md has the addresses.  Lines of `sysctl`
# are from reports of single names, put together: it prints a line for each name that it knows.
AQUA, BACKGROUND = "Aqua\n", "Background\n"
GUEST = "kern.hv_vmm_present: 1\nkern.memorystatus_vm_pressure_level: 1\n"
LOADED = "kern.hv_vmm_present: 0\nkern.memorystatus_vm_pressure_level: 4\n"
YELLOW = LOADED.replace("4", "2")
CALM = LOADED.replace("4", "1")


class TestParsing:
    @pytest.mark.parametrize("name", ["Aqua", "Background", "LoginWindow", "StandardIO", "System"])
    def test_the_session_is_launchds_word(self, name: str) -> None:
        """Every name that TN2083 and launchd know comes through as it is."""
        assert parse_managername(f"{name}\n") == name

    @pytest.mark.parametrize(
        "text",
        ["", "\n", "Aqua Background", "Unrecognized subcommand: managername", "\x1b[31mAqua", "x" * 99],
    )
    def test_what_is_no_name_is_none(self, text: str) -> None:
        """A message, an escape or nothing: the session is not known."""
        assert parse_managername(text) == ""

    @pytest.mark.parametrize(
        ("text", "facts"),
        [
            (GUEST, (True, "normal")),
            (CALM, (False, "normal")),
            (YELLOW, (False, "warning")),
            (LOADED, (False, "critical")),
            ("", (None, "")),
            ("kern.memorystatus_vm_pressure_level: 4\n", (None, "critical")),  # a name is unknown
            ("kern.hv_vmm_present: 7\nkern.memorystatus_vm_pressure_level: 3\n", (None, "")),
            ("kern.hv_vmm_present\nno colon at all", (None, "")),
        ],
    )
    def test_the_kernel_is_believed_word_for_word(self, text: str, facts: tuple[bool | None, str]) -> None:
        """1, 2 and 4 are the levels of pressure there are; what is unknown stays unknown."""
        assert parse_sysctls(text) == facts

    @pytest.mark.parametrize(
        ("text", "machine"),
        [
            ("arm64\n", "arm64"),
            ("x86_64\n", "x86_64"),
            ("AMD64", "x86_64"),
            ("", ""),
            ("a b", ""),
            ("../x", ""),
        ],
    )
    def test_an_architecture_is_one_word(self, text: str, machine: str) -> None:
        """What the interpreter says of itself, by the one name it has here."""
        assert parse_machine(text) == machine


class TestThisMoment:
    def answers(self, monkeypatch: pytest.MonkeyPatch, told: dict[str, str | None]) -> list[Sequence[str]]:
        """Programs that print *told*, by their path; what was run, as a list that grows."""
        ran: list[Sequence[str]] = []

        def answer(command: Sequence[str], seconds: float, limit: int = 0) -> str | None:
            assert 0 < seconds <= 10
            assert limit >= 0
            assert Path(command[0]).is_absolute()
            ran.append(command)
            return told.get(command[0])

        monkeypatch.setattr(conditions, "output_of", answer)
        return ran

    def test_three_programs_tell_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """sysctl, launchctl and the interpreter, each by its absolute path and within its time."""
        told: dict[str, str | None] = {
            "/usr/sbin/sysctl": YELLOW,
            "/bin/launchctl": BACKGROUND,
            "/e/bin/python": "arm64\n",
        }
        ran = self.answers(monkeypatch, told)
        assert this_moment(Path("/e/bin/python")) == Conditions(
            "Background", "warning", virtual=False, interpreter="arm64"
        )
        assert ran[0] == [
            *("/usr/sbin/sysctl", "-i", "kern.hv_vmm_present", "kern.memorystatus_vm_pressure_level")
        ]

    def test_without_an_interpreter_none_is_asked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What is the same for all runs of this moment is known before there is an environment."""
        ran = self.answers(monkeypatch, {"/usr/sbin/sysctl": GUEST, "/bin/launchctl": AQUA})
        assert this_moment() == Conditions("Aqua", "normal", virtual=True)
        assert len(ran) == 2

    def test_programs_that_do_not_answer_leave_it_open(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nothing known is not a reason against anybody."""
        self.answers(monkeypatch, {})
        assert this_moment(Path("/e/bin/python")) == Conditions()

    def test_the_interpreter_itself_is_asked(self) -> None:
        """The probe is run by a real interpreter and gives one word."""
        told = output_of([sys.executable, "-I", "-c", conditions._PROBE], 10)
        assert parse_machine(told or "") in {"arm64", "x86_64"}
