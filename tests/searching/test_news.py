"""What is new since the data: nothing where nothing moved, and by its name the upload that broke a cell."""

from __future__ import annotations

import argparse
import json
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from metalmatrix.cells.cell import Cell
from metalmatrix.errors import RehearsalError, UsageError
from metalmatrix.searching import commands, news
from metalmatrix.searching.news import News, all_is_new, news_of
from metalmatrix.searching.probe import Failure
from metalmatrix.searching.when import Known, past_of
from tests.fake_lab import FakeLab, day
from tests.searching.test_when import AS_OF, CELL, OLD, RELEASED, major, rotten

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping, Sequence

    from metalmatrix.searching.breaks import Past
    from metalmatrix.searching.probe import Seen

TODAY = day("2026-11-27")
WHEEL = {**OLD["wheel"], "0.47.0": "2026-11-24"}
BEFORE = day("2026-11-20")


def past() -> Past:
    """What the data has of the cell: three breaks, as of its day."""
    lab = FakeLab(OLD, rotten)
    return past_of(CELL, lab, RELEASED, AS_OF, known=Known(uploads=lab.uploads))


def since(lab: FakeLab) -> News:
    """What is new in that lab a week later."""
    return news_of(past(), lab, TODAY, known=Known(uploads=lab.uploads))


def broken_by_wheel(versions: Mapping[str, str]) -> dict[str, str]:
    """The three breaks, and one of this week."""
    return rotten(versions) or ({"save": "no wheel.bdist"} if versions["wheel"] == "0.47.0" else {})


def test_where_nothing_moved_nothing_is_rehearsed() -> None:
    """A week without an upload that these sets take costs questions to the resolver alone."""
    lab = FakeLab({**OLD, "wheel": {**OLD["wheel"]}}, rotten)
    found = since(lab)
    assert found.is_as_before
    assert (found.since, found.as_of, lab.made) == (BEFORE, TODAY, 0)


def test_an_upload_that_breaks_nothing_costs_few_rehearsals() -> None:
    """The whole set once, and each known break once without its bound."""
    lab = FakeLab({**OLD, "wheel": WHEEL}, rotten)
    assert since(lab).is_as_before
    assert lab.made == 4


def test_the_upload_that_broke_it_this_week_is_named() -> None:
    """With its day, its message and its bound; what broke before is not told again."""
    lab = FakeLab({**OLD, "wheel": WHEEL}, broken_by_wheel)
    found = since(lab)
    (one,) = found.breaks
    assert (str(one.since), one.upload, one.failure.check, one.bound) == (
        "2026-11-24",
        "wheel 0.47.0",
        "save",
        "wheel<0.47",
    )
    assert (found.mended, found.left) == ((), ())
    assert one.held is not None
    assert (one.held.version, one.held.newest) == ("0.46.0", "0.47.0")


def test_what_an_upload_mended_this_week_is_named_too() -> None:
    """Setuptools has pkg_resources again: the bound is not needed any more, the two others are."""
    index = {**OLD, "setuptools": {**OLD["setuptools"], "83.0.0": "2026-11-25"}}

    def healed(versions: Mapping[str, str]) -> dict[str, str]:
        return {} if versions["setuptools"] == "83.0.0" and not early(versions) else rotten(versions)

    def early(versions: Mapping[str, str]) -> bool:
        return major(versions, "protobuf") >= 4 or major(versions, "numpy") >= 2

    found = since(FakeLab(index, healed))
    assert (found.breaks, found.mended, found.left) == ((), ("setuptools<82",), ())


def test_a_set_that_cannot_be_had_any_more_is_news() -> None:
    """The resolver is the check that fails."""

    class Gone(FakeLab):
        def resolved(self, when: dt.date, bounds: Sequence[str] = ()) -> Seen:
            seen = super().resolved(when, bounds)
            if when < day("2026-11-22"):
                return seen
            failure = Failure("resolve", "resolve", "h5py has no wheels", blame="h5py")
            return replace(seen, lock=None, failures={"resolve": failure})

    found = since(Gone(OLD, rotten))
    (one,) = found.breaks
    assert (str(one.since), one.package, one.bound) == ("2026-11-22", "h5py", "")
    assert [failure.check for failure in found.left] == ["resolve"]


def test_a_cell_that_can_be_installed_at_last_is_news() -> None:
    """And one that cannot be yet is as before."""
    never = replace(past(), first=None, breaks=(), left=(Failure("resolve", "resolve", "no", blame="x"),))
    lab = FakeLab(OLD, rotten)
    assert news_of(never, lab, TODAY, known=Known()).mended == ("resolve",)
    assert lab.made == 0
    assert news_of(never, FakeLab({**OLD, "x": {}}, rotten), TODAY, known=Known()).is_as_before


def test_what_cannot_be_tried_is_not_as_before() -> None:
    """No wheel here, or a full disk: an error, which the command tells as unknown."""
    index, pins = {**OLD, "wheel": WHEEL}, ["wheel==0.47.0"]
    for lab in (FakeLab(index, rotten, absent=pins), FakeLab(index, rotten, full=pins)):
        with pytest.raises(RehearsalError):
            since(lab)
    # The whole set can be tried, but not the one that says whether a bound is needed still.
    index = {**OLD, "setuptools": {**OLD["setuptools"], "83.0.0": "2026-11-25"}}
    with pytest.raises(RehearsalError, match=r"setuptools==83\.0\.0"):
        since(FakeLab(index, rotten, absent=["setuptools==83.0.0"]))


def test_of_a_cell_that_the_data_has_not_all_is_new() -> None:
    """A framework of this week is searched since its release, with what failed from the start."""
    found = all_is_new(replace(past(), always=(Failure("save", "fit", "never worked"),)))
    assert [one.bound for one in found.breaks] == ["protobuf<4", "numpy<2", "setuptools<82"]
    assert [failure.check for failure in found.left] == ["save"]
    assert found.since == RELEASED


