"""Heat maps of bits, and their split by gray levels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import smalti
from smalti.coding import compress
from smalti.coding.heat_map import COLORS, MARGIN, color_bits, draw_heat_map, split_bits
from tests.chain import Chain
from tests.command import read_pixels, run_command
from tests.tiny import pixelcnn_config


def test_bits_are_split_into_black_or_white_and_gray() -> None:
    pixels = torch.tensor([0, 255, 7, 100], dtype=torch.uint8).view(1, 1, 2, 2)
    shares = split_bits(pixels, torch.tensor([1.0, 0, 3, 4]).view(1, 1, 2, 2).double())
    assert shares["gray"] == (0.5, 7 / 8, 3.5)
    assert shares["black or white"] == (0.5, 1 / 8, 0.5)


def test_colors_go_from_dark_to_light() -> None:
    found = color_bits(torch.tensor([[0.0, 5, 10, 99]]), 10).int()[0]
    assert found[0].tolist() == COLORS[0].tolist()
    assert found[2].tolist() == found[3].tolist() == COLORS[-1].tolist()
    assert (found.sum(1).diff() >= 0).all()


def test_each_row_of_pictures_has_its_maps_below() -> None:
    pixels = torch.randint(0, 256, (5, 3, 6, 8), dtype=torch.uint8)
    bits = torch.zeros(5, 3, 6, 8, dtype=torch.float64)
    bits[4] = 2.0  # 6 of a pixel
    sheet = np.asarray(draw_heat_map(pixels, bits, bits / 2, columns=4, scale=2, most=6.0))
    top, left = MARGIN + 3 * (12 + MARGIN), MARGIN  # the fifth picture begins the second row
    assert (
        sheet[top : top + 12 : 2, left : left + 16 : 2] == pixels[4].permute(1, 2, 0).numpy()
    ).all()
    first, second = (sheet[top + k * (12 + MARGIN), left].tolist() for k in (1, 2))
    assert (
        first == COLORS[-1].tolist()
        and second == color_bits(torch.tensor([[3.0]]), 6)[0, 0].tolist()
    )


def test_bits_are_those_of_the_payload() -> None:
    model, bits = Chain((3, 4, 5)), []
    pixels = torch.randint(0, 256, (5, 3, 4, 5), dtype=torch.uint8)
    data = compress(model, pixels, batch_size=2, on_bits=bits.append)
    each = torch.cat(bits)
    assert each.shape == pixels.shape
    payload = smalti.coding.read_header(data).payload_bytes
    assert float(each.sum()) / 8 == pytest.approx(payload, abs=12)


def test_the_command_writes_a_heat_map(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    smalti.save(pixelcnn_config((1, 8, 6), levels=256).build(), "gray")
    Path("set").mkdir()
    for k in range(3):
        levels = np.random.default_rng(k).integers(0, 256, (8, 6), dtype=np.uint8)
        Image.fromarray(levels).save(f"set/{k}.png")
    assert run_command("compress set o.smalti --model gray --heat-map bits.png") == 0
    printed = capsys.readouterr().out
    assert "gray levels are" in printed and "bits.png" in printed
    assert read_pixels("bits.png").shape[0] > 2 * 3 * 8
    assert run_command("compress set p.smalti --model gray --heat-map set") == 2
    assert "set is a folder" in capsys.readouterr().err
    assert not Path("p.smalti").exists()
