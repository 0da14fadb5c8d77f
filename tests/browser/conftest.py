"""Pages in headless Chromium: `make test-browser`. Without Chromium, one line says so."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.studio_process import run_studio

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page

    OpenPage = Callable[..., Page]

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
collect_ignore_glob = [] if os.environ.get("SMALTI_BROWSER") else ["test_*.py"]
"""They take minutes, and need a browser: `make test` leaves them out."""
SECONDS = 120
"""A busy machine must not fail a test."""
NOTE_PAINTS = """
  window.paintedWidths = [];
  const paint = CanvasRenderingContext2D.prototype.drawImage;
  CanvasRenderingContext2D.prototype.drawImage = function (...values) {
    window.paintedWidths.push(this.canvas.width);
    return paint.apply(this, values);
  };
"""
"""What was painted is noted: on a fast machine a preview is gone before one can look for it."""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("the pages are not tested: there is no Chromium; apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a studio with all shipped models."""
    with run_studio(tmp_path_factory.mktemp("studio")) as running:
        yield running.address


@pytest.fixture
def open_page(browser: Browser, address: str) -> Iterator[OpenPage]:
    """Opens a page of the studio; in the end nothing was wrong on it, and nothing left the machine.

    Called with the page's name and options of a browser's context, such as color_scheme.
    """
    faults: list[str] = []
    contexts = []

    def note_request(url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("data", "blob") and parts.hostname != "127.0.0.1":
            faults.append(f"a request to {url}")

    def note_message(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            faults.append(message.text)

    def open_one(name: str = "", **options: object) -> Page:
        context = browser.new_context(**{"locale": "en-US", **options})  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(SECONDS * 1000)
        page.add_init_script(NOTE_PAINTS)
        page.on("request", lambda request: note_request(request.url))
        page.on("pageerror", lambda error: faults.append(f"an error: {error}"))
        page.on("console", note_message)
        page.goto(f"{address}#{name}")
        page.wait_for_selector("h1")
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert not faults


@pytest.fixture
def take_picture() -> Callable[[Page, str], None]:
    """Saves a screenshot in $SMALTI_SCREENSHOTS, if that is set."""

    def save(page: Page, name: str) -> None:
        if folder := os.environ.get("SMALTI_SCREENSHOTS"):
            page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)

    return save
