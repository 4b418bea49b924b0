"""What is a person's or a machine's own, and is taken out of a record before it is written.

A record is published.  Paths are shortened where a check ends (`supervise`); here every text that a
program of the environment may have printed is cleaned once more: of the user's and the machine's names, of
what the shell holds in variables that are named like secrets, and of what is private by its form alone.
`own_words` is the edge, a few programs by absolute path; the rest is pure.
"""

from __future__ import annotations

import getpass
import os
import re
import socket
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metalmatrix.running.host import output_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from metalmatrix.running.record import Record, Run, SetRecord

SHORTEST = 3
"""Characters of a name that is looked for: of two, a message would be full."""
SHORTEST_SECRET = 8

_SECRET = re.compile(
    r"TOKEN|SECRET|PASSW|PASSPHRASE|CREDENTIAL|COOKIE|AUTH|(?:^|_)(?:API|ACCESS|PRIVATE)?_?KEY(?:_|$)"
)
_NOBODY = {
    "admin", "administrator", "apple", "build", "builder", "buildkite", "github", "gitlab", "guest", "keras",
    "localhost", "mac", "macbook", "macos", "metal", "nobody", "numpy", "python", "root", "runner",
    "tensorflow", "test", "user", "vagrant",
}  # fmt: skip
"""Names that are nobody's, and words that a message needs."""

# By form alone.  Version numbers look like IPv4 addresses, so those are not looked for.
_FORMS = (
    (re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+"), "<e-mail>"),
    (re.compile(r"(?<=://)[^/\s@]+@"), "<secret>@"),
    (
        re.compile(
            r"\b(?:gh[pousr]_|github_pat_|glpat-|pypi-AgE|hf_|sk-|xox[abprs]-|bkua_)[A-Za-z0-9_-]{16,}"
        ),
        "<secret>",
    ),
    (re.compile(r"\bAKIA[0-9A-Z]{16}\b"), "<secret>"),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"), "<secret>"),
    (re.compile(r"(?i)\b(bearer|authorization:\s*\w+)\s+[A-Za-z0-9._~+/=-]{8,}"), r"\1 <secret>"),
    (
        re.compile(r"\b((?i:serial(?:[ _-]?number)?(?: \(\w+\))?)\W{1,4})(?=[A-Z0-9]*[0-9])[A-Z0-9]{8,17}\b"),
        r"\1<serial>",
    ),
    (re.compile(r"\b[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}\b"), "<uuid>"),
    (re.compile(r"\b[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5}\b"), "<address>"),
    (re.compile(r"(?:/private)?/var/folders/[A-Za-z0-9_+]{2}/[A-Za-z0-9_+]+"), "<tmp>"),
    (re.compile(r"/(?:Users|home)/[A-Za-z0-9._-]+"), "~"),
)
_PLATFORM = re.compile(r'"IOPlatform(?:SerialNumber|UUID)"\s*=\s*"([^"]+)"')


@dataclass(frozen=True)
class Private:
    """Texts of one person on one machine, and what stands for each of them."""

    words: Mapping[str, str]

    def scrub(self, text: str) -> str:
        """The text without them, whole words alone, and without what is private by its form."""
        for form, stand_in in _FORMS:
            text = form.sub(stand_in, text)
        for word in sorted(self.words, key=len, reverse=True):
            text = re.sub(rf"(?<![A-Za-z0-9_]){re.escape(word)}(?![A-Za-z0-9_])", self.words[word], text)
        return text

    def record(self, record: Record) -> Record:
        """The record, every text of it that came from a program scrubbed; names and digests stay."""
        return replace(record, sets={which: self._set(entry) for which, entry in record.sets.items()})

    def _set(self, entry: SetRecord) -> SetRecord:
        resolved = replace(entry.resolved, message=self.scrub(entry.resolved.message))
        run = self._run(entry.run) if entry.run else None
        return replace(entry, resolved=resolved, untested=self.scrub(entry.untested), run=run)

    def _run(self, run: Run) -> Run:
        checks = tuple(
            replace(
                check,
                message=self.scrub(check.message),
                exception=self.scrub(check.exception),
                tail=self.scrub(check.tail),
                facts=self._facts(check.facts),
            )
            for check in run.checks
        )
        return replace(run, failure=self.scrub(run.failure), checks=checks)

    def _facts(self, value: Any) -> Any:  # noqa: ANN401 - JSON
        if isinstance(value, str):
            return self.scrub(value)
        if isinstance(value, list):
            return [self._facts(item) for item in value]
        if isinstance(value, dict):
            return {self.scrub(key): self._facts(item) for key, item in value.items()}
        return value


def private(
    users: Iterable[str], machines: Iterable[str], serials: Iterable[str], environment: Mapping[str, str]
) -> Private:
    """What is to be taken out.

    Args:
        users: Login and full name.
        machines: The names that the machine has.
        serials: Its serial number and hardware UUID.
        environment: The shell's variables, of which those named like a secret hold one.
    """
    words: dict[str, str] = {}
    for names, stand_in in ((machines, "<host>"), (users, "<user>")):
        for name in names:
            for word in (name, name.partition(".")[0]):
                if len(word) >= SHORTEST and word.lower() not in _NOBODY:
                    words[word] = stand_in
    words |= {serial: "<serial>" for serial in serials if len(serial) >= SHORTEST_SECRET}
    for name, value in environment.items():
        secret = value.strip()
        if _SECRET.search(name.upper()) and len(secret) >= SHORTEST_SECRET and secret.lower() not in _NOBODY:
            words[secret] = "<secret>"
    return Private(words)


def parse_ioreg(text: str) -> tuple[str, ...]:
    """Serial number and hardware UUID from the output of ``ioreg -rd1 -c IOPlatformExpertDevice``."""
    return tuple(_PLATFORM.findall(text))


def own_words() -> Private:
    """What is this person's and this machine's own."""
    users, machines = [], [socket.gethostname(), os.uname().nodename]
    try:
        import pwd  # noqa: PLC0415 - not on every system

        users = [getpass.getuser(), pwd.getpwuid(os.getuid()).pw_gecos.partition(",")[0]]
    except (ImportError, KeyError, OSError):
        users = [Path("~").expanduser().name]
    names = ("ComputerName", "LocalHostName")
    machines += [(output_of(["/usr/sbin/scutil", "--get", name], seconds=5) or "").strip() for name in names]
    told = output_of(["/usr/sbin/ioreg", "-rd1", "-c", "IOPlatformExpertDevice"], seconds=5)
    return private(users, machines, parse_ioreg(told or ""), os.environ)
