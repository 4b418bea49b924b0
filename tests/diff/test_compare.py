"""What is called lost, gained, changed, new and gone, and what is told as the cause."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from metalmatrix.diff.change import Change
from metalmatrix.diff.compare import KINDS, compare
from metalmatrix.diff.document import validated
from metalmatrix.table import feed
from tests.diff.tables import CELL, NEW_SET, OLD_SET, cell, seen, table
from tests.samples import realistic

if TYPE_CHECKING:
    from collections.abc import Mapping

MAC_14, MAC_15 = "macos-14.7-apple-m2-16gb", "macos-15.2-apple-m2-16gb"


def one(old: Mapping[str, Any], new: Mapping[str, Any]) -> Change:
    """The only change."""
    (found,) = compare(old, new)
    return found


def test_a_table_does_not_differ_from_itself() -> None:
    """Nothing is told of what stood still, whatever it holds."""
    made = validated(feed.render(realistic()))
    assert compare(made, made) == ()


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ("broken", "likely", "gained"),
        ("degraded", "works", "gained"),
        ("works", "degraded", "lost"),
        ("likely", "broken", "lost"),
        ("likely", "unknown", "lost"),
        ("likely", "works", "changed"),
        ("broken", "not-installable", "changed"),
    ],
)
def test_what_may_be_handed_out_decides_the_kind(before: str, after: str, kind: str) -> None:
    """Works and likely are handed out; what crosses that line is gained or lost, all else changed."""
    change = one(table(cell(verdict=before)), table(cell(verdict=after)))
    assert (change.kind, change.before, change.after) == (kind, before, after)


def test_cells_that_come_and_go_are_told() -> None:
    """A new cell has no verdict before, one that is gone none now; of that, what was said is told."""
    gone = "py3.9-tf2.12.0-nometal"
    found = compare(
        table(cell(gone, "works")), table(cell(verdict="broken", stage="link", message="link: no"))
    )
    assert found == (
        Change("new", CELL, "", "broken", "broken at link: no"),
        Change("gone", gone, "works", "", "works: it is works"),
    )


def test_the_kinds_come_in_their_order() -> None:
    """What somebody has to look at comes first, whatever the order of the cells."""
    names = [f"py3.11-tf2.1{number}.0-nometal" for number in range(5)]
    old = table(cell(names[0]), cell(names[1], "broken"), cell(names[2]), cell(names[3]))
    new = table(cell(names[4]), cell(names[0], "works"), cell(names[1]), cell(names[2], "broken"))
    assert [change.kind for change in compare(old, new)] == list(KINDS)


def test_another_message_is_a_change() -> None:
    """A cell that is broken in another way is told, with what is said now."""
    old = table(cell(verdict="broken", stage="import", message="import: one"))
    new = table(cell(verdict="broken", stage="fit", message="fit: two"))
    assert one(old, new) == Change("changed", CELL, "broken", "broken", "broken at fit: two")


class TestPlain:
    def test_a_plain_install_that_breaks_is_a_change_of_its_cell(self) -> None:
        """The pinned set stays as it is, and the sentence is the plain one's; so is the cause."""
        sets = {OLD_SET: {"numpy": "1.26.4"}, NEW_SET: {"numpy": "2.0.0"}}
        old = table(cell(plain_set=OLD_SET, pinned_set=OLD_SET), sets=sets)
        told = {"plain": "broken", "plain_stage": "import", "plain_message": "import: no NumPy 2"}
        new = table(cell(plain_set=NEW_SET, pinned_set=OLD_SET, **told), sets=sets)
        change = one(old, new)
        assert (change.kind, change.before, change.after) == ("changed", "likely", "likely")
        assert change.told == "a plain install: broken at import: no NumPy 2"
        assert change.cause == "moved pins: numpy 1.26.4 -> 2.0.0"

    def test_both_are_told_where_both_are_other(self) -> None:
        """The pinned set comes first."""
        new = table(cell(verdict="broken", stage="fit"))
        assert (
            one(table(cell()), new).told
            == "broken at fit: it is broken; a plain install: broken: it is broken"
        )


