"""Compress: a heat map that is read pixel by pixel, and sizes."""

from __future__ import annotations

import numpy as np
from PIL import Image


def test_a_digit_is_compressed(open_page, tmp_path, take_picture):
    levels = np.zeros((56, 56), np.uint8)
    levels[8:48, 26:32] = 255
    Image.fromarray(levels).save(tmp_path / "one.png")
    page = open_page("compress")
    page.wait_for_selector("[data-field=picture]")
    page.set_input_files("[data-field=picture] input[type=file]", tmp_path / "one.png")
    page.wait_for_selector(".drop img")
    page.select_option("[data-field=model] select", "gated-pixelcnn-digits-8")
    page.wait_for_selector(".help:has-text('8 levels')")
    assert page.locator(".drop img").count() == 1  # the picture stays when the model changes
    page.click("button.primary")
    page.wait_for_selector(".maps")
    page.locator(".map").nth(1).focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    assert page.inner_text(".reading").startswith("Row 2, column 2: ")
    take_picture(page, "studio-compress")
    sizes = page.locator(".sizes dd").all_inner_texts()
    assert sizes[0].strip() == "784 B · 8.00 bits/dim"
    assert float(sizes[3].split(" B")[0]) < float(sizes[2].split(" B")[0])
