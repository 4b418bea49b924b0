"""A real Chromium for the tests that look at the page in one."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import sync_playwright

from metalmatrix.kernels.kernel_facts import load_variants
from metalmatrix.site import ops_page, page
from tests.site import pages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# The sandbox is the browser's own and needs rights that root and containers do not have; the rest keeps it
# from asking hosts of its own.
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, as this machine has it."""
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    if path is None:
        pytest.skip("no Chromium on this machine; its path may stand in CHROMIUM")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=list(_FLAGS))
        yield started
        started.close()


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Gives the address of a page: ``history``, also with ``kernels`` or ``routes``; ``ran``; ``ops``."""
    folder: Path = tmp_path_factory.mktemp("site")
    made: dict[str, Callable[[], str]] = {
        "history": pages.whole_page,
        "ran": lambda: page.render(pages.ran()),
        "routes": lambda: page.render(pages.with_routes()),
        "ops": lambda: ops_page.render(load_variants()),
        "kernels": lambda: page.render(pages.whole(variants=load_variants())),
    }

    def of(name: str) -> str:
        path = folder / f"{name}.html"
        if not path.exists():
            path.write_text(made[name](), encoding="utf-8")
        return path.as_uri()

    return of


@pytest.fixture
def opened(browser: Browser, address: Callable[[str], str]) -> Iterator[Callable[..., Page]]:
    """Opens a page in a window of its own; it is to ask nobody for anything and to complain of nothing."""
    asked: list[str] = []
    complaints: list[str] = []
    contexts = []

    def open_(name: str, at: str = "", **options: Any) -> Page:  # noqa: ANN401
        # What slides in is half transparent on its way, which axe-core would meet now and then.
        usual: dict[str, Any] = {"viewport": {"width": 1440, "height": 900}, "reduced_motion": "reduce"}
        context = browser.new_context(**{**usual, **options})
        contexts.append(context)
        shown = context.new_page()
        shown.set_default_timeout(10_000)
        shown.on("request", lambda request: asked.append(request.url))
        shown.on("pageerror", lambda error: complaints.append(str(error)))
        shown.on("console", lambda message: complaints.append(message.text))
        shown.goto(address(name) + at)
        return shown

    yield open_
    for context in contexts:
        context.close()
    pages_ = ("history", "ran", "kernels", "routes")
    assert {url.partition("#")[0] for url in asked} <= {*map(address, pages_)}
    assert complaints == []
