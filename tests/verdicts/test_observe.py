from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from metalmatrix.cells.cell import Cell
from metalmatrix.kernels.kernel_facts import load_kernels
from metalmatrix.resolving.standin import Moved
from metalmatrix.running.record import Resolved, SetRecord
from metalmatrix.running.results import Results
from metalmatrix.verdicts.evidence import Evidence
from metalmatrix.verdicts.observe import (
    from_linked,
    from_resolved,
    from_results,
    from_run,
    portable,
    with_repairs,
)
from metalmatrix.verdicts.verdict import verdict
from metalmatrix.wheels.wheel_facts import load_facts
from tests.samples import CATALOG, LINUX, MAC, NUMPY, PASSED, check, evidence, lock, ok, record, run

if TYPE_CHECKING:
    from metalmatrix.running.host import Host

CELL = Cell.parse("py3.11-tf2.14.0-nometal")
HOST = "linux-debian-12"
TYPE_ERROR = check("failed", how="exception", message="no numpy", exception="builtins.TypeError")
SIGSEGV = check("failed", CATALOG[1], how="signal", message="SIGSEGV", signal="SIGSEGV")


class TestPortable:
    """What a rehearsal may claim for a Mac: what Python code does there as well."""

    def test_a_python_exception_is(self) -> None:
        """Macs get the same Python packages."""
        assert portable(TYPE_ERROR)
        assert portable(
            check("failed", how="exception", message="x", exception="builtins.ModuleNotFoundError")
        )

    @pytest.mark.parametrize("how", ["signal", "hang", "memory", "output", "exit", "mismatch"])
    def test_every_other_end_is_a_matter_of_compiled_code(self, how: str) -> None:
        """A crash, a hang, a limit or a wrong number may be this platform's own."""
        assert not portable(replace(TYPE_ERROR, how=how))  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        "exception",
        [
            "tensorflow.python.framework.errors_impl.InternalError",
            "builtins.OSError",
            "builtins.MemoryError",
            "builtins.SystemError",
        ],
    )
    def test_an_error_of_the_runtime_is_not(self, exception: str) -> None:
        """TensorFlow's own errors come from its kernels, which are others on a Mac."""
        assert not portable(replace(TYPE_ERROR, exception=exception))

    @pytest.mark.parametrize(
        "message",
        [
            "libfoo.so.1: cannot open shared object file: No such file or directory",
            "/lib/_pywrap.so: undefined symbol: _ZN1",
            "DLL load failed while importing x",
        ],
    )
    def test_a_library_that_cannot_be_loaded_is_not(self, message: str) -> None:
        """An ImportError about a shared library is about this platform's library."""
        assert not portable(replace(TYPE_ERROR, exception="builtins.ImportError", message=message))


