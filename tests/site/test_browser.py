"""The page in a real Chromium: what a person does with it, in both themes and three widths."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

import pytest

from metalmatrix.site import page
from tests.samples import HOSTILE
from tests.site import pages

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    Open = Callable[..., Page]

pytestmark = pytest.mark.browser

AXE = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
CELL = "py3.11-tf2.15.1-metal1.1.0"
WIDTHS = {"wide": (1440, 900), "tablet": (820, 1100), "phone": (390, 844)}


def fields(shown: Page) -> list[list[str]]:
    """What the grid shows: a row for each framework, with its name first."""
    script = """() => [...document.querySelectorAll("#cells tbody tr")].filter((row) => !row.hidden)
      .map((row) => [...row.cells].filter((cell) => !cell.hidden)
      .map((cell) => cell.innerText.replace(/\\s+/g, " ").trim()))"""
    found: list[list[str]] = shown.evaluate(script)
    return found


def axe(shown: Page) -> list[str]:
    """What axe-core has against the page: each rule with the elements."""
    shown.evaluate(AXE)
    found = shown.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
    return [f"{rule['id']}: {node['html'][:200]}" for rule in found["violations"] for node in rule["nodes"]]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_axe_has_nothing_against_it(opened: Open, theme: str, width: str) -> None:
    """In both themes and three widths, and with a cell open, with every kind of evidence on it."""
    x, y = WIDTHS[width]
    shown = opened("ran", viewport={"width": x, "height": y}, color_scheme=theme)
    shown.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert axe(shown) == []
    shown.goto(f"{shown.url}#{CELL}")
    shown.locator("dialog[open]").wait_for()
    assert axe(shown) == []
    shown.evaluate("location.hash = 'py3.12-tf2.17.1-metal1.1.0'")  # broken
    shown.locator("dialog .instead").wait_for()
    assert axe(shown) == []


def test_axe_has_nothing_against_the_whole_history(opened: Open) -> None:
    """The real page, as it is published, every release shown."""
    assert axe(opened("history", "#releases=all")) == []


def test_nothing_is_wider_than_the_window(opened: Open) -> None:
    """Only tables scroll sideways, each by itself; from the smallest phone to a wide screen."""
    shown = opened("history")
    wider = """() => [...document.querySelectorAll("body *")]
      .filter((one) => !one.closest(".scroll, dialog, .skip"))
      .filter((one) => one.getBoundingClientRect().right > document.body.getBoundingClientRect().right + 1)
      .map((one) => one.outerHTML.slice(0, 80))"""
    for width in (320, 390, 640, 700, 768, 769, 820, 1024, 1343, 1344, 1440, 1920):
        shown.set_viewport_size({"width": width, "height": 900})
        assert shown.evaluate("document.documentElement.scrollWidth") <= width
        assert (width, shown.evaluate(wider)) == (width, [])


class TestWithoutJavaScript:
    def test_every_verdict_is_in_the_table(self, opened: Open) -> None:
        """All frameworks and plugins are there, each field with its words and Pythons."""
        shown = opened("history", java_script_enabled=False)
        assert shown.locator("#cells tbody tr").count() == 44
        assert shown.locator("#cells tbody td").count() == 968
        row = shown.locator("#cells tbody tr", has=shown.locator("th", has_text="2.18.1"))
        assert row.locator("td").first.inner_text().split() == ["likely*", "3.9-3.12"]
        assert shown.locator("#mac").is_hidden()
        assert shown.locator("#theme").is_hidden()

    def test_a_field_leads_to_its_evidence(self, opened: Open) -> None:
        """A link in the grid shows what is known, closed as it was before."""
        shown = opened("history", java_script_enabled=False)
        link = shown.locator("#cells tbody tr", has_text="2.18.1").locator("td a.b").first
        target = shown.locator(link.get_attribute("href") or "")
        assert not target.is_visible()
        link.click()
        assert target.is_visible()
        assert "Symbol not found" in target.inner_text()
        link = target.locator("a", has_text="linked")
        seen = shown.locator(link.get_attribute("href") or "")
        link.click()
        assert "The loader refuses the plugin's library" in seen.inner_text()


class TestAddress:
    def test_it_opens_a_cell(self, opened: Open) -> None:
        """The anchor of a cell shows its verdict, its own versions in the evidence, and what to type."""
        shown = opened("history", f"#{CELL}")
        panel = shown.locator("dialog[open]")
        told = panel.inner_text()
        assert "TensorFlow 2.15.1, metal 1.1.0" in told
        assert "likely on Python 3.11" in told
        wanted = '"tensorflow==2.15.1" "tensorflow-metal==1.1.0" "setuptools<82"'
        assert f"uv pip install --only-binary :all: {wanted}" in told
        assert "uv venv --python 3.11" in told
        assert panel.locator("var").count() == 0
        assert panel.locator("a", has_text="all pins").get_attribute("href") == f"pins/{CELL}.txt"
        kinds = panel.locator("ol li > p b").all_inner_texts()
        assert kinds[:2] == ["resolved", "linked"]

    def test_nothing_is_handed_out_of_what_is_broken(self, opened: Open) -> None:
        """A broken cell has no commands, and neither has one that cannot be installed, or is not known."""
        shown = opened("history")
        for name, word in (
            ("py3.11-tf2.20.0-metal1.2.0", "broken at link"),
            ("py3.13-tf2.15.1-nometal", "not-installable"),
            ("py3.12-tf2.21.0-tensorflow_metal_plugin-0.4.1", "unknown"),
        ):
            shown.goto(f"{shown.url.partition('#')[0]}#{name}")
            panel = shown.locator("dialog[open]")
            shown.wait_for_function(
                "(id) => document.querySelector('dialog .id')?.firstChild.textContent === id", arg=name
            )
            assert word in panel.locator(".verdict").inner_text()
            assert panel.locator("pre, .copy").count() == 0
            assert "pip install" not in panel.inner_text()

    def test_every_cell_opens_as_what_it_is(self, opened: Open) -> None:
        """Of each combination of the history the page's script finds the verdict that the report has."""
        shown = opened("history", "#releases=all")
        found: dict[str, str] = shown.evaluate(
            """() => {
              const m = JSON.parse(document.getElementById("model").textContent), found = {};
              m.frameworks.forEach((f, i) => m.plugins.forEach((p, j) => {
                for (const [mask, d] of m.fields[m.grid[i][j]]) m.pythons.forEach((python, k) => {
                  if (mask & (1 << k)) found[`py${python}-tf${f}-${p[2]}`] = m.order[m.dossiers[d][0]];
                });
              }));
              return found;
            }"""
        )
        assert found == {item.cell.id: item.verdict.word for item in pages.history_reports()}

    def test_a_cell_that_is_none_is_told(self, opened: Open) -> None:
        """A typed anchor that names nothing opens nothing, and says so."""
        shown = opened("history", "#py3.11-tf9.9.9-nometal")
        assert shown.locator("dialog[open]").count() == 0
        assert "py3.11-tf9.9.9-nometal" in shown.locator("#told").inner_text()
        shown.evaluate("location.hash = '#python=3.11'")
        shown.locator("#told", has_text="combinations of these releases fit").wait_for()

    def test_it_keeps_what_was_chosen(self, opened: Open) -> None:
        """Choices go to the address, the address makes the same page, and back takes the last one back."""
        shown = opened("history")
        plain = fields(shown)
        shown.locator("select[name=python]").select_option("3.11")
        one = fields(shown)
        shown.locator("select[name=macos]").select_option("12.0")
        both = fields(shown)
        assert len(plain) > len(one) >= len(both)
        assert shown.url.endswith("#python=3.11&macos=12.0")
        again = opened("history", "#python=3.11&macos=12.0")
        assert fields(again) == both
        assert again.locator("select[name=python]").input_value() == "3.11"
        shown.go_back()
        assert fields(shown) == one
        shown.go_back()
        assert fields(shown) == plain
        shown.go_forward()
        assert fields(shown) == one

    def test_back_closes_a_cell(self, opened: Open) -> None:
        """Opening a cell is a step that back takes back, with what was chosen before."""
        shown = opened("history", "#python=3.11")
        shown.locator("#cells tbody tr", has_text="2.18.1").locator("td:visible").nth(1).click()
        assert shown.url.endswith("#py3.11-tf2.18.1-metal1.2.0&python=3.11")
        shown.locator("dialog[open]").wait_for()
        shown.go_back()
        assert shown.locator("dialog[open]").count() == 0
        assert shown.url.endswith("#python=3.11")
        assert shown.locator("select[name=python]").input_value() == "3.11"

    def test_what_is_no_choice_is_passed_over(self, opened: Open) -> None:
        """An address that somebody made up narrows nothing, and does no harm."""
        shown = opened("history", "#python=9.9&macos=<img src=x>&chip=%FF&x=y&__proto__=1")
        assert fields(shown) == fields(opened("history"))


