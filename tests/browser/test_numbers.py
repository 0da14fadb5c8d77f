"""Numbers: models with their pictures and figures, sorted, filtered, and one evaluated."""

from __future__ import annotations


def test_models_are_filtered_sorted_and_evaluated(open_page, take_picture):
    page = open_page("numbers")
    page.wait_for_selector("tr[data-row]")
    page.wait_for_function(
        "() => [...document.querySelectorAll('.shown img')].every((one) => one.naturalWidth > 0)"
    )
    take_picture(page, "studio-numbers")
    page.select_option(".order select", "figure.psnr")
    page.click(".order button")  # the best first
    names = page.locator("tr[data-row] .name").all_inner_texts()
    assert names[0] == "autoencoder-digits"
    assert names.index("vqvae-digits") < names.index("vqgan-emoji") < names.index("ddpm-digits")
    page.click(".chips button:text-is('Codecs')")
    names = page.locator("tr[data-row] .name").all_inner_texts()
    expected = "autoencoder-digits autoencoder-emoji vqvae-emoji textures-codec vqvae-digits"
    assert names == [*expected.split(), "vqgan-emoji"]
    page.click("button[data-model='vqvae-digits']")
    page.click(".detail .chips button:text-is('features')")  # leaves out what takes longest
    page.click("button.primary")
    page.wait_for_selector(".measured td:text-is('psnr')")
    assert page.inner_text(".measured tr:has-text('psnr') td:nth-child(2)") == "26.11 ± 0.07 dB"
    page.wait_for_selector("figure:has-text('Pictures and their reconstructions') img")
    page.click("button:text-is('Close')")
    assert page.locator(".measured").count() == 0
    page.click("summary:has-text('Measured here')")
    assert "26.11" in page.inner_text("details .figures")
