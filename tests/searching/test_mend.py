"""What mends a set: the fewest bounds, as wide as can be, by the neighbours' bounds or by search."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from metalmatrix.errors import RehearsalError
from metalmatrix.searching.lab import with_versions
from metalmatrix.searching.mend import mend, prove
from metalmatrix.searching.probe import Failure, Seen
from metalmatrix.searching.when import Known
from tests.fake_lab import FakeLab
from tests.samples import lock
from tests.searching.test_when import AS_OF, CELL, DOWN, OLD, RELEASED, GoesDown, major, needs_four, rotten

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

    from metalmatrix.searching.mend import Mended

THREE = ["protobuf<4", "numpy<2", "setuptools<82"]


def search(lab: FakeLab, *bounds: str) -> Mended:
    """What mends the cell in that lab, the *bounds* of neighbours tried first."""
    return mend(CELL, lab, AS_OF, RELEASED, known=Known(bounds=bounds, uploads=lab.uploads))


def test_three_bounds_are_found_without_any_help() -> None:
    """Each with the release that it is about, the day of it, and what fails without it."""
    found = search(FakeLab(OLD, rotten))
    assert sorted(one.bound for one in found.mends) == sorted(THREE)
    assert {(one.upload, str(one.since), one.failure.check) for one in found.mends} == {
        ("protobuf 4.21.1", "2022-05-27", "import"),
        ("numpy 2.0.0", "2024-06-16", "import"),
        ("setuptools 82.0.0", "2026-02-08", "tensorboard"),
    }
    assert found.left == ()
    assert found.note == "compared with the set of 2022-05-19"


def test_the_bounds_of_neighbours_are_tried_first_and_save_the_search() -> None:
    """One repair is found once: where the neighbours' bounds do, no package is searched for."""
    searched, helped = FakeLab(OLD, rotten), FakeLab(OLD, rotten)
    search(searched)
    found = search(helped, "protobuf<3.21", "numpy<2", "setuptools<82", "keras<2.7")
    assert [one.bound for one in found.mends] == ["protobuf<3.21", "numpy<2", "setuptools<82"]
    assert helped.made < searched.made
    assert found.note == "the bounds of its neighbours do"


def test_a_far_neighbours_bound_that_leaves_no_set_does_no_harm() -> None:
    """Bounds are added one by one, the nearest first: what NumPy 1 has no wheel for is never asked."""
    index = {**OLD, "numpy": {"2.0.0": "2021-12-31"}}
    lab = FakeLab(index, lambda v: {"tensorboard": "no"} if major(v, "setuptools") >= 82 else {})
    found = search(lab, "setuptools<82", "numpy<2")
    assert [one.bound for one in found.mends] == ["setuptools<82"]
    assert found.note == "the bounds of its neighbours do"
    assert lab.made == 2


def test_a_neighbours_bound_that_is_not_needed_is_left_out() -> None:
    """The fewest: a bound without which it passes too is not part of the answer."""
    found = search(FakeLab(OLD, lambda v: {"import": "no"} if major(v, "numpy") >= 2 else {}), *THREE)
    assert [one.bound for one in found.mends] == ["numpy<2"]


def test_a_neighbours_bound_that_is_too_narrow_is_widened() -> None:
    """NumPy 2.0.0 passes here: the bound of the neighbour holds back too much, and the wider one is found."""
    found = search(FakeLab(OLD, lambda v: {"import": "no"} if v["numpy"] == "2.2.6" else {}), "numpy<2")
    (one,) = found.mends
    assert (one.bound, one.passes, one.fails) == ("numpy<2.2", "2.0.0", "2.2.6")


def test_neighbours_that_do_not_do_are_followed_by_a_search() -> None:
    """A bound that does not mend it costs one rehearsal, and the answer is that of the search."""
    found = search(FakeLab(OLD, rotten), "numpy<2")
    assert sorted(one.bound for one in found.mends) == sorted(THREE)


