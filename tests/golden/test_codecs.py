"""The published codecs give the references' numbers with the references' weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from smalti.convert import from_reference, infer_config, read_weights
from tests.expect import expect_user_error

HERE = Path(__file__).parent
CODECS = ("dldemos_vqvae", "taming_vqgan")


def load_reference(kind: str) -> tuple[Any, dict[str, Tensor]]:
    weights, config = read_weights(HERE / f"{kind}.safetensors")
    assert config is not None
    return from_reference(kind, config, weights), load_file(HERE / f"{kind}.safetensors")


@pytest.mark.parametrize("kind", CODECS)
def test_codes_are_the_references(kind: str) -> None:
    network, golden = load_reference(kind)
    assert torch.equal(network.encode(golden["x"]), golden["codes"])


@pytest.mark.parametrize("kind", CODECS)
def test_pictures_are_the_references(kind: str) -> None:
    network, golden = load_reference(kind)
    torch.testing.assert_close(
        network.decode(golden["codes"]), golden["decoded"], atol=1e-4, rtol=0
    )
    z_q = network.quantizer.dequantize(golden["codes"])
    torch.testing.assert_close(z_q, golden["z_q"], atol=1e-5, rtol=0)


@torch.no_grad()
def test_the_articles_forward_is_the_references() -> None:
    network, golden = load_reference("dldemos_vqvae")
    x_hat, z_e, z_q = network(golden["x"])
    for name, value in {"x_hat": x_hat, "z_e": z_e, "z_q": z_q}.items():
        torch.testing.assert_close(value, golden[name], atol=1e-4, rtol=0)


@torch.no_grad()
def test_the_discriminators_logits_are_the_references() -> None:
    network, golden = load_reference("taming_patch_discriminator")
    torch.testing.assert_close(network(golden["x"]), golden["logits"], atol=1e-4, rtol=0)


@pytest.mark.parametrize("kind", ["dldemos_vqvae", "taming_patch_discriminator"])
def test_config_is_inferred(kind: str) -> None:
    weights, config = read_weights(HERE / f"{kind}.safetensors")
    assert infer_config(kind, weights) == config


def test_what_does_not_fit_is_named() -> None:
    weights, config = read_weights(HERE / "taming_vqgan.safetensors")
    assert config is not None
    del weights["quant_conv.bias"]
    with expect_user_error("taming_vqgan", "missing", "quant_conv.bias"):
        from_reference("taming_vqgan", config, weights)
    with expect_user_error("taming_vqgan", "unknown", "other.weight"):
        from_reference("taming_vqgan", config, {**weights, "other.weight": torch.zeros(1)})
    with expect_user_error("ddconfig", "no ch;"):
        from_reference("taming_vqgan", {**config, "ddconfig": {"z_channels": 1, "resolution": 8,
                       "in_channels": 3, "out_ch": 3}}, weights)  # fmt: skip
    with expect_user_error("--config"):
        infer_config("taming_vqgan", weights)
