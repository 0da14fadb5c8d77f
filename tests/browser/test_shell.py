"""What all pages have: navigation, languages, looks, keyboard, narrow windows, accessibility."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe

from smalti.web.registry import find_pages

NAMES = [page.name for page in find_pages()]
PHONE = {"width": 360, "height": 740}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_is_accessible(open_page, name: str, scheme: str):
    page = open_page(name, color_scheme=scheme)
    page.wait_for_timeout(1500)
    for details in page.locator("details").all():
        details.evaluate("e => { e.open = true; }")
    found = Axe().run(page).response["violations"]
    serious = [
        f"{one['id']}: {one['help']}: {[node['html'][:120] for node in one['nodes']][:3]}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]
    assert not serious


@pytest.mark.parametrize("name", NAMES)
def test_a_page_fits_a_phone(open_page, name: str):
    page = open_page(name, viewport=PHONE)
    page.wait_for_timeout(1000)
    width = page.evaluate("() => document.documentElement.scrollWidth")
    assert width <= PHONE["width"]


@pytest.mark.parametrize("name", NAMES)
def test_a_page_speaks_chinese(open_page, name: str):
    page = open_page(name, locale="zh-CN")
    page.wait_for_timeout(500)
    assert page.evaluate("() => document.documentElement.lang") == "zh-Hans"
    assert any("\u4e00" <= letter <= "\u9fff" for letter in page.inner_text("h1"))
    text = page.inner_text("body")
    assert f"{name}." not in text  # a key without words


def test_the_keyboard_reaches_the_page_and_the_look_is_kept(open_page):
    page = open_page("draw")
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.id") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("() => document.activeElement.id") == "content"
    page.click("#preferences button")
    page.click("#preferences button")
    assert page.evaluate("() => document.documentElement.dataset.theme") == "dark"
    page.reload()
    page.wait_for_selector("h1")
    assert page.evaluate("() => document.documentElement.dataset.theme") == "dark"
    page.select_option("#language", "zh")
    page.wait_for_selector("h1:has-text('作画')")