class TestRun:
    def test_one_that_passes_says_what_passed(self) -> None:
        """What passed is told by name, and what was skipped with its reason."""
        skipped = check("skipped", CATALOG[1], message="no GPU")
        told = from_run(run(PASSED[0], skipped, PASSED[2]), "pinned", HOST)
        assert told == Evidence(
            "rehearsed",
            "pinned",
            "ok",
            "passed: import, fit; skipped: device (no GPU)",
            "2026-11-20",
            HOST,
            run=True,
            unseen="the GPU was not seen: its checks were skipped",
        )

    def test_a_green_run_without_the_gpu_is_no_proof_of_a_plugin(self) -> None:
        """Only the checks of the device say that there was one: skipped or not there, nothing works by it."""
        plugin = Cell.parse("py3.11-tf2.14.0-metal1.1.0")
        known = [evidence("resolved", "ok"), evidence("linked", "ok", set="")]
        skipped = check("skipped", CATALOG[1], message="no GPU")
        for checks in ((PASSED[0], skipped, PASSED[2]), (PASSED[0],)):
            ran = from_run(run(*checks, kind="ran"), "pinned", HOST)
            found = verdict(plugin, [*known, ran])
            assert found.word == "likely"
            assert "not counted: " in found.message
            assert verdict(CELL, [*known, ran]).word == "works"
        assert verdict(plugin, [*known, from_run(run(*PASSED, kind="ran"), "pinned", HOST)]).word == "works"

    def test_one_in_which_nothing_passed_is_not_ok(self) -> None:
        """A run whose checks were all skipped, or that has none, shows nothing: it is unknown."""
        assert from_run(run(kind="ran"), "pinned", HOST).outcome == "unknown"
        assert from_run(run(check("skipped", message="x"), kind="ran"), "pinned", HOST).outcome == "unknown"

    def test_a_failure_names_its_check_stage_and_weight(self) -> None:
        """The failure that counts is told: what breaks before what degrades, then the earlier stage."""
        degrades = check("failed", CATALOG[3], how="mismatch", message="off")
        late = check("failed", CATALOG[2], how="hang", message="180 s")
        told = from_run(run(degrades, late, SIGSEGV, PASSED[0]), "pinned", HOST)
        assert (told.outcome, told.stage, told.message, told.degrades) == (
            "fails",
            "device",
            "device: SIGSEGV; failed too: fit, save",
            False,
        )
        told = from_run(run(degrades, PASSED[0]), "pinned", HOST)
        assert (told.stage, told.message, told.degrades) == ("fit", "save: off", True)

    def test_notes_are_told_and_change_nothing(self) -> None:
        """What a check noted goes with its name into the evidence, whether the run passed or failed."""
        noted = replace(PASSED[0], facts={"notes": ["slower", 3, "no kernel"]})
        odd = replace(PASSED[2], facts={"notes": "no list"})
        plain_run, with_notes = run(PASSED[0], PASSED[2]), run(noted, odd)
        told = from_run(with_notes, "pinned", HOST)
        assert told.notes == ("import: slower", "import: no kernel")
        assert replace(told, notes=()) == from_run(plain_run, "pinned", HOST)
        assert from_run(run(noted, SIGSEGV), "pinned", HOST).notes == told.notes
        noted_too = "noted: import: slower; noted: import: no kernel"
        assert told.to_json()["message"] == f"passed: import, fit; {noted_too}"

    def test_a_failure_names_the_check_to_run_again(self) -> None:
        """The check that counts is there by itself, and nobody has to read it out of the message."""
        assert from_run(run(SIGSEGV, PASSED[0]), "pinned", HOST).check == "device"
        assert from_run(run(PASSED[0]), "pinned", HOST).check == ""

    def test_a_rehearsed_crash_is_not_portable(self) -> None:
        """It is recorded with its signal, and does not count for a Mac."""
        assert not from_run(run(SIGSEGV), "pinned", HOST).portable
        assert from_run(run(TYPE_ERROR), "pinned", HOST).portable

    def test_a_crash_on_a_mac_counts(self) -> None:
        """What ran on a Mac is about Macs, however it ended."""
        assert from_run(run(SIGSEGV, kind="ran"), "pinned", HOST).portable

    def test_a_failure_under_moved_pins_is_not_portable(self) -> None:
        """Where a pin had to move it may be to blame, and the message says which."""
        told = from_run(run(TYPE_ERROR, moved=(Moved("h5py", "3.1", "3.2"),)), "pinned", HOST)
        assert not told.portable
        assert told.message == "import: no numpy (pins that had to move here: h5py 3.1 -> 3.2)"

    def test_moved_pins_are_told_of_a_run_that_passes_too(self) -> None:
        """Who reads that it passed reads under which versions."""
        told = from_run(run(*PASSED, moved=(Moved("h5py", "3.1", "3.2"),)), "pinned", HOST)
        assert told.message.endswith(" (pins that had to move here: h5py 3.1 -> 3.2)")

    def test_an_installation_that_fails_elsewhere_is_unknown(self) -> None:
        """A stand-in that cannot be installed says nothing of a Mac."""
        told = from_run(run(failure="disk full"), "pinned", HOST)
        assert (told.kind, told.outcome, told.message, told.stage) == (
            "rehearsed",
            "unknown",
            "disk full",
            "",
        )

    def test_an_installation_that_fails_on_a_mac_is_unknown(self) -> None:
        """A full disk says nothing of the cell: no verdict is made of it."""
        told = from_run(run(kind="ran", failure="disk full"), "pinned", HOST)
        assert (told.kind, told.outcome, told.message, told.stage) == ("ran", "unknown", "disk full", "")

    def test_what_counts_for_a_mac_does_not_hide_behind_what_does_not(self) -> None:
        """A crash of this platform and an exception of Python code: the exception is told, and counts."""
        late = check(
            "failed", CATALOG[3], how="exception", message="no attribute", exception="AttributeError"
        )
        told = from_run(run(SIGSEGV, late), "pinned", HOST)
        assert told.message == "save: no attribute; failed too: device"
        assert told.portable

    def test_a_pass_under_moved_pins_does_not_count(self) -> None:
        """Other versions than the Mac's passed: that answers for no bound of the repairs."""
        told = from_run(replace(run(*PASSED), moved=(Moved("numpy", "2.0", "1.26"),)), "plain", HOST)
        assert (told.outcome, told.portable) == ("ok", False)

    @pytest.mark.parametrize("exception", ["OSError", "builtins.OSError", "FileNotFoundError", "MemoryError"])
    def test_an_error_of_this_machine_is_not_portable(self, exception: str) -> None:
        """A full disk here is none on the Mac, however the exception's name is written."""
        assert not portable(check("failed", how="exception", message="x", exception=exception))

    def test_the_day_is_the_runs(self) -> None:
        """Evidence has the day on which it was had."""
        assert from_run(run(*PASSED, date="2026-01-02T23:59:59Z"), "plain", HOST).date == "2026-01-02"


