"""The day of matrix.toml, moved: one line, and nothing that could not be meant."""

from __future__ import annotations

import datetime as dt
import shutil
from typing import TYPE_CHECKING

import pytest

from metalmatrix import cli
from metalmatrix.cells import matrix_file
from metalmatrix.errors import MatrixError
from metalmatrix.macs.day import moved
from tests.clone import ROOT

if TYPE_CHECKING:
    from pathlib import Path

TEXT = (ROOT / "matrix.toml").read_text(encoding="utf-8")


def test_one_line_changes() -> None:
    """Every other line is as it was, comments and all; moved back, it is the text again."""
    made = moved(TEXT, dt.date(2026, 1, 2))
    changed = [(a, b) for a, b in zip(TEXT.splitlines(), made.splitlines(), strict=True) if a != b]
    assert [after for _, after in changed] == ["as-of = 2026-01-02"]
    assert moved(made, matrix_file.parse(TEXT).as_of) == TEXT


@pytest.mark.parametrize("text", ["", "# as-of = 2026-01-01\n", "as-of = 2026-01-01\nas-of = 2026-01-02\n"])
def test_a_file_without_its_day_is_refused(text: str) -> None:
    """None, one in a comment, two."""
    with pytest.raises(MatrixError):
        moved(text, dt.date(2026, 1, 2))


def test_the_command_moves_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`today` is the day in UTC; a day on which releases of the file were not there leaves it as it is."""
    path = tmp_path / "matrix.toml"
    shutil.copy(ROOT / "matrix.toml", path)
    monkeypatch.setattr("metalmatrix.macs.commands.default_path", lambda: path)
    today = dt.datetime.now(dt.timezone.utc).date()
    assert cli.main(["day", "today"]) == 0
    assert matrix_file.parse(path.read_text(encoding="utf-8")).as_of == today
    assert f"{path}: as of {today}, before as of 2026-11-20" in capsys.readouterr().err
    before = path.read_bytes()
    assert cli.main(["day", "2019-01-01"]) == 2
    assert path.read_bytes() == before


def test_an_installed_package_is_left_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a clone there is only the file of the package: it is named whole, and not written."""
    package = tmp_path / "site-packages" / "metalmatrix"
    path = package / "data" / "matrix.toml"
    path.parent.mkdir(parents=True)
    shutil.copy(ROOT / "matrix.toml", path)
    monkeypatch.setattr("metalmatrix.cells.matrix_file.PACKAGE", package)
    monkeypatch.setattr("metalmatrix.macs.commands.PACKAGE", package)
    assert cli.main(["day", "today"]) == 2
    told = capsys.readouterr().err
    assert f"error: {path} belongs to what is installed" in told
    assert "nox -s day -- today" in told
    assert path.read_text(encoding="utf-8") == TEXT
