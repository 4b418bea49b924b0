"""Results joined: nothing lost, nothing overwritten by what is older, contradictions kept and shown."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from metalmatrix import cli
from metalmatrix.asking.explanation import Explained, lines
from metalmatrix.cells.cell import Cell
from metalmatrix.errors import UsageError
from metalmatrix.macs import merge as merging
from metalmatrix.macs.merge import Merged, merge
from metalmatrix.running.record import PARTIAL, Record, SetRecord
from metalmatrix.running.results import Store
from metalmatrix.table import layout
from metalmatrix.verdicts.report import Report, build
from metalmatrix.wheels.wheel_facts import load_facts
from tests.samples import CATALOG, LINUX, MAC, PASSED, QUIET, check, lock, matrix, ok, record, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from metalmatrix.running.host import Host
    from metalmatrix.running.supervise import CheckResult

CELL, OTHER = "py3.11-tf2.17.1-metal1.1.0", "py3.12-tf2.17.1-nometal"
PINNED = lock("tensorflow==2.17.1", "tensorflow-metal==1.1.0")
EARLY, LATE = "2026-11-20T10:00:00Z", "2026-11-21T10:00:00Z"
FAILED = (*PASSED[:2], check("failed", CATALOG[2], how="mismatch", message="the loss does not fall"))


def seen(
    *checks: CheckResult, cell: str = CELL, date: str = EARLY, inputs: str = "1" * 16, failure: str = ""
) -> Record:
    """The record of one run on a Mac; its plain set was not to run."""
    made = run(*checks, kind="ran", conditions=QUIET, inputs=inputs, failure=failure, date=date)
    pinned = SetRecord(ok(PINNED), PINNED.digest, run=made)
    return record(
        cell, pinned, SetRecord(ok(PINNED), PINNED.digest, "the plain set runs with --plain"), date=date
    )


def folder(path: Path, *records: Record, host: Host = MAC, planned: dict[str, str] | None = None) -> Path:
    """A results folder with these."""
    store = Store(path)
    store.write_lock(host, PINNED)
    for made in records:
        store.write(host, made)
    store.write_plan(host, planned if planned is not None else {made.cell: made.inputs for made in records})
    return path


def files(root: Path) -> dict[str, bytes]:
    """Every file by its path."""
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


@pytest.fixture
def into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Where everything goes; what shows whose turn it is lies with the caches."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return Store(tmp_path / "into")


def joined(into: Store, *folders: Path) -> Merged:
    """Join folders of which every file is sound."""
    found = merge(folders, into, lambda _: None)
    assert found.refused == []
    return found


class TestJoining:
    def test_two_halves_are_the_whole(self, tmp_path: Path, into: Store) -> None:
        """What was split among two machines alike is the folder that one of them would have made."""
        records = seen(*PASSED), seen(*FAILED, cell=OTHER, date=LATE)
        whole = folder(tmp_path / "whole", *records)
        halves = [folder(tmp_path / str(n), made) for n, made in enumerate(records)]
        assert joined(into, *halves).taken == 2
        assert files(into.root) == files(whole)

    def test_joining_again_changes_nothing(self, tmp_path: Path, into: Store) -> None:
        """Not a byte, in whatever order; what is joined can itself be joined."""
        one = folder(tmp_path / "1", seen(*PASSED))
        two = folder(tmp_path / "2", seen(*FAILED, date=LATE), seen(*PASSED, cell=OTHER))
        joined(into, one, two)
        before = files(into.root)
        assert joined(into, one, two) == Merged(known=3)
        assert joined(into, two, one, into.root).taken == 0
        assert files(into.root) == before
        again = Store(tmp_path / "again")
        joined(again, into.root)
        assert files(again.root) == before

    def test_a_hosts_folder_a_results_folder_and_a_clone_are_taken(self, tmp_path: Path, into: Store) -> None:
        """However the folder was packed, it holds the same."""
        clone = tmp_path / "clone"
        folder(clone / "results", seen(*PASSED))
        for place in (clone, clone / "results", clone / "results" / MAC.slug):
            joined(into, place)
            assert into.read(MAC.slug, CELL) == seen(*PASSED)
            shutil.rmtree(into.root)

    def test_an_older_record_does_not_replace_a_newer_one(self, tmp_path: Path, into: Store) -> None:
        """Of other inputs (another lock, other checks) the newer answers, in whichever order they come."""
        old = folder(tmp_path / "old", seen(*FAILED, inputs="2" * 16))
        new = folder(tmp_path / "new", seen(*PASSED, date=LATE))
        for order in ((old, new), (new, old)):
            joined(into, *order)
            assert into.read(MAC.slug, CELL) == seen(*PASSED, date=LATE)
            assert into.hosts() == [MAC.slug]
            shutil.rmtree(into.root)

    def test_a_run_of_the_other_set_is_kept(self, tmp_path: Path, into: Store) -> None:
        """One machine ran the pinned set, another the plain one: the record has both."""
        pinned = seen(*PASSED)
        plain = replace(
            pinned, sets={"pinned": pinned.sets["plain"], "plain": pinned.sets["pinned"]}, date=LATE
        )
        joined(into, folder(tmp_path / "1", pinned), folder(tmp_path / "2", plain))
        found = into.read(MAC.slug, CELL)
        assert found is not None
        assert all(entry.run for entry in found.sets.values())

    def test_an_installation_that_failed_replaces_no_run(self, tmp_path: Path, into: Store) -> None:
        """A full disk says nothing of a cell: it neither contradicts a run nor takes it away."""
        full = folder(tmp_path / "full", seen(failure="no space left", date=LATE))
        joined(into, folder(tmp_path / "good", seen(*PASSED)), full)
        found = into.read(MAC.slug, CELL)
        assert found is not None
        assert found.sets["pinned"].run == seen(*PASSED).sets["pinned"].run
        assert into.hosts() == [MAC.slug]

    def test_what_was_cut_off_is_missing(self, tmp_path: Path, into: Store) -> None:
        """A cell that a machine set out to do shows as missing until some machine has done it."""
        cut = folder(tmp_path / "cut", seen(*PASSED), planned={CELL: "0123456789abcdef", OTHER: "3" * 16})
        joined(into, cut)
        assert into.load(MAC.slug).missing == (OTHER,)
        joined(into, folder(tmp_path / "rest", seen(*PASSED, cell=OTHER)), cut)
        assert into.load(MAC.slug).missing == ()

    def test_a_cell_in_mid_run_is_missing_and_counts(self, tmp_path: Path, into: Store) -> None:
        """The record of a killed run is taken, and is not called complete."""
        half = replace(seen(*PASSED), inputs=PARTIAL)
        joined(into, folder(tmp_path / "half", half, planned={CELL: "4" * 16}))
        assert into.load(MAC.slug).missing == (CELL,)

    def test_a_killed_merge_is_made_good_by_the_next(
        self, tmp_path: Path, into: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Wherever it stops, what is there can be read, and the same command ends in the same files."""
        came = folder(tmp_path / "1", seen(*PASSED), seen(*FAILED, cell=OTHER))
        joined(Store(tmp_path / "whole"), came)
        whole = files(tmp_path / "whole")
        writes = len(whole)
        for stop in range(writes):
            left = iter([*[False] * stop, True])

            def write(path: Path, text: str, left: object = left) -> None:
                if next(left):  # type: ignore[call-overload]
                    raise KeyboardInterrupt
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")

            with monkeypatch.context() as patched:
                patched.setattr("metalmatrix.running.results.write_atomic", write)
                with pytest.raises(KeyboardInterrupt):
                    merge([came], into, lambda _: None)
            assert all(not into.load(host).problems for host in into.hosts())
            joined(into, came)
            assert files(into.root) == whole
            shutil.rmtree(into.root)


