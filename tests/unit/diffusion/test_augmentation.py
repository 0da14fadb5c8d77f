"""Augmented training pictures: what is changed, what the network is told, and what samples see."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

import smalti
from smalti.core.config import from_json, to_json
from smalti.core.protocols import Batch
from smalti.diffusion import DDIM, Augmentation, Diffusion, DiffusionConfig
from smalti.diffusion.augmentation import SHIFT_SHARE, change_color, change_geometry
from tests.expect import expect_user_error
from tests.tiny import diffusion_config, pixelcnn_config, randomize_zeros, unet_config

A = Augmentation.width
PICTURES = torch.rand(6, 3, 8, 12, generator=torch.Generator().manual_seed(0))


def make_vector(**parameters: float) -> Tensor:
    """The same parameters for every picture."""
    names = ["flip", "scale", "stretch", "rotation", "shift_x", "shift_y", "brightness", "contrast",
             "saturation", "hue"]  # fmt: skip
    return torch.tensor([[parameters.get(name, 0.0) for name in names]] * len(PICTURES))


@pytest.mark.parametrize("off", [Augmentation(strength=0), Augmentation(probability=0)])
def test_strength_0_equals_none(off: Augmentation):
    torch.manual_seed(1)
    changed, vector = off.augment(PICTURES)
    assert torch.equal(changed, PICTURES) and not vector.any()
    plain = diffusion_config((3, 8, 8), ("a", "b"))
    model, other = plain.build(), replace(plain.add_augmentation(), augmentation=off).build()
    copy_without_augmentation(randomize_zeros(model), other)
    batch = Batch(torch.rand(4, 3, 8, 8), torch.tensor([0, 1, 0, 1]))
    losses = []
    for each in (model, other):
        torch.manual_seed(2)
        losses.append(float(each.train().loss(batch, 0).total.detach()))
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def copy_without_augmentation(model: Diffusion, augmented: Diffusion) -> None:
    """Copy weights; the columns of augmentation keep random numbers, which zeros must not read."""
    weights = model.state_dict()
    name = "network.condition.weight"
    random = torch.randn(len(weights[name]), A)
    weights[name] = torch.cat([random, weights[name]], dim=1)
    augmented.load_state_dict(weights)


def test_pictures_are_changed_in_training_and_the_network_is_told():
    model = Augmentation(probability=0.5)
    torch.manual_seed(0)
    changed, vector = model.augment(PICTURES)
    assert changed.shape == PICTURES.shape and vector.shape == (6, A)
    assert changed.min() >= 0 and changed.max() <= 1
    for before, after, told in zip(PICTURES, changed, vector, strict=True):
        assert torch.equal(before, after) == (not told.any())
    assert vector.any(dim=1).sum() >= 4


def test_every_parameter_does_what_its_name_says():
    flipped = change_geometry(PICTURES, make_vector(flip=1))
    torch.testing.assert_close(flipped, PICTURES.flip(3), atol=1e-5, rtol=0)
    right = change_geometry(PICTURES, make_vector(shift_x=1 / 12 / SHIFT_SHARE))  # one pixel
    torch.testing.assert_close(right[..., 1:], PICTURES[..., :-1], atol=1e-5, rtol=0)
    down = change_geometry(PICTURES, make_vector(shift_y=2 / 8 / SHIFT_SHARE))  # two pixels
    torch.testing.assert_close(down[:, :, 2:], PICTURES[:, :, :-2], atol=1e-5, rtol=0)
    dot = torch.zeros(6, 1, 9, 9)
    dot[:, :, 4, 7] = 1  # right of the middle, on the axis
    turned = change_geometry(dot, make_vector(rotation=2))
    assert turned[0, 0].sum(1).argmax() != 4 and turned[0, 0, 4, 7] < 1
    larger = change_geometry(dot, make_vector(scale=2))
    assert larger[0, 0, 4, 8] > larger[0, 0, 4, 6]
    half = 0.25 + PICTURES / 2
    brighter = change_color(half, make_vector(brightness=1))
    assert (brighter > half).all()
    gray = change_color(half, make_vector(saturation=-2.5))
    spread = half.std(dim=1).mean()
    assert gray.std(dim=1).mean() < 0.6 * spread
    hue = change_color(half, make_vector(hue=1))
    torch.testing.assert_close(hue.mean(1), half.mean(1))
    assert (hue - half).abs().max() > 0.02


def test_gray_pictures_have_no_color_to_change():
    torch.manual_seed(0)
    _, vector = Augmentation(probability=1).augment(torch.rand(5, 1, 8, 8))
    assert not vector[:, 8:].any() and vector[:, :8].all()


@pytest.mark.parametrize(("classes", "guidance"), [((), 1.0), (("a", "b"), 1.0), (("a", "b"), 2.0)])
def test_samples_are_of_unchanged_pictures(
    classes: tuple[str, ...], guidance: float, monkeypatch: pytest.MonkeyPatch
):
    """Every call of the network while sampling and scoring is told that nothing was changed."""
    sampler = DDIM(steps=3, guidance=guidance)
    model = diffusion_config((1, 8, 8), classes, sampler=sampler).add_augmentation().build().eval()
    told: list[Tensor] = []
    forward = model.network.forward

    def record(x: Tensor, t: Tensor, c: Tensor | None = None) -> Tensor:
        assert c is not None
        told.append(c)
        return forward(x, t, c)

    monkeypatch.setattr(model.network, "forward", record)
    smalti.sample(model, 2)
    assert len(told) == 3 and len(told[0]) == (4 if guidance != 1 else 2)
    batch = Batch((torch.rand(2, 1, 8, 8) * 255).round() / 255)
    model.loss(batch, 0)
    model.score(batch, smalti.Rng([0, 1]))
    assert not any(c[:, :A].any() for c in told)
    assert all(c[:, A:].sum(1).eq(1).all() for c in told) == bool(classes)


def test_configs_of_earlier_versions_have_none():
    stored = to_json(diffusion_config())
    del stored["augmentation"]
    config = from_json(stored)
    assert isinstance(config, DiffusionConfig) and config.augmentation is None
    augmented = config.add_augmentation()
    assert from_json(to_json(augmented)) == augmented == augmented.add_augmentation()


def test_networks_that_are_told_too_little_are_refused():
    with expect_user_error("condition_width", "0", str(A)):
        diffusion_config(network=unet_config(), augmentation=Augmentation())
    assert not hasattr(pixelcnn_config(), "add_augmentation")
