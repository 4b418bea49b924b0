"""The public reports are data, linted like code: each rule is a function, beside entries that break it."""

from __future__ import annotations

import datetime as dt
import json
import re
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import pytest
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from metalmatrix.cells.matrix_file import PYTHONS
from metalmatrix.errors import MatrixError
from metalmatrix.published.releases import FRAMEWORKS, PLUGIN, published, read_on
from metalmatrix.reported import reports
from metalmatrix.reported.about import SERIES, meant
from metalmatrix.reported.reports import (
    CIRCUMSTANCES,
    CONFIDENCES,
    OF_THE_PAIR,
    OUTCOMES,
    Report,
    dump_reports,
    load_reports,
    parse_reports,
)
from metalmatrix.table.markdown import link
from metalmatrix.text import plain
from metalmatrix.verdicts.evidence import STAGES
from tests.public import SOUND, WORKS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TEXT = reports.DATA.read_text(encoding="utf-8")
ALL = load_reports()


def id_is_a_plain_name(report: Report) -> bool:
    """The id is a name that a diff, a link and a table can hold."""
    return re.fullmatch(r"[a-z0-9][a-z0-9.-]{2,39}", report.id) is not None


def outcome_is_listed(report: Report) -> bool:
    """The outcome is one of the closed list, and so is the subtype, if there is one."""
    return report.outcome in OUTCOMES and report.subtype in {"", *CIRCUMSTANCES, *OF_THE_PAIR}


def source_is_an_address(report: Report) -> bool:
    """The source is an address that can be a link: https, nothing to escape, of a length to print."""
    return len(report.source_url) < 200 and link(report.source_url, "x").startswith("[x](<https://")


def date_is_a_day_or_month(report: Report) -> bool:
    """The date, if it is known, is a day or a month since the first Mac with Apple silicon, and has been."""
    text = report.date if report.date.count("-") == 2 else f"{report.date}-01"
    try:
        day = dt.date.fromisoformat(text)
    except ValueError:
        return report.date == ""
    return text == day.isoformat() and dt.date(2020, 11, 1) <= day <= dt.date.fromisoformat(read_on())


def distributions_are_known(report: Report) -> bool:
    """The framework is one of the two names, if named; another plugin is one by its normal form."""
    another = report.plugin not in {*FRAMEWORKS, ""} and report.plugin == canonicalize_name(report.plugin)
    return report.tf_dist in {*FRAMEWORKS, ""} and another


def framework_is_a_version(report: Report) -> bool:
    """A release or a series that is known, a bound, a nightly, or one from before the first with a plugin."""
    if report.tf == "":
        return True
    if report.tf_dist == "":
        return False
    if meant(report.tf_dist, report.tf, report.date):
        return True
    if re.fullmatch(r"[0-9]+\.[0-9]+\.[0-9]+-dev20[0-9]{6}", report.tf):
        return True
    if re.fullmatch(r"2\.[0-4](\.[0-9])?", report.tf):
        return True
    return report.tf[0] in "<>=!~" and is_specifier(report.tf)


def plugin_is_a_version(report: Report) -> bool:
    """A published release of the plugin, or a series of it; of another plugin nothing is known here."""
    return report.metal == "" or report.plugin != PLUGIN or bool(meant(PLUGIN, report.metal, report.date))


def no_release_is_younger_than_its_report(report: Report) -> bool:
    """Nobody reports a release before it is out."""
    named = [(report.tf_dist, report.tf), (report.plugin, report.metal)]
    days = [found.uploaded for name, version in named if (found := published(name).get(version))]
    return not report.date or all(day[: len(report.date)] <= report.date for day in days)


def pythons_are_versions(report: Report) -> bool:
    """Each Python is a version, each once; from 3.8 on, where Apple silicon begins, it is a known one."""
    minors = [text for text in report.pythons if text not in {"3.6", "3.7"}]
    return (
        all(re.fullmatch(r"3\.[0-9]{1,2}(\.[0-9]{1,2})?", text) for text in report.python)
        and set(minors) <= set(PYTHONS)
        and len(set(report.python)) == len(report.python)
    )


def is_specifier(text: str) -> bool:
    """Whether packaging reads a text as a specifier."""
    try:
        return bool(SpecifierSet(text))
    except InvalidSpecifier:
        return False


def keras_is_a_specifier(report: Report) -> bool:
    """For which Keras it holds is a specifier, since a lock's Keras is held against it."""
    return report.keras == "" or is_specifier(report.keras)


