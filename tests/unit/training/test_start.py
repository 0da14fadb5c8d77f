"""Starting from a trained model of other classes, channels, size or family."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import smalti
from smalti.diffusion import DDIM, Simple
from smalti.pixelcnn import PixelCNNConfig
from smalti.training.start import load_start_weights
from smalti.vq import VQConfig
from tests.expect import expect_user_error
from tests.tiny import (
    diffusion_config,
    pixelcnn_config,
    plusplus_config,
    prior_config,
    randomize_zeros,
    unet_config,
    vqgan_config,
    vqvae_config,
)

X = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(1)) * 2 - 1
T = torch.tensor([1, 500, 900])


def save(config: Any, folder: Path, seed: int = 3) -> nn.Module:
    """A model with weights that all matter."""
    torch.manual_seed(seed)
    model = randomize_zeros(config.build())
    smalti.save(model, folder)
    return model.eval()


def start(config: Any, folder: Path) -> tuple[Any, str]:
    """A new model of a config that follows the saved one, with its weights; and what is told."""
    torch.manual_seed(4)
    model = config.follow_start(smalti.load(folder).config).build()
    told = load_start_weights(model, str(folder)).describe(folder.name)
    return model.eval(), told


def predict(model: Any, x: Tensor = X, **conditions: Any) -> Tensor:
    """The network's output for conditions, none for those that are not given."""
    with torch.no_grad():
        c = model.prepend_augmentation(model.conditions.to_vector(conditions, len(x)), len(x))
        return model.predict(x, T, c)


def test_values_of_conditions_are_found_by_their_names(tmp_path: Path):
    begun = save(diffusion_config(classes=("cat", "dog", "owl")), tmp_path / "start")
    model, told = start(diffusion_config(classes=("owl", "newt", "cat")), tmp_path / "start")
    assert (
        told == "starting from start: 100% of the weights are taken; anew: 1 of 3 values of class"
    )
    for ours, theirs in ((0, 2), (2, 0)):
        a, b = (
            predict(m, **{"class": torch.full((3,), k)})
            for m, k in ((model, ours), (begun, theirs))
        )
        torch.testing.assert_close(a, b)
    nothing, new = predict(model), predict(model, **{"class": torch.full((3,), 1)})
    torch.testing.assert_close(nothing, predict(begun))
    torch.testing.assert_close(new, nothing)  # as good a beginning as any


def test_a_model_without_classes_begins_as_one_that_is_told_none(tmp_path: Path):
    begun = save(diffusion_config(classes=("cat", "dog")), tmp_path / "start")
    for config in (diffusion_config(), diffusion_config().add_augmentation()):
        model, told = start(config, tmp_path / "start")
        torch.testing.assert_close(predict(model), predict(begun))
        assert ("augmentation" in told) == (config.augmentation is not None)
    always = replace(diffusion_config(classes=("cat", "dog")), condition_dropout=0.0)
    begun = save(replace(always, sampler=DDIM()), tmp_path / "always")
    model, _ = start(diffusion_config(), tmp_path / "always")
    middle = predict_mean_class(begun)
    torch.testing.assert_close(predict(model), middle)


def predict_mean_class(model: Any) -> Tensor:
    c = torch.tensor([[0.5, 0.5, 0.0]]).expand(3, -1)
    with torch.no_grad():
        return model.predict(X, T, c)


def test_a_model_with_classes_begins_as_one_without(tmp_path: Path):
    begun = save(diffusion_config(), tmp_path / "start")
    model, told = start(diffusion_config(classes=("cat", "dog")), tmp_path / "start")
    assert "anew: 2 of 2 values of class" in told
    torch.testing.assert_close(predict(model, **{"class": torch.tensor([0, 1, 1])}), predict(begun))


def test_gray_becomes_color_and_color_gray(tmp_path: Path):
    begun = save(diffusion_config((1, 8, 8)), tmp_path / "gray")
    model, told = start(diffusion_config((3, 8, 8)), tmp_path / "gray")
    assert told == "starting from gray: 100% of the weights are taken"
    colored = predict(model, X.expand(-1, 3, -1, -1))
    torch.testing.assert_close(colored, predict(begun).expand(-1, 3, -1, -1))
    smalti.save(model, tmp_path / "color")
    again, _ = start(diffusion_config((1, 8, 8)), tmp_path / "color")
    torch.testing.assert_close(predict(again), predict(begun))


