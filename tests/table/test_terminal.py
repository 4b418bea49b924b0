from __future__ import annotations

import io
import re
import unicodedata
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from metalmatrix.cells.cell import Cell
from metalmatrix.running.supervise import check_catalog
from metalmatrix.table.terminal import WIDTH, print_checks, print_report
from metalmatrix.text import plain
from metalmatrix.verdicts.report import CellReport, Report
from metalmatrix.verdicts.verdict import Verdict
from tests.samples import CATALOG, DAY, HOSTILE, PASSED, check, realistic, report_of

if TYPE_CHECKING:
    from collections.abc import Callable


def shown(made: Report) -> str:
    """The table where nobody is looking: 100 columns, no colour."""
    stream = io.StringIO()
    print_report(made, stream)
    return stream.getvalue()


def trimmed(text: str) -> str:
    """Without the blanks at the ends of lines, which no editor would leave in a golden file."""
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def words(text: str) -> str:
    """The text as it reads, wherever its lines break."""
    return " ".join(text.split())


class TestTable:
    def test_it_reads_like_this(self, golden: Callable[[str, str], None]) -> None:
        """The whole table of the realistic report."""
        golden("table.txt", trimmed(shown(realistic())))

    def test_no_line_is_wider_than_the_terminal(self) -> None:
        """At most 100 columns, whatever stands in the report."""
        for made in (realistic(), report_of("x" * 5000), report_of("宽" * 500), report_of("word " * 500)):
            assert max(cell_len(line) for line in shown(made).splitlines()) <= WIDTH

    @pytest.mark.parametrize("columns", [40, 60, 80, 100, 200])
    def test_a_narrower_terminal_cuts_nothing_off(
        self, columns: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """In a terminal of its own width each verdict is whole: plugins go into a second table."""
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setenv("FORCE_COLOR", "1")
        cells = [
            CellReport(
                Cell.parse(f"py3.{minor}-tf2.15.1-metal{plugin}"),
                Verdict("not-installable", "", "m"),
                Verdict("not-installable", "", "m"),
                macos=None,
                macos_by="",
                evidence=(),
            )
            for plugin in ("0.8.0", "1.0.0", "1.0.1", "1.1.0", "1.2.0")
            for minor in (8, 10, 12, 14)
        ]
        text = re.sub(r"\x1b\[[0-9;]*m", "", shown(Report(DAY, tuple(cells))))
        assert "…" not in text
        assert text.count("- not-installable") == 5 + 1  # and once in the legend
        assert text.count("3.14") == 5 + 1  # and once where it is said why
        assert max(map(cell_len, text.splitlines())) <= min(columns, WIDTH)

    def test_a_verdict_is_told_without_colour(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Colour adds nothing but colour: without it the same words and signs are there."""
        bare = shown(realistic())
        monkeypatch.setenv("COLUMNS", "100")
        monkeypatch.setenv("FORCE_COLOR", "1")
        coloured = shown(realistic())
        assert "\x1b[" in coloured
        assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == bare

    def test_a_command_to_copy_is_on_one_line(self) -> None:
        """What is to be typed is not broken by the width."""
        command = "nox -s check -- --cell py3.11-tf2.14.0-nometal --only import --plain"
        assert f"\n    {command} " in shown(realistic())

    def test_an_empty_report_is_no_error(self) -> None:
        """A matrix without cells shows an empty table."""
        assert "as of 2026-11-20" in shown(Report(DAY, ()))


class TestHostile:
    @pytest.mark.parametrize("message", HOSTILE)
    def test_what_others_wrote_is_text(self, message: str) -> None:
        """No escape, no control, nothing that reorders a line; markup is shown, and not obeyed."""
        text = shown(report_of(message))
        assert not {c for c in text if unicodedata.category(c) in {"Cc", "Cf", "Cs"}} - {"\n"}
        assert words(plain(message, 400)) in words(text)

    @given(st.text(max_size=80))
    def test_anything_can_be_printed(self, message: str) -> None:
        """Whatever the text, a table comes of it that is no wider than allowed and has no controls."""
        text = shown(report_of(message))
        assert not {c for c in text if unicodedata.category(c) in {"Cc", "Cf", "Cs"}} - {"\n"}
        assert max(cell_len(line) for line in text.splitlines()) <= WIDTH


class TestChecks:
    def test_a_failure_comes_with_its_advice(self) -> None:
        """Each check in a line with its title; of a failure what happened and what to do."""
        stream = io.StringIO()
        info = check_catalog()[0]
        skipped = check("skipped", CATALOG[1], message="no GPU")
        print_checks(
            [
                check("failed", info, how="exception", message="[red]no numpy"),
                skipped,
                replace(PASSED[2], facts={"notes": ["[b]slower"]}),
            ],
            lambda name: f"type {name} {'x' * 200}",
            stream,
        )
        text = stream.getvalue()
        first, second, *_ = text.splitlines()
        assert first.startswith(f"✗ failed  {info.id}")
        assert second.strip() == "[red]no numpy"
        assert words(info.advice) in words(text)
        assert words(text).count(words(info.advice)) == 1
        assert "- skipped device" in words(text)
        assert "✓ passed fit 1.5 s A small Keras model trains note: [b]slower" in words(text)
        assert f"          alone: type {info.id} {'x' * 200}\n" in text  # to be copied: on one line

    def test_it_reads_like_this(self, golden: Callable[[str, str], None]) -> None:
        """Paragraphs fill the width; what was skipped for one reason is told once; all is counted."""
        stream = io.StringIO()
        info = {info.id: info for info in check_catalog()}
        late = [name for name in info if name not in {"packages", "import", "device"}]
        print_checks(
            [
                check("passed", info["packages"]),
                check("failed", info["import"], how="exception", message="No module named 'tensorflow'"),
                check("skipped", info["device"], message="no GPU"),
                *[check("skipped", info[name], message="TensorFlow cannot be imported.") for name in late],
            ],
            lambda name: f"python -m metalmatrix check --python ENV/bin/python --only {name}",
            stream,
        )
        text = stream.getvalue()
        assert text.count("TensorFlow cannot be imported.") == 1
        assert max(map(cell_len, text.splitlines())) <= WIDTH
        golden("checks.txt", text)

    def test_a_title_that_is_too_long_goes_on_below_itself(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Not at the left, among the outcomes."""
        monkeypatch.setenv("COLUMNS", "60")
        monkeypatch.setenv("FORCE_COLOR", "1")
        stream = io.StringIO()
        print_checks([replace(PASSED[0], title="word " * 12)], str, stream)
        first, second, *_ = re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue()).splitlines()
        assert second.index("word") == first.index("word") > 30
