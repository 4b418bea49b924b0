"""When it broke and by what: the search against an index and a rule that are made up."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from metalmatrix.cells.cell import Cell
from metalmatrix.errors import IndexUnreachableError, RehearsalError
from metalmatrix.searching.bisect_time import DAY
from metalmatrix.searching.breaks import Break
from metalmatrix.searching.probe import Failure
from metalmatrix.searching.sentences import told
from metalmatrix.searching.when import Known, Search, past_of
from tests.fake_lab import FakeLab, day

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping, Sequence

    from metalmatrix.searching.breaks import Past
    from metalmatrix.searching.probe import Seen

CELL = Cell.parse("py3.10-tf2.9.0-nometal")
RELEASED, AS_OF = day("2022-05-19"), day("2026-11-20")
OLD = {
    "h5py": {"3.6.0": "2021-11-16", "3.12.0": "2024-09-26"},
    "numpy": {"1.22.0": "2021-12-31", "1.26.4": "2024-02-05", "2.0.0": "2024-06-16", "2.2.6": "2025-05-17"},
    "protobuf": {"3.20.1": "2022-04-22", "4.21.1": "2022-05-27", "7.36.2": "2026-09-17"},
    "setuptools": {"62.0.0": "2022-04-09", "81.0.0": "2026-02-06", "82.0.0": "2026-02-08"},
    "wheel": {"0.37.1": "2021-12-22", "0.38.0": "2022-10-21", "0.46.0": "2026-02-08"},
}


def major(versions: Mapping[str, str], package: str) -> int:
    """The first number of a version."""
    return int(versions[package].split(".")[0])


def rotten(versions: Mapping[str, str]) -> dict[str, str]:
    """What 2.9.0 does: three breaks, each behind the one before."""
    if major(versions, "protobuf") >= 4:
        return {"import": "Descriptors cannot be created directly"}
    if major(versions, "numpy") >= 2:
        return {"import": "Unable to convert function return value"}
    return {"tensorboard": "No module named 'pkg_resources'"} if major(versions, "setuptools") >= 82 else {}


def search(lab: FakeLab, days: tuple[dt.date, ...] = (), bounds: tuple[str, ...] = ()) -> Past:
    """The past of the cell in that lab."""
    return past_of(CELL, lab, RELEASED, AS_OF, known=Known(days, bounds, lab.uploads))


def test_three_breaks_that_hide_behind_each_other() -> None:
    """Each is found with its day, its upload, its message and its bound, in the order of time."""
    lab = FakeLab(OLD, rotten)
    past = search(lab)
    assert [(str(one.since), one.upload, one.bound, one.failure.check) for one in past.breaks] == [
        ("2022-05-27", "protobuf 4.21.1", "protobuf<4", "import"),
        ("2024-06-16", "numpy 2.0.0", "numpy<2", "import"),
        ("2026-02-08", "setuptools 82.0.0", "setuptools<82", "tensorboard"),
    ]
    assert past.first == RELEASED
    assert (past.always, past.left, past.note) == ((), (), "")
    assert not any(one.mended for one in past.breaks)
    assert past.made == lab.made == len(lab.seen)


def test_the_answer_in_sentences(golden: Callable[[str, str], None]) -> None:
    """What a person reads: the day, the upload, the message, the bound and what the bound costs, whole."""
    index = {**OLD, "termcolor": {"2.0.0": "2022-09-11"}}
    golden("when.txt", "".join(f"{line}\n" for line in told(search(FakeLab(index, rotten)))))


def test_hints_save_rehearsals_and_change_nothing() -> None:
    """With the right days known the breaks are the same; with wrong ones too."""
    plain = search(FakeLab(OLD, rotten))
    hinted = search(FakeLab(OLD, rotten), days=tuple(one.since for one in plain.breaks))
    misled = search(FakeLab(OLD, rotten), days=(day("2023-01-01"), day("2025-05-17"), day("2030-01-01")))
    assert hinted.breaks == plain.breaks == misled.breaks
    assert hinted.made <= plain.made


def test_a_bound_that_is_in_use_is_named_where_it_does_the_same() -> None:
    """One repair has one spelling; a bound that admits the upload, or keeps out the old one, is not it."""
    bounds = ("protobuf<3.21", "numpy<3", "setuptools<60")
    past = search(FakeLab(OLD, rotten), bounds=bounds)
    assert [one.bound for one in past.breaks] == ["protobuf<3.21", "numpy<2", "setuptools<82"]


def test_of_packages_that_moved_on_one_day_the_one_to_blame_is_found() -> None:
    """Setuptools and wheel moved on 2026-02-08: only one of them matters, and is named."""
    past = search(FakeLab(OLD, lambda v: {"save": "no"} if v["wheel"] == "0.46.0" else {}))
    (one,) = past.breaks
    assert (one.upload, one.bound, one.beside) == ("wheel 0.46.0", "wheel<0.46", ())


def test_two_uploads_that_break_only_together_are_both_named() -> None:
    """Neither alone does it: the first is held, the other is told."""

    def together(versions: Mapping[str, str]) -> dict[str, str]:
        newest = (versions["wheel"], versions["setuptools"]) == ("0.46.0", "82.0.0")
        return {"save": "no"} if newest else {}

    past = search(FakeLab(OLD, together))
    (one,) = past.breaks
    assert (one.package, one.beside, past.left) == ("setuptools", ("wheel",), ())
    assert "together with wheel" in told(past)[0]


def test_an_upload_that_only_lets_another_in_is_told_too() -> None:
    """Protobuf 4 was there for long: TensorBoard 2.12.0 was the first that did not keep it out."""
    index = {
        "protobuf": {"3.20.1": "2022-04-22", "4.21.12": "2022-12-14"},
        "tensorboard": {"2.9.0": "2022-05-01", "2.12.0": "2023-02-09"},
        "zipp": {"3.12.1": "2022-05-01", "3.13.0": "2023-02-09"},
    }

    class Keeping(FakeLab):
        def resolved(self, when: dt.date, bounds: Sequence[str] = ()) -> Seen:
            seen = super().resolved(when, bounds)
            old = seen.lock is not None and seen.lock.versions["tensorboard"] == "2.9.0"
            return super().resolved(when, [*bounds, "protobuf<4"]) if old else seen

    past = search(Keeping(index, rotten_protobuf))
    (one,) = past.breaks
    assert (one.package, one.bound, one.let_in) == ("protobuf", "protobuf<4", "tensorboard 2.12.0")
    assert told(past)[0].endswith("since 2023-02-09: protobuf 4.21.12, let in by tensorboard 2.12.0")


def rotten_protobuf(versions: Mapping[str, str]) -> dict[str, str]:
    """Only the first of the three breaks."""
    return {"import": "Descriptors"} if major(versions, "protobuf") >= 4 else {}


def test_what_was_mended_since_is_told_as_mended() -> None:
    """NumPy 2.0.0 broke it and 2.2.6 does not: a plain install passes today, but for what setuptools did."""

    def healed(versions: Mapping[str, str]) -> dict[str, str]:
        if versions["numpy"] == "2.0.0":
            return {"import": "a bug"}
        return {"tensorboard": "gone"} if versions["setuptools"] == "82.0.0" else {}

    past = search(FakeLab(OLD, healed))
    assert [one.upload for one in past.breaks if not one.mended] == ["setuptools 82.0.0"]


def test_broken_mended_and_broken_again_names_what_breaks_it_today() -> None:
    """Whichever turn is found first, the one that counts today is among them, and its bound suffices."""
    index = {"numpy": {"1.0": "2022-01-01", "2.0": "2023-01-01", "3.0": "2024-01-01", "4.0": "2025-01-01"}}
    past = search(FakeLab(index, lambda v: {"import": "no"} if v["numpy"] in {"2.0", "4.0"} else {}))
    (one,) = past.breaks
    assert one.upload in {"numpy 2.0", "numpy 4.0"}
    assert past.left == ()


def test_a_bound_that_another_one_makes_needless_is_not_said_to_be_mended() -> None:
    """NumPy 2 came with h5py 3.12; the one before had kept it out: that bound is enough, nobody mended it."""

    class Keeping(FakeLab):
        def resolved(self, when: dt.date, bounds: Sequence[str] = ()) -> Seen:
            seen = super().resolved(when, bounds)
            old = seen.lock is not None and seen.lock.versions["h5py"] == "3.6.0"
            return super().resolved(when, [*bounds, "numpy<2"]) if old else seen

    def both(versions: Mapping[str, str]) -> dict[str, str]:
        if major(versions, "numpy") >= 2:
            return {"import": "Unable to convert"}
        return {"save": "h5py is too new"} if versions["h5py"] == "3.12.0" else {}

    past = search(Keeping(OLD, both))
    assert [(one.bound, one.needed, one.mended, one.covered) for one in past.breaks] == [
        ("h5py<3.12", True, False, ()),
        ("numpy<2", False, False, ("h5py<3.12",)),
    ]
    lines = told(past)
    assert lines[0].endswith("fails at save since 2024-09-26: h5py 3.12.0")
    assert (
        "it failed at import from 2024-09-26: numpy 2.0.0, let in by h5py 3.12.0; that takes no bound "
        "of its own: h5py<3.12 keeps it out as well" in lines
    )
    assert not any("mended" in line for line in lines)


def test_a_bound_that_a_later_upload_made_needless_is_said_to_be_mended() -> None:
    """NumPy 2.0.0 had a bug that 2.2.6 has not; what fails today is another's, with a bound of its own."""

    def healed(versions: Mapping[str, str]) -> dict[str, str]:
        return {"save": "no"} if versions["numpy"] == "2.0.0" or versions["wheel"] == "0.46.0" else {}

    past = search(FakeLab(OLD, healed), days=(day("2024-06-16"),))
    assert [(one.bound, one.needed, one.mended, one.covered) for one in past.breaks] == [
        ("numpy<2", False, True, ()),
        ("wheel<0.46", True, False, ()),
    ]
    assert "it failed at save from 2024-06-16: numpy 2.0.0; a later upload mended that" in told(past)