class TestNarrowing:
    def test_it_shows_that_python_alone(self, opened: Open) -> None:
        """With Python 3.12 only rows and columns are left in which something can be installed for it."""
        shown = opened("history", "#python=3.12&releases=all")
        wanted = {
            item.cell.framework
            for item in pages.history_reports()
            if item.cell.python == "3.12" and item.verdict.word != "not-installable"
        }
        assert {row[0] for row in fields(shown)} == wanted
        rows = shown.locator(".best li:visible > b").all_inner_texts()
        assert set(rows) == {"Python 3.12"}

    def test_a_macos_rules_out_what_asks_for_more(self, opened: Open) -> None:
        """Metal 0.5.1 was built for 13.0: on 12.0 its column is empty, on 13.0 it is there."""

        def columns(macos: str) -> list[str]:
            shown = opened("history", f"#macos={macos}")
            return shown.locator("#cells thead .head:visible").all_inner_texts()

        assert "0.5.1" not in columns("12.0")
        assert "0.5.1" in columns("13.0")

    def test_a_chip_leaves_what_ran_on_it(self, opened: Open) -> None:
        """Where cells ran on an M2, choosing it leaves those; where nothing ran, nothing can be chosen."""
        shown = opened("ran")
        assert shown.locator("select[name=chip] option").all_inner_texts() == ["any", "M1 (virtual)", "M2"]
        shown.locator("select[name=chip]").select_option("M2")
        told = [
            field for row in fields(shown) for field in row[1:] if field and "not-installable" not in field
        ]
        assert len(told) == 3
        assert "works 3.11" in told
        assert opened("history").locator("select[name=chip]").is_disabled()

    def test_no_choice_is_the_page_as_it_was_made(self, opened: Open) -> None:
        """The script tells each field as the page was made with, so that neither can drift from the other."""
        assert fields(opened("history", "#releases=all")) == fields(
            opened("history", java_script_enabled=False)
        )


