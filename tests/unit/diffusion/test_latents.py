"""Diffusion in a codec's latents: the space, editing, inversion, and what it refuses."""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import smalti
from smalti.autoregressive import FrozenCodec, build_config
from smalti.core.protocols import Batch
from smalti.core.rng import Rng
from smalti.core.sampling_inputs import SamplingInputs
from smalti.data import digit_pictures
from smalti.data.latents import EncodedLatents, encode_latent_bytes
from smalti.diffusion import DDIM, Bound, Diffusion, DiffusionConfig, Hybrid, RePaint, round_trip
from smalti.diffusion.latents import Latents, LatentSpace
from smalti.layers.caption import CaptionConfig
from tests.expect import expect_user_error
from tests.tiny import (
    GPT,
    diffusion_config,
    draw_pictures,
    kl_config,
    latent_config,
    randomize_zeros,
)

SHAPE = (1, 28, 28)
PICTURES = digit_pictures("valid").select(slice(0, 40), "forty")
PAINT = RePaint(steps=4, jump_length=2, jump_n_sample=2)


@cache
def model(classes: tuple[str, ...] = ()) -> Diffusion:
    """A model in the latents of vqvae-digits, which were measured on forty digits."""
    torch.manual_seed(0)
    model = randomize_zeros(latent_config(SHAPE, classes, sampler=DDIM(steps=4)).build())
    model.set_training_data(PICTURES)
    return model.eval()


def space() -> LatentSpace:
    found = model().space
    assert isinstance(found, LatentSpace)
    return found


def take(n: int) -> Tensor:
    return PICTURES.take_floats(slice(0, n))


def test_training_latents_have_mean_0_and_deviation_1() -> None:
    z = space().encode(take(40)).transpose(0, 1).flatten(1)  # (D, N h w)
    torch.testing.assert_close(z.mean(1), torch.zeros(16), atol=1e-4, rtol=0)
    torch.testing.assert_close(z.std(1, correction=0), torch.ones(16), atol=1e-4, rtol=0)
    torch.testing.assert_close(z.amin(1), space().low.flatten(), atol=1e-4, rtol=0)
    far = torch.full((1, 16, 7, 7), 99.0)
    assert torch.equal(space().clip(far)[0, :, 0, 0], space().high.flatten())


def test_decoding_is_what_the_codec_does_to_pictures() -> None:
    codec, x = smalti.load("vqvae-digits"), take(3)
    torch.testing.assert_close(space().decode(space().encode(x), (28, 28)), codec.reconstruct(x))


def test_encoded_latents_train_as_pictures_do() -> None:
    frozen = space().config.codec
    z = encode_latent_bytes(PICTURES.take(slice(0, 40)), frozen.load(), torch.device("cpu"))
    data = EncodedLatents(z, PICTURES, frozen.sha256)
    rows = torch.arange(8)
    batches = [d.make_batch(rows, torch.device("cpu")) for d in (PICTURES, data)]
    losses = []
    for batch in batches:
        torch.manual_seed(0)
        losses.append(model().loss(batch, 0).total)
    torch.testing.assert_close(losses[0], losses[1], atol=1e-3, rtol=0)
    other: Any = latent_config(SHAPE).build()
    other.set_training_data(data)
    torch.testing.assert_close(other.space.mean, space().mean, atol=1e-3, rtol=0)
    with expect_user_error("training.flip mirrors pictures"):
        data.make_flipped_batch(rows, rows > 3, torch.device("cpu"))


def test_weights_that_a_run_starts_from_keep_their_measures(tmp_path: Path) -> None:
    again = smalti.load(smalti.save(model(), tmp_path / "m"))
    again.set_training_data(PICTURES.select(slice(0, 3), "three"))
    assert torch.equal(again.space.std, space().std) and bool(again.space.is_measured)


def test_a_model_of_pixels_takes_the_space_of_its_start() -> None:
    start = latent_config(SHAPE, ("a", "b"))
    other = latent_config(SHAPE, codec="autoencoder-digits")
    own = diffusion_config(shape=SHAPE, conditions=start.conditions)
    followed = own.follow_start(start)
    assert (followed.space, followed.network) == (start.space, start.network)
    with expect_user_error("start's space is", "give another start"):
        other.follow_start(start)
    with expect_user_error("vqvae-digits has pictures of 1 channel"):
        diffusion_config(shape=(3, 28, 28)).follow_start(start)


def test_captions_are_encoded_as_in_the_start() -> None:
    start = diffusion_config(SHAPE, conditions=(CaptionConfig(width=12, buckets=32),))
    own = diffusion_config(SHAPE, conditions=(CaptionConfig(width=16),))
    followed = own.follow_start(start)
    assert followed.conditions == start.conditions and followed.network == start.network
    weights = followed.build().convert_start(start.build()).weights
    assert "conditions.encoders.0.table" in weights


