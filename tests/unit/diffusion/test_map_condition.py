"""A picture as a condition of a diffusion model: super-resolution, edges, given pictures."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import smalti
from smalti.core.protocols import Batch
from smalti.core.rng import Rng
from smalti.core.sampling_inputs import SamplingInputs
from smalti.diffusion import DDIM, Diffusion, MapCondition
from smalti.tasks.cascade import plan_sizes
from tests.expect import expect_user_error
from tests.tiny import (
    diffusion_config,
    draw_pictures,
    latent_config,
    randomize_zeros,
    unet_config,
)

LOW = MapCondition(shape=(1, 4, 4), noise=0.3, sampling_noise=0.1)


def make_config(picture: MapCondition = LOW, **changes: Any) -> Any:
    network = unet_config(map_channels=picture.channels, condition_width=changes.pop("width", 0))
    fields = {"picture": picture, "network": network, "sampler": DDIM(steps=3)}
    return diffusion_config(**{**fields, **changes})


@cache
def model(picture: MapCondition = LOW) -> Diffusion:
    torch.manual_seed(0)
    return randomize_zeros(make_config(picture).build()).eval()


def pictures(n: int = 3, side: int = 8) -> Tensor:
    return torch.rand(n, 1, side, side, generator=torch.Generator().manual_seed(1))


def test_the_condition_is_the_picture_in_low_resolution() -> None:
    x = pictures()
    low = x.unflatten(2, (4, 2)).unflatten(4, (4, 2)).mean((3, 5))  # (3, 1, 4, 4)
    torch.testing.assert_close(LOW.prepare(x, (1.0, 1.0)), low * 2 - 1)
    torch.testing.assert_close(LOW.prepare(low, (1.0, 1.0)), low * 2 - 1)  # it is low already
    assert LOW.prepare(pictures(side=16), (2.0, 1.5)).shape == (3, 1, 8, 6)


def test_edges_are_those_of_the_picture() -> None:
    x = torch.zeros(1, 3, 8, 8)
    x[..., 4:] = 1
    found = MapCondition("edges", (1, 8, 8)).prepare(x, (1.0, 1.0))
    assert found[0, 0, 3].tolist() == [-1, -1, -1, 1, 1, -1, -1, -1]


def test_noise_grows_with_its_level_and_the_network_sees_the_level() -> None:
    condition, eps = torch.zeros(2, 1, 4, 4), torch.ones(2, 1, 4, 4)
    maps = LOW.to_map(condition, torch.tensor([0.0, 0.3]), eps, [8, 8])
    assert maps.shape == (2, 2, 8, 8)
    assert (maps[:, 0] - torch.tensor([0.0, 0.3])[:, None, None]).abs().max() < 1e-6
    assert (maps[:, 1] - torch.tensor([0.0, 0.3])[:, None, None]).abs().max() < 1e-6


def test_samples_depend_on_their_own_seed_and_condition() -> None:
    x = pictures()
    together = draw_pictures(model(), seeds=[4, 5, 6], cond=x)
    alone = draw_pictures(model(), seeds=[6, 4], cond=x[[2, 0]])
    torch.testing.assert_close(alone, together[[2, 0]], atol=1e-5, rtol=0)
    other = draw_pictures(model(), seeds=[4, 5, 6], cond=1 - x)
    assert ((other - together).abs().amax((1, 2, 3)) > 1e-3).all()


def test_guidance_of_a_class_keeps_the_picture() -> None:
    config = make_config(classes=("a", "b"), width=3, sampler=DDIM(steps=2, guidance=2.0))
    m = randomize_zeros(config.build()).eval()
    inputs = SamplingInputs(labels=torch.tensor([0, 1]), picture=pictures(2))
    assert draw_pictures(m, 2, inputs=inputs).shape == (2, 1, 8, 8)


def test_any_size_scales_the_condition() -> None:
    inputs = SamplingInputs(picture=pictures(2, 16), size=(16, 12))
    assert draw_pictures(model(), 2, inputs=inputs).shape == (2, 1, 16, 12)


def test_training_takes_given_pictures_or_derives_them() -> None:
    x = pictures()
    torch.manual_seed(0)
    derived = model().loss(Batch(x), 0).total
    torch.manual_seed(0)
    same = model().loss(Batch(x, conditions={"picture": x}), 0).total
    torch.manual_seed(0)
    others = model().loss(Batch(x, conditions={"picture": 1 - x}), 0).total
    assert derived == same and derived != others
    with expect_user_error("the data have no condition pictures"):
        model(MapCondition("given", (1, 8, 8))).loss(Batch(x), 0)


def test_the_bound_knows_the_condition() -> None:
    x = (pictures() * 255).round() / 255
    score = model().score(Batch(x), Rng([0, 1, 2]))
    other = model().score(Batch(x, conditions={"picture": 1 - x}), Rng([0, 1, 2]))
    assert (score.nats != other.nats).all()


def test_a_condition_in_latent_space_is_resized_to_the_latents() -> None:
    space: Any = latent_config((1, 16, 16)).space
    network = unet_config(channels=16, stem=1, map_channels=LOW.channels)
    config = diffusion_config((1, 16, 16), network=network, space=space, picture=LOW)
    m = randomize_zeros(config.build()).eval()
    assert draw_pictures(m, 2, cond=pictures(2, 16), sampler=DDIM(steps=2)).shape[2:] == (16, 16)


def test_what_does_not_fit_is_refused() -> None:
    with expect_user_error("network.map_channels is 0, but this model needs 2"):
        diffusion_config(picture=LOW)
    with expect_user_error("sampling_noise is 0.5, but training has 0.3 at most"):
        MapCondition(noise=0.3, sampling_noise=0.5)
    with expect_user_error("this model was not trained without picture"):
        draw_pictures(model(), 2)
    with expect_user_error("strength"):
        draw_pictures(model(), 3, inputs=SamplingInputs(picture=pictures(), strength=0.5))


def test_a_cascade_enlarges_samples(tmp_path: Path) -> None:
    base = randomize_zeros(
        diffusion_config((1, 8, 8), ("a", "b"), sampler=DDIM(steps=2)).build()
    ).eval()
    drawn = smalti.draw_samples(
        base, 3, classes=["a", "b"], upscale=model(), size=16, out=tmp_path / "s"
    )
    assert drawn.pictures.shape == (3, 1, 16, 16)
    others = smalti.draw_samples(base, 2, seed=1, classes=["b", "a"], upscale=model(), size=16)
    torch.testing.assert_close(others.pictures, drawn.pictures[1:], atol=1e-5, rtol=0)
    with expect_user_error("takes no picture as a condition, so it cannot enlarge any"):
        smalti.draw_samples(base, 1, upscale=base)
    color = diffusion_config((3, 8, 8)).build()
    with expect_user_error("of 1 channels, but diffusion of 3"):
        smalti.draw_samples(color, 1, upscale=model())


def test_a_cascade_enlarges_in_steps() -> None:
    assert plan_sizes((8, 8), (8, 8), 2.0) == ((8, 8),)
    assert plan_sizes((8, 8), (16, 12), 2.0) == ((16, 12),)
    assert plan_sizes((8, 8), (33, 20), 2.0) == ((9, 8), (17, 10), (33, 20))
    assert plan_sizes((8, 8), (64, 64), math.inf) == ((64, 64),)
    base = randomize_zeros(diffusion_config((1, 8, 8), sampler=DDIM(steps=2)).build()).eval()
    whole = smalti.draw_samples(base, 2, upscale=model(), size=32).pictures
    half = smalti.draw_samples(base, 2, upscale=model(), size=16).pictures
    inputs = SamplingInputs(picture=half, size=(32, 32))
    torch.testing.assert_close(whole, smalti.sample(model(), 2, inputs=inputs))
