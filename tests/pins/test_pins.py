"""The pins: the best of what is meant, never what fails, each bound with its reason."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import yaml
from packaging.requirements import Requirement

from metalmatrix import cli
from metalmatrix.errors import UsageError
from metalmatrix.pins.pins import choose, comment, known, ordered, requirements
from metalmatrix.resolving.repairs import repairs_for
from metalmatrix.searching.breaks import load_breaks
from metalmatrix.verdicts.verdict import Verdict
from tests.pins.made import item
from tests.samples import HOSTILE, evidence, lock

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover - Python 3.10
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Callable

    from metalmatrix.verdicts.report import CellReport

LOCK = lock("tensorflow==2.15.1", "setuptools==81.0.0", "six==1.17.0")


def reported(made: CellReport, which: str = "pinned", outcome: str = "ok") -> CellReport:
    """The same, of which somebody reports that it works."""
    return replace(made, evidence=(*made.evidence, evidence("reported", outcome, set=which)))


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
        proven = item("py3.12-tf2.17.1-nometal", "works")
        assert choose([proven, gpu]) is gpu
        degraded = item("py3.11-tf2.16.2-metal1.2.0", "degraded")
        assert ordered([degraded, bare, gpu, proven], degraded=True) == [gpu, proven, bare, degraded]

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

    def test_what_somebody_reports_to_work_comes_before_what_nobody_tried(self) -> None:
        """A report is less than a proof, and more than a prediction; of the plain set it says nothing."""
        told = reported(item("py3.11-tf2.15.1-metal1.1.0", "likely"))
        newer, proven = (
            item("py3.11-tf2.17.1-metal1.1.0", "likely"),
            item("py3.11-tf2.12.0-metal0.8.0", "works"),
        )
        assert [known(found) for found in (proven, told, newer)] == ["proven", "reported", "predicted"]
        assert ordered([newer, told, proven]) == [proven, told, newer]
        plain = reported(item("py3.11-tf2.15.1-metal1.1.0", "likely"), which="plain")
        failed = reported(item("py3.11-tf2.15.1-metal1.1.0", "likely"), outcome="fails")
        assert ordered([newer, plain]) == [newer, plain]
        assert known(failed) == "predicted"

    def test_a_release_candidate_comes_after_every_release(self) -> None:
        """Nobody who names no version means one."""
        final, early = (
            item("py3.11-tf2.15.1-metal1.1.0", "likely"),
            item("py3.11-tf2.19.0rc0-metal1.2.0", "likely"),
        )
        assert ordered([early, final]) == [final, early]

    def test_a_plugin_comes_before_a_report_without_one(self) -> None:
        """Whoever names none wants the GPU."""
        bare, gpu = (
            reported(item("py3.11-tf2.17.1-nometal", "likely")),
            item("py3.11-tf2.15.1-metal1.1.0", "likely"),
        )
        assert ordered([bare, gpu]) == [gpu, bare]

    def test_what_is_compiled_on_the_mac_is_not_handed_out(self) -> None:
        """Of an sdist there is no wheel to pin; the refusal says that and not that it is likely."""
        made = item("py3.12-tf2.21.0-tensorflow_metal_plugin-0.4.1", "likely")
        assert ordered([made]) == []
        with pytest.raises(UsageError, match="sdist"):
            choose([made])


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

    @pytest.mark.parametrize(
        "text", [*HOSTILE, "ends in a backslash \\", "no character \uffff\ufffe\U0001ffff", "", " "]
    )
    def test_a_comment_is_one_line_of_characters(self, text: str) -> None:
        """Whatever is said, pip, TOML and YAML read one comment."""
        made = comment(text)
        assert made.startswith("#")
        assert made.isprintable()
        assert not made.endswith(("\\", " "))
        assert tomllib.loads(f"{made}\na = 1") == {"a": 1}
        assert yaml.safe_load(f"{made}\na: 1") == {"a": 1}

    def test_a_comment_has_an_end(self) -> None:
        """A message of a megabyte is not written whole; a command is."""
        assert len(comment("x" * 10**6)) < 400
        assert comment("y" * 4000, 5000) == "# " + "y" * 4000

    def test_the_header_tells_each_observation_with_its_day_and_place(self) -> None:
        """A run with its host, a report with its address; what is about the plain set is not told."""
        made = item("py3.11-tf2.15.1-metal1.1.0", "works")
        ran = evidence(
            "ran", "ok", message="all passed", source="macos-15.2-apple-m2", date="2026-11-22", run=True
        )
        plain = evidence("rehearsed", "fails", "import", set="plain", message="not this one")
        skipped = evidence("rehearsed", "skipped", message="nor this")
        text = requirements(
            replace(made, evidence=(*made.evidence, ran, plain, skipped)), LOCK, (), "2026-11-20"
        )
        assert "# ran 2026-11-22: all passed, macos-15.2-apple-m2\n" in text
        assert "# resolved 2026-11-20: for macOS 13.0 on arm64\n" in text
        assert "not this one" not in text
        assert "nor this" not in text

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
    assert out.startswith("# py3.11-tf2.17.0-metal1.1.0: likely")
    assert "the best of" in err


def test_the_command_refuses_what_is_broken(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is printed that could be installed."""
    assert cli.main(["pins", "py3.11-tf2.18.0-metal1.1.0"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "no pins are handed out" in err
