"""Repair, Codec, Match, Any size and Train: used as people use them, and their results checked."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def photo(tmp_path):
    """A picture whose left half returns, moved, in its right half."""
    half = np.random.default_rng(0).integers(0, 256, (40, 24, 3), np.uint8)
    path = tmp_path / "photo.png"
    Image.fromarray(np.concatenate([half, np.roll(half, 5, 0)], 1)).save(path)
    return path


def choose(page, path, k=0):
    page.locator(".drop input[type=file]").nth(k).set_input_files(path)
    page.locator(".drop").nth(k).locator("img").wait_for()


def test_a_hole_is_painted_and_filled_and_strokes_stay(open_page, photo):
    page = open_page("repair")
    page.wait_for_selector("[data-field=n]")
    choose(page, photo)
    page.locator(".brush canvas").focus()
    for key in ("ArrowDown", "Space", "ArrowRight", "Space"):
        page.keyboard.press(key)
    page.select_option("[data-field=method] select", "gated-pixelcnn-digits-8")
    page.wait_for_selector("[data-field=classes]")
    assert page.is_enabled("button:has-text('Undo')")  # the strokes are still there
    page.select_option("[data-field=method] select", "")
    page.wait_for_selector("[data-field=patch]")
    page.click("button.primary")
    page.wait_for_selector(".slider img.after")
    assert page.evaluate("document.querySelector('.slider img.after').naturalWidth") == 48


def test_a_code_is_swapped_with_the_keyboard(open_page, photo):
    page = open_page("codec")
    page.wait_for_selector("[data-field=size]")
    page.select_option("[data-field=model] select", "vqvae-digits")
    page.wait_for_selector(".help:has-text('7x7')")
    choose(page, photo)
    page.wait_for_selector(".codebook canvas")
    page.locator("canvas.active").focus()
    page.keyboard.press("ArrowRight")
    before = page.inner_text("p.small[role=status]:has-text('Row')")
    code = int(before.split("code ")[1])
    page.fill(".chosen input", str((code + 1) % 64))
    page.keyboard.press("Enter")
    page.wait_for_selector("figure img[src^=blob]")  # decoded anew
    after = page.inner_text("p.small[role=status]:has-text('Row')")
    assert after == f"Row 1, column 2: code {(code + 1) % 64}"


def test_a_patch_is_shown_with_its_match(open_page, photo):
    page = open_page("match")
    page.wait_for_selector("[data-field=patch]")
    choose(page, photo)
    page.click("button.primary")
    error = page.inner_text(".fault")
    assert error == "photo.png is one picture; give B, the picture to search"
    choose(page, photo, 1)
    page.click("button.primary")
    page.locator(".pair").first.focus()
    page.keyboard.press("ArrowRight")
    assert "Row 20, column 25 of A" in page.inner_text(".patches")


def test_a_patch_of_a_clips_frame_is_shown_with_its_match(open_page, tmp_path):
    levels = np.random.default_rng(0).integers(0, 256, (20, 22, 3), np.uint8)
    frames = [Image.fromarray(np.roll(levels, k, 1)) for k in range(3)]
    frames[0].save(tmp_path / "clip.gif", save_all=True, append_images=frames[1:])
    page = open_page("match")
    page.wait_for_selector("[data-field=patch]")
    choose(page, tmp_path / "clip.gif")
    page.click("button.primary")
    page.locator(".pair").first.focus()
    page.keyboard.press("ArrowRight")
    assert "Row 10, column 12 of A: row 10, column 12 of B" in page.inner_text(".patches")
    page.locator("input[type=range]").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("p:has-text('Frame 2 of 3')")
    page.wait_for_selector(".patches:has-text('Row 10, column 12 of A: row 10, column 11 of B')")


def test_a_seamless_canvas_is_tiled(open_page):
    page = open_page("canvas")
    page.wait_for_selector("[data-field=seed]")
    page.select_option("[data-field=model] select", "vqvae-digits-gpt")
    page.check("text=Seamless")
    page.click("button:has-text('1 : 1')")
    page.click("button.primary")
    page.wait_for_selector(".tiled")
    label = page.get_attribute(".tiled", "aria-label")
    assert label == "The canvas of 56 × 56 pixels, 2 times each way"


def test_a_folder_is_packed_and_uploaded(open_page):
    """As the page of a server for others does it; any server reads the archive."""
    page = open_page("train")
    sent = page.evaluate(
        """async () => {
          const { makeZip } = await import("/static/shell/zip.js");
          const { uploadArchive } = await import("/static/shell/api.js");
          const canvas = new OffscreenCanvas(8, 8);
          canvas.getContext("2d").fillRect(0, 0, 4, 8);
          const file = await canvas.convertToBlob();
          const names = ["photos/cats/1.png", "photos/dogs/é 2.png"];
          return uploadArchive(await makeZip(names.map((name) => ({ name, file }))), "photos");
        }"""
    )
    assert sent["name"] == "photos.zip"
    assert (
        page.request.get(page.url.split("#")[0] + "api/archives").json()[0]["upload"]
        == sent["upload"]
    )


def test_a_folder_is_trained_on_stopped_and_resumed(open_page, tmp_path):
    for k in range(24):
        levels = np.random.default_rng(k).integers(0, 256, (8, 8), np.uint8)
        Image.fromarray(levels).save(tmp_path / f"{k}.png")
    page = open_page("train")
    page.wait_for_selector("[data-field=data]")
    page.fill("[data-field=data] input", str(tmp_path))
    page.select_option("[data-field=recipe] select", "vqvae")
    page.fill("[data-field=minutes] input", "5")
    page.fill("[data-field=out] input", str(tmp_path / "run"))
    page.click("button.primary")
    page.wait_for_selector(".curves polyline")
    page.click(".job button")
    page.click("button:text-is('Resume')")
    page.wait_for_selector(".job progress")
    page.click(".job button")
    page.wait_for_selector("button:text-is('Resume')")
    assert "Stopped and saved" in page.inner_text("main")
