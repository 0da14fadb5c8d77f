"""What people who know PyTorch are likely to get wrong: one line each, or it is understood."""

# pyright: reportArgumentType=false

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import smalti
from smalti import SamplingInputs
from smalti.diffusion import DDIM, Diffusion, DiffusionConfig, invert
from smalti.patchmatch import match
from smalti.translation import translate
from smalti.vq import VQConfig
from tests.expect import expect_user_error
from tests.tiny import (
    diffusion_config,
    draw_pictures,
    pixelcnn_config,
    randomize_zeros,
    vqvae_config,
)

SHAPE = (1, 8, 8)
QUICK = DDIM(steps=2)


def make_diffusion(**changes: Any) -> Diffusion:
    torch.manual_seed(0)
    return randomize_zeros(
        diffusion_config(SHAPE, sampler=QUICK, classes=("a", "b"), **changes).build()
    ).eval()


def make_pixelcnn() -> Any:
    torch.manual_seed(0)
    return randomize_zeros(pixelcnn_config(SHAPE).build()).eval()


def make_codec() -> Any:
    torch.manual_seed(0)
    return vqvae_config(VQConfig(8, 4), SHAPE).build().eval()


def load_classifier() -> Any:
    return smalti.load("digits-classifier")


def make_mask_inputs(**changes: Any) -> SamplingInputs:
    return SamplingInputs(
        **{"known": torch.rand(1, *SHAPE), "mask": torch.ones(8, 8) > 0, **changes}
    )


