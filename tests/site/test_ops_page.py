"""The page of ops: what it says, and what it does in a real Chromium."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from metalmatrix.kernels import ops
from metalmatrix.kernels.kernel_facts import load_variants
from metalmatrix.site import ops_page, page
from tests.site import pages
from tests.site.test_browser import WIDTHS, axe

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Browser, Page


def test_every_op_has_its_row_and_every_version_its_own() -> None:
    """Nothing is left out: the ops, their dtypes and the versions of the data."""
    variants = load_variants()
    text = ops_page.render(variants)
    assert set(re.findall(r'<tr id="([A-Za-z_]\w*)"', text)) == {
        *(row.op for row in ops.table(variants)),
        *(f"v{number}" for number in range(len(variants))),
    }
    for row in ops.table(variants):
        assert f"<code>{row.told}</code>" in text


def test_a_version_tells_what_it_gained_and_lost() -> None:
    """0.6.0 lost half of 29 ops; the first version is held against nothing."""
    found = {one.label: one for one in (ops_page.registered(load_variants(), n) for n in range(9))}
    assert found["0.6.0"].told == (
        "against 0.5.1 it newly has 6 kernels of 3 ops (FLOAT for 3, HALF for 3)"
        " and lost 29 kernels of 29 ops (HALF for 29)"
    )
    assert next(iter(found.values())).told == "the first version"


def test_the_cells_page_tells_what_its_plugin_registers() -> None:
    """Each kind of wheel has its line there, and the script finds it by version and Python."""
    text = page.render(pages.whole(variants=load_variants()))
    for number, variant in enumerate(load_variants()):
        assert f'<li id="k{number}">tensorflow-metal {variant.label} registers ' in text
    assert '"metal 0.8.0":{"3.8":' in text
    changed = sum(ops_page.registered(load_variants(), n).changed for n in range(len(load_variants())))
    assert 0 < text.count(">Which ops are new or lost</a>") == changed < len(load_variants())


@pytest.fixture
def opened(browser: Browser, address: Callable[[str], str]) -> Callable[..., Page]:
    """Opens the page."""

    def open_(at: str = "", **options: object) -> Page:
        shown = browser.new_context(reduced_motion="reduce", **options).new_page()  # type: ignore[arg-type]
        shown.goto(address("ops") + at)
        return shown

    return open_


def rows(shown: Page) -> list[str]:
    """The ops that are shown."""
    script = (
        "() => [...document.querySelectorAll('#kernels tbody tr')].filter((r) => !r.hidden).map((r) => r.id)"
    )
    found: list[str] = shown.evaluate(script)
    return found


@pytest.mark.browser
class TestInChromium:
    @pytest.mark.parametrize("theme", ["light", "dark"])
    @pytest.mark.parametrize("width", WIDTHS)
    def test_axe_has_nothing_against_it(self, opened: Callable[..., Page], theme: str, width: str) -> None:
        """In both themes and three widths, with everything open, and nothing wider than the window."""
        x, y = WIDTHS[width]
        shown = opened(viewport={"width": x, "height": y}, color_scheme=theme)
        shown.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        assert axe(shown) == []
        assert shown.evaluate("() => document.documentElement.scrollWidth <= innerWidth")

    def test_what_changed_is_never_cut_off(self, opened: Callable[..., Page]) -> None:
        """In any width the whole of each version's row is within the window, its figures named."""
        shown = opened()
        shown.locator("#versions-h + details > summary").click()
        right = """() => Math.max(...[...document.querySelectorAll("#versions td")]
          .map((one) => one.getBoundingClientRect().right))"""
        for width in (320, 390, 500, 768, 769, 820, 1024, 1440):
            shown.set_viewport_size({"width": width, "height": 900})
            assert 0 < shown.evaluate(right) <= width
        shown.set_viewport_size({"width": 500, "height": 900})
        named = "() => getComputedStyle(document.querySelector('#versions .num'), '::after').content"
        assert "data-of" in shown.evaluate(named) or "kernels" in shown.evaluate(named)

    def test_the_controls_come_first(self, opened: Callable[..., Page]) -> None:
        """On a phone they are a screen away at most; an address opens the versions at its own."""
        shown = opened(viewport={"width": 500, "height": 900})
        box = shown.locator("#narrow").bounding_box()
        assert box
        assert box["y"] < 900
        assert not shown.locator("#v13").is_visible()
        assert opened("#v13").locator("#v13").is_visible()

    def test_the_theme_goes_by_the_same_switch(self, opened: Callable[..., Page]) -> None:
        """It goes through the three, and is kept, as on the other page."""
        shown = opened(color_scheme="light")
        ground = "getComputedStyle(document.body).backgroundColor"
        light = shown.evaluate(ground)
        shown.locator("#theme").click()
        shown.locator("#theme").click()
        assert shown.locator("#theme").inner_text() == "Theme: dark"
        shown.reload()
        assert shown.evaluate(ground) != light

    def test_it_narrows_and_the_address_keeps_it(self, opened: Callable[..., Page]) -> None:
        """By a part of the name, the dtype and the version; the address opens the same again."""
        shown = opened()
        everything = rows(shown)
        assert len(everything) == len({row.op for row in ops.table(load_variants())})
        shown.fill("[name=op]", "matmul")
        assert rows(shown) == [op for op in everything if "matmul" in op.lower()]
        shown.select_option("[name=dtype]", "HALF")
        with_half = rows(shown)
        shown.select_option("[name=version]", label="0.7.1")
        assert rows(shown) == []  # no product in half before 0.8.0
        assert shown.inner_text("#told") == f"0 of {len(everything)} ops."
        state = shown.evaluate("() => location.hash")
        shown.select_option("[name=version]", label="1.2.0")
        assert rows(shown) == with_half
        again = opened(state)
        assert rows(again) == []
        again.click("text=All ops")
        assert rows(again) == everything

    def test_it_is_whole_without_javascript(self, opened: Callable[..., Page]) -> None:
        """All ops are there; the controls, which would do nothing, are not."""
        shown = opened(java_script_enabled=False)
        assert shown.locator("#kernels tbody tr:visible").count() == len(
            {row.op for row in ops.table(load_variants())}
        )
        assert not shown.locator("#narrow").is_visible()

    def test_a_cell_tells_of_its_own_wheel(self, browser: Browser, address: Callable[[str], str]) -> None:
        """0.8.0 for Python 3.11 registers other kernels than 0.8.0 for the rest."""
        shown = browser.new_context(reduced_motion="reduce").new_page()
        shown.goto(address("kernels") + "#py3.11-tf2.12.0-metal0.8.0")
        assert "tensorflow-metal 0.8.0 (Python 3.11) registers 513 kernels" in shown.inner_text("#cell")
        shown.click("#cell button:has-text('3.10')")
        assert "tensorflow-metal 0.8.0 (Python 3.8-3.10) registers 308 kernels" in shown.inner_text("#cell")
        shown.click("#cell button:has-text('Close')")
