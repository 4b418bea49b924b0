"""The Mac that is meant: what is named, what this machine is, what is assumed, and what a chip can change."""

from __future__ import annotations

from dataclasses import replace

import pytest

from metalmatrix.cells.cell import Cell
from metalmatrix.errors import UsageError
from metalmatrix.pins.machine import Machine, machine_of
from metalmatrix.verdicts.report import CellReport, cell_report
from tests.samples import LINUX, MAC, RUNNER, evidence

CELL = Cell.parse("py3.11-tf2.15.1-metal1.1.0")
M1 = "macos-13.4-apple-m1-16gb"
M2 = "macos-15.2-apple-m2-16gb"
M2_MAX = "macos-15.2-apple-m2-max-64gb"
M4 = "macos-15.2-apple-m4-16gb"


def meant(
    host: object = LINUX, python: str | None = None, macos: str | None = None, chip: str | None = None
) -> Machine:
    """The machine for these words on this host, where Python 3.12 runs."""
    return machine_of(host, "3.12", python=python, macos=macos, chip=chip)  # type: ignore[arg-type]


def ran(source: str, outcome: str = "ok", stage: str = "", **more: object) -> object:
    """A run of the checks on a host."""
    return evidence("ran", outcome, stage, source=source, run=True, **more)


def report(*found: object) -> CellReport:
    """What is known of the cell, which resolves and links."""
    known = (evidence("resolved", "ok"), evidence("linked", "ok", set=""))
    return cell_report(CELL, (*known, *found), floor=("12.3", "x"))  # type: ignore[arg-type]


class TestWhatIsMeant:
    def test_a_mac_is_what_it_is(self) -> None:
        """Nothing is assumed of a Mac, and its Python is no demand."""
        found = meant(MAC)
        assert found == Machine("", "3.12", (15, 2), "m2")
        assert found.told == "macOS 15.2 on Apple M2"

    def test_what_is_named_wins(self) -> None:
        """Somebody may ask for another Mac than this one."""
        assert meant(MAC, "3.9", "13", "M1 Max") == Machine("3.9", "", (13, 0), "m1-max")

    def test_elsewhere_it_says_what_it_assumed(self) -> None:
        """And how to name it; what is named is not assumed."""
        found = meant(LINUX)
        assert (found.python, found.running, found.macos, found.chip) == ("", "", (13, 0), "")
        assert "this is no Apple-silicon Mac" in found.assumed
        for way in ("--python 3.11", "--macos 13.0", "--chip m1"):
            assert way in found.assumed
        assert "--macos" not in meant(LINUX, macos="14").assumed
        assert meant(LINUX, "3.11", "14", "m1").assumed == ""

    def test_an_intel_mac_is_elsewhere(self) -> None:
        """Its macOS says nothing of an Apple-silicon Mac's, unless Rosetta 2 runs this."""
        intel = replace(MAC, arch="x86_64", chip="Intel Core i7")
        assert meant(intel).macos == (13, 0)
        assert "no Apple-silicon Mac" in meant(intel).assumed
        assert meant(replace(intel, translated=True)).macos == (15, 2)

    def test_a_mac_that_does_not_tell_its_macos(self) -> None:
        """What it does not tell is assumed, and said so; macOS can call itself 10.16 for old programs."""
        for told in ("", "10.16", "x"):
            found = meant(replace(MAC, os_version=told))
            assert found.macos == (13, 0)
            assert "this Mac does not tell it" in found.assumed
            assert "--python" not in found.assumed

    def test_a_virtual_mac_has_the_chip_it_names(self) -> None:
        """``Apple M1 (Virtual)`` is an M1; a name that is none means any."""
        assert meant(RUNNER).chip == "m1"
        assert meant(replace(MAC, chip="Apple silicon")).chip == ""

    @pytest.mark.parametrize(
        ("typed", "chip"),
        [
            ("m1", "m1"),
            ("Apple M2 Max", "m2-max"),
            ("m3-pro", "m3-pro"),
            (" M4  ultra ", "m4-ultra"),
            ("any", ""),
        ],
    )
    def test_ways_to_write_a_chip(self, typed: str, chip: str) -> None:
        """As Apple writes it, and shorter."""
        assert meant(chip=typed).chip == chip

    @pytest.mark.parametrize("typed", ["intel", "m", "m0", "m2 mx", "", "a17", "m1\n# x", "m999"])
    def test_what_is_no_chip_is_refused(self, typed: str) -> None:
        """With the way to write one."""
        with pytest.raises(UsageError, match="no Apple silicon") as caught:
            meant(chip=typed)
        assert "--chip m1" in str(caught.value)
        assert "\n#" not in str(caught.value)

    @pytest.mark.parametrize(
        ("typed", "macos"), [("13", (13, 0)), ("13.4", (13, 4)), ("14.7.1", (14, 7)), ("26", (26, 0))]
    )
    def test_ways_to_write_a_macos(self, typed: str, macos: tuple[int, int]) -> None:
        """Major, minor, patch."""
        assert meant(macos=typed).macos == macos

    @pytest.mark.parametrize("typed", ["sonoma", "", "13.x", "-1", "1", "13.4.1.2", "99999"])
    def test_what_is_no_macos_is_refused(self, typed: str) -> None:
        """With the way to write one."""
        with pytest.raises(UsageError, match="no version of macOS"):
            meant(macos=typed)

    def test_a_macos_before_apple_silicon_is_refused(self) -> None:
        """10.15 never ran there."""
        with pytest.raises(UsageError, match=r"11\.0 is the first"):
            meant(macos="10.15")

    @pytest.mark.parametrize(
        ("typed", "python"), [("3.11", "3.11"), ("3.11.4", "3.11"), ("py3.9", "3.9"), ("cp312", "3.12")]
    )
    def test_ways_to_write_a_python(self, typed: str, python: str) -> None:
        """The minor version counts."""
        assert meant(python=typed).python == python

    @pytest.mark.parametrize("typed", ["2.7", "3", "pypy", "3.11; x", ""])
    def test_what_is_no_python_is_refused(self, typed: str) -> None:
        """With the way to write one."""
        with pytest.raises(UsageError, match="no minor version of Python"):
            meant(python=typed)