def test_of_two_bounds_that_stand_for_each_other_one_is_needed() -> None:
    """Either is enough: without both it fails, so that not both can be called needless."""

    def together(versions: Mapping[str, str]) -> dict[str, str]:
        return {"import": "no"} if major(versions, "numpy") >= 2 and versions["h5py"] == "3.12.0" else {}

    lab = FakeLab(OLD, together)
    failure = Failure("import", "import", "no", "TypeError")
    since = day("2024-09-26")
    pair = [
        Break(since, since - DAY, name, version, "", failure, bound)
        for name, version, bound in (("numpy", "2.0.0", "numpy<2"), ("h5py", "3.12.0", "h5py<3.12"))
    ]
    looking = Search(lab, AS_OF, frozenset(), Known(uploads=lab.uploads), lambda _: None)
    found = {one.bound: one for one in looking.judged(pair)}
    assert [bound for bound, one in found.items() if one.needed] == ["h5py<3.12"]
    assert found["numpy<2"].covered == ("h5py<3.12",)


def test_a_break_that_hid_behind_a_later_one_is_found_on_its_own_day() -> None:
    """Setuptools broke TensorBoard in 2023, NumPy the import in 2024: its eve is no day to begin on."""
    index = {**OLD, "setuptools": {"62.0.0": "2022-04-09", "82.0.0": "2023-02-08"}}

    def two(versions: Mapping[str, str]) -> dict[str, str]:
        if major(versions, "numpy") >= 2:
            return {"import": "Unable to convert"}
        return {"tensorboard": "gone"} if major(versions, "setuptools") >= 82 else {}

    # The hint makes sure of the order: the import's day is found first.
    past = search(FakeLab(index, two), days=(day("2024-06-16"),))
    assert [(str(one.since), one.upload, one.bound) for one in past.breaks] == [
        ("2023-02-08", "setuptools 82.0.0", "setuptools<82"),
        ("2024-06-16", "numpy 2.0.0", "numpy<2"),
    ]
    assert past.left == ()


