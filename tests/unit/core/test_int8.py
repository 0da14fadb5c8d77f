"""Weights of 8 bits in a checkpoint, and weights that have two names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

import smalti
from smalti.core.checkpoint import save
from smalti.core.int8 import dequantize_weights, quantize_weights
from smalti.translation import TransformerConfig
from tests.expect import expect_user_error
from tests.tiny import diffusion_config, randomize_zeros


def test_a_number_comes_back_to_within_half_a_step() -> None:
    w = torch.randn(40, 3, 5, 5) * torch.logspace(-3, 3, 40)[:, None, None, None]
    stored = quantize_weights({"w": w, "b": torch.tensor([1.0, 0.1]), "n": torch.tensor([[7]])})
    assert {k: (v.dtype, tuple(v.shape)) for k, v in stored.items()} == {
        "w": (torch.int8, (40, 3, 5, 5)),
        "w:scale": (torch.float16, (40,)),
        "b": (torch.float16, (2,)),
        "n": (torch.int64, (1, 1)),
    }
    found = dequantize_weights(stored)
    assert found.keys() == {"w", "b", "n"}
    assert found["w"].dtype == torch.float32
    largest = w.abs().amax((1, 2, 3), keepdim=True)
    # half a step; where float16 rounds a scale down, the largest number of a row is cut by 2^-11
    assert ((found["w"] - w).abs() <= largest * (0.51 / 127 + 2**-11)).all()


def test_rows_of_zeros_and_of_whole_steps_are_exact() -> None:
    w = torch.tensor([[0.0, 0, 0], [127, -3, 64]])
    assert torch.equal(dequantize_weights(quantize_weights({"w": w}))["w"], w)


def test_a_model_is_stored_in_a_byte_a_number(tmp_path: Path) -> None:
    model = randomize_zeros(diffusion_config().build())
    folder = save(model, tmp_path / "small", dtype=torch.int8)
    again = smalti.load(folder)
    assert {w.dtype for w in again.state_dict().values()} == {
        w.dtype for w in model.state_dict().values()
    }
    for name, w in model.state_dict().items():
        close = w.abs().max() / 100 if w.is_floating_point() else 0
        assert (again.state_dict()[name] - w).abs().max() <= close, name
    half = save(model, tmp_path / "half", dtype=torch.float16)
    sizes = [(place / "model.safetensors").stat().st_size for place in (folder, half)]
    assert sizes[0] < sizes[1]


def replace_weights(folder: Path, **changes: Tensor) -> Path:
    path = folder / "model.safetensors"
    save_file({**load_file(path), **changes}, path)
    return folder


def test_scales_that_fit_nothing_are_refused(tmp_path: Path) -> None:
    folder = save(randomize_zeros(diffusion_config().build()), tmp_path / "model", dtype=torch.int8)
    scales = {k: v for k, v in load_file(folder / "model.safetensors").items() if ":scale" in k}
    name, scale = next(iter(scales.items()))
    with expect_user_error(name, f"({len(scale) + 1},)", "fits no matrix"):
        smalti.load(replace_weights(folder, **{name: torch.ones(len(scale) + 1).half()}))
    with expect_user_error(name, "fits no matrix"):
        smalti.load(replace_weights(folder, **{name: torch.tensor(1.0).half()}))
    with expect_user_error(name, "not finite"):
        smalti.load(replace_weights(folder, **{name: scale * torch.inf}))
    with expect_user_error("elsewhere:scale", "fits no matrix"):
        smalti.load(replace_weights(folder, **{name: scale, "elsewhere:scale": scale.clone()}))


@pytest.mark.parametrize("dtype", [None, torch.float16, torch.int8])
def test_a_weight_of_two_names_is_stored_once(tmp_path: Path, dtype: torch.dtype | None) -> None:
    network = TransformerConfig(9, 9, width=8, heads=2, feed_forward_width=8).build()
    folder = save(network, tmp_path / "model", dtype=dtype)
    names = load_file(folder / "model.safetensors").keys()
    assert "target.weight" in names
    assert "out.weight" not in names
    again = smalti.load(folder)
    assert again.out.weight is again.target.weight
    torch.testing.assert_close(  # rounded to float16, or to steps of 1/127 of a row
        again.out.weight, network.out.weight, atol=0 if dtype is None else 0.01, rtol=0
    )
    assert json.loads((folder / "config.json").read_text())["model"]["tied_embeddings"]
