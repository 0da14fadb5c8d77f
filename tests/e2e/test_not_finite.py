"""Pictures that are not finite are refused, wherever a model makes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import smalti
from smalti.core.checkpoint import save
from smalti.vq import VQConfig
from tests.command import list_contents, run_command
from tests.expect import expect_user_error
from tests.tiny import (
    diffusion_config,
    pixelcnn_config,
    plusplus_config,
    randomize_zeros,
    vqvae_config,
)


def spoiled(config: Any) -> Any:
    """A model whose weights are finite, but too large to calculate with."""
    torch.manual_seed(0)
    model = randomize_zeros(config.build()).eval()
    with torch.no_grad():
        for parameter in model.network.parameters():
            parameter.fill_(1e38)
    return model


@pytest.mark.parametrize(
    "config",
    [diffusion_config(), pixelcnn_config(), plusplus_config()],
    ids=["ddpm", "plain", "pp"],
)
def test_samples(config: Any):
    with expect_user_error("not finite"):
        smalti.sample(spoiled(config), 2)


def test_good_samples_stay(at_home: Path, capsys: pytest.CaptureFixture):
    save(spoiled(diffusion_config()), at_home / "bad")
    assert run_command("sample plain -n 2 --steps 2 --out s") == 0
    before = {path: path.read_bytes() for path in (at_home / "s").iterdir()}
    assert run_command("sample bad -n 2 --steps 2 --out s") == 2
    assert "2 pictures are not finite, of 2: " in capsys.readouterr().err
    assert {path: path.read_bytes() for path in (at_home / "s").iterdir()} == before


def test_codecs(at_home: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch):
    save(vqvae_config(VQConfig(8, 8), shape=(3, 8, 8)).build(), at_home / "codec")

    def decode(self: Any, codes: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        return torch.full((len(codes), 3, *size), torch.nan)

    monkeypatch.setattr("smalti.codecs.codec.Codec.decode", decode)
    for words in ("reconstruct codec photos --out r", "evaluate codec --data photos --out e"):
        assert run_command(words) == 2
        assert "not finite" in capsys.readouterr().err
    assert not {"r", "e"} & set(list_contents(at_home))


@pytest.mark.parametrize("device", ["nonsense", "meta", "cuda:99", "cpu:7", "", "hpu"])
def test_devices_that_are_none(device: str):
    with expect_user_error(f"device {device!r}: PyTorch finds no such device here"):
        smalti.load("ddpm-digits", device=device)
