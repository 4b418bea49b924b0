"""Where a table comes from: files, folders, revisions that run their own code, feeds that misbehave."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from metalmatrix import cli
from metalmatrix.diff import sources
from metalmatrix.errors import IndexUnreachableError, ResultError, ToolMissingError, UsageError
from metalmatrix.running.record import SetRecord
from metalmatrix.running.results import Store
from tests.clone import ROOT
from tests.diff.tables import CELL, cell, table
from tests.samples import CATALOG, MAC, PASSED, QUIET, check, lock, ok, record, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TEXT = json.dumps(table(cell()))


def tell(_: str) -> None:
    """Progress that nobody reads."""


def read(word: object) -> Any:  # noqa: ANN401 - JSON
    """The table that a word means."""
    return sources.table_of(str(word), tell)


class TestFiles:
    def test_a_file_and_a_folder_with_one(self, tmp_path: Path) -> None:
        """A compat.json under any name, or in the folder that a site is."""
        (tmp_path / "before.json").write_text(TEXT, encoding="utf-8")
        assert read(tmp_path / "before.json")["cells"][0]["cell"] == CELL
        (tmp_path / "compat.json").write_text(TEXT, encoding="utf-8")
        assert read(tmp_path)["cells"][0]["cell"] == CELL

    @pytest.mark.parametrize("below", ["", "results"])
    def test_a_folder_with_results_is_the_table_that_they_make(self, tmp_path: Path, below: str) -> None:
        """Results from elsewhere, with today's matrix and data; a clone's are in results/."""
        name, pinned = "py3.11-tf2.17.1-metal1.1.0", lock("tensorflow==2.17.1", "tensorflow-metal==1.1.0")
        failed = run(
            *PASSED[:1],
            check("failed", CATALOG[1], how="signal", message="it crashed"),
            kind="ran",
            conditions=QUIET,
        )
        store = Store(tmp_path / below)
        store.write_lock(MAC, pinned)
        store.write(MAC, record(name, SetRecord(ok(pinned), pinned.digest, run=failed)))
        found = {c["cell"]: c for c in read(tmp_path)["cells"]}
        assert (found[name]["verdict"], found[name]["stage"]) == ("broken", "device")
        assert len(found) == 227

    def test_what_is_nothing_of_all_this_is_told_with_what_may_be_given(self, tmp_path: Path) -> None:
        """An empty folder, a name that is neither a file nor a revision, an option in a revision's place."""
        for word in (tmp_path, tmp_path / "no", "no-such-revision", "--output=x", "-", "a b"):
            with pytest.raises(UsageError) as refused:
                read(word)
            assert "a git revision" in refused.value.hint

    @pytest.mark.parametrize("content", [b"{", b"\xff", b"1" * 9 * 2**20])
    def test_a_file_that_is_no_table_is_refused_by_its_name(self, tmp_path: Path, content: bytes) -> None:
        """Not JSON, not text, too large."""
        (tmp_path / "x.json").write_bytes(content)
        with pytest.raises(ResultError, match=r"x\.json: it "):
            read(tmp_path / "x.json")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Commits a project whose table is what the given code prints."""
    root = tmp_path / "repository"
    (root / "metalmatrix").mkdir(parents=True)
    (root / "link").symlink_to("/etc/hostname")
    monkeypatch.setattr(sources, "PACKAGE", root / "metalmatrix")
    git = shutil.which("git") or pytest.skip("git is not here")

    def commit(code: str) -> None:
        (root / "metalmatrix" / "__init__.py").touch()
        (root / "metalmatrix" / "__main__.py").write_text(code, encoding="utf-8")
        who = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
        for arguments in (["init", "-q"], ["add", "-A"], [*who, "commit", "-q", "-m", "x"]):
            subprocess.run([git, "-C", str(root), *arguments], check=True, capture_output=True)

    return commit


class TestRevisions:
    def test_a_revision_tells_its_own_table(self, repository: Callable[[str], None]) -> None:
        """Its own code is asked, from a folder of its own; a surprise in it is its own business."""
        made = f"""
import os, sys
assert sys.argv[1:] == ["table", "--json"]
assert not os.path.lexists("link")
print({TEXT!r})
sys.exit(1)
"""
        repository(made)
        repository("raise SystemExit(4)\n")
        assert read("HEAD~1")["cells"][0]["cell"] == CELL

    def test_one_that_cannot_is_told_with_its_last_words(self, repository: Callable[[str], None]) -> None:
        """The error of the old code, and what to give instead."""
        repository("import sys\nprint('error: no such command', file=sys.stderr)\nsys.exit(2)\n")
        with pytest.raises(ToolMissingError, match="no such command") as refused:
            read("HEAD")
        assert "compat.json" in refused.value.hint
        repository("print('{}')\n")
        with pytest.raises(ResultError, match="HEAD: it is no table"):
            read("HEAD")

    def test_one_that_hangs_is_ended(
        self, repository: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It has so many seconds."""
        repository("import time\ntime.sleep(600)\n")
        monkeypatch.setattr(sources, "REVISION_SECONDS", 1.0)
        with pytest.raises(ToolMissingError, match="took more than 1 s"):
            read("HEAD")

    def test_one_without_metalmatrix_is_told(self, repository: Callable[[str], None], tmp_path: Path) -> None:
        """The installed metalmatrix does not answer for it."""
        repository("")
        (tmp_path / "repository" / "metalmatrix" / "__init__.py").unlink()
        git = [
            "git",
            "-C",
            str(tmp_path / "repository"),
            "-c",
            "user.name=a",
            "-c",
            "user.email=a@example.org",
        ]
        subprocess.run([*git, "commit", "-q", "-a", "-m", "y"], check=True)
        with pytest.raises(ResultError, match="HEAD: that revision has no metalmatrix"):
            read("HEAD")

    def test_this_repository_tells_the_same_as_its_head(self) -> None:
        """For real: the committed code and data, unpacked and asked, give a table of every cell."""
        if not (ROOT / ".git").exists():
            pytest.skip("this is no clone")
        assert len(read("HEAD")["cells"]) == 227


