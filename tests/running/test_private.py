"""What is a person's or a machine's own does not reach a result, wherever a program printed it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from metalmatrix.running.private import own_words, parse_ioreg, private
from metalmatrix.running.record import SetRecord, dump_record, parse_record
from tests.samples import CATALOG, PASSED, check, ok, record, run

# Joined here: no file of the repository holds a home, a token or an address of somebody.
HOME = f"/{'Users'}/jdoe"
TOKEN = f"{'ghp'}_a1B2c3D4e5F6g7H8i9J0k1L2"
WHOSE = private(
    users=["jdoe", "Jane Doe"],
    machines=["Janes-MacBook-Pro.local", "Jane's MacBook Pro", "mac"],
    serials=["C02XK0AAJGH5", "00008103-000A1D5C0A8B001E"],
    environment={
        "MY_API_KEY": "correct horse battery",
        "HF_TOKEN": "hugging-face-1234",
        "DB_PASSWORD": "short",
        "KEYBOARD": "dvorak-for-all",
        "PATH": "/usr/bin:/bin",
    },
)
PRIVATE = {
    "home": f"{HOME}/project/x.py",
    "user": "jdoe",
    "full name": "Jane Doe",
    "host": "Janes-MacBook-Pro",
    "computer name": "Jane's MacBook Pro",
    "serial": "C02XK0AAJGH5",
    "another serial": "Serial Number (system): FVFXC0ABCDEF",
    "uuid": "DEADBEEF-0000-1111-2222-ABCDEF012345",
    "key": "correct horse battery",
    "token": "hugging-face-1234",
    "token by form": TOKEN,
    "e-mail": "jane.doe@example.com",
    "password in an address": "https://jane:pa55word@example.com/simple",
    "address of a card": "a4:83:e7:12:34:56",
    "temporary folder": "/private/var/folders/zz/zyxvpxvq6csfxvn_n0000000000000/T/tmp1",
}
LEFT = (
    HOME,
    "jdoe",
    "Jane",
    "C02XK",
    "DEADBEEF",
    "correct horse",
    "hugging-face",
    TOKEN,
    "pa55word",
    "a4:83",
    "zyxvpxvq",
)


@pytest.mark.parametrize("what", PRIVATE)
def test_a_text_is_without_it(what: str) -> None:
    """Each kind of private text is taken out of the middle of a message, whose rest stays."""
    told = WHOSE.scrub(f"before: {PRIVATE[what]}, after")
    assert PRIVATE[what] not in told
    assert not any(text in told for text in LEFT)
    assert told.startswith("before: ")
    assert told.endswith(", after")
    assert "<" in told or "~" in told


@pytest.mark.parametrize(
    "text",
    [
        "tensorflow==2.15.1.1 needs numpy<2, >=1.23.5",
        "dlopen(~/x.dylib, 0x0006): Symbol not found: __ZN10tensorflow8internal10LogMessageD1Ev",
        "Could not locate function 'mse' at keras.metrics@0x7f3a, <tf.function f at 0x10>",
        "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "root logger, test user, dvorak-for-all, short, jdoes, undoejdoe2",
        "InternalError: {{node StatefulPartitionedCall}} serial execution",
    ],
)
def test_a_message_that_holds_nothing_private_stays(text: str) -> None:
    """Versions, symbols, digests, words that only contain a name, and secrets too short to be one."""
    assert WHOSE.scrub(text) == text


def test_a_record_is_without_it_in_every_text_that_a_program_wrote() -> None:
    """Messages, exceptions, tails, facts at any depth, why it failed and why it did not run."""
    text = "; ".join(PRIVATE.values())
    failed = check(
        "failed",
        CATALOG[1],
        how="exception",
        message=text,
        exception=f"jdoe.{TOKEN}.Error",
        tail=text,
        facts={"a": [text, {"jdoe": {"deep": text}}], "n": 1, "none": None, "yes": True},
    )
    one = SetRecord(
        replace(ok(), message=text), "a" * 16, untested=text, run=run(PASSED[0], failed, failure=text)
    )
    made = record("py3.11-tf2.15.1-metal1.1.0", one)
    told = json.dumps(dump_record(WHOSE.record(made)))
    assert [text for text in LEFT if text in told] == []
    again = parse_record(json.loads(told))
    run_ = again.sets["pinned"].run
    assert run_ is not None
    assert (again.cell, run_.inputs, run_.checks[0]) == (
        made.cell,
        one.run.inputs if one.run else "",
        PASSED[0],
    )
    assert run_.checks[1].facts["n"] == 1


def test_the_serial_number_is_read_off_the_macs_own_program() -> None:
    """As `ioreg` prints it, with the hardware UUID; nothing else of it is taken."""
    text = """
    | "IOPlatformSerialNumber" = "C02XK0AAJGH5"
    | "IOPlatformUUID" = "DEADBEEF-0000-1111-2222-ABCDEF012345"
    | "model" = <"Mac14,6">
"""
    assert parse_ioreg(text) == ("C02XK0AAJGH5", "DEADBEEF-0000-1111-2222-ABCDEF012345")
    assert parse_ioreg("") == ()


def test_this_machine_has_words_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The login, the host's name and the shell's secrets are looked up where the run is."""
    monkeypatch.setattr("socket.gethostname", lambda: "workbench-7.example.org")
    monkeypatch.setattr("getpass.getuser", lambda: "somebody")
    monkeypatch.setenv("CI_JOB_TOKEN", "abcdefgh12345678")
    told = own_words().scrub("somebody on workbench-7 (workbench-7.example.org): abcdefgh12345678")
    assert told == "<user> on <host> (<host>): <secret>"