def a_failure_says_what_is_seen(report: Report) -> bool:
    """What fails has an error, what works a level, and neither has the other's."""
    works = report.outcome == "works"
    return bool(report.works_level) == works and bool(report.error) != works


def nobody_is_sent_to_what_is_not_there(report: Report) -> bool:
    """What was seen is said, and not by pointing at another entry."""
    return not re.match(r"(?i)same as\b|see\b|ditto\b", report.error or report.works_level)


def inferred_fields_are_there(report: Report) -> bool:
    """What is inferred is a field that has a value, and each is named once."""
    named = report.inferred_fields
    return len(set(named)) == len(named) and all(
        name in {field.name for field in fields(Report)} - {"id", "inferred_fields"} and getattr(report, name)
        for name in named
    )


def confidence_is_listed(report: Report) -> bool:
    """How sure the collector is, is one of three words."""
    return report.confidence in CONFIDENCES


def texts_are_bounded_and_printable(report: Report) -> bool:
    """Every text is a line of plain characters, no longer than one can read."""
    texts = [
        text
        for field in fields(Report)
        for value in [getattr(report, field.name)]
        for text in (value if isinstance(value, tuple) else [value])
        if isinstance(text, str)
    ]
    return all(text == plain(text, 300) and len(text) <= 300 for text in texts)


def a_circumstance_of_rosetta_is_on_apple_silicon(report: Report) -> bool:
    """Rosetta runs on Apple silicon, and a wheel for another architecture is missing elsewhere."""
    elsewhere = {"rosetta-avx": True, "no-wheel-for-arch": False}
    return elsewhere.get(report.subtype, report.apple_silicon) == report.apple_silicon


def what_only_installs_says_so(report: Report) -> bool:
    """What works as far as pip installs it, and no further, is of the subtype for that; nothing else is."""
    only = report.outcome == "works" and re.match(r"(?i)(pip )?(install|download)", report.works_level)
    return bool(only) == (report.subtype == "installs-only")


def no_plugin_is_named_where_none_was(report: Report) -> bool:
    """What was seen without a plugin names none, and that it was not installed means that."""
    named = report.metal or report.plugin != PLUGIN
    missing = report.subtype == "plugin-not-installed"
    return not (report.without_plugin and named) and (report.without_plugin or not missing)


RULES: tuple[tuple[Callable[[Report], bool], tuple[dict[str, Any], ...]], ...] = (
    (id_is_a_plain_name, ({"id": ""}, {"id": "A 1"}, {"id": "../x"}, {"id": "x" * 50})),
    (outcome_is_listed, ({"outcome": "fails"}, {"subtype": "rosetta"})),
    (
        source_is_an_address,
        (
            {"source_url": ""},
            {"source_url": "http://example.com/1"},
            {"source_url": "javascript:alert(1)"},
            {"source_url": "https://example.com/<b>"},
            {"source_url": "https://example.com/a b"},
            {"source_url": "https://example.com/" + "x" * 200},
        ),
    ),
    (
        date_is_a_day_or_month,
        (
            {"date": "January 2024"},
            {"date": "2024-13-01"},
            {"date": "2024-1-2"},
            {"date": "2024"},
            {"date": "2019-01-01"},
            {"date": "2999-01"},
        ),
    ),
    (
        distributions_are_known,
        (
            {"tf_dist": "Tensorflow"},
            {"tf_dist": "tf-nightly"},
            {"plugin": ""},
            {"plugin": "tensorflow"},
            {"plugin": "Tensorflow_Metal"},
        ),
    ),
    (
        framework_is_a_version,
        (
            {"tf": "2.14.9"},
            {"tf": "2.99"},
            {"tf": "two"},
            {"tf": "<<2"},
            {"tf": "2.14.0dev"},
            {"tf_dist": ""},
            {"tf_dist": "tensorflow", "tf": "2.15", "date": "2021-01"},
        ),
    ),
    (plugin_is_a_version, ({"metal": "1.1.9"}, {"metal": "7.x"}, {"metal": "latest"}, {"metal": ">1"})),
    (
        no_release_is_younger_than_its_report,
        ({"date": "2023-09-01"}, {"date": "2023-08"}, {"metal": "1.2.0"}),
    ),
    (
        pythons_are_versions,
        (
            {"python": ("3",)},
            {"python": ("3.11 / 3.12",)},
            {"python": ("2.7",)},
            {"python": ("3.99",)},
            {"python": ("3.9", "3.9")},
        ),
    ),
    (keras_is_a_specifier, ({"keras": "3.0.0"}, {"keras": "new"}, {"keras": ">=3.x"})),
    (a_failure_says_what_is_seen, ({"error": ""}, {"works_level": "import"}, {"outcome": "works"})),
    (nobody_is_sent_to_what_is_not_there, ({"error": "same as 1-a"}, {"error": "See above"})),
    (
        inferred_fields_are_there,
        (
            {"inferred_fields": ("keras",)},
            {"inferred_fields": ("version",)},
            {"inferred_fields": ("tf", "tf")},
            {"inferred_fields": ("id",)},
        ),
    ),
    (confidence_is_listed, ({"confidence": ""}, {"confidence": "sure"})),
    (
        texts_are_bounded_and_printable,
        (
            {"error": "x" * 301},
            {"error": "two\nlines"},
            {"chip": "\x1b[31mM1"},
            {"fix": "\u202eevil"},
            {"python": ("3.11\t",)},
            {"macos": " 14"},
        ),
    ),
    (
        a_circumstance_of_rosetta_is_on_apple_silicon,
        ({"subtype": "rosetta-avx", "apple_silicon": False}, {"subtype": "no-wheel-for-arch"}),
    ),
    (
        what_only_installs_says_so,
        (
            {"outcome": "works", "works_level": "pip install downloads a wheel"},
            {"outcome": "works", "works_level": "GPU listed", "subtype": "installs-only"},
            {"subtype": "installs-only"},
        ),
    ),
    (
        no_plugin_is_named_where_none_was,
        (
            {"without_plugin": True},
            {"without_plugin": True, "metal": "", "plugin": "other"},
            {"subtype": "plugin-not-installed", "metal": ""},
        ),
    ),
)