def test_the_architecture_is_the_starts_and_the_rest_the_recipes(tmp_path: Path):
    theirs = diffusion_config((3, 16, 16), prediction="x0", objective=Simple(loss_space="v"))
    save(theirs, tmp_path / "start")
    own = diffusion_config((3, 8, 8), ("a",), sampler=DDIM(steps=7))
    small = unet_config(channels=3, condition_width=2, widths=(8,), attention=(False,))
    config = replace(own, network=small).follow_start(theirs)
    assert config.network == unet_config(channels=3, condition_width=2)
    assert (config.prediction, config.objective) == ("x0", theirs.objective)
    assert (config.shape, config.sampler, config.conditions) == (
        own.shape,
        own.sampler,
        own.conditions,
    )


@pytest.mark.parametrize("make", [pixelcnn_config, plusplus_config])
def test_pixelcnns_find_values_by_names(make: Any, tmp_path: Path):
    begun: Any = save(make(classes=("cat", "dog")), tmp_path / "start")
    model, told = start(make(classes=("dog", "newt")), tmp_path / "start")
    assert "anew: 1 of 2 values of class" in told and "100%" in told
    x = torch.rand(2, 1, 8, 8)
    for ours, theirs in ((0, 1),):
        with torch.no_grad():
            a, b = (m.network(x, torch.full((2,), k)) for m, k in ((model, ours), (begun, theirs)))
        torch.testing.assert_close(a, b)
    larger, told = start(make(shape=(1, 12, 12)), tmp_path / "start")
    assert larger.config.shape == (1, 12, 12)


def test_a_gpt_keeps_the_rows_of_symbols_and_known_classes(tmp_path: Path):
    begun: Any = save(prior_config(("cat", "dog")), tmp_path / "start")
    model, told = start(prior_config(("owl", "dog", "newt")), tmp_path / "start")
    assert "anew: 2 of 3 values of class" in told
    K = model.requirements.n_symbols
    ours, theirs = model.network.tokens.weight, begun.network.tokens.weight
    torch.testing.assert_close(ours[:K], theirs[:K])
    torch.testing.assert_close(ours[K + 1], theirs[K + 1])  # dog
    torch.testing.assert_close(ours[K + 3], theirs[K + 2])  # none
    assert not torch.equal(ours[K], theirs[K])
    torch.testing.assert_close(model.network.positions, begun.network.positions)
    z = torch.randint(K, (2, model.requirements.sequence_length - 1))
    with torch.no_grad():
        a = model.network(torch.cat([torch.full((2, 1), K + 1), z], 1))[..., :K]
        b = begun.network(torch.cat([torch.full((2, 1), K + 1), z], 1))[..., :K]
    torch.testing.assert_close(a, b)


def test_codecs_start_from_gray_ones_and_from_each_other(tmp_path: Path):
    quantizer = VQConfig(8, 4)
    begun: Any = save(vqvae_config(quantizer), tmp_path / "start")
    model, told = start(vqvae_config(VQConfig(16, 8), (3, 12, 12), width=8), tmp_path / "start")
    assert told == "starting from start: 100% of the weights are taken"
    assert model.config.quantizer == quantizer and model.config.network.width == 12
    x = (X + 1) / 2
    assert torch.equal(model.encode(x.expand(-1, 3, -1, -1)), begun.encode(x))
    save(vqgan_config(quantizer), tmp_path / "vqgan")
    twin = replace(vqvae_config(quantizer), network=vqgan_config(quantizer).network)
    assert "100% of the weights" in start(twin, tmp_path / "vqgan")[1]
    with expect_user_error("start has a network of another kind"):
        vqvae_config(quantizer).follow_start(vqgan_config(quantizer))


@pytest.mark.parametrize(
    ("config", "begun", "words"),
    [
        (diffusion_config(), vqvae_config(VQConfig(8, 4)), ["a VQ-VAE", "a diffusion model"]),
        (diffusion_config(), pixelcnn_config(), ["an autoregressive model", "a diffusion model"]),
        (vqvae_config(VQConfig(8, 4)), diffusion_config(), ["a diffusion model", "a VQ-VAE"]),
        (pixelcnn_config(), diffusion_config(), ["a diffusion model", "an autoregressive model"]),
        (pixelcnn_config(), prior_config(), ["start predicts the codes of a codec", "on pixels"]),
        (prior_config(), pixelcnn_config(), ["start predicts pixels", "the codes of a codec"]),
    ],
)
def test_another_family_is_refused(config: Any, begun: Any, words: list[str]):
    with expect_user_error(*words, "give"):
        config.follow_start(begun)


def test_a_start_of_another_network_is_followed_wherever_it_leads():
    plain, gated = pixelcnn_config(kind=PixelCNNConfig), pixelcnn_config()
    assert gated.follow_start(plain).network == plain.network
    one: Any = pixelcnn_config(classes=("a",)).follow_start(plain).network
    assert one.condition_width == 1
