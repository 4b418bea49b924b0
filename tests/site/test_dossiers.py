from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metalmatrix.cells.cell import Cell
from metalmatrix.site.dossiers import Axis, dossier, filled, in_parts, shared
from metalmatrix.text import plain
from metalmatrix.verdicts.report import cell_report
from tests.samples import cell_of, evidence, lock, realistic, report_of
from tests.site import pages

CELL = Cell.parse("py3.11-tf2.15.1-metal1.1.0")
VERSIONS = st.text(alphabet="3.11 2.15.1 a1.0=", max_size=40)


class TestParts:
    @given(VERSIONS | st.text(max_size=40))
    def test_filled_in_it_is_what_was_written(self, text: str) -> None:
        """Whatever is taken out of a text comes back for the same cell."""
        assert filled(in_parts(CELL, text), CELL) == plain(text, 700)

    @pytest.mark.parametrize(
        ("text", "parts"),
        [
            ("tensorflow==2.15.1 on 3.11", ("tensorflow==", Axis.FRAMEWORK, " on ", Axis.PYTHON)),
            ("metal 1.1.0", ("metal ", Axis.PLUGIN)),
            ("2.15.10, 12.15.1, v2.15.1 and 2.15.1rc0", ("2.15.10, 12.15.1, v2.15.1 and 2.15.1rc0",)),
            ("gone since 2.15.1.", ("gone since ", Axis.FRAMEWORK, ".")),
            ("", ()),
        ],
    )
    def test_only_whole_versions_are_taken_out(self, text: str, parts: tuple[object, ...]) -> None:
        """A version inside of a longer one is another version."""
        assert in_parts(CELL, text) == parts

    def test_a_cell_without_a_plugin_has_no_plugins_version(self) -> None:
        """The word none is a word."""
        assert in_parts(Cell.parse("py3.11-tf2.15.1-nometal"), "none") == ("none",)


class TestSharing:
    def test_cells_that_differ_in_their_versions_alone_share(self) -> None:
        """Two frameworks that are refused in the same words are one dossier, with the framework left open."""
        items = [
            cell_report(
                Cell.parse(f"py3.9-tf{version}-nometal"),
                [evidence("resolved", "fails", "resolve", message=f"no wheel of {version}")],
                floor=None,
            )
            for version in ("2.12.0", "2.13.0")
        ]
        told = shared(items)
        (only,) = told.dossiers
        assert only.said == ("no wheel of ", Axis.FRAMEWORK)
        assert told.cells == (tuple(item.cell for item in items),)
        assert shared(items[:1]).dossiers[0].said == ("no wheel of ", "2.12.0")

    def test_no_cell_is_lost_or_told_as_another(self) -> None:
        """Of every published cell, what the page tells is what its own dossier says, filled in."""
        items = pages.history_reports()
        told = shared(items)
        places = {
            (f, p, python): group
            for (f, p), groups in told.fields.items()
            for group in groups
            for python in group.pythons
        }
        assert len(places) == len(items)
        for item in items:
            group = places[item.cell.framework, item.cell.plugin_name, item.cell.python]
            made, own = told.dossiers[group.dossier], dossier(item)
            assert (made.word, made.label, made.plain_worse) == (own.word, own.label, own.plain_worse)
            assert filled(made.said, item.cell) == filled(own.said, item.cell)
            assert [filled(p.said, item.cell) for p in made.pieces] == [
                filled(p.said, item.cell) for p in own.pieces
            ]
            assert [filled(x, item.cell) for x in made.install] == [filled(x, item.cell) for x in own.install]
            version, by = told.floors[group.floor]
            assert (version or None, filled(by, item.cell)) == (item.macos, item.macos_by)
            if item.verdict.word != "not-installable":
                assert tuple(told.neighbours[n] for n in told.near[group.near]) == item.neighbours

    def test_thousands_of_cells_are_few_dossiers(self) -> None:
        """What makes the page small: without sharing it would be thousands."""
        assert len(shared(pages.history_reports()).dossiers) < 250