@pytest.mark.parametrize("rule", [rule for rule, _ in RULES], ids=lambda rule: rule.__name__)
def test_each_report_keeps_each_rule(rule: Callable[[Report], bool]) -> None:
    """Every report of the data keeps every rule."""
    assert [report.id for report in ALL if not rule(report)] == [], rule.__doc__


@pytest.mark.parametrize(
    ("rule", "bad"),
    [(rule, bad) for rule, entries in RULES for bad in entries],
    ids=lambda value: getattr(value, "__name__", None) or str(value)[:60],
)
def test_each_rule_finds_its_bad_example(rule: Callable[[Report], bool], bad: dict[str, Any]) -> None:
    """A report that is sound but for one thing breaks the rule about that thing."""
    assert rule(SOUND)
    assert rule(WORKS)
    assert not rule(replace(SOUND, **bad))


class TestFile:
    def test_it_is_what_would_be_written(self) -> None:
        """The file is sorted by id, in one order of fields, without empty ones: a diff shows what changed."""
        assert dump_reports(ALL) == TEXT

    def test_ids_are_unique(self) -> None:
        """No two reports have one name."""
        assert len({report.id for report in ALL}) == len(ALL) == 69

    def test_no_report_is_told_twice(self) -> None:
        """One source may tell of several combinations, and of each once."""
        told = [(r.source_url, r.tf_dist, r.tf, r.metal, r.keras, r.outcome) for r in ALL]
        assert len(set(told)) == len(told)

    def test_every_subtype_is_one_or_the_other(self) -> None:
        """A subtype tells of a circumstance or of the pair, never of both; none is listed for nobody."""
        assert set(CIRCUMSTANCES) & set(OF_THE_PAIR) == set()
        assert {report.subtype for report in ALL} - {""} == {*CIRCUMSTANCES, *OF_THE_PAIR}

    def test_every_outcome_has_its_place(self) -> None:
        """What fails names a stage of the list, or the resolver answers it; what works names none."""
        for name, effect in OUTCOMES.items():
            assert effect.stage in {"", *STAGES}
            assert bool(effect.stage) == (name not in {"works", "not-installable"})
            assert effect.tells == (name != "not-installable")
            assert not (effect.imported and effect.stage in {"link", "import"})