def test_what_a_bound_itself_breaks_from_the_start_is_left() -> None:
    """No day passes under the bound, so there is none on which it began: it is told, and not explained."""

    class Changed(FakeLab):
        def on(self, when: dt.date, bounds: Sequence[str] = (), check: str = "") -> Seen:
            seen = super().on(when, bounds, check)
            if not bounds or seen.lock is None or check == "import":
                return seen
            failure = Failure("save", "fit", "only under a bound", "TypeError")
            return replace(seen, failures={**seen.failures, "save": failure})

    past = search(Changed(OLD, lambda v: {"import": "no"} if major(v, "numpy") >= 2 else {}))
    assert [one.upload for one in past.breaks] == ["numpy 2.0.0"]
    assert [failure.check for failure in past.left] == ["save"]


class GoesDown(FakeLab):
    """TensorBoard 2.12.0 takes protobuf 3 again: the newest version goes down."""

    def resolved(self, when: dt.date, bounds: Sequence[str] = ()) -> Seen:
        seen = super().resolved(when, bounds)
        if seen.lock is None or seen.lock.versions["tensorboard"] != "2.12.0":
            return seen
        lower = super().resolved(when, [*bounds, "protobuf<4"])
        return lower if lower.lock else super().resolved(when, [*bounds, "tensorboard<2.12"])