class TestCause:
    def cause(self, old: dict[str, Any], new: dict[str, Any], **tables: Any) -> str:  # noqa: ANN401
        """What is told as the cause of a verdict that was lost."""
        before = table(cell(**old), **tables)
        return one(before, table(cell(verdict="broken", **new), **tables)).cause

    def test_moved_pins_are_named(self) -> None:
        """A version that moved, a package that came and one that went; of many, how many more."""
        sets = {
            OLD_SET: {"numpy": "1.26.4", "six": "1.16.0", "keras": "3.4.0"},
            NEW_SET: {"numpy": "2.0.0", "rich": "13.9", "keras": "3.4.0"},
        }
        cause = self.cause({"pinned_set": OLD_SET}, {"pinned_set": NEW_SET}, sets=sets)
        assert cause == "moved pins: numpy 1.26.4 -> 2.0.0, rich 13.9 is new, six 1.16.0 is gone"
        sets[NEW_SET] |= {f"p{number}": "1" for number in range(9)}
        assert self.cause({"pinned_set": OLD_SET}, {"pinned_set": NEW_SET}, sets=sets).endswith(" and 8 more")

    def test_other_files_of_the_same_versions_are_a_new_wheel(self) -> None:
        """The digest tells that a file was uploaded for a release that was there."""
        sets = {OLD_SET: {"numpy": "1.26.4"}, NEW_SET: {"numpy": "1.26.4"}}
        cause = self.cause({"pinned_set": OLD_SET}, {"pinned_set": NEW_SET}, sets=sets)
        assert cause == "a new wheel: the same versions, other files"

    def test_a_table_without_sets_names_no_pins(self) -> None:
        """Of what schema 1 did not tell nothing is made up."""
        old = {**table(cell()), "schema": 1}
        del old["sets"]
        old["cells"] = [{k: v for k, v in c.items() if not k.endswith("_set")} for c in old["cells"]]
        new = table(cell(verdict="broken", pinned_set=NEW_SET), sets={NEW_SET: {"numpy": "2.0.0"}})
        assert one(validated(old), new).cause == ""

    def test_a_run_on_another_macos(self) -> None:
        """Where the runs before were on one macOS and this one is on another, that is said."""
        old, new = seen("ran", MAC_14), seen("ran", MAC_15, "fails", date="2026-11-27")
        cause = self.cause({"evidence": [old]}, {"evidence": [old, new]}, hosts=[MAC_14, MAC_15])
        assert cause == f"another macOS: 15.2, before 14.7 (a run on {MAC_15}, 2026-11-27)"

    def test_a_first_run_and_a_run_again(self) -> None:
        """A run where there was none, one that came out otherwise, and one that is not there any more."""
        first = seen("ran", MAC_15)
        assert self.cause({}, {"evidence": [first]}, hosts=[MAC_15]) == f"a new run on {MAC_15}, 2026-11-20"
        again = seen("ran", MAC_15, "fails", date="2026-11-21")
        told = self.cause({"evidence": [first]}, {"evidence": [again]}, hosts=[MAC_15])
        assert told == f"run again on {MAC_15}, 2026-11-21"
        left = self.cause({"evidence": [first]}, {}, hosts=[MAC_15])
        assert left == f"no run of this set on {MAC_15} any more"

    def test_what_did_not_run_is_no_run(self) -> None:
        """A set that was skipped on another host, and a repair's proof, are no runs of this set."""
        more = [seen("ran", MAC_15, "skipped"), seen("rehearsed", "the repairs, proved by a rehearsal of X")]
        assert self.cause({}, {"evidence": more}, hosts=[MAC_15]) == ""

    def test_a_new_report_and_what_the_wheels_say(self) -> None:
        """The address of the report; the sentence of the loader and of the resolver."""
        new = [
            seen("reported", "https://example.org/1", "fails", set=""),
            seen("linked", "wheels", "fails", "Symbol not found", set=""),
            seen("resolved", "the resolver", "ok"),
        ]
        old = [seen("resolved", "the resolver", "ok"), seen("linked", "wheels", "ok", set="")]
        assert self.cause({"evidence": old}, {"evidence": new}) == (
            "the wheels, by the loader's rules: fails: Symbol not found; a new report: https://example.org/1"
        )

    def test_the_day_is_the_last_resort(self) -> None:
        """Where the evidence tells nothing, the day may; where it does, it is not told."""
        old = table(cell())
        new = table(cell(verdict="broken"), as_of="2026-11-27")
        assert one(old, new).cause == "resolved as of 2026-11-27, before as of 2026-11-20"
        new = table(cell(verdict="broken", macos="14.0"), as_of="2026-11-27")
        assert one(old, new).cause == "it needs macOS 14.0, before 12.0"