def test_pictures_of_another_size_are_drawn_whole() -> None:
    drawn = draw_pictures(model(), 2, inputs=SamplingInputs(size=(30, 17)))
    assert drawn.shape == (2, 1, 30, 17)
    for state in smalti.stream(model(), 1, inputs=SamplingInputs(size=(30, 17))):
        assert state.x.shape == (1, 16, 8, 5) and model().render(state).shape == (1, 1, 30, 17)


def test_a_hole_is_filled_and_the_rest_comes_back_exactly() -> None:
    mask = torch.zeros(28, 28, dtype=torch.bool)
    mask[15:, 9:] = True
    x = take(2)
    inputs = SamplingInputs(known=x, mask=mask)
    filled = draw_pictures(model(), 2, inputs=inputs, sampler=PAINT)
    assert torch.equal(filled[:, :, ~mask], x[:, :, ~mask])
    assert not torch.isclose(filled[:, :, mask], x[:, :, mask], atol=1e-3).all()


def test_latents_that_see_the_hole_are_filled() -> None:
    """Those that cover it, and those whose encoder sees it; far away none."""
    mask = torch.zeros(2, 1, 28, 28, dtype=torch.bool)
    mask[:, :, 20:, 21:] = True
    known, missing = space().encode_known(take(2), mask)
    assert known.shape == missing.shape == (2, 16, 7, 7)
    assert missing[:, :, 5:, 5:].all() and not missing[:, :, :2, :2].any()
    other = space().encode(take(2).masked_fill(mask, 0.3))
    assert (known - other)[~missing].abs().max() < 0.5


def test_strength_chooses_how_much_of_a_picture_stays() -> None:
    x = take(3)
    near = [
        (draw_pictures(model(), 3, inputs=SamplingInputs(picture=x, strength=s)) - x).abs().mean()
        for s in (0.25, 1.0)
    ]
    assert near[0] < near[1]


def test_inversion_and_initial_noise_are_of_latents() -> None:
    trip = round_trip(model(), take(2), sampler=DDIM(steps=8), refine=3)
    assert trip.latents.shape == (2, 16, 7, 7) and trip.pictures.shape == (2, *SHAPE)
    inputs = SamplingInputs(initial_noise=Rng([0, 1]).normal(16, 7, 7))
    torch.testing.assert_close(draw_pictures(model(), 2, inputs=inputs), draw_pictures(model(), 2))
    with expect_user_error("initial_noise has shape (2, 1, 28, 28); expected (2, 16, 7, 7)"):
        draw_pictures(model(), 2, inputs=SamplingInputs(initial_noise=torch.zeros(2, *SHAPE)))


def test_there_is_no_bound_on_the_bits_of_pixels() -> None:
    with expect_user_error("this model runs in a codec's latents, and the bound"):
        model().score(Batch(take(2)), Rng([0, 1]))
    for objective in (Bound(), Hybrid()):
        with expect_user_error("a bound on the bits of pixels, but space is a codec's latents"):
            latent_config(SHAPE, objective=objective)


def test_what_does_not_fit_the_codec_is_refused() -> None:
    good: Any = latent_config(SHAPE).space
    with expect_user_error("give pictures of as many"):
        latent_config((3, 28, 28))
    with expect_user_error("the latents of vqvae-digits have 16 channels"):
        Latents(good.codec, 8, 4).build()
    with expect_user_error("network.channels is 1, but this model needs 16"):
        DiffusionConfig(SHAPE, space=good)


def test_a_model_over_an_autoencoder_is_embedded_and_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    smalti.save(randomize_zeros(kl_config().build()), "codec")
    drawn = randomize_zeros(latent_config((1, 8, 8), codec="codec").build()).eval()
    smalti.save(drawn, "plain")
    smalti.save(drawn, "whole", standalone=True)
    Path("whole").rename("moved")
    expected = draw_pictures(drawn, 2)
    assert torch.equal(draw_pictures(smalti.load("plain"), 2), expected)
    shutil.rmtree("codec")
    assert torch.equal(draw_pictures(smalti.load("moved"), 2), expected)
    with expect_user_error(f"the codec of this model is missing: no model '{tmp_path / 'codec'}'"):
        smalti.load("plain")
    smalti.save(kl_config().build(), "codec")
    with expect_user_error("is not the codec this model was trained with"):
        smalti.load("plain")


def test_continuous_latents_have_no_codes_for_a_prior(tmp_path: Path) -> None:
    smalti.save(kl_config().build(), tmp_path / "codec")
    frozen = FrozenCodec(str(tmp_path / "codec"), shape=(1, 8, 8))
    with expect_user_error("codec has continuous latents and no codes"):
        build_config(frozen, GPT)