def some_news() -> list[News]:
    """One of each kind."""
    broken = since(FakeLab({**OLD, "wheel": WHEEL}, broken_by_wheel))
    none = News(Cell.parse("py3.11-tf2.12.0-nometal"), BEFORE, TODAY)
    here = replace(broken.breaks[0], bound="", failure=replace(broken.breaks[0].failure, portable=False))
    return [
        broken,
        replace(broken, cell=Cell.parse("py3.10-tf2.9.1-nometal")),
        replace(none, breaks=(here,), left=(here.failure,)),
        replace(none, cell=Cell.parse("py3.11-tf2.13.0-nometal"), mended=("setuptools<82", "resolve")),
        replace(none, cell=Cell.parse("py3.11-tf2.13.1-nometal"), unknown="no space left on device"),
        replace(none, cell=Cell.parse("py3.11-tf2.14.1-nometal")),
    ]


def test_the_news_in_sentences(golden: Callable[[str, str], None]) -> None:
    """An upload a line, with the cells that it broke; what is unknown is told as that, whole."""
    golden("when-news.txt", "".join(f"{line}\n" for line in news.told(some_news(), BEFORE, TODAY)))


def test_the_news_for_machines() -> None:
    """Every cell stands somewhere, and none that is unknown among those that are as before."""
    data = json.loads(json.dumps(news.to_json(some_news(), BEFORE, TODAY)))
    kinds = ("broke", "mended", "left", "unknown")
    named = {entry["cell"] for kind in kinds for entry in data[kind]} | set(data["as_before"])
    assert named == {one.cell.id for one in some_news()}
    assert data["as_before"] == ["py3.11-tf2.14.1-nometal"]
    assert [entry["reason"] for entry in data["unknown"]] == ["no space left on device"]
    first = data["broke"][0]
    assert (first["cell"], first["since"], first["upload"], first["bound"], first["portable"]) == (
        CELL.id,
        "2026-11-24",
        "wheel 0.47.0",
        "wheel<0.47",
        True,
    )
    assert (data["since"], data["as_of"]) == ("2026-11-20", "2026-11-27")


class TestTheCommand:
    """`when --as-of DAY` without a cell, its labs made up."""

    @pytest.fixture
    def run(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> Callable[..., tuple[int, dict[str, Any]]]:
        """Runs it over two cells of one lab, of which the data knows the first or both."""
        other = Cell.parse("py3.10-tf2.9.1-nometal")

        def run(
            lab: FakeLab, *, known: int = 2, as_of: dt.date = TODAY, force: bool = False
        ) -> tuple[int, dict[str, Any]]:
            pasts = (past(), replace(past(), cell=other))[:known]
            monkeypatch.setattr(commands, "newest_here", lambda _: iter((CELL, other)))
            monkeypatch.setattr(commands, "known_pasts", lambda: pasts)
            monkeypatch.setattr(commands, "known_of", lambda _: Known(uploads=lab.uploads))
            monkeypatch.setattr(commands, "bench", lambda _, __: nullcontext(lab))
            monkeypatch.setattr(commands, "released", lambda *_: RELEASED)
            options = argparse.Namespace(cells=[], force=force, json=True, as_of=as_of)
            code = commands.when(options)
            return code, json.loads(capsys.readouterr().out)

        return run

    def test_a_quiet_week_is_a_success(self, run: Callable[..., tuple[int, dict[str, Any]]]) -> None:
        """Exit code 0, both cells as before."""
        code, told = run(FakeLab(OLD, rotten))
        assert (code, len(told["as_before"]), told["broke"], told["rehearsals"]) == (0, 2, [], 0)

    def test_a_break_is_a_surprise(self, run: Callable[..., tuple[int, dict[str, Any]]]) -> None:
        """Exit code 1, and both cells named with the upload."""
        code, told = run(FakeLab({**OLD, "wheel": WHEEL}, broken_by_wheel))
        assert code == 1
        assert [(one["cell"], one["upload"]) for one in told["broke"]] == [
            (CELL.id, "wheel 0.47.0"),
            ("py3.10-tf2.9.1-nometal", "wheel 0.47.0"),
        ]

    def test_a_cell_that_the_data_has_not_is_searched(
        self, run: Callable[..., tuple[int, dict[str, Any]]]
    ) -> None:
        """Its breaks are news, whenever they were."""
        code, told = run(FakeLab(OLD, rotten), known=1)
        assert code == 1
        assert {one["cell"] for one in told["broke"]} == {"py3.10-tf2.9.1-nometal"}
        assert len(told["broke"]) == 3

    def test_what_could_not_be_tried_is_no_success(
        self, run: Callable[..., tuple[int, dict[str, Any]]]
    ) -> None:
        """Exit code 5, and no cell as before."""
        code, told = run(FakeLab({**OLD, "wheel": WHEEL}, rotten, full=["wheel==0.47.0"]))
        assert (code, told["as_before"], len(told["unknown"])) == (5, [], 2)

    def test_a_day_before_the_data_is_refused(self, run: Callable[..., tuple[int, dict[str, Any]]]) -> None:
        """What is new since a later day cannot be asked."""
        with pytest.raises(UsageError, match="the data is as of 2026-11-20"):
            run(FakeLab(OLD, rotten), as_of=day("2026-11-19"))

    def test_the_data_is_of_one_day(self, run: Callable[..., tuple[int, dict[str, Any]]]) -> None:
        """An answer of another day than the matrix's is not written."""
        with pytest.raises(UsageError, match="is not written"):
            run(FakeLab(OLD, rotten), force=True)
