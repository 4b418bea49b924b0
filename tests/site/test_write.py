"""The files under ``site/``: all that is published, nothing that no longer is, and a look at it."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from metalmatrix.cli import main
from metalmatrix.errors import UsageError
from metalmatrix.running.results import Store
from metalmatrix.site import write
from metalmatrix.site.embed import BEGIN, END
from metalmatrix.site.serve import serving
from metalmatrix.table import feed, show
from tests.samples import realistic
from tests.site import pages

if TYPE_CHECKING:
    from pathlib import Path


def names(folder: Path) -> set[str]:
    """Every file below a folder."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


class TestFiles:
    def test_everything_has_its_place(self, tmp_path: Path) -> None:
        """The page, the feeds, a file and a badge of each cell, the pins of those that may be handed out."""
        write.write_site(pages.ran(), tmp_path)
        cells = {item.cell.id: item.verdict.word for item in realistic().cells}
        good = {cell for cell, word in cells.items() if word in {"works", "likely", "degraded"}}
        assert good
        assert names(tmp_path) == {
            "index.html",
            "ops.html",
            "compat.json",
            "compat.schema.json",
            "compat.md",
            "junit.xml",
            *(f"cells/{cell}.json" for cell in cells),
            *(f"badge/{cell}.json" for cell in cells),
            *(f"badge/python{python}.json" for python in ("3.9", "3.11", "3.12")),
            *(f"pins/{cell}.txt" for cell in good),
        }

    def test_a_degraded_set_has_its_note(self, tmp_path: Path) -> None:
        """Whoever takes its pins reads first what is wrong with it."""
        write.write_site(pages.ran(), tmp_path)
        text = (tmp_path / "pins" / "py3.11-tf2.15.1-nometal.txt").read_text(encoding="utf-8")
        assert text.startswith("# py3.11-tf2.15.1-nometal: degraded: save: the result is off by 0.1")
        assert "--hash=sha256:" in text

    def test_the_rest_of_the_history_has_files_where_it_can_be_installed(self, tmp_path: Path) -> None:
        """What cannot be installed has no file, outside of the matrix; what is broken has, and no pins."""
        made = pages.whole()
        outside = [item for item in made.others if item.cell.python == "3.10"]
        write.write_site(replace(made, others=tuple(outside)), tmp_path)
        found = names(tmp_path)
        for item in outside:
            word = item.verdict.word
            assert (f"cells/{item.cell.id}.json" in found) == (word != "not-installable")
            assert (f"pins/{item.cell.id}.txt" in found) == (word in {"works", "likely", "degraded"})
            assert f"badge/{item.cell.id}.json" not in found

    def test_what_is_no_longer_published_goes(self, tmp_path: Path) -> None:
        """A cell that left the matrix leaves its files nowhere; what somebody put there stays."""
        write.write_site(pages.ran(), tmp_path)
        (tmp_path / "cells" / "notes.txt").write_text("mine")
        (tmp_path / "CNAME").write_text("example.com")
        last = realistic().cells[-1].cell.id
        write.write_site(
            replace(pages.ran(), table=replace(realistic(), cells=realistic().cells[:-1])), tmp_path
        )
        assert not [name for name in names(tmp_path) if last in name]
        assert {"cells/notes.txt", "CNAME"} <= names(tmp_path)

    def test_what_is_the_same_is_left_alone(self, tmp_path: Path) -> None:
        """Thousands of files are written once; one that was damaged is written again."""
        write.write_site(pages.ran(), tmp_path)
        paths = sorted((tmp_path / "cells").iterdir())
        paths[0].write_bytes(b"\xff")
        before = [path.stat().st_mtime_ns for path in paths]
        write.write_site(pages.ran(), tmp_path)
        after = [path.stat().st_mtime_ns for path in paths]
        assert [a == b for a, b in zip(before, after, strict=True)] == [False] + [True] * (len(paths) - 1)
        assert json.loads(paths[0].read_text(encoding="utf-8"))["schema"] == 2


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone in which nothing has run, on a machine without an index."""
    for module in (show, write):
        monkeypatch.setattr(module, "default_results", lambda: Store(tmp_path / "results"))

    def ask(*_: object) -> None:
        raise AssertionError("asked")

    monkeypatch.setattr("metalmatrix.resolving.resolve.ask", ask)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    return tmp_path


class TestCommand:
    def test_table_publishes_everything(
        self, clone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """From a fresh clone, offline: the whole history on the page, a summary for CI, a README's table."""
        readme, old = clone / "README.md", clone / "old.json"
        readme.write_text(f"# Mine\n{BEGIN}\n{END}\n", encoding="utf-8")
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(clone / "summary.md"))
        (clone / "summary.md").write_text("# The job\n", encoding="utf-8")
        last = feed.render(show.current_report())
        first = last["cells"][0]["cell"]
        old.write_text(json.dumps({**last, "cells": last["cells"][1:]}), encoding="utf-8")
        assert main(["table", "--readme", str(readme), "--since", str(old)]) == 0
        assert "written: site/index.html, site/ops.html, site/compat.json" in capsys.readouterr().err
        told = json.loads((clone / "site" / "compat.json").read_text(encoding="utf-8"))
        assert len(told["cells"]) == 227
        page = (clone / "site" / "index.html").read_text(encoding="utf-8")
        assert f"<strong>{len(pages.history_reports()):,}</strong>" in page
        assert f'<b class="kind">new</b> <a href="#{first}">' in page
        assert page.count('<b class="kind">') == 1
        assert "| **2.20.0** |" in readme.read_text(encoding="utf-8")
        summary = (clone / "summary.md").read_text(encoding="utf-8")
        assert summary.startswith("# The job\n## TensorFlow on Apple silicon\n")
        assert f"- new: **{first}**" in summary

    def test_a_program_gets_json_alone(
        self, clone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """With --json standard output is the feed, and no job's summary is written."""
        monkeypatch.setattr(write, "publication", lambda *_: pages.ran())
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(clone / "summary.md"))
        assert main(["table", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["schema"] == 2
        assert not (clone / "summary.md").exists()

    def test_a_readme_without_a_place_is_told_before_anything_is_written(
        self, clone: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The error says which markers, and nothing is published half."""
        for path, what in ((clone / "README.md", "the marker"), (clone / "none.md", "cannot be read")):
            (clone / "README.md").write_text("# Mine\n", encoding="utf-8")
            assert main(["table", "--readme", str(path)]) == UsageError.exit_code
            assert what in capsys.readouterr().err
        assert not (clone / "site").exists()


class TestServe:
    def test_it_shows_the_folder_on_this_machine_alone(self, tmp_path: Path) -> None:
        """Files are served fresh from 127.0.0.1, and nothing above the folder."""
        (tmp_path / "secret").write_text("no")
        folder = tmp_path / "site"
        folder.mkdir()
        (folder / "index.html").write_text("<title>it</title>")
        with serving(folder) as server:
            assert server.server_address[0] == "127.0.0.1"
            threading.Thread(target=server.serve_forever, daemon=True).start()
            at = f"http://127.0.0.1:{server.server_port}"
            with urlopen(f"{at}/", timeout=10) as answer:  # noqa: S310 - our own server
                assert answer.read() == b"<title>it</title>"
                assert answer.headers["Cache-Control"] == "no-store"
            for path in ("/../secret", "/%2e%2e/secret"):
                with pytest.raises(HTTPError, match="404"):
                    urlopen(at + path, timeout=10)  # noqa: S310
            server.shutdown()

    def test_the_command_makes_the_site_first_and_ends_in_peace(
        self, clone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Where there is no site it is made; Ctrl-C is how it ends, and no error; the address is told."""

        def interrupted(_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(write, "publication", lambda *_: pages.ran())
        monkeypatch.setattr("http.server.ThreadingHTTPServer.serve_forever", interrupted)
        assert main(["serve"]) == 0
        told = capsys.readouterr().err
        assert "it is made first" in told
        assert "http://127.0.0.1:" in told
        assert (clone / "site" / "index.html").is_file()
        assert main(["serve"]) == 0
        assert "it is made first" not in capsys.readouterr().err

    def test_a_port_that_is_taken_is_told(self, clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """The system's words, and what to leave out: no question after room on a disk."""
        (clone / "site").mkdir()
        (clone / "site" / "index.html").write_text("x")
        with serving(clone) as taken:
            assert main(["serve", "--port", str(taken.server_port)]) == 2
        told = capsys.readouterr().err
        assert f"error: port {taken.server_port} cannot be had: Address already in use" in told
        assert told.partition("hint: ")[2].startswith("leave --port out")

    @pytest.mark.parametrize("port", ["x", "-1", "65536", "9" * 30])
    def test_what_is_no_port_is_refused(self, port: str, capsys: pytest.CaptureFixture[str]) -> None:
        """With the range that a port is in."""
        with pytest.raises(SystemExit):
            main(["serve", f"--port={port}"])
        assert "0 to 65535" in capsys.readouterr().err