def test_a_set_that_passes_needs_nothing() -> None:
    """One rehearsal, no bound."""
    lab = FakeLab(OLD, lambda _: {})
    found = search(lab, *THREE)
    assert (found.mends, found.left, found.note, lab.made) == ((), (), "a plain install passes", 1)


def test_what_failed_from_the_start_is_not_mended_by_going_back() -> None:
    """No bound on what came since helps, and the failure is left."""
    found = search(FakeLab(OLD, lambda _: {"save": "never worked"}))
    assert found.mends == ()
    assert [failure.check for failure in found.left] == ["save"]
    assert found.note == "what fails today failed on 2022-05-19 too: no bound on what came since helps"


def test_beside_what_never_worked_the_rest_is_mended() -> None:
    """The failure of the first day stays, and does not keep the bound from being found."""

    def both(versions: Mapping[str, str]) -> dict[str, str]:
        return {"save": "never worked"} | (
            {"tensorboard": "no"} if major(versions, "setuptools") >= 82 else {}
        )

    found = search(FakeLab(OLD, both))
    assert [(one.bound, one.failure.check) for one in found.mends] == [("setuptools<82", "tensorboard")]
    assert [failure.check for failure in found.left] == ["save"]


def test_a_cell_without_wheels_has_no_bound() -> None:
    """There is nothing to choose among."""
    found = search(FakeLab({**OLD, "termcolor": {}}, rotten), *THREE)
    assert (found.mends, found.note) == (
        (),
        "no set of wheels can be had: no bound helps where nothing can be chosen",
    )
    assert [failure.blame for failure in found.left] == ["termcolor"]


def test_a_version_that_goes_down_is_held_up() -> None:
    """By the search, and by a neighbour's bound that is too narrow; and the proof looks below the bound."""
    (one,) = search(GoesDown(DOWN, needs_four)).mends
    assert (one.bound, one.passes, one.fails) == ("protobuf>=4", "4.21.1", "3.20.3")
    (one,) = search(GoesDown(DOWN, needs_four), "protobuf>=4.21.12").mends
    assert (one.bound, one.passes, one.fails) == ("protobuf>=4", "4.21.1", "3.20.3")
    lab = GoesDown(DOWN, needs_four)
    proof = prove(lab, AS_OF, "protobuf>=4", [], "import", uploads=lab.uploads)
    assert (proof.outside, proof.holds) == ("3.20.3", True)
    proof = prove(lab, AS_OF, "protobuf>=4.21.12", [], "import", uploads=lab.uploads)
    assert (proof.wide, proof.outside) == (False, "4.21.1")


def test_a_set_that_does_not_resolve_without_one_bound() -> None:
    """The failure is the resolver's, and comes before those of the checks; it is no entry of the data."""

    class Odd(FakeLab):
        def resolved(self, when: dt.date, bounds: Sequence[str] = ()) -> Seen:
            if bounds and "numpy<2" not in bounds:
                return Seen(None, {"resolve": Failure("resolve", "resolve", "no wheels", blame="numpy")})
            return super().resolved(when, bounds)

    lab = Odd(OLD, lambda v: {} if major(v, "numpy") < 2 and major(v, "wheel") == 0 else {"import": "no"})
    lab.index = {**OLD, "wheel": {"0.37.1": "2021-12-22", "1.0": "2026-02-08"}}
    found = search(lab, "numpy<2", "wheel<1")
    assert [(one.bound, one.failure.check) for one in found.mends] == [
        ("numpy<2", "resolve"),
        ("wheel<1", "import"),
    ]


def test_what_cannot_be_tried_is_no_answer() -> None:
    """Neither a set that passes nor a cell without wheels nor a bound that nothing needs."""
    for absent in ("wheel==0.46.0", "numpy==2.2.6"):
        with pytest.raises(RehearsalError):
            search(FakeLab(OLD, rotten, absent=[absent]), *THREE)
    with pytest.raises(RehearsalError, match="no space left"):
        search(FakeLab(OLD, rotten, full=["numpy==1.26.4"]), *THREE)


