"""The pins: the best of what is meant, never what fails, each bound with its reason."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement

from metalmatrix import cli
from metalmatrix.cells.cell import Cell
from metalmatrix.errors import UsageError
from metalmatrix.pins.pins import choose, requirements
from metalmatrix.resolving.repairs import repairs_for
from metalmatrix.searching.breaks import load_breaks
from metalmatrix.verdicts.report import CellReport, cell_report
from metalmatrix.verdicts.verdict import Verdict
from tests.samples import HOSTILE, evidence, lock

if TYPE_CHECKING:
    from collections.abc import Callable

LOCK = lock("tensorflow==2.15.1", "setuptools==81.0.0", "six==1.17.0")


def item(name: str, word: str) -> CellReport:
    """The report of a cell with this verdict."""
    made = cell_report(Cell.parse(name), [evidence("resolved", "ok")], floor=("12.0", "x 1 (tagged 12.0)"))
    return replace(made, verdict=Verdict(word, "", f"it is {word}"))


class TestChoice:
    def test_proven_comes_before_predicted_and_then_the_newest(self) -> None:
        """What ran on a Mac is taken before what is newer and did not."""
        old, new = item("py3.11-tf2.15.1-metal1.1.0", "works"), item("py3.11-tf2.17.0-metal1.1.0", "likely")
        newer = item("py3.11-tf2.17.1-metal1.1.0", "likely")
        assert choose([new, old, newer]) is old
        assert choose([new, newer]) is newer

    def test_who_names_no_plugin_wants_the_gpu(self) -> None:
        """A cell without a plugin is taken where there is no other."""
        bare, gpu = item("py3.11-tf2.17.1-nometal", "likely"), item("py3.11-tf2.15.1-metal1.1.0", "likely")
        assert choose([bare, gpu]) is gpu
        assert choose([bare]) is bare

    @pytest.mark.parametrize("word", ["broken", "not-installable", "unknown", "degraded"])
    def test_what_fails_is_not_handed_out(self, word: str) -> None:
        """The error says what it is instead, and what to type."""
        with pytest.raises(UsageError, match=word) as caught:
            choose([item("py3.11-tf2.15.1-metal1.1.0", word)])
        assert "nox -s explain -- py3.11-tf2.15.1-metal1.1.0" in str(caught.value)
        assert ("--allow-degraded" in str(caught.value)) == (word == "degraded")

    def test_degraded_is_for_who_says_so(self) -> None:
        """And even then only where there is nothing better."""
        degraded, likely = (
            item("py3.11-tf2.17.1-metal1.1.0", "degraded"),
            item("py3.11-tf2.15.1-metal1.1.0", "likely"),
        )
        assert choose([degraded], degraded=True) is degraded
        assert choose([degraded, likely], degraded=True) is likely

    def test_nothing_meant_is_nothing_handed_out(self) -> None:
        """No cell is no crash."""
        with pytest.raises(UsageError, match="not there"):
            choose([])


class TestFile:
    def test_it_reads_like_this(self, golden: Callable[[str, str], None]) -> None:
        """What it is, how that is known, and each bound's reason above its package."""
        made = item("py3.11-tf2.15.1-nometal", "likely")
        golden("pins.txt", requirements(made, LOCK, repairs_for(made.cell), "2026-11-20"))

    @pytest.mark.parametrize("text", HOSTILE)
    def test_no_message_leaves_its_comment(self, text: str) -> None:
        """A message cannot become a requirement or an option."""
        made = item("py3.11-tf2.15.1-nometal", "likely")
        made = replace(made, verdict=Verdict("likely", "", text), holds=(text,))
        lines = requirements(made, LOCK, repairs_for(made.cell), "2026-11-20").splitlines()
        assert [
            line for line in lines if line and not line.startswith("#")
        ] == LOCK.requirements().splitlines()

    def test_a_bound_s_day_is_that_of_its_own_framework(self, capsys: pytest.CaptureFixture[str]) -> None:
        """The pins tell the day and the upload of the table: 2.7.0 met protobuf 4 later than others."""
        assert cli.main(["pins", "py3.9-tf2.7.0-nometal"]) == 0
        found = {bound for past in load_breaks() if past.cell.framework == "2.7.0" for bound in past.breaks}
        out = capsys.readouterr().out
        for one in found:
            assert f"since {one.since}, by {one.upload}" in out
        assert "2023-02-09" in out

    def test_a_real_file_is_requirements_with_hashes(self) -> None:
        """Every line of a real file is a requirement, and has its hashes."""
        done = subprocess.run(
            [sys.executable, "-m", "metalmatrix", "pins", "py3.11-tf2.17.1-metal1.1.0"],
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=True,
        )
        packages = [line for line in done.stdout.splitlines() if line and not line.startswith("#")]
        names = [Requirement(line.partition(" --hash")[0]).name for line in packages]
        assert {"tensorflow", "tensorflow-metal", "numpy"} <= set(names)
        assert all(" --hash=sha256:" in line for line in packages)


def test_the_command_says_how_many_were_meant(capsys: pytest.CaptureFixture[str]) -> None:
    """Loose words mean many: the choice is told beside the file, and the file is whole."""
    assert cli.main(["pins", "3.11", "2.17"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("# py3.11-tf2.17.1-metal")
    assert "the best of" in err


def test_the_command_refuses_what_is_broken(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is printed that could be installed."""
    assert cli.main(["pins", "py3.11-tf2.18.0-metal1.1.0"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "no pins are handed out" in err
