"""What the page offers, in a real Chromium: what to install, and what to take instead of what is not good."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from metalmatrix.site.publication import best_of
from tests.site import pages
from tests.site.test_browser import CELL, axe

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    Open = Callable[..., Page]

pytestmark = pytest.mark.browser


class TestInstead:
    BROKEN = "py3.11-tf2.18.0-metal1.1.0"

    def test_a_broken_cell_leads_to_good_ones(self, opened: Open) -> None:
        """With one version changed, and the best of its Python: each opens as what may be handed out."""
        shown = opened("history", f"#{self.BROKEN}&releases=all")
        told = shown.locator("dialog .instead")
        assert "With Python 3.11 and metal 1.1.0: TensorFlow 2.17.1 · TensorFlow 2.17.0" in told.inner_text()
        assert "With Python 3.11 and TensorFlow 2.18.0: metal 1.2.0" in told.inner_text()
        assert f"nox -s explain -- {self.BROKEN}" in told.inner_text()
        links: list[str] = told.locator("a").evaluate_all("(all) => all.map((one) => one.hash)")
        words = {item.cell.id: item.verdict.word for item in pages.history_reports()}
        assert {words[link[1:].partition("&")[0]] for link in links} == {"likely"}
        assert {link.partition("&")[2] for link in links} == {"releases=all"}
        best = next(item for item in best_of(pages.history_reports()) if item.cell.python == "3.11")
        assert links[-1] == f"#{best.cell.id}&releases=all"
        told.locator("a").first.click()
        shown.locator("dialog .verdict", has_text="likely").wait_for()
        assert shown.locator("dialog .instead").count() == 0
        assert shown.locator("dialog pre").count() == 1

    def test_what_asks_for_a_newer_macos_is_not_offered(self, opened: Open) -> None:
        """Who has macOS 12.0 is not sent to metal 1.2.0, which asks for 12.1."""
        told = opened("history", f"#{self.BROKEN}&macos=12.0").locator("dialog .instead")
        assert "TensorFlow 2.17.1" in told.inner_text()
        assert "metal 1.2.0" not in told.inner_text()

    def test_it_is_told_of_what_cannot_be_installed(self, opened: Open) -> None:
        """There too is a way out; where nothing near is good, that is said."""
        told = opened("history", "#py3.13-tf2.15.1-metal1.1.0").locator("dialog .instead")
        assert "With TensorFlow 2.15.1 and metal 1.1.0: Python 3.11 · Python 3.10" in told.inner_text()
        assert "The best set of Python 3.13: TensorFlow 2.21.0, no plugin" in told.inner_text()
        early = opened("history", "#py3.14-tf2.15.1-metal1.1.0").locator("dialog .instead")
        assert "2.22.0rc0, no plugin (pre-release)" in early.inner_text()
        none = opened("history", "#py3.14-tf2.15.1-metal0.1.0&macos=11.0").locator("dialog .instead")
        assert "Nothing is known to be good with one version changed." in none.inner_text()

    def test_what_does_not_load_tells_no_more_than_why(self, opened: Open) -> None:
        """No plain install that fares alike, nothing held back by pins nobody gets, no kernels on the GPU."""
        told = opened("kernels", f"#{self.BROKEN}").locator("dialog").inner_text()
        assert "Symbol not found" in told
        for beside in ("A plain install", "The pins hold back", "pkg_resources", "What runs on the GPU"):
            assert beside not in told
        good = opened("kernels", f"#{CELL}").locator("dialog").inner_text()
        for beside in ("A plain install", "The pins hold back", "What runs on the GPU"):
            assert beside in good


class TestBest:
    def pythons(self, shown: Page) -> list[str]:
        """The Pythons of the rows that are shown."""
        return shown.locator(".best li:visible > b").all_inner_texts()

    def test_a_prerelease_is_named_and_goes_by_the_releases(self, opened: Open) -> None:
        """With final releases alone Python 3.14 has no row, and is told of; with all it has a marked one."""
        shown = opened("history")
        assert "Python 3.14" not in self.pythons(shown)
        assert shown.locator("#early").inner_text() == "Only pre-releases for Python 3.14: show all releases."
        shown.locator("#early a").click()
        shown.locator("#early").wait_for(state="hidden")
        assert self.pythons(shown)[0] == "Python 3.14"
        assert "2.22.0rc0 pre-release" in shown.locator(".best li:visible").first.inner_text()
        assert shown.locator(".best em:visible").count() == 1
        assert opened("history", "#python=3.11").locator("#early").is_hidden()
        bare = opened("history", java_script_enabled=False)
        assert self.pythons(bare)[0] == "Python 3.14"
        assert bare.locator(".best em").count() == 1

    def test_the_tested_matrix_leaves_its_own(self, opened: Open) -> None:
        """Where its releases are chosen, sets of others are not offered: here it is metal 1.1.0 alone."""
        shown = opened("history", "#releases=matrix")
        assert set(self.pythons(shown)) == {"Python 3.11", "Python 3.10", "Python 3.9"}
        assert set(shown.locator(".best li:visible > span + span").all_inner_texts()) == {"metal 1.1.0"}


def test_nothing_touches_the_verdicts(opened: Open) -> None:
    """What is said below the counts keeps off the tiles above it."""
    shown = opened("history")
    tile = shown.locator(".tally .v").last.bounding_box()
    below = shown.locator(".facts .honest").bounding_box()
    assert tile
    assert below
    assert below["y"] - tile["y"] - tile["height"] >= 16


class TestRoutes:
    @pytest.mark.parametrize("width", [390, 1440])
    @pytest.mark.parametrize("theme", ["light", "dark"])
    def test_axe_has_nothing_against_them(self, opened: Open, theme: str, width: int) -> None:
        """The routes beside each other and LiteRT, on a phone and on a wide screen."""
        shown = opened("routes", viewport={"width": width, "height": 900}, color_scheme=theme)
        assert shown.locator("#routes tbody tr").count() == 3
        assert axe(shown) == []
        assert shown.evaluate("document.documentElement.scrollWidth") <= width

    def test_a_version_is_one_line(self, opened: Open) -> None:
        """On a phone the table scrolls, and 2.1.0rc1 is not broken at its dots."""
        shown = opened("routes", viewport={"width": 390, "height": 900})
        lines = """heads => heads.map(head => {
            const text = document.createRange();
            text.selectNodeContents(head);
            return text.getClientRects().length;
        })"""
        counts = shown.locator("#litert tbody th").evaluate_all(lines)
        assert len(counts) > 20
        assert set(counts) == {1}

    @pytest.mark.parametrize("cell", ["py3.11-tf2.19.1-metal1.2.0-conda-forge", "py3.11-litert2.0.3"])
    def test_an_address_leads_to_its_line(self, opened: Open, cell: str) -> None:
        """Such a cell has no panel: its line comes into view, and nobody is told that there is none."""
        shown = opened("routes", f"#{cell}")
        place = shown.evaluate(f"document.getElementById('{cell}').getBoundingClientRect().top")
        assert 0 < place < 900
        assert "No combination" not in shown.locator("#told").inner_text()
        assert shown.locator("dialog[open]").count() == 0