class TestResolved:
    def test_a_refusal_names_the_package_to_blame(self) -> None:
        """The resolver's sentence, and whom it comes down to."""
        told = from_resolved(Resolved("fails", "no wheels", "numpy"), "pinned", "2026-11-20")
        assert (told.outcome, told.stage) == ("fails", "resolve")
        assert told.message == "no wheels (to blame: numpy)"

    def test_nobody_is_blamed_where_nobody_is_known(self) -> None:
        """Without a package to blame the sentence stands alone."""
        assert from_resolved(Resolved("fails", "no wheels"), "pinned", "2026-11-20").message == "no wheels"

    def test_an_answer_is_of_the_day_it_was_resolved_for(self) -> None:
        """The day is the matrix's, not that of the asking."""
        told = from_resolved(Resolved("ok"), "plain", "2020-01-01")
        assert (told.set, told.date, told.outcome, told.stage) == ("plain", "2020-01-01", "ok", "")

    def test_an_index_out_of_reach_is_unknown(self) -> None:
        """It could not be asked, and no stage failed."""
        told = from_resolved(Resolved("unknown", "could not be asked"), "pinned", "2026-11-20")
        assert (told.outcome, told.stage, told.message) == ("unknown", "", "could not be asked")


class TestRecord:
    def kinds(self, entry: SetRecord, *others: SetRecord, fresh: bool = True) -> list[tuple[str, str, str]]:
        """Kind, set and outcome of what a record's sets say, beside other records."""
        made = record(CELL.id, entry)
        records = {CELL.id: made} | {str(n): record(str(n), other) for n, other in enumerate(others)}
        found = from_results(
            made,
            Results(HOST, records),
            fresh=fresh,
            current={which: made.sets[which].resolved.lock for which in made.sets},
        )
        return [(item.kind, item.set, item.outcome) for item in found if item.set == "pinned"]

    def test_it_says_what_was_resolved_and_what_ran(self) -> None:
        """Both observations of a set, the resolver's first."""
        found = self.kinds(SetRecord(ok(), "a" * 16, run=run(*PASSED)))
        assert found == [("resolved", "pinned", "ok"), ("rehearsed", "pinned", "ok")]

    @pytest.mark.parametrize("machine", [None, LINUX])
    def test_who_is_no_mac_cannot_have_run_on_one(self, machine: Host | None) -> None:
        """A record that says `ran` in the folder of another machine, or of none that is known, is unknown."""
        made = record(CELL.id, SetRecord(ok(), "a" * 16, run=run(*PASSED, kind="ran")))
        current = {which: made.sets[which].resolved.lock for which in made.sets}
        for host, outcome in ((machine, "unknown"), (MAC, "ok")):
            results = Results(HOST, {CELL.id: made}, machine=host)
            found = list(from_results(made, results, fresh=False, current=current))
            assert [item.outcome for item in found if item.run and item.set == "pinned"] == [outcome]

    def test_an_old_resolution_says_nothing_and_an_old_run_does(self) -> None:
        """Of a record that is not the newest only the run counts."""
        assert self.kinds(SetRecord(ok(), "a" * 16, run=run(*PASSED)), fresh=False) == [
            ("rehearsed", "pinned", "ok")
        ]

    def test_a_set_that_was_not_run_is_skipped_with_the_reason(self) -> None:
        """What cannot be tested here is skipped, never passed."""
        made = record(CELL.id, SetRecord(ok(), untested="no Python 3.11 on this machine"))
        skipped = [
            e
            for e in from_results(
                made,
                Results(HOST, {}),
                fresh=False,
                current={w: made.sets[w].resolved.lock for w in made.sets},
            )
            if e.set == "pinned"
        ]
        assert [(e.outcome, e.message, e.run) for e in skipped] == [
            ("skipped", "no Python 3.11 on this machine", False)
        ]

    def test_cells_of_one_environment_share_its_run(self) -> None:
        """The run stands in one record and speaks for every cell that would install the same."""
        shared = SetRecord(ok(), "a" * 16, run=run(*PASSED))
        assert ("rehearsed", "pinned", "ok") in self.kinds(SetRecord(ok(), "a" * 16), shared)
        assert ("rehearsed", "pinned", "ok") not in self.kinds(SetRecord(ok(), "b" * 16), shared)