class TestAtOnce:
    def meanwhile(self, other: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
        """Begins *other* in the moment when a merge has read and not yet written; what waits for its end."""
        write = merging._Joint._write
        thread = threading.Thread(target=other)

        def late(self: merging._Joint, made: Record, slug: str) -> None:
            if thread.ident is None:
                thread.start()
                thread.join(1)
            write(self, made, slug)

        monkeypatch.setattr(merging._Joint, "_write", late)
        return thread.join

    def test_another_merge_loses_nothing(
        self, tmp_path: Path, into: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Two that contradict each other, each of which would be the first: both are there."""
        one, two = folder(tmp_path / "1", seen(*PASSED)), folder(tmp_path / "2", seen(*FAILED))
        end = self.meanwhile(lambda: joined(Store(into.root), two), monkeypatch)
        joined(into, one)
        end()
        assert into.read(MAC.slug, CELL) == seen(*PASSED)
        assert into.read(f"{MAC.slug}-2", CELL) == seen(*FAILED)

    def test_a_run_that_ends_meanwhile_is_not_overwritten(
        self, tmp_path: Path, into: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What `nox -s matrix` has just found stays: what came in was older."""
        came = folder(tmp_path / "1", seen(*FAILED, inputs="2" * 16))
        mine = seen(*PASSED, date=LATE)
        end = self.meanwhile(lambda: Store(into.root).write(MAC, mine), monkeypatch)
        joined(into, came)
        end()
        assert into.read(MAC.slug, CELL) == mine


class TestContradictions:
    def report(self, store: Store) -> Report:
        """The table of one cell from what is stored."""
        hosts = [store.load(host) for host in store.hosts()]
        return build(matrix([Cell.parse(CELL)]), hosts, (), CATALOG, store.lock, lambda _: None)

    def test_the_same_inputs_with_another_outcome_are_kept_apart_and_both_shown(
        self, tmp_path: Path, into: Store
    ) -> None:
        """Two machines alike that saw otherwise are two folders: the table and the evidence tell both."""
        one, two = folder(tmp_path / "1", seen(*PASSED)), folder(tmp_path / "2", seen(*FAILED, date=LATE))
        found = joined(into, one, two)
        twin = f"{MAC.slug}-2"
        assert found.apart == [f"{twin}/{CELL}"]
        assert into.hosts() == [MAC.slug, twin]
        assert into.facts(twin) == MAC
        assert into.lock(twin, PINNED.digest) == PINNED
        report = self.report(into)
        (item,) = report.cells
        assert {e.source: e.outcome for e in item.evidence if e.run} == {MAC.slug: "ok", twin: "fails"}
        assert item.verdict.word == "broken"
        (runs,) = [s for s in layout.sections(report) if s.title.startswith("Runs of the checks, pinned")]
        assert f"ran on {MAC.slug}: passed" in runs.notes[0].text
        assert f"ran on {twin}: fit: the loss does not fall" in runs.notes[0].text
        told = "\n".join(
            "".join(part for part, _ in line.parts) for line in lines(Explained(item), load_facts())
        )
        assert f"On a Mac the checks did well: passed: {', '.join(c.check for c in PASSED)}" in told
        assert "On a Mac a check failed: fit: the loss does not fall" in told
        assert f", {MAC.slug}\n" in told
        assert f", {twin}\n" in told

    def test_a_third_opinion_joins_the_one_it_agrees_with(self, tmp_path: Path, into: Store) -> None:
        """Who saw the same as the second folder updates that one; a new outcome is a third."""
        hang = (*PASSED[:2], check("failed", CATALOG[2], how="hang", message="it hung"))
        runs = [(PASSED, EARLY), (FAILED, EARLY), (FAILED, LATE), (hang, EARLY)]
        for number, (checks, date) in enumerate(runs):
            joined(into, folder(tmp_path / str(number), seen(*checks, date=date)))
        assert into.hosts() == [MAC.slug, f"{MAC.slug}-2", f"{MAC.slug}-3"]
        assert into.read(f"{MAC.slug}-2", CELL) == seen(*FAILED, date=LATE)

    def test_machines_of_other_facts_never_share_a_folder(self, tmp_path: Path, into: Store) -> None:
        """The name has no build and no cores in it: what another such machine saw stands beside."""
        beta = replace(MAC, os_build="24C5089c")
        assert beta.slug == MAC.slug
        first = folder(tmp_path / "1", seen(*PASSED))
        joined(into, first, folder(tmp_path / "2", seen(*PASSED, cell=OTHER), host=beta))
        assert into.facts(f"{MAC.slug}-2") == beta
        assert into.read(f"{MAC.slug}-2", OTHER) is not None
        joined(into, first)
        assert into.read(MAC.slug, OTHER) is None

    def test_there_is_an_end_to_it(
        self, tmp_path: Path, into: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A hundred machines that differ are a mistake, and it is said."""
        monkeypatch.setattr(merging, "MAX_TWINS", 2)
        for number in range(2):
            host = replace(MAC, cores=number + 1)
            joined(into, folder(tmp_path / str(number), seen(*PASSED), host=host))
        found = merge([folder(tmp_path / "x", seen(*PASSED))], into, lambda _: None)
        assert found == Merged(refused=[f"{MAC.slug}: 2 machines are kept as {MAC.slug}"])


class TestHostile:
    def refused(self, into: Store, came: Path) -> str:
        """The only reason why something was not taken."""
        (reason,) = merge([came], into, lambda _: None).refused
        return reason

    @pytest.mark.parametrize("text", ["", "{}", "[" * 100_000, '{"schema": 99}', "\udc80"])
    def test_a_damaged_record_is_not_taken_and_the_others_are(
        self, text: str, tmp_path: Path, into: Store
    ) -> None:
        """Each file is held against its schema; the reason is told with its name."""
        came = folder(tmp_path / "1", seen(*PASSED), seen(*PASSED, cell=OTHER))
        (came / MAC.slug / f"{OTHER}.json").write_bytes(text.encode("utf-8", "surrogateescape"))
        assert self.refused(into, came).startswith(f"{MAC.slug}/{OTHER}.json: ")
        assert into.read(MAC.slug, CELL) == seen(*PASSED)
        assert not (into.root / MAC.slug / f"{OTHER}.json").exists()

    def test_a_record_of_another_cell_than_its_name_is_not_taken(self, tmp_path: Path, into: Store) -> None:
        """Nor does a name that is no cell's become a path."""
        came = folder(tmp_path / "1", seen(*PASSED))
        shutil.move(came / MAC.slug / f"{CELL}.json", came / MAC.slug / "py3x.json")
        assert "it is about" in self.refused(into, came)

    @pytest.mark.parametrize("name", ["macos-15.2-apple-m4-16gb", f"{MAC.slug}-1", f"{MAC.slug}-100", "evil"])
    def test_a_folder_whose_facts_give_another_name_is_not_taken(
        self, name: str, tmp_path: Path, into: Store
    ) -> None:
        """A machine does not pass for another one."""
        came = folder(tmp_path / "1", seen(*PASSED))
        shutil.move(came / MAC.slug, came / name)
        assert "its facts are those of" in self.refused(into, came)
        assert into.hosts() == []

    @pytest.mark.parametrize("text", ["", "{}", "[]", json.dumps({**MAC.to_json(), "os": "../../x"})])
    def test_damaged_facts_are_no_machine(self, text: str, tmp_path: Path, into: Store) -> None:
        """Nothing of that folder is taken."""
        came = folder(tmp_path / "1", seen(*PASSED))
        (came / MAC.slug / "host.json").write_text(text, encoding="utf-8")
        assert self.refused(into, came).startswith(f"{MAC.slug}/host.json: ")
        assert into.hosts() == []

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            (json.dumps(lock("six==1.0").to_json()), f"{PINNED.digest} is not what its name says"),
            ("{", f"{PINNED.digest} cannot be read"),
            (None, f"{PINNED.digest}: it is no file"),
        ],
    )
    def test_a_record_without_its_lock_is_not_taken(
        self, text: str | None, told: str, tmp_path: Path, into: Store
    ) -> None:
        """What was installed could not be told of it; one that has its lock is taken beside it."""
        came = folder(tmp_path / "1", seen(*PASSED), record(OTHER, SetRecord(ok(lock("six==1.17.0")))))
        Store(came).write_lock(MAC, lock("six==1.17.0"))
        path = came / MAC.slug / "locks" / f"{PINNED.digest}.json"
        path.unlink() if text is None else path.write_text(text, encoding="utf-8")
        assert self.refused(into, came).startswith(f"{MAC.slug}/{CELL}.json: its lock {told}")
        assert set(into.load(MAC.slug).records) == {OTHER}
        joined(into, folder(tmp_path / "2", seen(*PASSED)))
        assert joined(into, came) == Merged(known=2)

    @pytest.mark.parametrize("ahead", [dt.timedelta(days=2), dt.timedelta(days=300_000)])
    def test_what_is_yet_to_come_is_not_taken(self, ahead: dt.timedelta, tmp_path: Path, into: Store) -> None:
        """It would answer for a cell until then; a clock that is a few hours fast is none of it."""
        now = dt.datetime.now(dt.timezone.utc)
        late, fast = (f"{now + by:%Y-%m-%dT%H:%M:%SZ}" for by in (ahead, dt.timedelta(hours=20)))
        run_of_then = replace(seen(*PASSED, date=late), date=EARLY)
        for number, made in enumerate((seen(*PASSED, date=late), run_of_then)):
            reason = self.refused(into, folder(tmp_path / str(number), made))
            assert reason == f"{MAC.slug}/{CELL}.json: it is of {late}, which is yet to come"
        joined(into, folder(tmp_path / "fast", seen(*PASSED, date=fast)))
        assert into.read(MAC.slug, CELL) == seen(*PASSED, date=fast)

    def test_a_file_here_of_a_newer_schema_stays_and_the_others_are_taken(
        self, tmp_path: Path, into: Store
    ) -> None:
        """What a newer metalmatrix wrote here is left as it is, and keeps no other record out."""
        newer = into.root / MAC.slug / f"{CELL}.json"
        newer.parent.mkdir(parents=True)
        newer.write_text('{"schema": 99}', encoding="utf-8")
        came = folder(tmp_path / "1", seen(*PASSED), seen(*PASSED, cell=OTHER))
        assert "written by a newer metalmatrix" in self.refused(into, came)
        assert newer.read_text(encoding="utf-8") == '{"schema": 99}'
        assert into.read(MAC.slug, OTHER) is not None

    def test_an_empty_folder_keeps_no_other_one_out(self, tmp_path: Path, into: Store) -> None:
        """A machine that found nothing is told, whichever place it has."""
        (tmp_path / "empty").mkdir()
        for order in (("1", "empty"), ("empty", "1")):
            folder(tmp_path / "1", seen(*PASSED))
            found = merge([tmp_path / name for name in order], into, lambda _: None)
            assert found.taken == 1
            (reason,) = found.refused
            assert reason.startswith(f"{tmp_path / 'empty'}: it holds no results")
            shutil.rmtree(into.root)

    def test_a_folder_that_is_not_there_is_a_typo(self, tmp_path: Path, into: Store) -> None:
        """It is told before anything is joined."""
        with pytest.raises(UsageError, match="is no folder"):
            merge([folder(tmp_path / "1", seen(*PASSED)), tmp_path / "2"], into, lambda _: None)
        assert into.hosts() == []

    def test_a_plan_of_what_are_no_cells_is_passed_over(self, tmp_path: Path, into: Store) -> None:
        """What stands in it is shown as missing: nothing but ids and digests goes there."""
        planned = {"<script>": "1" * 16, OTHER: "not a digest", "../x": "1" * 16, CELL: "0123456789abcdef"}
        joined(into, folder(tmp_path / "1", seen(*PASSED), planned=planned))
        assert into.plan(MAC.slug) == {CELL: "0123456789abcdef"}

    def test_a_link_is_no_file(self, tmp_path: Path, into: Store) -> None:
        """What an archive links to lies outside of it."""
        came = folder(tmp_path / "1", seen(*PASSED))
        secret = folder(tmp_path / "2", seen(*PASSED, cell=OTHER)) / MAC.slug / f"{OTHER}.json"
        (came / MAC.slug / f"{OTHER}.json").symlink_to(secret)
        assert self.refused(into, came).endswith("it is no file")
        (tmp_path / "3").mkdir()
        (tmp_path / "3" / MAC.slug).symlink_to(came / MAC.slug)
        assert "it holds no results" in self.refused(into, tmp_path / "3")

    def test_too_many_files_are_not_looked_at(
        self, tmp_path: Path, into: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """There are only so many cells."""
        monkeypatch.setattr(merging, "MAX_FILES", 1)
        came = folder(tmp_path / "1", seen(*PASSED), seen(*PASSED, cell=OTHER))
        assert "more than 1 results" in self.refused(into, came)

    def test_nothing_goes_into_a_folder_whose_facts_here_are_damaged(
        self, tmp_path: Path, into: Store
    ) -> None:
        """Which machine a folder of ours is must be known before; another machine's results are joined."""
        (into.root / MAC.slug).mkdir(parents=True)
        (into.root / MAC.slug / "host.json").write_text("{", encoding="utf-8")
        came = folder(tmp_path / "1", seen(*PASSED), seen(*PASSED, cell=OTHER))
        folder(tmp_path / "1", seen(*PASSED), host=LINUX)
        assert self.refused(into, came).startswith(f"{MAC.slug}: {MAC.slug}/host.json cannot be read")
        assert set(into.load(LINUX.slug).records) == {CELL}
        assert into.load(MAC.slug).records == {}


class TestCommand:
    def test_it_tells_what_it_did_and_what_it_did_not(
        self, tmp_path: Path, into: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Code 0 and counts; code 4 with the file that was not taken; a folder without results is a typo."""
        monkeypatch.setattr("metalmatrix.macs.commands.default_results", lambda: into)
        came = folder(tmp_path / "1", seen(*PASSED))
        assert cli.main(["merge", str(came), "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == {"taken": 1, "known": 0, "apart": [], "refused": []}
        other = folder(tmp_path / "2", seen(*FAILED), seen(*PASSED, cell=OTHER))
        (other / MAC.slug / f"{OTHER}.json").write_text("{", encoding="utf-8")
        assert cli.main(["merge", str(other)]) == 4
        err = capsys.readouterr().err
        assert f"kept beside it: {MAC.slug}-2/{CELL}" in err
        assert f"{MAC.slug}/{OTHER}.json" in err
        assert cli.main(["merge", str(tmp_path / "nothing")]) == 2