class TestDossier:
    def test_a_failure_is_told_once(self) -> None:
        """Where the evidence says what the verdict says, that is known: the page need not say it twice."""
        crash = dossier(cell_of(realistic(), "py3.12-tf2.17.1-metal1.1.0"))
        assert crash.told
        assert any("SIGSEGV" in str(piece.said) for piece in crash.pieces)
        likely = dossier(cell_of(realistic(), "py3.12-tf2.17.1-nometal"))
        assert "it could not be installed" in str(likely.pieces)
        assert not likely.told

    def test_what_the_plain_set_does_stands_apart(self) -> None:
        """Evidence about the plain set alone, and what the pins hold back, are a story of their own."""
        found = dossier(cell_of(realistic(), "py3.11-tf2.14.0-nometal"))
        assert found.story is not None
        assert found.story.label == "✗ broken at import"
        assert {piece.sets for piece in found.story.pieces} == {"plain"}
        assert "plain" not in {piece.sets for piece in found.pieces}
        assert "numpy<2" in str(found.story.holds)

    def test_a_plain_install_that_fares_alike_has_no_story(self) -> None:
        """Refused by the loader either way: what else is wrong with the plain set is not why."""
        broken, only_plain, good = (
            next(i for i in pages.history_reports() if i.cell.id == cell)
            for cell in (
                "py3.11-tf2.18.0-metal1.1.0",
                "py3.12-tf2.20.0-metal1.2.0",
                "py3.11-tf2.17.1-metal1.1.0",
            )
        )
        assert broken.holds
        assert any(e.set == "plain" and e.kind == "rehearsed" for e in broken.evidence)
        assert dossier(broken).story is None
        assert (only_plain.verdict.word, only_plain.holds != ()) == ("broken", True)
        assert dossier(only_plain).story is None
        told = dossier(good).story
        assert told is not None
        assert told.holds != ()
        assert dossier(replace(good, pinned_lock=None)).story == replace(told, holds=())

    def test_a_surprise_is_told(self) -> None:
        """A cell that works against what is expected says what was."""
        found = dossier(cell_of(realistic(), "py3.11-tf2.15.1-metal1.1.0"))
        assert found.word == "works"
        assert found.surprise == ("expected broken: the first reports said so",)

    @pytest.mark.parametrize(
        ("cell", "handed_out"),
        [
            ("py3.11-tf2.15.1-metal1.1.0", True),  # works
            ("py3.11-tf2.17.1-nometal", True),  # likely
            ("py3.11-tf2.15.1-nometal", True),  # degraded
            ("py3.12-tf2.17.1-metal1.1.0", False),  # broken
            ("py3.12-tf2.14.0-nometal", False),  # not installable
            ("py3.12-tf2.18.1-metal1.1.0", False),  # unknown
        ],
    )
    def test_lines_to_type_are_there_where_they_may_be(self, cell: str, handed_out: bool) -> None:  # noqa: FBT001
        """Never for what is broken, cannot be installed, or is not known; nor for what has no set."""
        item = cell_of(realistic(), cell)
        assert bool(dossier(item).install) is handed_out
        assert dossier(replace(item, pinned_lock=None)).install == ()

    def test_a_plugin_that_is_compiled_there_has_no_lines(self) -> None:
        """Its set is not the whole of what runs, whatever came of it."""
        cell = Cell.parse("py3.12-tf2.21.0-tensorflow_metal_plugin-0.4.1")
        sets = {"pinned": lock("tensorflow==2.21.0")}
        item = cell_report(cell, [evidence("resolved", "ok"), evidence("ran", "ok")], floor=None, locks=sets)  # type: ignore[arg-type]
        assert item.verdict.word == "works"
        assert dossier(item).install == ()

    def test_a_hostile_message_is_plain(self) -> None:
        """Controls and reordering characters are gone before anything is shared."""
        (item, *_) = report_of("\x1b[31mred\u202e").cells
        assert "\x1b" not in str(dossier(item))
        assert "\u202e" not in str(dossier(item))