DOWN = {
    "protobuf": {
        "3.20.1": "2022-04-22",
        "3.20.3": "2022-09-29",
        "4.21.1": "2022-05-01",
        "4.21.12": "2022-12-14",
    },
    "tensorboard": {"2.9.0": "2022-05-01", "2.12.0": "2023-02-09"},
}


def needs_four(versions: Mapping[str, str]) -> dict[str, str]:
    """It was built with protobuf 4."""
    return {"import": "too old"} if major(versions, "protobuf") < 4 else {}


def test_a_version_that_goes_down_gets_a_bound_that_holds_it_up() -> None:
    """What broke it is the older version: the bound admits what was there before, and holds nothing back."""
    past = search(GoesDown(DOWN, needs_four))
    (one,) = past.breaks
    assert (str(one.since), one.was, one.version, one.bound) == (
        "2023-02-09",
        "4.21.12",
        "3.20.3",
        "protobuf>=4",
    )
    assert (one.let_in, one.held, past.left) == ("tensorboard 2.12.0", None, ())


def test_a_last_day_that_cannot_be_tried_here_is_not_one_that_passes() -> None:
    """No answer at all, whichever set of those it depends on cannot be had or installed."""
    for pin in ("wheel==0.46.0", "numpy==1.22.0"):
        with pytest.raises(RehearsalError):
            search(FakeLab(OLD, lambda _: {}, full=[pin]))
    with pytest.raises(RehearsalError, match=r"no wheel of wheel==0\.46\.0"):
        search(FakeLab(OLD, rotten, absent=["wheel==0.46.0"]))
    with pytest.raises(RehearsalError, match="no space left"):
        search(FakeLab(OLD, rotten, full=["numpy==1.26.4"]))


def test_where_nothing_stands_in_for_it_the_cell_is_not_called_uninstallable() -> None:
    """A Mac has its sets; only here there is none, on no day."""
    absent = [f"numpy=={version}" for version in OLD["numpy"]]
    with pytest.raises(RehearsalError, match="the stand-in cannot be installed here"):
        search(FakeLab(OLD, rotten, absent=absent))


def test_days_that_cannot_be_tried_here_are_gone_around() -> None:
    """Two releases of NumPy have no wheel here: the answer is a span, or another day to begin on."""
    past = search(
        FakeLab(OLD, lambda v: {"save": "no"} if v["numpy"] == "2.2.6" else {}, absent=["numpy==2.0.0"])
    )
    (one,) = past.breaks
    assert (str(one.before), str(one.since), one.upload) == ("2024-06-15", "2025-05-17", "numpy 2.2.6")
    past = search(FakeLab(OLD, rotten, absent=["numpy==1.22.0"]))
    assert str(past.first) == "2024-02-05"
    assert past.note == (
        "before 2024-02-05 it cannot be rehearsed here "
        "(the stand-in cannot be installed here: no wheel of numpy==1.22.0)"
    )


def test_nothing_broke() -> None:
    """Both ends pass: two rehearsals, and the sentence says as of when."""
    lab = FakeLab(OLD, lambda _: {})
    past = search(lab)
    assert past.breaks == ()
    assert lab.made == 2
    assert told(past) == [
        "a plain install of py3.10-tf2.9.0-nometal passes as of 2026-11-20, as it did on 2022-05-19"
    ]


