"""When it broke and by what: the search against an index and a rule that are made up."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest

from metalmatrix.cells.cell import Cell
from metalmatrix.errors import IndexUnreachableError
from metalmatrix.searching.breaks import told
from metalmatrix.searching.when import Known, past_of
from tests.fake_lab import FakeLab, day

if TYPE_CHECKING:
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
    """A framework that was released broken, and mended a week later, is judged from then on."""

    def late(versions: Mapping[str, str]) -> dict[str, str]:
        return (
            {"import": "too old"}
            if versions["protobuf"] == "3.20.1"
            else rotten({**versions, "protobuf": "3"})
        )

    past = search(FakeLab(OLD, late))
    assert past.first is not None
    assert dt.timedelta(7) < past.first - RELEASED <= dt.timedelta(16)
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
