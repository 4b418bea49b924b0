"""What the commands of all packages share on the command line."""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from typing import TYPE_CHECKING, Any, Callable

from metalmatrix.asking.slips import closest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

Add = Callable[[str, str, str], argparse.ArgumentParser]
"""Adds a command: its name, a sentence, examples; a package's ``arguments.py`` takes it and adds its own."""

_SHOWN = 60
"""Characters of an argument that are told."""


class Parser(argparse.ArgumentParser):
    """Refuses like every other error of the tool: what is wrong, and what to type next.

    What a command does not take is refused by the command, under its own usage, and not by the program.
    """

    _given: Sequence[str] = ()

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:  # noqa: ANN401 - as in argparse
        """Parse them; what is left over is an error here, and not handed to the program's parser."""
        self._given = sys.argv[1:] if args is None else list(args)
        found, left = super().parse_known_args(self._given, namespace)
        if left:
            self.error(f"{self._name} takes no {left[0][:_SHOWN]!r} here")
        return found, left

    def error(self, message: str) -> NoReturn:
        """End; an option that does not exist is told before what is wrong because of it."""
        for text in self._given:
            if text == "--" or (self._subparsers and not text.startswith("-")):
                break  # what follows are no options, or those of a command
            option = text.partition("=")[0]
            known = list(self._option_string_actions)
            if option.startswith("--") and not any(name.startswith(option) for name in known):
                self._refuse(f"{self._name} has no option {option[:_SHOWN]!r}", closest(option, known))
        self._refuse(message)

    def _check_value(self, action: argparse.Action, value: Any) -> None:  # noqa: ANN401 - as in argparse
        """Refuse what is none of an argument's choices; the commands are choices too."""
        if action.choices is None or value in action.choices:
            return
        names = [str(choice) for choice in action.choices]
        text = str(value)[:_SHOWN]
        if action.option_strings:
            self._refuse(f"{action.option_strings[-1]} {text}: it is one of {', '.join(names)}")
        self._refuse(f"{self._name} has no command {text!r}", closest(text, names))

    @property
    def _name(self) -> str:
        return self.prog.rpartition(" ")[2]

    def _refuse(self, what: str, near: Sequence[str] = ()) -> NoReturn:
        meant = f"did you mean {' or '.join(near)}? " if near else ""
        self.print_usage(sys.stderr)
        self.exit(2, f"error: {what}\n  hint: {meant}{self.prog} --help\n")


def json_too(*commands: argparse.ArgumentParser) -> None:
    """Give each of the *commands* the option ``--json``."""
    for command in commands:
        command.add_argument("--json", action="store_true", help="print JSON alone on standard output")


def day(text: str) -> dt.date:
    """A day on the command line, of which the index can know."""
    try:
        given = dt.date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no day: write it like 2026-11-20") from error
    if given > dt.datetime.now(dt.timezone.utc).date():
        raise argparse.ArgumentTypeError(f"{text} is still to come: nothing is known of its uploads")
    return given
