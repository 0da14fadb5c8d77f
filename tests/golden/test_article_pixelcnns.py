"""The article's PixelCNNs give the reference's logits with the reference's weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import smalti
from smalti.convert import from_reference, infer_config, read_weights
from smalti.convert.model import model_from_reference
from smalti.core.checkpoint import save
from smalti.core.errors import UserError
from smalti.pixelcnn import GatedPixelCNN, PixelCNN
from smalti.vq import VQConfig
from tests.tiny import vqvae_config

HERE = Path(__file__).parent
KINDS = {
    "dldemos_pixelcnn": ("x", PixelCNN),
    "dldemos_gated_pixelcnn": ("x", GatedPixelCNN),
    "dldemos_pixelcnn_prior": ("codes", GatedPixelCNN),
}


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
def test_logits_are_the_references(kind: str) -> None:
    golden = load_file(HERE / f"{kind}.safetensors")
    weights, config = read_weights(HERE / f"{kind}.safetensors")
    assert config is not None
    name, cls = KINDS[kind]
    network = from_reference(kind, config, weights)
    assert isinstance(network, cls)
    logits = network(golden[name])
    torch.testing.assert_close(logits, golden["logits"], atol=1e-4, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
def test_without_norms_biases_find_their_places(kind: str) -> None:
    """Norms that do nothing may as well not be there: the logits stay the same."""
    golden = load_file(HERE / f"{kind}.safetensors")
    weights, config = read_weights(HERE / f"{kind}.safetensors")
    assert config is not None
    idle = {"weight": 1.0, "bias": 0.0, "running_mean": 0.0, "running_var": 1 - 1e-5}
    bare = {}
    for key, value in weights.items():
        stem, _, part = key.rpartition(".")
        if ".bn" in f".{stem}":
            weights[key] = torch.full_like(value, idle[part]) if part in idle else value
        else:
            bare[key] = value
    with_norms = from_reference(kind, config, weights)(golden[KINDS[kind][0]])
    without = from_reference(kind, {**config, "bn": False}, bare)(golden[KINDS[kind][0]])
    torch.testing.assert_close(without, with_norms, atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_config_is_inferred(kind: str) -> None:
    weights, config = read_weights(HERE / f"{kind}.safetensors")
    assert infer_config(kind, weights) == config


@pytest.mark.parametrize("kind", KINDS)
def test_other_weights_are_refused_by_name(kind: str) -> None:
    weights, config = read_weights(HERE / f"{kind}.safetensors")
    assert config is not None
    with pytest.raises(UserError, match=r"linear2\.weight"):
        from_reference(kind, config, {k: v for k, v in weights.items() if "linear2" not in k})
    with pytest.raises(UserError, match="stranger"):
        from_reference(kind, config, {**weights, "stranger": torch.zeros(1)})


def test_a_converted_prior_draws_its_codecs_codes(tmp_path: Path) -> None:
    """Without a codec it draws bare codes, and with one pictures."""
    kind = "dldemos_pixelcnn_prior"
    weights, config = read_weights(HERE / f"{kind}.safetensors")
    assert config is not None
    model = model_from_reference(kind, config, weights, (3, 4))
    assert model.spec.output == "indices"
    codes = smalti.sample(model, 2)
    assert isinstance(codes, torch.Tensor)
    assert codes.shape == (2, 3, 4) and codes.dtype == torch.int64
    assert 0 <= codes.min() < codes.max() < config["color_level"]
    with pytest.raises(UserError, match="codec"):
        model.encode(torch.rand(2, 1, 3, 4))
    path = save(vqvae_config(VQConfig(config["color_level"], 8)).build(), tmp_path / "codec")
    model = model_from_reference(kind, config, weights, codec=str(path))
    pictures = smalti.sample(model, 2)
    assert isinstance(pictures, torch.Tensor) and pictures.shape == (2, 1, 8, 8)
    assert model.config.codec.sha256
    other = save(vqvae_config(VQConfig(config["color_level"] + 1, 8)).build(), tmp_path / "other")
    with pytest.raises(UserError, match="codes"):
        model_from_reference(kind, config, weights, codec=str(other))


@pytest.mark.parametrize("kind", ["dldemos_pixelcnn", "dldemos_gated_pixelcnn"])
def test_converted_models_sample(kind: str) -> None:
    weights, config = read_weights(HERE / f"{kind}.safetensors")
    assert config is not None
    model = model_from_reference(kind, config, weights, (3, 4))
    pictures = smalti.sample(model, 2)
    assert isinstance(pictures, torch.Tensor)
    assert pictures.shape == (2, 1, 3, 4)
    assert torch.equal(pictures * 7, (pictures * 7).round())
