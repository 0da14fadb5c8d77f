"""Draw: pictures appear while they are made; each can be drawn again, saved, interpolated."""

from __future__ import annotations

import shlex

from smalti.cli import main


def start(page, model: str, **fields: str) -> None:
    """Choose a model, and fill fields."""
    page.select_option("[data-field=model] select", model)
    page.wait_for_selector(f".help:has-text('{'emoji' if 'emoji' in model else 'digits'}')")
    for name, value in fields.items():
        page.fill(f".controls > .form [data-field={name}] input", value)


def wait_for_pictures(page, n: int) -> None:
    page.wait_for_function("n => document.querySelectorAll('.picture img').length === n", arg=n)


def wait_for_painted_previews(page) -> None:
    page.wait_for_function("() => window.paintedWidths.filter((width) => width === 28).length > 0")


def test_digits_are_drawn_and_are_those_of_the_line(open_page, tmp_path, take_picture):
    page = open_page("draw")
    page.wait_for_selector("[data-field=n]")
    start(page, "ddpm-digits", n="3", seed="5")
    page.click("[data-field=classes] button:text-is('7')")
    page.click("[data-field=sampler] summary")
    page.fill("[data-field=steps]:visible input", "30")
    page.click("button.primary")
    wait_for_pictures(page, 3)
    wait_for_painted_previews(page)
    assert page.locator(".picture .words").all_inner_texts() == [f"seed {k} · 7" for k in (5, 6, 7)]
    page.click(".lines summary")
    take_picture(page, "studio-draw")
    line = page.locator(".lines pre").first.inner_text()
    assert line == "smalti sample ddpm-digits -n 3 --seed 5 --class 7 --steps 30"
    assert main([*shlex.split(line)[1:], "--out", str(tmp_path / "typed")]) == 0
    link = page.locator(".picture .tools a").first.get_attribute("href")
    content = page.request.get(page.url.split("#")[0].rstrip("/") + link).body()
    assert content == (tmp_path / "typed" / "00005.png").read_bytes()

    first = page.locator(".picture img").all()
    before = [image.get_attribute("src") for image in first]
    page.locator(".picture .tools button").first.click()  # one of them again
    page.wait_for_function(
        "src => ![src, undefined].includes("
        "document.querySelector('.picture:first-child img')?.getAttribute('src'))",
        arg=before[0],
    )
    after = [image.get_attribute("src") for image in page.locator(".picture img").all()]
    assert after[1:] == before[1:]
    assert page.locator(".picture .words").first.inner_text().endswith("· 7")

    page.reload()
    page.wait_for_selector(".picture img")
    assert page.locator(".history li").count() == 2


def test_two_settings_and_an_interpolation(open_page, take_picture):
    page = open_page("draw")
    page.wait_for_selector("[data-field=n]")
    start(page, "ddpm-digits", n="2", seed="9")
    page.click(".controls > .form [data-field=sampler] summary")
    page.fill(".controls > .form [data-field=steps]:visible input", "4")
    page.check("text=Two settings side by side")
    second = page.locator("h2:has-text('Setting B') ~ .form")
    second.locator("select").first.select_option("unipc")
    second.locator("[data-field=steps]:visible input").fill("3")
    page.click("button.primary")
    wait_for_pictures(page, 4)
    assert page.locator(".two-up .words").all_inner_texts()[0].startswith("seed 9")
    take_picture(page, "studio-two-settings")
    tools = page.locator(".two-up section").first.locator(".tools button[aria-pressed]")
    tools.nth(0).click()
    tools.nth(1).click()
    page.click("button:has-text('Show what lies between')")
    page.wait_for_selector(".between .strip img")
    image = page.locator(".between img.pixels").first
    before = image.get_attribute("src")
    page.locator(".between input[type=range]").first.focus()
    page.keyboard.press("ArrowRight")
    assert image.get_attribute("src") != before
    take_picture(page, "studio-interpolation")


def test_cancel_stops_and_a_wrong_number_is_not_sent(open_page):
    page = open_page("draw")
    page.wait_for_selector("[data-field=n]")
    start(page, "ddpm-digits", n="900")
    page.click("button.primary")
    assert page.locator(".job").count() == 0  # the browser says what is wrong
    page.fill("[data-field=n] input", "64")  # so many that no machine is done before the click
    page.click("[data-field=sampler] summary")
    page.locator("[data-field=sampler] select").first.select_option("ddpm")
    page.click("button.primary")
    page.wait_for_selector(".job:has-text('step')")
    page.click(".job button")
    page.wait_for_selector(".job[data-state=cancelled]")


def test_rows_of_codes_appear(open_page):
    page = open_page("draw")
    page.wait_for_selector("[data-field=n]")
    start(page, "vqvae-digits-pixelcnn", n="40")
    page.click("button.primary")
    wait_for_pictures(page, 40)
    wait_for_painted_previews(page)


def test_a_picture_is_uploaded_to_begin_with(open_page, tmp_path):
    import numpy as np
    from PIL import Image

    file = tmp_path / "start.png"
    Image.fromarray(np.full((28, 28), 200, np.uint8)).save(file)
    (tmp_path / "not.png").write_bytes(b"no picture")
    page = open_page("draw")
    page.wait_for_selector("[data-field=n]")
    start(page, "ddpm-digits", n="1")
    page.click("summary:has-text('Start from a picture')")
    page.set_input_files("[data-field=pictures] input[type=file]", file)
    page.wait_for_selector(".drop img")
    page.click("button.primary")
    wait_for_pictures(page, 1)
    page.click(".lines summary")
    assert "--picture start.png" in page.locator(".lines pre").first.inner_text()