class TestKeyboard:
    def test_the_grid_is_one_stop_and_arrows_move(self, opened: Open) -> None:
        """Tab comes to the grid once; arrows go to neighbours, Enter opens, Escape closes and comes back."""
        shown = opened("history")
        assert shown.locator("#cells td[tabindex='0']").count() == 1
        shown.locator("#cells td[tabindex='0']").focus()
        where = "() => [document.activeElement.parentElement.rowIndex, document.activeElement.cellIndex]"
        start = shown.evaluate(where)
        shown.keyboard.press("ArrowRight")
        shown.keyboard.press("ArrowDown")
        moved = shown.evaluate(where)
        assert moved[0] > start[0]
        assert moved[1] == start[1] + 1
        assert shown.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        shown.keyboard.press("Enter")
        shown.locator("dialog[open]").wait_for()
        shown.keyboard.press("Escape")
        assert shown.locator("dialog[open]").count() == 0
        assert shown.evaluate(where) == moved
        shown.keyboard.press("Home")
        assert shown.evaluate(where)[1] == start[1]
        shown.keyboard.press("Control+End")
        assert shown.evaluate(where)[1] == 22
        shown.keyboard.press("Tab")
        assert shown.evaluate("document.activeElement.closest('#cells')") is None

    def test_the_first_stop_leads_past_the_head(self, opened: Open) -> None:
        """The skip link is the first thing that Tab comes to, and is seen then."""
        shown = opened("history")
        shown.keyboard.press("Tab")
        assert shown.evaluate("document.activeElement.className") == "skip"
        assert shown.evaluate("document.activeElement.getBoundingClientRect().left") >= 0


def test_the_theme_is_kept(opened: Open) -> None:
    """The button goes through the three, and the page wears what was chosen when it is opened again."""
    shown = opened("ran", color_scheme="light")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = shown.evaluate(ground)
    shown.locator("#theme").click()
    shown.locator("#theme").click()
    assert shown.locator("#theme").inner_text() == "Theme: dark"
    dark = shown.evaluate(ground)
    assert dark != light
    shown.reload()
    assert shown.evaluate(ground) == dark


def test_the_pins_are_copied(opened: Open) -> None:
    """The button copies what is to be typed for that cell."""
    shown = opened("history", f"#{CELL}", permissions=["clipboard-read", "clipboard-write"])
    shown.locator("dialog .copy").click()
    shown.locator("dialog .copy", has_text="Copied").wait_for()
    assert (
        shown.evaluate("navigator.clipboard.readText()") == shown.locator("dialog pre").inner_text().strip()
    )


def test_it_prints_all_of_the_evidence(opened: Open) -> None:
    """On paper the controls are gone, nothing is cut off, and what was closed is open."""
    shown = opened("ran")
    shown.emulate_media(media="print")
    shown.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert not shown.locator("#mac").is_visible()
    assert shown.locator("#evidence details div").first.is_visible()
    assert shown.evaluate("getComputedStyle(document.querySelector('.grid')).overflowX") == "visible"
    assert shown.evaluate("getComputedStyle(document.querySelector('#cells thead th')).position") == "static"


@pytest.mark.parametrize("message", [*HOSTILE[:-1], "</script><script>document.title='owned'</script>"])
def test_what_others_wrote_does_nothing(browser: Browser, tmp_path: Path, message: str) -> None:
    """Whatever stands in a report, a host's name or a message: no script runs, no element comes of it."""
    path = tmp_path / "page.html"
    path.write_text(page.render(pages.hostile(message)), encoding="utf-8")
    harmless = tmp_path / "harmless.html"
    harmless.write_text(page.render(pages.hostile("harmless")), encoding="utf-8")
    shown = browser.new_page()
    complaints: list[str] = []
    shown.on("console", lambda told: complaints.append(told.text))
    shown.on("dialog", lambda dialog: complaints.append(dialog.message))
    shapes = []
    for file in (path, harmless):
        shown.goto(file.as_uri())
        shown.goto(file.as_uri() + "#py3.12-tf2.18.1-nometal")
        shown.locator("dialog[open]").wait_for()
        assert shown.title() == "TensorFlow on Apple silicon: what works with what"
        shapes.append(
            shown.evaluate("[...document.querySelectorAll('*')].map((one) => one.tagName).join(' ')")
        )
    shown.close()
    assert complaints == []
    assert shapes[0] == shapes[1]