class TestRepairs:
    ROTTEN = lock("numpy==2.3.5", "tensorflow-macos==2.14.0")

    def test_a_plain_set_that_breaks_a_bound_is_broken(self) -> None:
        """What a rehearsal once proved holds for every plain set outside of the bound, on one line."""
        (told,) = with_repairs(CELL, self.ROTTEN, (NUMPY,), CATALOG, ())
        assert (told.kind, told.set, told.outcome, told.stage) == ("rehearsed", "plain", "fails", "import")
        assert told.message == (
            "import: Unable to convert function return value to a Python type! () -> handle"
            " (since 2024-06-16 by numpy 2.0.0; numpy<2 mends it)"
        )
        assert told.source == "the repairs, proved by a rehearsal of py3.11-tf2.14.0-nometal"
        assert told.portable
        assert not told.degrades
        assert not told.run

    def test_the_weight_is_that_of_the_check(self) -> None:
        """A repair of what only degrades makes no cell broken."""
        (told,) = with_repairs(CELL, self.ROTTEN, (replace(NUMPY, check="save"),), CATALOG, ())
        assert told.degrades

    @pytest.mark.parametrize(
        ("cell", "pins"),
        [
            ("py3.11-tf2.14.0-nometal", ("numpy==1.26.4",)),
            ("py3.11-tf2.14.0-nometal", ("six==1.17.0",)),
            ("py3.11-tf2.15.1-nometal", ("numpy==2.3.5",)),
        ],
    )
    def test_a_set_that_keeps_the_bound_or_needs_none_is_not(self, cell: str, pins: tuple[str, ...]) -> None:
        """Within the bound, without the package, or for another framework nothing is said."""
        assert with_repairs(Cell.parse(cell), lock(*pins), (NUMPY,), CATALOG, ()) == []

    def test_without_a_plain_set_nothing_is_said(self) -> None:
        """Where nothing resolves there is nothing to break."""
        assert with_repairs(CELL, None, (NUMPY,), CATALOG, ()) == []

    def test_where_the_plain_set_ran_what_was_seen_counts(self) -> None:
        """A run that passed is not contradicted by what was to be expected."""
        seen = [evidence("rehearsed", "ok", set="plain", run=True)]
        assert with_repairs(CELL, self.ROTTEN, (NUMPY,), CATALOG, seen) == seen

    def test_a_failure_that_was_seen_is_told_with_what_mends_it(self) -> None:
        """Only the check that the repair is about, and each bound that it may take."""
        seen = [evidence("rehearsed", "fails", "import", set="plain", run=True, message="import: no numpy")]
        (told,) = with_repairs(CELL, self.ROTTEN, (NUMPY,), CATALOG, seen)
        assert told.message == "import: no numpy (since 2024-06-16 by numpy 2.0.0; numpy<2 mends it)"
        earlier = {"bound": "tensorflow-macos<2", "since": "2023-01-01", "upload": "tensorflow-macos 2.0"}
        both = (NUMPY, replace(NUMPY, **earlier))
        (told,) = with_repairs(CELL, self.ROTTEN, both, CATALOG, seen)
        assert told.message == (
            "import: no numpy (since 2023-01-01 by tensorflow-macos 2.0, since 2024-06-16 by numpy 2.0.0; "
            "tensorflow-macos<2, numpy<2 mend it)"
        )
        other = [replace(seen[0], message="fit: no")]
        assert with_repairs(CELL, self.ROTTEN, (NUMPY,), CATALOG, other) == other

    def test_a_crash_that_says_nothing_of_a_mac_leaves_the_repair_its_word(self) -> None:
        """A plain set that only crashed here is still known to break there."""
        seen = [evidence("rehearsed", "fails", "import", set="plain", run=True, portable=False)]
        assert [e.portable for e in with_repairs(CELL, self.ROTTEN, (NUMPY,), CATALOG, seen)] == [False, True]

    def test_a_run_of_the_pinned_set_says_nothing_of_the_plain_one(self) -> None:
        """The plain set is judged by the repairs as long as nobody ran it."""
        seen = [evidence("rehearsed", "ok", run=True)]
        assert len(with_repairs(CELL, self.ROTTEN, (NUMPY,), CATALOG, seen)) == 2