bytes_ = np.zeros((2, *SHAPE), np.uint8)
MISTAKES: dict[str, tuple[Callable[[], object], list[str]]] = {
    # how many, and which
    "n is a float": (lambda: smalti.sample(make_diffusion(), 2.0), ["n is 2.0; expected int"]),
    "n is text": (lambda: smalti.sample(make_diffusion(), "2"), ["n is '2'; expected int"]),
    "n is missing": (lambda: smalti.sample(make_diffusion()), ["n is None; give 1"]),
    "seeds are one": (
        lambda: smalti.sample(make_diffusion(), seeds=5),
        ["seeds is 5; give a list"],
    ),
    "seeds are text": (
        lambda: smalti.sample(make_diffusion(), seeds="12"),
        ["seeds is '12'; give a list"],
    ),
    # the model
    "no such model": (lambda: smalti.sample("ddpm-digit", 1), ["did you mean 'ddpm-digits'?"]),
    "no such folder": (lambda: smalti.load("runs/none"), ["no model 'runs/none'", "shipped are"]),
    "model is None": (lambda: smalti.sample(None, 1), ["model is None; give a model, its name"]),
    "model is a class": (lambda: smalti.sample(Diffusion, 1), ["is the class Diffusion"]),
    "model is a config": (lambda: smalti.sample(DiffusionConfig(), 1), ["its build()"]),
    "a classifier draws": (
        lambda: smalti.sample(load_classifier(), 1),
        ["digits-classifier does not draw"],
    ),
    "a codec draws": (lambda: smalti.stream("vqvae-digits", 1), ["vqvae-digits does not draw"]),
    "evaluating a classifier": (
        lambda: smalti.evaluate("digits-classifier", metrics=["frechet"]),
        ["digits-classifier: a Classifier does not draw pictures"],
    ),
    "compressing by diffusion": (
        lambda: smalti.coding.compress(make_diffusion(), bytes_),
        ["diffusion does not go through pictures", "as a PixelCNN does"],
    ),
    "inverting a PixelCNN": (
        lambda: invert(make_pixelcnn(), torch.rand(1, *SHAPE)),
        ["cannot be inverted"],
    ),
    "translating by diffusion": (lambda: translate("ddpm-digits", ["a"]), ["does not translate"]),
    "saving a config": (lambda: smalti.save(DiffusionConfig(), "x"), ["give a model"]),
    "a device elsewhere": (lambda: smalti.load("ddpm-digits", "cuda:77"), ["finds no such device"]),
    "a device misspelled": (lambda: smalti.load("ddpm-digits", "gpu"), ["device 'gpu'", "use cpu"]),
    # the sampler
    "sampler is a class": (
        lambda: smalti.sample(make_diffusion(), 1, sampler=DDIM),
        ["give DDIM()"],
    ),
    "no such sampler": (
        lambda: smalti.sample(make_diffusion(), 1, sampler="ddm"),
        ["'ddm'", "'ddpm'?"],
    ),
    "another's sampler": (
        lambda: smalti.sample(make_pixelcnn(), 1, sampler=QUICK),
        ["is not this model's; it takes ancestral"],
    ),
    "steps as text": (lambda: DDIM(steps="20"), ["ddim.steps is '20'; expected int"]),
    "steps as a float": (lambda: DDIM(steps=2.5), ["ddim.steps is 2.5; expected int"]),
    # conditions
    "classes beyond": (lambda: smalti.sample(make_diffusion(), 1, cond=2), ["class 2 is given"]),
    "a picture without n": (
        lambda: SamplingInputs(picture=torch.rand(SHAPE)),
        ["(1, 8, 8)", "x[None]"],
    ),
    "channels last": (
        lambda: SamplingInputs(picture=torch.rand(1, 9, 9, 3)),
        ["x.permute(0, 3, 1, 2)"],
    ),
    "an array (H, W, 3)": (
        lambda: SamplingInputs(known=np.ones((9, 9, 3))),
        ["x.permute(2, 0, 1)[None]"],
    ),
    "a path as picture": (
        lambda: SamplingInputs(picture="cat.png"),
        ["picture is 'cat.png'; give a tensor"],
    ),
    "whole numbers": (
        lambda: SamplingInputs(known=torch.ones(1, 1, 8, 8).long()),
        ["torch.int64", "uint8"],
    ),
    "0 to 255 in floats": (
        lambda: smalti.sample(
            make_diffusion(), 1, inputs=SamplingInputs(picture=torch.ones(1, 1, 8, 8) * 9)
        ),
        ["picture has values from 9 to 9; give pictures in 0 to 1"],
    ),
    "-1 to 1": (
        lambda: make_codec().encode(-torch.ones(1, 1, 8, 8)),
        ["pictures have values from -1 to -1; give pictures in 0 to 1"],
    ),
    "a mask of floats": (
        lambda: smalti.sample(make_pixelcnn(), 1, inputs=make_mask_inputs(mask=torch.ones(8, 8))),
        ["mask is of torch.float32; give booleans, true where to fill in"],
    ),
    "another size": (
        lambda: smalti.sample(
            make_diffusion(), 1, inputs=SamplingInputs(picture=torch.rand(1, 1, 9, 8))
        ),
        ["picture has shape (1, 1, 9, 8); expected (1, 1, 8, 8)"],
    ),
    # codecs
    "RGB to a gray codec": (
        lambda: make_codec().encode(torch.rand(1, 3, 8, 8)),
        ["give (N, 1, H, W)"],
    ),
    "a picture without N": (lambda: make_codec().reconstruct(torch.rand(SHAPE)), ["x[None]"]),
    "a list of shapes": (
        lambda: make_codec().encode([torch.rand(1, 8, 8), torch.rand(1, 9, 8)]),
        ["pictures is [", "give a tensor"],
    ),
    # compression
    "floats between levels": (
        lambda: smalti.coding.compress(make_pixelcnn(), torch.full((1, *SHAPE), 0.3)),
        ["between 8-bit levels"],
    ),
    "classes as text": (
        lambda: smalti.coding.compress(
            randomize_zeros(pixelcnn_config(SHAPE, ("a", "b")).build()), bytes_, ["a", "b"]
        ),
        ["labels[0] is 'a'; give a tensor"],
    ),
    # PatchMatch
    "a tensor (3, H, W)": (
        lambda: match(torch.rand(3, 9, 9), torch.rand(3, 9, 9)),
        ["a has shape (3, 9, 9), channels first; give a picture (H, W)", "a.permute(1, 2, 0)"],
    ),
    "a path to match": (lambda: match("a.png", "b.png"), ["a holds", "give a picture (H, W)"]),
    "None to match": (lambda: match(None, None), ["a holds object", "give a picture (H, W)"]),
    "a gradient": (lambda: match(torch.rand(9, 9, requires_grad=True), 0), ["a is not an array"]),
    # translation
    "one text": (lambda: translate("en-zh-help", "Open"), ["texts is 'Open'; give a list"]),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_answered_in_one_line(mistake: str, tmp_path: Any, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    make, words = MISTAKES[mistake]
    with expect_user_error(*words):
        make()
    assert not any(tmp_path.iterdir())


# ---- understood


def test_a_name_stands_for_a_model() -> None:
    by_name = draw_pictures("ddpm-digits", 1, sampler="ddim")  # type: ignore[arg-type]
    assert torch.equal(by_name, draw_pictures(smalti.load("ddpm-digits"), 1))


def test_a_samplers_name_is_the_models_own_where_it_has_that_kind() -> None:
    m = make_diffusion()
    assert torch.equal(draw_pictures(m, 1, sampler="ddim"), draw_pictures(m, 1, sampler=QUICK))
    assert len(list(smalti.stream(m, 1, sampler="unipc"))) > 1


def test_arrays_are_tensors() -> None:
    m, seeds = make_diffusion(), np.array([3, 4])
    assert torch.equal(draw_pictures(m, seeds=seeds), draw_pictures(m, seeds=[3, 4]))
    x = torch.rand(2, *SHAPE)
    inputs = SamplingInputs(labels=np.array([0, 1]), picture=x.numpy(), mask=np.ones((8, 8), bool))
    assert inputs.picture is not None and torch.equal(inputs.picture, x)
    assert inputs.mask is not None and inputs.mask.dtype == torch.bool
    assert inputs.labels is not None and inputs.labels.tolist() == [0, 1]
    codes = make_codec().encode(x)
    assert torch.equal(make_codec().encode(x.numpy()), codes)
    assert torch.equal(make_codec().encode(x.double().numpy()), codes)
    assert torch.equal(make_codec().encode(list(x)), codes)


@pytest.mark.parametrize("mode", ["L", "RGB", "P", "RGBA"])
def test_a_pil_picture_is_one_of_its_levels(mode: str) -> None:
    levels = np.random.default_rng(0).integers(0, 256, (9, 8, 3), np.uint8)
    image = Image.fromarray(levels).convert(mode)
    expected = np.atleast_3d(np.array(image if mode == "L" else image.convert("RGB")))
    picture = SamplingInputs(picture=image).picture
    assert picture is not None
    assert torch.equal(picture[0], torch.from_numpy(expected).permute(2, 0, 1).float() / 255)


def test_bytes_are_levels_of_255() -> None:
    levels = torch.randint(256, (2, *SHAPE), dtype=torch.uint8)
    assert torch.equal(make_codec().encode(levels), make_codec().encode(levels / 255))
    known = SamplingInputs(known=levels).known
    assert known is not None and torch.equal(known, levels / 255)


@pytest.mark.parametrize("make", [make_diffusion, make_pixelcnn])
def test_bytes_are_scored_as_levels(make: Callable[[], Any]) -> None:
    levels = torch.randint(256, (2, *SHAPE), dtype=torch.uint8)
    scores = [
        make().score(smalti.Batch(x, torch.tensor([0, 1])), smalti.Rng([0, 1])).nats
        for x in (levels, levels.numpy(), levels / 255)
    ]
    assert torch.equal(scores[0], scores[2])
    assert torch.equal(scores[1], scores[2])


def test_pictures_to_match_may_be_pils_and_tensors() -> None:
    levels = np.random.default_rng(0).integers(0, 256, (9, 9, 3), np.uint8)
    expected = match(levels, levels).field
    for x in (Image.fromarray(levels), torch.from_numpy(levels)):
        assert np.array_equal(match(x, x).field, expected)
