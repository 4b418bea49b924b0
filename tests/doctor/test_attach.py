"""What is attached to a report holds no name, no home path and no token."""

from __future__ import annotations

import time

import pytest

from metalmatrix.doctor.attach import Private, attachment, scrubbed

NOBODY = Private({})
HOME = "/" + "Users/"  # joined, so that no file of this project holds a home


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        (f"{HOME}jane.doe/x.py", "~/x.py"),
        ("/" + "home/jane/x.py", "~/x.py"),
        ("C:" + "\\Users\\Jane\\x.py", "~\\x.py"),
        (f'File "{HOME}jane/a", in jane\'s code of janet', 'File "~/a", in <name>\'s code of janet'),
        ("(venv) jane@Janes-MacBook-Pro dir % python", "(venv) <name>@<machine> dir % python"),
        ("mail jane.doe@example.com", "mail <name>@<machine>"),
        ("https://jane:s3cret@index.example/simple", "https://index.example/simple"),
        ("--index-url https://token@host/simple", "--index-url https://host/simple"),
        ("HF_TOKEN=hf_abcdefghijklmnop", "HF_<secret>"),
        ("ghp_0123456789abcdefghij0123", "<secret>"),
        ("Authorization: Bearer abc.def.ghi-jkl", "<secret>"),
        ("api_key: 'abcd1234' x", "<secret>' x"),
        ("AKIAIOSFODNN7EXAMPLE", "<secret>"),
        ("key 0123456789abcdef0123456789abcdef01", "key <secret>"),
    ],
)
def test_what_looks_private_is_taken_out(text: str, clean: str) -> None:
    """By how it is written, whoever's it is."""
    assert scrubbed(text, NOBODY) == clean


@pytest.mark.parametrize(
    "text",
    [
        "Symbol not found: __ZN3tsl8internal10LogMessageC1EPKcii",
        "<D2EF42E3-3A7F-39DD-9982-FB6BCDC2853C> tensorflow-plugins/libmetal_plugin.dylib",
        "tensorflow==2.18.0 --hash, torch@main",
        "could not find registered platform with id: 0x12ff97980",
        "tokenizers 0.21.0 is installed",
        "py3.11-tf2.18.1-metal1.2.0",
    ],
)
def test_what_a_report_is_read_for_stays(text: str) -> None:
    """Symbols, versions and addresses say what is wrong."""
    assert scrubbed(text, NOBODY).replace("<name>@<machine>", "torch@main") == text


def test_what_is_known_to_be_private_is_taken_out() -> None:
    """The environment's folder, the user's and the machine's names, wherever they stand."""
    private = Private({"/opt/work/env": "<env>", "/opt/me": "~"}, ("jdoe", "studio", "me"))
    said = scrubbed("/opt/work/env/bin/python on studio: jdoe, /opt/me/x, studios, me", private)
    assert said == "<env>/bin/python on <name>: <name>, ~/x, studios, me"


def test_the_end_of_the_text_is_attached_in_whole_lines() -> None:
    """Forty lines of at most 8,000 characters, without escapes."""
    text = "\n".join(f"line {number} {'x' * 300}\x1b[31m" for number in range(100))
    found = attachment(["metalmatrix"], text, NOBODY)
    assert found.startswith("metalmatrix\n\nthe end of the text:\nline ")
    assert "line 99" in found
    assert "line 50 " not in found
    assert "\x1b" not in found
    assert len(found) < 8200


@pytest.mark.parametrize(
    "text", ["a@" * 50_000, "a." * 50_000, "token=" * 20_000, "A1" * 50_000, HOME * 20_000]
)
def test_a_hostile_end_takes_no_time(text: str) -> None:
    """It is cut before anything looks at it."""
    started = time.monotonic()
    attachment([], text, NOBODY)
    assert time.monotonic() - started < 2