class TestMacos:
    @pytest.mark.parametrize(
        ("macos", "fits"), [("12", False), ("12.2", False), ("12.3", True), ("13", True), ("26", True)]
    )
    def test_the_floor_decides(self, macos: str, fits: bool) -> None:  # noqa: FBT001
        """A set that needs 12.3 is for 12.3 and later; numbers are compared, not texts."""
        assert meant(macos=macos).has_macos_for(report()) is fits

    def test_ten_is_more_than_nine(self) -> None:
        """12.10 is later than 12.9."""
        assert meant(macos="12.10").has_macos("12.9")
        assert not meant(macos="12.9").has_macos("12.10")

    def test_what_is_not_known_is_not_promised(self) -> None:
        """Where it is not known which macOS a set needs, it is handed to none."""
        assert not meant(macos="26").has_macos_for(replace(report(), macos=None))


class TestChip:
    def test_a_chip_changes_nothing_where_nothing_ran(self) -> None:
        """The wheels are the same, so the report is the same, and the sentence says so."""
        item = report()
        assert meant(chip="m1").seen(item) is item
        assert "same for every Apple chip" in meant(chip="m1").of_chip(item)
        assert meant().of_chip(item) == ""

    def test_a_run_elsewhere_counts_and_is_told(self) -> None:
        """It ran on an M2: good for an M1 too, as far as is known, and where it ran is said."""
        item = report(ran(M2))
        found = meant(chip="m1")
        assert found.seen(item).verdict.word == "works"
        assert f"not run on Apple M1, and did on {M2}" in found.of_chip(item)

    def test_runs_on_the_chip_decide(self) -> None:
        """A failure on an M4 is none on an M2 where the checks passed, and the other way round."""
        item = report(ran(M2), ran(M4, "fails", "fit"))
        assert item.verdict.word == "broken"
        assert meant(chip="m2").seen(item).verdict.word == "works"
        assert meant(chip="m4").seen(item).verdict.word == "broken"
        assert meant(chip="m1").seen(item).verdict.word == "broken"
        assert "the checks ran on Apple M2" in meant(chip="m2").of_chip(item)

    def test_a_plain_run_on_the_chip_takes_no_pinned_failure_back(self) -> None:
        """Each set is decided by its own runs, and only the pinned one is what is handed out."""
        item = report(ran(M1, "fails", "import"), ran(M2, set="plain"))
        assert meant(chip="m2").seen(item).verdict.word == "broken"
        assert "have not run on Apple M2" in meant(chip="m2").of_chip(item)

    def test_a_run_that_is_not_counted_is_told_as_none(self) -> None:
        """A virtual M2 ran the checks, and proved nothing."""
        assert "have not run" in meant(chip="m2").of_chip(report(ran(M2, uncounted="virtual")))

    def test_a_family_has_its_sizes(self) -> None:
        """An M2 Max is an M2; that an M2 was tried says nothing of the Max."""
        item = report(ran(M2_MAX, "fails", "fit"), ran(M4))
        assert meant(chip="m2").seen(item).verdict.word == "broken"
        assert meant(chip="m4").seen(item).verdict.word == "works"
        assert meant(chip="m2-max").seen(report(ran(M2), ran(M4, "fails", "fit"))).verdict.word == "broken"

    def test_m1_is_not_m12(self) -> None:
        """Names are compared whole."""
        item = report(ran("macos-15.2-apple-m12-16gb"), ran(M4, "fails", "fit"))
        assert meant(chip="m1").seen(item).verdict.word == "broken"

    def test_a_run_that_may_not_vote_decides_nothing(self) -> None:
        """A virtual M2 takes no failure back."""
        item = report(ran(M2, uncounted="virtual"), ran(M4, "fails", "fit"))
        assert meant(chip="m2").seen(item).verdict.word == "broken"