class TestFromLinked:
    def test_a_plugin_that_does_not_load_is_told_in_dylds_words(self) -> None:
        """The line that dyld prints, the symbol demangled, since when it is gone, and from where."""
        found = from_linked(Cell.parse("py3.11-tf2.18.1-metal1.1.0"), load_facts())
        assert found is not None
        assert (found.kind, found.set, found.outcome, found.stage) == ("linked", "", "fails", "link")
        assert found.message == (
            "Symbol not found: __ZN3tsl8internal10LogMessageC1EPKcii "
            "(tsl::internal::LogMessage::LogMessage(char const*, int, int); gone since TensorFlow 2.18.0rc0; "
            "expected in @rpath/_pywrap_tensorflow_internal.so)"
        )

    def test_a_plugin_that_loads_lets_the_cell_be_likely(self) -> None:
        """What resolves and links is likely; without the link it is unknown."""
        cell = Cell.parse("py3.11-tf2.18.1-metal1.2.0")
        linked = from_linked(cell, load_facts())
        resolved = from_resolved(Resolved("ok", lock="0" * 16), "pinned", "2026-11-20")
        assert linked is not None
        assert verdict(cell, [resolved, linked]).word == "likely"
        assert verdict(cell, [resolved]).word == "unknown"

    def test_a_release_without_a_wheel_is_unknown(self) -> None:
        """No wheel for that Python: the loader has nothing to say."""
        found = from_linked(Cell.parse("py3.12-tf2.18.1-metal1.1.0"), load_facts())
        assert found is not None
        assert found.outcome == "unknown"

    def test_without_a_plugin_there_is_nothing_to_load(self) -> None:
        """A cell without a plugin has no such evidence."""
        assert from_linked(Cell.parse("py3.12-tf2.18.1-nometal"), load_facts()) is None

    @pytest.mark.parametrize(
        ("cell", "outcome", "stage"),
        [
            ("py3.9-tf2.6.0-metal0.2.0", "ok", ""),
            ("py3.9-tf2.7.0-metal0.2.0", "fails", "import"),
            ("py3.9-tf2.10.0-metal0.1.0", "fails", "import"),
            ("py3.9-tf2.11.0-metal0.2.0", "fails", "link"),
            ("py3.9-tf2.7.0-metal0.3.0", "ok", ""),
        ],
    )
    def test_tensorflow_may_not_take_what_dyld_loads(self, cell: str, outcome: str, stage: str) -> None:
        """An old plugin's struct lacks what TensorFlow insists on since 2.7: it ends at import."""
        found = from_linked(Cell.parse(cell), load_facts(), load_kernels())
        assert found is not None
        assert (found.outcome, found.stage) == (outcome, stage)
        if stage == "import":
            assert "'host_callback' field in SP_StreamExecutor must be set" in found.message
            resolves = evidence("resolved", "ok")
            told = verdict(Cell.parse(cell), [resolves, found])
            assert (told.word, told.stage) == ("broken", "import")