def test_whether_the_bounds_suffice_is_told() -> None:
    """What failed from the start does not count; what no bound explains does."""
    assert search(FakeLab(OLD, rotten), *THREE).suffices

    def both(versions: Mapping[str, str]) -> dict[str, str]:
        return {"save": "never"} | ({"tensorboard": "no"} if major(versions, "setuptools") >= 82 else {})

    assert search(FakeLab(OLD, both)).suffices

    class Dropped(FakeLab):
        def resolved(self, when: dt.date, bounds: Sequence[str] = ()) -> Seen:
            seen = super().resolved(when, bounds)
            if when < AS_OF or seen.lock is None:
                return seen
            return replace(seen, lock=with_versions(seen.lock, lock(), ["wheel"]))

    found = search(Dropped(OLD, lambda v: {} if "wheel" in v else {"save": "no wheel"}))
    assert (found.mends, found.suffices) == ((), False)
    assert [failure.check for failure in found.left] == ["save"]


@pytest.mark.parametrize(
    ("absent", "needed", "suffices", "outside"),
    [
        ("numpy==2.2.6", None, True, "2.0.0"),
        ("numpy==1.26.4", True, None, "2.0.0"),
        ("", True, True, "2.0.0"),
    ],
)
def test_a_proof_that_could_not_be_made_is_open(
    absent: str, outside: str, *, needed: bool | None, suffices: bool | None
) -> None:
    """What cannot be tried here neither holds nor is refuted, and no bound is called needless for it."""
    lab = FakeLab(OLD, lambda v: {"import": "no"} if major(v, "numpy") >= 2 else {}, absent=[absent])
    proof = prove(lab, AS_OF, "numpy<2", [], "import", uploads=lab.uploads)
    assert (proof.needed, proof.suffices, proof.wide, proof.outside) == (needed, suffices, True, outside)
    assert proof.holds is (None if absent else True)


def test_bounds_under_which_no_set_can_be_had_do_not_suffice() -> None:
    """That is an answer of the resolver's, and no trouble of this machine."""
    lab = FakeLab(OLD, rotten)
    proof = prove(lab, AS_OF, "numpy<1", ["protobuf<4"], "import", uploads=lab.uploads)
    assert (proof.needed, proof.suffices, proof.holds) == (True, False, False)


@pytest.mark.parametrize(
    ("bound", "needed", "suffices", "wide"),
    [
        ("numpy<2", True, True, True),
        ("numpy<1.26", True, True, False),
        ("numpy<3", True, False, None),
        ("wheel<0.40", False, True, False),
    ],
)
def test_a_proof_tells_a_sound_bound_from_each_kind_of_bad_one(
    bound: str, *, needed: bool, suffices: bool, wide: bool | None
) -> None:
    """Too narrow, too wide, and not needed: each is seen."""
    lab = FakeLab(OLD, lambda v: {"import": "no"} if major(v, "numpy") >= 2 else {})
    others = [] if bound.startswith("numpy") else ["numpy<2"]
    proof = prove(lab, AS_OF, bound, others, "import", uploads=lab.uploads)
    assert (proof.needed, proof.suffices, proof.wide) == (needed, suffices, wide)
    assert proof.holds == (needed and suffices and wide is not False)


def test_a_release_that_cannot_be_tried_is_passed_over_in_a_proof() -> None:
    """NumPy 2.0.0 has no wheel for this Python: the next release speaks for the bound."""

    class NoWheel(FakeLab):
        def on(self, when: dt.date, bounds: Sequence[str] = (), check: str = "") -> Seen:
            excluded = ["numpy!=2.0.0"] if "numpy==2.0.0" in bounds else []
            return super().on(when, [*bounds, *excluded], check)

    lab = NoWheel(OLD, lambda v: {"import": "no"} if major(v, "numpy") >= 2 else {})
    proof = prove(lab, AS_OF, "numpy<2", [], "import", uploads=lab.uploads)
    assert (proof.wide, proof.outside, proof.holds) == (True, "2.2.6", True)
