from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metalmatrix.errors import ResultError
from metalmatrix.resolving.standin import Moved
from metalmatrix.running import record as records
from metalmatrix.running.host import Host
from metalmatrix.running.limits import Limits
from metalmatrix.running.record import PARTIAL, Record, SetRecord, dump_record, parse_record
from metalmatrix.running.results import Results, Store
from tests.samples import CATALOG, DIGEST, LINUX, PASSED, QUIET, check, lock, ok, record, run

if TYPE_CHECKING:
    from pathlib import Path

CELL = "py3.11-tf2.15.1-metal1.1.0"
FULL = record(
    CELL,
    SetRecord(
        ok(),
        "a" * 16,
        run=replace(
            run(
                *PASSED,
                check(
                    "failed",
                    CATALOG[1],
                    how="signal",
                    message="it crashed",
                    signal="SIGSEGV",
                    tail="Fatal Python error\n",
                    facts={"gpus": ["x"], "nested": {"a": [None, 1.5, True]}},
                ),
                moved=(Moved("h5py", "3.1", "3.2"),),
            ),
            limits=asdict(Limits()),
            seed=0,
            conditions=QUIET,
        ),
    ),
    SetRecord(
        records.Resolved("fails", "no wheels", "numpy"), untested="there is no set of wheels to install"
    ),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


def plain_data(made: Record = FULL) -> Any:  # noqa: ANN401 - JSON
    """A record as it is read from its file."""
    return json.loads(json.dumps(dump_record(made)))


def paths(data: object, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Where everything stands in plain data."""
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [at, *(path for key, item in items for path in paths(item, (*at, key)))]


def changed(path: tuple[str | int, ...], value: object) -> Any:  # noqa: ANN401 - JSON
    """The data of a sound record with *value* at one place."""
    data = plain_data()
    if not path:
        return value
    place = data
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return data


class TestSchema:
    def test_a_record_survives_its_file(self) -> None:
        """What is written is what is read."""
        assert parse_record(plain_data()) == FULL

    @given(JSON)
    def test_arbitrary_data_is_refused_and_nothing_else_happens(self, data: object) -> None:
        """Whatever JSON a file holds, a `ResultError` comes of it."""
        with pytest.raises(ResultError):
            parse_record(data)

    @given(st.sampled_from(paths(plain_data())), JSON)
    def test_a_sound_record_with_anything_in_one_place_is_read_or_refused(
        self, path: tuple[str | int, ...], value: object
    ) -> None:
        """Damage in one place is found, or it is a record after all: it can be written again."""
        try:
            made = parse_record(changed(path, value))
        except ResultError:
            return
        json.dumps(dump_record(made), ensure_ascii=False).encode("utf-8")

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("[" * 600 + "]" * 600, "cannot be checked"),
            ('{"\\ud800": 1}', "cannot be checked"),
            ('"\\ud800"', "cannot be checked"),
            ("{}", "required"),
            ("null", "the file"),
        ],
    )
    def test_json_that_no_validator_likes_is_refused(self, text: str, told: str) -> None:
        """Half characters and deep nesting are told like any damage."""
        with pytest.raises(ResultError, match=told):
            parse_record(json.loads(text))

    def test_a_newer_file_is_refused_politely(self) -> None:
        """A record of a later schema is not guessed at, and the hint says how to read it."""
        with pytest.raises(ResultError, match="it has schema 3, newer than 2") as caught:
            parse_record(changed(("schema",), 3))
        assert "git pull" in caught.value.hint

    def test_an_older_file_is_read(self) -> None:
        """A record of schema 1 has neither limits nor seed, and is read as one that does not tell them."""
        data = changed(("schema",), 1)
        for key in ("limits", "seed"):
            del data["sets"]["pinned"]["run"][key]
        made = parse_record(data)
        run_ = FULL.sets["pinned"].run
        assert run_ is not None
        older = replace(FULL.sets["pinned"], run=replace(run_, limits=None, seed=None))
        assert made == replace(FULL, sets={**FULL.sets, "pinned": older})

    @given(st.sampled_from(paths(plain_data())), JSON)
    def test_a_damaged_older_file_is_read_or_refused(
        self, path: tuple[str | int, ...], value: object
    ) -> None:
        """What is brought to the newer schema may be anything."""
        data = changed(path, value)
        if isinstance(data, dict):
            data["schema"] = 1
        try:
            parse_record(data)
        except ResultError:
            return

    @pytest.mark.parametrize(
        ("path", "value"),
        [
            (("sets", "pinned", "run", "seed"), "0"),
            (("schema",), 0),
            (("schema",), True),
            (("cell",), "../../etc/passwd"),
            (("cell",), CELL + "\n"),
            (("cell",), CELL + "/x"),
            (("as_of",), "yesterday"),
            (("date",), "2026-11-20"),
            (("inputs",), "0" * 15),
            (("inputs",), "../" + "0" * 13),
            (("extra",), 1),
            (("sets", "both"), {}),
            (("sets", "pinned", "resolved", "outcome"), "works"),
            (("sets", "pinned", "resolved", "lock"), "../../x"),
            (("sets", "pinned", "resolved", "macos"), "12"),
            (("sets", "pinned", "resolved", "message"), "x" * 2501),
            (("sets", "pinned", "environment"), "../x"),
            (("sets", "pinned", "run", "kind"), "reported"),
            (("sets", "pinned", "run", "seconds"), -1),
            (("sets", "pinned", "run", "moved", 0, "name"), "a\nb"),
            (("sets", "pinned", "run", "checks", 0, "stage"), "start"),
            (("sets", "pinned", "run", "checks", 0, "outcome"), "ok"),
            (("sets", "pinned", "run", "checks", 0, "weight"), ""),
            (("sets", "pinned", "run", "checks", 0, "check"), "--check"),
            (("sets", "pinned", "run", "checks"), [{}] * 101),
        ],
    )
    def test_a_value_that_cannot_be_is_told_with_its_place(
        self, path: tuple[str | int, ...], value: object
    ) -> None:
        """Each rule of the schema is held, and the place is in the message."""
        with pytest.raises(ResultError) as caught:
            parse_record(changed(path, value))
        told = str(caught.value).partition(": ")[0]
        assert told in {"/".join(map(str, path)), "/".join(map(str, path[:-1])) or "the file"}

    @pytest.mark.parametrize(
        ("path", "value"),
        [
            (("as_of",), "2026-02-29"),
            (("date",), "9999-99-99T99:99:99Z"),
            (("date",), "0000-01-01T00:00:00Z"),
            (("date",), "2026-11-20T24:59:00Z"),
            (("sets", "pinned", "run", "date"), "2026-13-01T00:00:00Z"),
        ],
    )
    def test_a_date_that_no_calendar_has_is_refused(self, path: tuple[str | int, ...], value: str) -> None:
        """By its text it would be newer than every run to come."""
        where = "/".join(map(str, path))
        with pytest.raises(ResultError, match=f"^{where}: {value} is no date"):
            parse_record(changed(path, value))

    def test_nothing_can_be_left_out(self) -> None:
        """Every key that is written is needed to read it again; facts, limits and `conditions` apart."""
        keys = [path for path in paths(plain_data()) if path and isinstance(path[-1], str)]
        keys.remove(("sets", "pinned", "run", "conditions"))
        for path in (path for path in keys if not {"facts", "limits"} & set(path[:-1])):
            data = place = plain_data()
            for key in path[:-1]:
                place = place[key]
            del place[path[-1]]
            with pytest.raises(ResultError, match=f'"{path[-1]}" is a required property'):
                parse_record(data)

    @pytest.mark.parametrize("conditions", [None, "left out"])
    def test_a_record_of_before_the_conditions_is_read(self, conditions: str | None) -> None:
        """Runs that were recorded without them stay readable, and a rehearsal has none."""
        data = changed(("sets", "pinned", "run", "conditions"), conditions)
        if conditions:
            del data["sets"]["pinned"]["run"]["conditions"]
        made = parse_record(data).sets["pinned"].run
        assert made is not None
        assert made.conditions is None
        assert made.checks

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("session", "Aqua\n"),
            ("session", "x" * 21),
            ("session", "[red]Aqua"),
            ("session", None),
            ("memory_pressure", "1"),
            ("memory_pressure", None),
            ("virtual", 1),
            ("virtual", "no"),
            ("interpreter", "../arm64"),
            ("interpreter", "ARM64"),
            ("hostname", "mine"),
        ],
    )
    def test_conditions_of_another_kind_are_refused(self, key: str, value: object) -> None:
        """They are a closed list of words, and nothing that names a machine."""
        with pytest.raises(ResultError, match="conditions"):
            parse_record(changed(("sets", "pinned", "run", "conditions", key), value))

    def test_a_refusal_is_short(self) -> None:
        """A megabyte in a file is not printed back."""
        with pytest.raises(ResultError) as caught:
            parse_record(changed(("sets", "pinned", "untested"), "x" * 1_000_000))
        assert len(str(caught.value)) < 400

    def test_the_schema_is_a_schema(self) -> None:
        """The published file names its version, and is strict at every level."""
        text = records.SCHEMA_FILE.read_text(encoding="utf-8")
        assert json.loads(text)["$id"] == f"metalmatrix/result/{records.SCHEMA}"
        assert text.count('"properties": {') == text.count('"additionalProperties": false')


class TestStore:
    @pytest.fixture
    def store(self, tmp_path: Path) -> Store:
        """An empty results folder."""
        return Store(tmp_path / "results")

    def test_what_is_written_is_read(self, store: Store) -> None:
        """A record, its host's facts beside it, and the record again."""
        store.write(LINUX, FULL)
        assert store.hosts() == [LINUX.slug]
        assert store.read(LINUX.slug, CELL) == FULL
        assert store.load(LINUX.slug) == Results(LINUX.slug, {CELL: FULL}, machine=LINUX)
        facts = json.loads((store.root / LINUX.slug / "host.json").read_text(encoding="utf-8"))
        assert Host.from_json(facts) == LINUX

    def test_what_cannot_be_read_again_is_never_written(self, store: Store) -> None:
        """A record that breaks the schema is refused before the file is touched."""
        store.write(LINUX, FULL)
        with pytest.raises(ResultError):
            store.write(LINUX, replace(FULL, inputs="x"))
        assert store.read(LINUX.slug, CELL) == FULL

    @pytest.mark.parametrize(
        ("content", "told"),
        [
            (b"", "it cannot be read"),
            (b"{", "it cannot be read"),
            (b"\xff", "it cannot be read"),
            (b"[" * 100_000, "it cannot be read"),
            (b'{"schema": 99}', "newer"),
            (b"{}", "required"),
        ],
    )
    def test_a_damaged_file_is_set_aside_and_the_others_count(
        self, content: bytes, told: str, store: Store
    ) -> None:
        """One bad file costs one cell, and is named with its reason."""
        store.write(LINUX, FULL)
        (store.root / LINUX.slug / "py3.9-tf2.15.1-nometal.json").write_bytes(content)
        found = store.load(LINUX.slug)
        assert set(found.records) == {CELL}
        (problem,) = found.problems
        assert problem.startswith(f"{LINUX.slug}/py3.9-tf2.15.1-nometal.json: ")
        assert told in problem
        assert store.read(LINUX.slug, "py3.9-tf2.15.1-nometal") is None

    def test_a_file_under_another_cells_name_is_set_aside(self, store: Store) -> None:
        """A renamed file does not speak for two cells."""
        store.write(LINUX, FULL)
        folder = store.root / LINUX.slug
        (folder / f"{CELL}.json").rename(folder / "py3.9-tf2.15.1-nometal.json")
        found = store.load(LINUX.slug)
        assert found.records == {}
        assert f"it is about {CELL}" in found.problems[0]

    def test_a_half_written_file_of_a_killed_run_is_none(self, store: Store) -> None:
        """What a crash left beside the results is not taken for one."""
        store.write(LINUX, FULL)
        (store.root / LINUX.slug / f".{CELL}.json.x.part").write_text("{", encoding="utf-8")
        assert store.load(LINUX.slug).problems == ()

    @pytest.mark.parametrize("host", ["..", "../x", "a/b", "", ".hidden", "A", "x" * 81])
    def test_a_host_that_is_no_name_becomes_no_path(self, host: str, store: Store) -> None:
        """Nothing is read or written outside of the folder."""
        assert store.read(host, CELL) is None
        assert store.lock(host, DIGEST) is None
        with pytest.raises(ResultError, match="is no name of a host"):
            store.plan(host)

    def test_folders_that_are_no_hosts_are_passed_over(self, store: Store) -> None:
        """Only folders with a host's name have results."""
        assert store.hosts() == []
        for name in (".git", "Mac", "macos-15"):
            (store.root / name).mkdir(parents=True)
        (store.root / "notes").write_text("x", encoding="utf-8")
        assert store.hosts() == ["macos-15"]

    def test_the_facts_of_a_host_are_written_once(self, store: Store) -> None:
        """A later run does not change the file that was committed."""
        store.write(LINUX, FULL)
        facts = store.root / LINUX.slug / "host.json"
        facts.write_text("as it was", encoding="utf-8")
        store.write(LINUX, FULL)
        assert facts.read_text(encoding="utf-8") == "as it was"


class TestLocks:
    def test_a_lock_is_found_by_its_digest(self, tmp_path: Path) -> None:
        """It is written once, a package a line, and read as it was."""
        store, made = Store(tmp_path), lock("numpy==1.26.4", "six==1.17.0")
        store.write_lock(LINUX, made)
        assert store.lock(LINUX.slug, made.digest) == made
        path = tmp_path / LINUX.slug / "locks" / f"{made.digest}.json"
        assert len(path.read_text(encoding="utf-8").splitlines()) == 2 + 2

    def test_a_lock_that_was_changed_is_none(self, tmp_path: Path) -> None:
        """What is not what its name says is not installed."""
        store, made = Store(tmp_path), lock("numpy==1.26.4")
        store.write_lock(LINUX, made)
        path = tmp_path / LINUX.slug / "locks" / f"{made.digest}.json"
        path.write_text(path.read_text(encoding="utf-8").replace("1.26.4", "1.26.5"), encoding="utf-8")
        assert store.lock(LINUX.slug, made.digest) is None
        path.write_text("[5]", encoding="utf-8")
        assert store.lock(LINUX.slug, made.digest) is None


class TestPlanFile:
    def test_a_cell_without_its_result_is_missing(self, tmp_path: Path) -> None:
        """What a run set out to do and did not do shows: no result, an old one, or half of one."""
        store = Store(tmp_path)
        names = ["py3.9-tf2.15.1-nometal", "py3.10-tf2.15.1-nometal", "py3.11-tf2.15.1-nometal", CELL]
        store.write_plan(LINUX, dict.fromkeys(names, DIGEST))
        store.write(LINUX, record(names[0], SetRecord(ok())))
        store.write(LINUX, record(names[1], SetRecord(ok()), inputs="f" * 16))
        store.write(LINUX, record(names[2], SetRecord(ok()), inputs=PARTIAL))
        assert set(store.load(LINUX.slug).missing) == {names[1], names[2], CELL}

    def test_nothing_is_missing_where_nothing_was_planned(self, tmp_path: Path) -> None:
        """Results that came by pull request need no plan."""
        store = Store(tmp_path)
        store.write(LINUX, FULL)
        assert store.load(LINUX.slug).missing == ()

    @pytest.mark.parametrize("text", ["", "{}", "[]", "5", '{"planned": 5}', '{"planned": {"a": 5}}', "\x00"])
    def test_a_damaged_plan_is_none(self, text: str, tmp_path: Path) -> None:
        """Without a plan nothing is known to be missing, and that is no error."""
        store = Store(tmp_path)
        store.write(LINUX, FULL)
        (tmp_path / LINUX.slug / "plan.json").write_text(text, encoding="utf-8")
        assert store.load(LINUX.slug) == Results(LINUX.slug, {CELL: FULL}, machine=LINUX)


class TestSharing:
    def test_the_newest_run_of_an_environment_speaks_for_it(self) -> None:
        """Two cells ran the same environment at different times: the later run counts, in any order."""
        old, new = run(*PASSED, date="2026-01-01T00:00:00Z"), run(*PASSED, date="2026-01-02T00:00:00Z")
        made = {str(n): record(str(n), SetRecord(ok(), "a" * 16, run=r)) for n, r in enumerate((new, old))}
        waiting = record("x", SetRecord(ok(), "a" * 16))
        assert Results("h", made).run(waiting, "pinned") == new
        assert Results("h", dict(reversed(made.items()))).run(waiting, "pinned") == new

    def test_a_cells_own_run_comes_first(self) -> None:
        """A cell that ran speaks for itself."""
        old, new = run(*PASSED, date="2026-01-01T00:00:00Z"), run(*PASSED, date="2026-01-02T00:00:00Z")
        own, other = (
            record("a", SetRecord(ok(), "a" * 16, run=old)),
            record("b", SetRecord(ok(), "a" * 16, run=new)),
        )
        assert Results("h", {"a": own, "b": other}).run(own, "pinned") == old

    def test_a_run_by_conda_speaks_for_no_venv(self) -> None:
        """The same packages under conda's interpreter are another environment, in either direction."""
        venv = record("py3.11-tf2.15.1-metal1.1.0", SetRecord(ok(), "a" * 16))
        made = record("py3.11-tf2.15.1-nometal-conda", SetRecord(ok(), "a" * 16, run=run(*PASSED)))
        waiting = record("py3.11-tf2.15.1-metal1.1.0-conda", SetRecord(ok(), "a" * 16))
        known = Results("h", {made.cell: made})
        assert known.run(venv, "pinned") is None
        assert known.run(waiting, "pinned") == made.sets["pinned"].run

    def test_what_was_not_to_be_installed_here_has_no_run(self) -> None:
        """A set without an environment finds none."""
        made = record("a", SetRecord(ok(), None, run=run(*PASSED)))
        waiting = record("b", SetRecord(ok()))
        assert Results("h", {"a": made}).run(waiting, "pinned") is None

    def test_runs_are_known_by_what_they_depend_on(self) -> None:
        """A run with the same inputs need not be made again."""
        made = run(*PASSED, inputs="f" * 16)
        assert Results("h", {"a": record("a", SetRecord(ok(), run=made))}).by_inputs == {"f" * 16: made}