class TestReading:
    def line(self, **changes: object) -> str:
        """A file of one report with changes; None takes a field out."""
        entry: dict[str, object] = {
            "id": "a",
            "outcome": "works",
            "source_url": "https://a.example/",
            "apple_silicon": True,
        }
        entry |= changes
        kept = {name: value for name, value in entry.items() if value is not None}
        return '{"schema": 1}\n' + json.dumps(kept) + "\n"

    def test_what_is_not_told_is_empty(self) -> None:
        """Only who said what, and where, must be there."""
        (found,) = parse_reports(self.line())
        assert (found.tf, found.python, found.plugin, found.date) == ("", (), "tensorflow-metal", "")

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"outcome": "broken"}, "no such outcome: 'broken'"),
            ({"outcome": None}, "no such outcome: None"),
            ({"kreas": ">=3"}, "kreas"),
            ({"id": None}, "id"),
            ({"tf": 2.14}, "tf is float"),
            ({"tf": ["2.14"]}, "tf is list"),
            ({"python": "3.11"}, "python is str"),
            ({"python": [3.11]}, "python is list"),
            ({"apple_silicon": "yes"}, "apple_silicon is str"),
            ({"without_plugin": "yes"}, "without_plugin is str"),
            ({"keras": "3.0.0"}, "InvalidSpecifier"),
            ({"keras": ">=3.x"}, "InvalidSpecifier"),
            ({"keras": None, "without_plugin": 1}, "without_plugin is int"),
        ],
    )
    def test_a_slip_of_the_pen_is_refused_with_its_line(self, changes: dict[str, object], said: str) -> None:
        """A field that is misspelt or of another type is no report: the error names the line."""
        with pytest.raises(MatrixError, match=r"line 2 of reports\.jsonl is damaged") as caught:
            parse_reports(self.line(**changes))
        assert said in caught.value.what
        assert caught.value.hint

    @pytest.mark.parametrize("text", ["", "{", "[]", "{}", "1", '{"schema": 1}\nnull', '{"schema": 1}\n[1]'])
    def test_a_damaged_file_is_an_error(self, text: str) -> None:
        """What is no such file is refused, never half read."""
        with pytest.raises(MatrixError, match="is damaged"):
            parse_reports(text)

    def test_another_schema_is_refused(self) -> None:
        """A file that a newer metalmatrix wrote is not guessed at."""
        with pytest.raises(MatrixError, match="schema 2, and this metalmatrix reads 1"):
            parse_reports('{"schema": 2}')

    @pytest.mark.parametrize("content", [None, b"\xff\xfe"])
    def test_a_file_that_cannot_be_read_is_an_error(
        self, content: bytes | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """A file that is gone or no text is told without a traceback."""
        path = tmp_path / "reports.jsonl"
        if content is not None:
            path.write_bytes(content)
        monkeypatch.setattr(reports, "DATA", path)
        load_reports.cache_clear()
        try:
            with pytest.raises(MatrixError, match=r"reports\.jsonl cannot be read"):
                load_reports()
        finally:
            load_reports.cache_clear()


class TestWords:
    def test_a_report_says_what_where_and_how_sure(self) -> None:
        """What was seen, on what, what helped, how sure the collector is and what is inferred: in a line."""
        told = replace(SOUND, inferred_fields=("metal",), keras=">=3.7")
        assert told.message == (
            "gives wrong results: ReLU is not applied (Python 3.11.4, Keras >=3.7, macOS 14.2, M1; "
            "what helped: CPU; confidence high; inferred: metal)"
        )

    def test_a_circumstance_is_told(self) -> None:
        """Why it says nothing of the pair stands with it."""
        assert replace(SOUND, subtype="rosetta-avx").message.endswith(
            "; confidence high; an x86-64 Python ran under Rosetta 2)"
        )
        assert replace(SOUND, apple_silicon=False).circumstance == "the Mac is no Apple silicon one"

    @pytest.mark.parametrize(
        ("changes", "named"),
        [
            ({}, "tensorflow-macos 2.14.0 with tensorflow-metal 1.1.0"),
            ({"metal": ""}, "tensorflow-macos 2.14.0, no plugin named"),
            ({"metal": "", "plugin": "other"}, "tensorflow-macos 2.14.0 with other"),
            ({"tf": "", "tf_dist": ""}, "TensorFlow of no release named with tensorflow-metal 1.1.0"),
        ],
    )
    def test_what_it_names_is_told_in_its_words(self, changes: dict[str, Any], named: str) -> None:
        """What is not named is said not to be."""
        assert replace(SOUND, **changes).named == named

    def test_a_python_counts_by_its_minor_version(self) -> None:
        """Patches of a Python have the same wheels."""
        assert replace(SOUND, python=("3.9", "3.11.4", "3.11.5")).pythons == ("3.9", "3.11")

    def test_a_series_is_no_release(self) -> None:
        """What names a minor version means its patches."""
        assert [bool(SERIES.fullmatch(text)) for text in ("2.14", "0.1.x", "2.14.0", "2", "<2.14")] == [
            True, True, False, False, False,
        ]  # fmt: skip