def test_what_failed_from_the_start_is_no_break() -> None:
    """A check that fails on the first day too is told as such, and does not hide a real break."""

    def both(versions: Mapping[str, str]) -> dict[str, str]:
        return {"save": "never worked", **rotten({**versions, "protobuf": "3.20.1", "numpy": "1.22.0"})}

    past = search(FakeLab(OLD, both))
    assert [failure.check for failure in past.always] == ["save"]
    assert [one.upload for one in past.breaks] == ["setuptools 82.0.0"]
    assert "save failed on its first day too, 2022-05-19: TypeError: never worked" in told(past)


def test_before_it_had_wheels_the_latest_package_is_taken_later() -> None:
    """Termcolor had no wheel until 2022-09-11: what broke before that is found all the same, and told how."""
    index = {**OLD, "termcolor": {"2.0.0": "2022-09-11"}}
    past = search(FakeLab(index, rotten))
    assert str(past.breaks[0].since) == "2022-05-27"
    assert past.note == (
        "before 2022-09-11 no set of wheels can be had (to blame: termcolor); for the days before it, "
        "termcolor is taken as of 2022-09-11, when it had one"
    )


def test_where_the_first_day_with_wheels_passes_nothing_is_taken_later() -> None:
    """The nearest day that can is the first day, and the note says why."""
    index = {**OLD, "termcolor": {"2.0.0": "2022-09-11"}}
    past = search(FakeLab(index, lambda v: {"import": "no"} if major(v, "numpy") >= 2 else {}))
    assert str(past.first) == "2022-09-11"
    assert past.note == "before 2022-09-11 no set of wheels can be had (to blame: termcolor)"


def test_where_the_oldest_set_fails_the_nearest_that_imports_is_taken() -> None:
    """A framework that was released broken, and mended a week later, is judged from that very day on."""

    def late(versions: Mapping[str, str]) -> dict[str, str]:
        return (
            {"import": "too old"}
            if versions["protobuf"] == "3.20.1"
            else rotten({**versions, "protobuf": "3"})
        )

    index = {**OLD, "protobuf": {**OLD["protobuf"], "4.21.1": "2022-05-30"}}  # 11 days, no power of two
    past = search(FakeLab(index, late))
    assert str(past.first) == "2022-05-30"
    assert past.note == (
        f"the set of 2022-05-19 cannot be imported (too old), that of {past.first} is the nearest that can"
    )
    assert [one.upload for one in past.breaks] == ["numpy 2.0.0", "setuptools 82.0.0"]


def test_a_cell_that_never_had_wheels() -> None:
    """No day can be judged: that is the answer, and nothing was rehearsed."""
    lab = FakeLab({**OLD, "termcolor": {}}, rotten)
    past = search(lab)
    assert (past.first, past.breaks, lab.made) == (None, (), 0)
    assert told(past) == [
        "py3.10-tf2.9.0-nometal cannot be installed: no set of wheels can be had, tried on 9 days"
    ]


def test_a_set_that_no_longer_resolves() -> None:
    """An install that worked and cannot be resolved today broke at resolve; the package is named."""

    class Gone(FakeLab):
        now = RELEASED

        def uploads(self, package: str) -> dict[str, dt.date]:
            return {} if package == "wheel" and self.now >= day("2025-03-01") else super().uploads(package)

        def resolved(self, when: dt.date, bounds: Sequence[str] = ()) -> Seen:
            self.now = when
            return super().resolved(when, bounds)

    past = search(Gone(OLD, lambda _: {}))
    (one,) = past.breaks
    assert (str(one.since), one.failure.check, one.package, one.bound) == (
        "2025-03-01",
        "resolve",
        "wheel",
        "",
    )
    assert [failure.check for failure in past.left] == ["resolve"]


@pytest.mark.parametrize("budget", range(12))
def test_a_search_that_is_cut_off_goes_on_where_it_stopped(budget: int) -> None:
    """Cut off after any number of rehearsals, the second search makes only the ones that are left."""
    whole = FakeLab(OLD, rotten)
    expected = search(whole)
    lab = FakeLab(OLD, rotten, budget=budget)
    if budget < whole.made:
        with pytest.raises(IndexUnreachableError):
            search(lab)
    lab.budget = None
    assert search(lab).breaks == expected.breaks
    assert lab.made == whole.made
