"""The rules: each message with its example and a near-miss, public texts, unrelated and hostile ones."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metalmatrix.doctor import signs
from metalmatrix.doctor.look import checks_module
from metalmatrix.doctor.remedy import PLACEHOLDER
from metalmatrix.doctor.rules import DATA, Message, find, load_rules, match, parse, recognised
from metalmatrix.errors import MatrixError, UsageError

HERE = Path(__file__).parent
PUBLIC: list[dict[str, Any]] = json.loads((HERE / "public.json").read_text(encoding="utf-8"))
UNRELATED: list[dict[str, Any]] = json.loads((HERE / "unrelated.json").read_text(encoding="utf-8"))
RULES = load_rules()
MESSAGES = [
    pytest.param(rule.id, message, id=f"{rule.id}-{number}")
    for rule in RULES.rules.values()
    for number, message in enumerate(rule.messages)
]


def satisfies(version: str, specifier: str) -> bool | None:
    """Whether a version is within a specifier."""
    answer = checks_module("checkdists").satisfies(version, specifier)
    return answer if isinstance(answer, bool) else None


def ids(text: str) -> list[str]:
    """The diagnoses whose messages are in a text."""
    return [item.id for item, _ in recognised(RULES, f"\n{text}\n", satisfies)]


class TestMessages:
    @pytest.mark.parametrize(("name", "message"), MESSAGES)
    def test_the_example_is_recognised_as_that_and_nothing_else(self, name: str, message: Message) -> None:
        """Each message has a text that it recognises."""
        assert match(message, f"\n{message.example}\n", satisfies)
        assert ids(message.example) == [name]

    @pytest.mark.parametrize(("name", "message"), MESSAGES)
    def test_the_near_miss_is_not(self, name: str, message: Message) -> None:
        """Each has a text that is nearly one: it shares a fragment, and is something else."""
        assert match(message, f"\n{message.near}\n", satisfies) is None
        assert name not in ids(message.near)
        words = {
            word for item in message.all for fragment in item for word in re.findall(r"\w{4,}", fragment)
        }
        assert any(word in message.near for word in words)

    @pytest.mark.parametrize("number", range(len(PUBLIC)))
    def test_a_public_message_is_recognised(self, number: int) -> None:
        """Texts of public threads, and some that real packages produced, mean what they meant there."""
        entry = PUBLIC[number]
        assert entry["source"].startswith(("https://github.com/", "produced: "))
        assert ids("\n".join(entry["text"])) == [entry["diagnosis"]]

    @pytest.mark.parametrize("entry", UNRELATED, ids=lambda entry: str(entry["name"]))
    def test_an_unrelated_text_is_not(self, entry: dict[str, Any]) -> None:
        """Errors of other packages, of Python, of installers, and of TensorFlow that have no name here."""
        assert ids("\n".join(entry["text"])) == []

    def test_the_corpora_are_large_enough(self) -> None:
        """Forty unrelated texts at least, each of another kind."""
        assert len(UNRELATED) >= 40
        assert len({entry["name"] for entry in UNRELATED}) == len(UNRELATED)

    @pytest.mark.parametrize(
        ("id_", "diagnosis"),
        [
            ("tf-58988", "platform-id"),
            ("pixplot-268", "two-plugins"),
            ("tf-53309", "macos-too-old"),
            ("tf-59663", "rosetta"),
            ("tf-46178", "rosetta"),
            ("tf-45323", "rosetta"),
            ("tf-99464", "pyarrow"),
            ("tfx-5804", "pyarrow"),
            ("poetry-8271", "no-tensorflow"),
        ],
    )
    def test_what_reports_quote_is_recognised(self, id_: str, diagnosis: str) -> None:
        """The error of a report in the data, as far as it is one that a person would see."""
        path = DATA.with_name("reports.jsonl")
        reports = {entry.get("id"): entry for entry in map(json.loads, path.read_text("utf-8").splitlines())}
        assert diagnosis in ids(f"import tensorflow\n{reports[id_]['error']}")


class TestData:
    def test_each_diagnosis_says_what_and_why_in_a_sentence_with_a_source(self) -> None:
        """What, why and where that is known from."""
        for rule in RULES.rules.values():
            assert rule.layer in RULES.layers
            assert rule.what.endswith(".")
            assert rule.why.endswith(".")
            assert rule.source.startswith("https://") or (DATA.parent.parent.parent / rule.source).is_file()
            assert rule.fix

    def test_each_can_be_recognised(self) -> None:
        """By a sign, by a message, or by a check; and each sign has its entry."""
        known = {*signs.MAC, *signs.ANYWHERE}
        assert known <= set(RULES.rules)
        silent = {rule.id for rule in RULES.rules.values() if not rule.messages} - known
        assert silent == {"check-failed"}
        assert known >= signs.NOTES

    def test_each_message_names_its_source(self) -> None:
        """A public thread, or what produced it."""
        for rule in RULES.rules.values():
            for message in rule.messages:
                assert len(message.source) > 15

    def test_commands_use_placeholders_that_exist(self) -> None:
        """A slip would leave a line out without a word."""
        known = {"install", "uninstall", "pins", "new", "new-conda", "python", "doctor"}
        known |= {"bound", "leftover", "check", "cell"}
        for rule in RULES.rules.values():
            for line in (*rule.fix, *rule.fix_text):
                assert set(PLACEHOLDER.findall(line)) <= known
                assert "{" not in PLACEHOLDER.sub("", line)

    def test_the_page_tells_of_each(self) -> None:
        """docs/doctor.md has a line for each diagnosis, and for no other, in the order of the rules."""
        page = (DATA.parent.parent.parent / "docs" / "doctor.md").read_text(encoding="utf-8")
        assert re.findall(r"^\| `([a-z0-9-]+)` \|", page, re.MULTILINE) == list(RULES.rules)

    def test_the_file_is_ascii_but_for_pips_own_signs(self) -> None:
        """Whoever edits it sees what is there."""
        assert set(DATA.read_text(encoding="utf-8")) - set(map(chr, range(128))) <= {
            "\N{MULTIPLICATION SIGN}"
        }

    @pytest.mark.parametrize(
        "text", ["", "[]", "{", '{"schema": 2, "diagnoses": [], "layers": {}}', '{"schema": 1}']
    )
    def test_a_damaged_file_is_an_error_with_a_hint(self, text: str) -> None:
        """No traceback of ours."""
        with pytest.raises(MatrixError, match=r"diagnoses\.json"):
            parse(text)


class TestFinding:
    @pytest.mark.parametrize(
        ("text", "item", "place"),
        [
            ("a b c", ["a", "c"], 0),
            ("a b\nc", ["a", "c"], -1),
            ("a\na c", ["a", "c"], 2),
            ("c a", ["a", "c"], -1),
            ("aa", ["a", "a"], 0),
            ("a", ["a", "a"], -1),
            ("", ["a"], -1),
        ],
    )
    def test_fragments_follow_one_another_on_one_line(self, text: str, item: list[str], place: int) -> None:
        """That is all that the language can say."""
        assert find(text, item) == place

    @given(
        st.text("ab \n", max_size=60), st.lists(st.text("ab", min_size=1, max_size=3), min_size=1, max_size=3)
    )
    def test_it_is_what_the_regular_expression_says(self, text: str, item: list[str]) -> None:
        """Held against `re`, which may backtrack as long as it likes here."""
        pattern = "[^\n]*?".join(map(re.escape, item))
        assert (find(text, item) >= 0) == (re.search(pattern, text) is not None)

    @given(st.text(max_size=300))
    def test_no_text_is_too_odd(self, text: str) -> None:
        """Whatever is pasted, there is an answer."""
        assert isinstance(ids(text), list)


FRAGMENTS = sorted({item[0] for rule in RULES.rules.values() for m in rule.messages for item in m.all})
TEN_MB = 10 * 2**20


@pytest.mark.parametrize(
    "text",
    [
        "a" * TEN_MB,
        "\n" * TEN_MB,
        "tensorflow " * (TEN_MB // 11),
        "tensorflow\n" * (TEN_MB // 11),
        "Symbol not found: _" * (TEN_MB // 19),
        "".join(f"{fragment}\n" for fragment in FRAGMENTS) * (TEN_MB // sum(map(len, FRAGMENTS))),
        "".join(FRAGMENTS) * (TEN_MB // sum(map(len, FRAGMENTS))),
        "libmetal_plugin.dylib" + "Symbol not found: " * (TEN_MB // 18),
        "\x1b[" + "1" * TEN_MB,
        "\u202e" * (TEN_MB // 3),
    ],
    ids=[
        "a",
        "lines",
        "words",
        "lines-of-words",
        "symbols",
        "each-line",
        "one-line",
        "tail",
        "escape",
        "bidi",
    ],
)
def test_ten_megabytes_of_malice_take_seconds(text: str, tmp_path: Path) -> None:
    """Nothing backtracks: the whole way of a text, reading included, is linear and bounded."""
    from metalmatrix.doctor import text as texts

    path = tmp_path / "hostile.txt"
    path.write_bytes(text.encode())
    started = time.monotonic()
    try:
        read = texts.read(str(path))
    except UsageError:
        read = ""
    assert len(read) <= 2 * texts.KEPT + 100
    texts.clues(read)
    ids(read)
    assert time.monotonic() - started < 8  # it takes 1 s on a quiet core
