"""What the doctor knows without the package: it is the table's, not stale, and it chooses as `pins` does."""

from __future__ import annotations

import datetime as dt
from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from packaging.version import Version

from metalmatrix.cells import history
from metalmatrix.cells.matrix_file import load
from metalmatrix.doctor import known, known_write, signs
from metalmatrix.doctor.known import load_known, numbers, parse
from metalmatrix.errors import MatrixError
from metalmatrix.pins.pins import choose
from metalmatrix.verdicts.explain import Explainer
from tests.doctor.mac import Mac

if TYPE_CHECKING:
    from pathlib import Path

    from metalmatrix.doctor.scene import Scene
    from metalmatrix.verdicts.report import CellReport


@cache
def reports() -> tuple[Explainer, tuple[CellReport, ...]]:
    """What the table says of every published cell with `tensorflow-metal` or none."""
    explainer = Explainer(load().as_of)
    cells = [cell for cell in history.cells() if cell.plugin_distribution in {"", "tensorflow-metal"}]
    return explainer, tuple(explainer.reports(cells))


def scene_of(framework: str, plugin: str) -> Scene:
    """As much of a scene as the signs of a pair look at."""
    versions = {"framework": framework, "plugin": plugin}
    parts = {name: SimpleNamespace(version=version) for name, version in versions.items()}
    return cast("Scene", SimpleNamespace(**parts, known=load_known()))


class TestData:
    def test_it_is_not_stale(self) -> None:
        """Whatever changes the table changes it: `python3 -m metalmatrix doctor --write`."""
        assert known.DATA.read_text(encoding="utf-8") == known_write.dump()

    def test_it_begins_with_the_command_that_makes_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """And that command writes it only where it has changed."""
        text = known.DATA.read_text(encoding="utf-8")
        assert f'"regenerate": "{known.REGENERATE}"' in text.partition("\n")[0]
        monkeypatch.setattr(known_write, "dump", lambda: text)
        path = tmp_path / "doctor.jsonl"
        assert known_write.write(path) is True
        assert known_write.write(path) is False

    @pytest.mark.parametrize(
        "text",
        ["", "{}", '{"schema": 9}', '{"schema": 1, "as_of": "x"}\n{"pins": {}}', '{"schema": 1}\n[', "[]"],
    )
    def test_a_damaged_file_is_an_error_with_a_hint(self, text: str) -> None:
        """No traceback of ours."""
        with pytest.raises(MatrixError, match=r"doctor\.jsonl"):
            parse(text)

    def test_each_set_is_one_that_may_be_handed_out(self) -> None:
        """Never what is broken, unknown or degraded; the plugin of each loads by the same data."""
        data = load_known()
        assert {item.verdict for item in data.pins} <= {"works", "likely"}
        for item in data.pins:
            if item.has_plugin:
                pair = item.framework, item.cell.rpartition("metal")[2]
                assert data.links[pair] == ""
                assert pair not in data.refused

    def test_the_signs_say_of_each_pair_what_the_table_says(self) -> None:
        """No pair that it calls broken at link or import is well here, and none that is well there is not."""
        data = load_known()
        seen: dict[str, set[tuple[str, str]]] = {"": set(), "link": set(), "import": set()}
        for report in reports()[1]:
            pair = report.cell.framework, report.cell.plugin
            linked = next((item for item in report.evidence if item.kind == "linked"), None)
            if linked and linked.outcome in {"ok", "fails"} and pair in data.links:
                seen[linked.stage].add(pair)
        for stage, sign in (("link", "does-not-link"), ("import", "refused-plugin")):
            assert seen[stage]
            assert {pair for pair in data.links if list(signs.MAC[sign](scene_of(*pair)))} == seen[stage]
        assert not seen[""] & (seen["link"] | seen["import"])
        assert seen[""] | seen["link"] | seen["import"] == set(data.links)


class TestChoice:
    @pytest.mark.parametrize("python", ["", "3.8", "3.9", "3.10", "3.11", "3.12", "3.13"])
    @pytest.mark.parametrize("macos", ["", "12.0", "13.1", "15.2"])
    def test_it_is_that_of_pins(self, python: str, macos: str) -> None:
        """The same best set for a Python on a macOS."""
        _, known_reports = reports()
        meant = [
            report
            for report in known_reports
            if (not python or report.cell.python == python)
            and (not macos or Version(report.macos or "0") <= Version(macos))
        ]
        chosen = load_known().choose(python, macos)
        assert chosen is not None
        assert chosen.cell == choose(meant).cell.id

    def test_a_framework_stays_where_it_can(self) -> None:
        """And gives way where no set has it."""
        data = load_known()
        assert data.choose("3.11", "15.2", "2.18.0") == next(
            item for item in data.pins if item.cell.startswith("py3.11-tf2.18.0-metal")
        )
        assert data.choose("3.11", "15.2", "2.99.0") == data.choose("3.11", "15.2")

    def test_a_macos_that_is_too_old_for_all_gets_none(self) -> None:
        """Nothing is recommended that its loader refuses."""
        assert load_known().choose("3.11", "10.15") is None

    def test_a_python_without_a_plugin_gets_a_set_without(self) -> None:
        """3.13 has frameworks, and no plugin."""
        chosen = load_known().choose("3.13", "15.2")
        assert chosen is not None
        assert not chosen.has_plugin

    def test_a_macos_without_a_minor_is_the_first_of_it(self) -> None:
        """People write `macOS 12`."""
        assert load_known().choose("3.9", "12") == load_known().choose("3.9", "12.0") is not None

    def test_below_is_below(self) -> None:
        """For what 2.20 does not bear."""
        chosen = load_known().choose("3.12", "15.2", "2.20.0", below="2.20")
        assert chosen is not None
        assert numbers(chosen.framework) < (2, 20)


@pytest.mark.parametrize("twentieth", range(20))
def test_what_is_handed_out_is_healthy(
    twentieth: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole lock of a set, with the real metadata of framework and plugin: nothing is wrong."""
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    monkeypatch.setenv("PYTHONUSERBASE", str(tmp_path / "user"))
    pins = load_known().pins[twentieth * len(load_known().pins) // 20]
    explainer, found = reports()
    cell = next(report.cell for report in found if report.cell.id == pins.cell)
    lock = explainer.lock(cell)
    assert lock is not None
    mac = Mac(tmp_path / "env", f"{pins.python}.0")
    for name, version in lock.versions.items():
        if name in {cell.distribution, "tensorflow-metal"}:
            mac.wheel(name, version)
        else:
            mac.put(name, version)
    exam = mac.exam()
    wrong = {item.id: item.saw for item in exam.problems if item.id != "no-plugin" or pins.has_plugin}
    assert wrong == {}
    assert exam.unknowns == ()


def test_the_day_is_the_tables() -> None:
    """It is told with every set."""
    assert dt.date.fromisoformat(load_known().as_of) == load().as_of