@contextmanager
def served(*answers: tuple[int, dict[str, str], bytes]) -> Iterator[str]:
    """The address of a server that gives these answers, one after the other, the last for good."""
    left = list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, content = left.pop(0) if len(left) > 1 else left[0]
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value.replace("{path}", self.path))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class TestFeeds:
    def test_a_feed_is_read_from_its_folders_address(self) -> None:
        """The address of the site, or of the file; a redirect is followed."""
        with served((301, {"Location": "/moved{path}"}, b""), (200, {}, TEXT.encode())) as address:
            assert read(f"{address}/site/")["cells"][0]["cell"] == CELL
            assert read(f"{address}/compat.json")["cells"][0]["cell"] == CELL

    @pytest.mark.parametrize(
        "address",
        ["http://example.org/", "ftp://example.org/x", "file:///etc/passwd", "http://127.0.0.1.example.org/"],
    )
    def test_only_https_is_asked_beyond_this_machine(self, address: str) -> None:
        """Nothing is sent in the clear, and no other scheme reads files."""
        with pytest.raises(UsageError, match="only https is"):
            read(address)

    def test_a_redirect_does_not_lead_out_of_it(self) -> None:
        """Where a server sends the reader is held to the same rule, and a ring of them ends."""
        with served((302, {"Location": "http://example.org/"}, b"")) as address, pytest.raises(UsageError):
            read(address)
        with (
            served((302, {"Location": "/again"}, b"")) as address,
            pytest.raises(IndexUnreachableError, match="end"),
        ):
            read(address)
        with pytest.raises(UsageError):
            sources._allowed("http://127.0.0.1/", encrypted=True)

    @pytest.mark.parametrize(
        "bad",
        ["https://[bad", "https://user:secret@[bad", "https://", "https://x:99999/", f"https://{'a' * 70}/"],
    )
    def test_what_is_no_address_is_told(self, bad: str, capsys: pytest.CaptureFixture[str]) -> None:
        """Typed or redirected to, it is a wrong command line, and no password of it is told."""
        assert cli.main(["diff", bad]) == 2
        err = capsys.readouterr().err
        assert "is no address" in err
        assert "secret" not in err
        with (
            served((302, {"Location": bad}, b"")) as address,
            pytest.raises(UsageError, match="is no address"),
        ):
            read(address)

    def test_what_is_too_large_too_slow_or_not_there_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Each with its reason, and no password of the address in it."""
        with (
            served((404, {}, b"")) as address,
            pytest.raises(IndexUnreachableError, match=r"compat\.json .*404") as e,
        ):
            read(address.replace("//", "//user:secret@"))
        assert "secret" not in str(e.value)
        monkeypatch.setattr(sources, "MAX_READ", 100)
        with served((200, {}, b"1" * 101)) as address, pytest.raises(ResultError, match="larger than"):
            read(address)
        monkeypatch.setattr(sources, "FEED_SECONDS", 0.0001)
        with served((200, {}, b"1" * 50)) as address, pytest.raises(IndexUnreachableError):
            read(address)
        with pytest.raises(IndexUnreachableError):
            read("http://127.0.0.1:9/")


class TestCommand:
    @pytest.fixture
    def tables(self, tmp_path: Path) -> tuple[str, str]:
        """Two files, of which the second has lost a cell."""
        old, new = tmp_path / "old.json", tmp_path / "new.json"
        old.write_text(TEXT, encoding="utf-8")
        new.write_text(json.dumps(table(cell(verdict="broken"), missing=["a/b"])), encoding="utf-8")
        return str(old), str(new)

    def test_the_gate_is_the_exit_code(
        self, tables: tuple[str, str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """1 where something stops the table, 0 where nothing does; JSON is alone on standard output."""
        old, new = tables
        assert cli.main(["diff", old, new, "--json"]) == 1
        out, err = capsys.readouterr()
        told = json.loads(out)
        assert [change["kind"] for change in told["changes"]] == ["lost"]
        assert [item["reason"] for item in told["gate"]] == ["lost"]
        assert "the table after is partial" in err
        assert cli.main(["diff", new, old, "--markdown"]) == 0
        assert capsys.readouterr().out.startswith("## What has changed in the table\n")
        assert cli.main(["diff", old, old]) == 0
        assert (
            capsys.readouterr().out == "nothing has changed between the tables of 2026-11-20 and 2026-11-20\n"
        )

    def test_now_is_what_a_table_is_held_against(
        self, tables: tuple[str, str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Without NEW, it is what is known now."""
        assert cli.main(["diff", tables[0], "--json"]) in {0, 1}
        assert len(json.loads(capsys.readouterr().out)["changes"]) >= 199

    def test_two_renderings_are_one_too_many(
        self, tables: tuple[str, str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """It is said, with the code of a wrong command line."""
        assert cli.main(["diff", *tables, "--json", "--markdown"]) == 2
        assert "give one of them" in capsys.readouterr().err
