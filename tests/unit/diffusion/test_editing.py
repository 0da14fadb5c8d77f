"""Picture-to-picture sampling, inpainting and inversion."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import given as examples
from hypothesis import strategies as st
from torch import Tensor

import smalti
from smalti.core.rng import Rng
from smalti.core.sampling_inputs import SamplingInputs
from smalti.core.similarity import psnr
from smalti.diffusion import DDIM, DDPM, Cosine, Diffusion, DPMSolver, RePaint, UniPC
from smalti.diffusion.inversion import invert, round_trip
from smalti.diffusion.repaint import Hole
from tests.expect import expect_user_error
from tests.tiny import FormulaConfig, diffusion_config, draw_pictures, randomize_zeros

T, SHAPE = 40, (1, 6, 5)
each = pytest.mark.parametrize
SAMPLERS = [DDIM(steps=10, eta=0.5), DDPM(), DPMSolver(steps=10), UniPC(steps=10)]
MASK = torch.ones(SHAPE[1:], dtype=torch.bool)
PAINT = RePaint(steps=6, jump_length=2, jump_n_sample=2)


def model(classes: tuple[str, ...] = (), **changes: Any) -> Diffusion:
    torch.manual_seed(0)
    config = diffusion_config(
        SHAPE, classes, **{"sampler": DDIM(steps=10), "schedule": Cosine(T), **changes}
    )
    return randomize_zeros(config.build())


def pictures(n: int = 3) -> Tensor:
    levels = torch.randint(0, 256, (n, *SHAPE), generator=torch.Generator().manual_seed(1))
    return levels.float() / 255


# ---- picture to picture


@each("sampler", SAMPLERS)
@each("strength", [0.01, 0.3, 0.6, 1.0])
def test_a_share_of_the_steps_is_run(sampler: Any, strength: float) -> None:
    timesteps = sampler.choose_timesteps(T)
    inputs = SamplingInputs(picture=pictures(), strength=strength)
    states = list(smalti.stream(model(), 3, inputs=inputs, sampler=sampler))
    n = max(1, round(strength * len(timesteps)))
    assert [state.t for state in states] == [*timesteps[-n:], -1]
    assert states[-1].x.isfinite().all()


def test_sampling_starts_at_the_picture_with_noise() -> None:
    inputs = SamplingInputs(picture=pictures(), strength=0.5)
    first, *_ = smalti.stream(model(), 3, inputs=inputs)
    a_t = Cosine(T).compute_alpha_bars()[first.t]
    noise = (first.x - a_t.sqrt() * (pictures() * 2 - 1)) / (1 - a_t).sqrt()
    torch.testing.assert_close(noise, Rng([0, 1, 2]).normal(*SHAPE), atol=1e-6, rtol=0)
    start = torch.randn(3, *SHAPE)
    first, *_ = smalti.stream(model(), 3, inputs=replace(inputs, initial_noise=start))
    noise = (first.x - a_t.sqrt() * (pictures() * 2 - 1)) / (1 - a_t).sqrt()
    torch.testing.assert_close(noise, start.double(), atol=1e-6, rtol=0)


def test_less_strength_stays_nearer() -> None:
    m = model(prediction="x0", network=FormulaConfig(lambda x, t, y: 0.5 * x))
    distances = [
        (draw_pictures(m, 3, inputs=SamplingInputs(picture=pictures(), strength=s)) - pictures())
        .abs()
        .mean()
        for s in (0.1, 0.4, 1.0)
    ]
    assert distances == sorted(distances)
    assert torch.equal(
        draw_pictures(m, 3, cond=pictures()),
        draw_pictures(m, 3, inputs=SamplingInputs(picture=pictures())),
    )


@each(
    "inputs", [SamplingInputs(picture=pictures(), strength=0.5), SamplingInputs(known=pictures())]
)
def test_a_sample_depends_on_its_own_seed_and_picture(inputs: SamplingInputs) -> None:
    mask = torch.rand(3, *SHAPE) < 0.5 if inputs.known is not None else None
    inputs, m = replace(inputs, mask=mask), model()

    def rows(index: list[int]) -> SamplingInputs:
        names = ("picture", "known", "mask")
        values = {name: getattr(inputs, name) for name in names}
        return replace(inputs, **{k: v[index] for k, v in values.items() if v is not None})

    sampler = DDPM() if mask is None else PAINT
    together = draw_pictures(m, seeds=[4, 5, 6], inputs=inputs, sampler=sampler)
    alone = draw_pictures(m, seeds=[6, 4], inputs=rows([2, 0]), sampler=sampler)
    torch.testing.assert_close(alone, together[[2, 0]], atol=1e-5, rtol=0)


# ---- holes


@each("shape", [SHAPE[1:], (3, 1, *SHAPE[1:]), (3, *SHAPE)])
def test_what_is_known_comes_back_exactly(shape: tuple[int, ...]) -> None:
    mask = torch.rand(shape) < 0.4
    filled = draw_pictures(
        model(), 3, inputs=SamplingInputs(known=pictures(), mask=mask), sampler=PAINT
    )
    hole = mask.expand(3, *SHAPE)
    assert torch.equal(filled[~hole], pictures()[~hole])
    assert not torch.isclose(filled[hole], pictures()[hole], atol=1e-3).all()


def test_a_hole_is_filled_by_repaint_as_the_model_samples() -> None:
    """With the model's guidance and clipping; 50 levels, or as many as there are."""
    m = model(("a", "b"), sampler=DDIM(steps=2, guidance=3, clip=False), schedule=Cosine(6))
    inputs = SamplingInputs(known=pictures(), mask=MASK)
    expected = draw_pictures(m, 3, inputs=inputs, sampler=RePaint(steps=6, clip=False, guidance=3))
    assert torch.equal(draw_pictures(m, 3, inputs=inputs), expected)


def test_what_lies_in_the_hole_does_not_matter() -> None:
    mask = torch.rand(3, *SHAPE) < 0.4
    other = torch.where(mask, torch.rand(3, *SHAPE), pictures())
    a, b = (
        draw_pictures(model(), 3, inputs=SamplingInputs(known=known, mask=mask), sampler=PAINT)
        for known in (pictures(), other)
    )
    assert torch.equal(a, b)


@each("fill", [True, False])
def test_all_hole_and_no_hole(fill: bool) -> None:
    """Without going back, a picture that is all hole is DDPM's sample but for the noises drawn."""
    x0 = torch.zeros(3, *SHAPE)
    m = model(prediction="x0", network=FormulaConfig(lambda x, t, y: x0))
    inputs = SamplingInputs(known=pictures(), mask=torch.full(SHAPE[1:], fill))
    expected = x0 + 0.5 if fill else pictures()
    torch.testing.assert_close(draw_pictures(m, 3, inputs=inputs, sampler=PAINT), expected)


def test_states_are_as_noisy_as_their_level() -> None:
    """Where the network knows the picture, both parts have q(x_t | x_0) at every level."""
    n, x0 = 40_000, 0.6
    a, rng = Cosine(T).compute_alpha_bars(), Rng([0])

    def normal() -> Tensor:
        return rng.normal(n, 1, 1)[0].reshape(n, 1, 1, 1)

    known = torch.full((n, 1, 1, 1), x0, dtype=torch.float64)
    hole = Hole(known, torch.arange(n).reshape(n, 1, 1, 1) % 2 == 0)
    start = a[-1].sqrt() * x0 + (1 - a[-1]).sqrt() * normal()
    levels = PAINT.choose_timesteps(T)
    states = list(PAINT.stream(lambda x, t: known, start, a, normal, levels, hole=hole))
    for state in (s for s in states if s.t >= 0):
        for part in (state.x[::2], state.x[1::2]):
            assert abs(part.mean() - a[state.t].sqrt() * x0) < 5 / (n / 2) ** 0.5
            assert abs(part.var() / (1 - a[state.t]) - 1) < 5 * (4 / n) ** 0.5


@examples(n=st.integers(1, 40), jump=st.integers(1, 12), resample=st.integers(1, 5))
def test_the_schedule_jumps_back(n: int, jump: int, resample: int) -> None:
    path = RePaint(steps=n, jump_length=jump, jump_n_sample=resample).schedule_jumps(n)
    assert (path[0], path[-1]) == (0, n)
    assert all(abs(b - a) == 1 for a, b in pairwise(path))
    assert min(path) == 0
    turns = Counter(b for a, b, c in zip(path, path[1:], path[2:], strict=False) if a < b > c)
    assert turns == (
        Counter(dict.fromkeys(range(n - 1, jump - 1, -jump), resample - 1)) if resample > 1 else {}
    )


def test_the_papers_schedule() -> None:
    """As get_schedule_jump of the paper's code for t_T 6, jump 2, 2 resamplings."""
    theirs = [5, 4, 3, 2, 3, 4, 3, 2, 1, 0, 1, 2, 1, 0, -1]
    assert [
        5 - i for i in RePaint(steps=6, jump_length=2, jump_n_sample=2).schedule_jumps(6)
    ] == theirs


# ---- inversion


@each("prediction", ["eps", "x0", "v"])
def test_refined_inversion_is_exact(prediction: Any) -> None:
    """With a network that bends little, so that the fixed point is one."""
    smooth = FormulaConfig(lambda x, t, y: 0.3 * torch.tanh(x))
    m = model(prediction=prediction, network=smooth)
    sampler = DDIM(spacing=(30, 20, 12, 6, 2), guidance=3, clip=True)
    plain, fine = (
        round_trip(m, pictures(), sampler=sampler, refine=refine).psnr.min() for refine in (0, 60)
    )
    if prediction == "x0":  # its pictures are all that such a network can draw
        assert fine > 0
    else:
        assert fine > 80
    assert fine > plain


def test_drawn_pictures_lead_back_to_their_noise() -> None:
    m = model(prediction="v", network=FormulaConfig(lambda x, t, y: 0.3 * torch.tanh(x)))
    sampler = DDIM(spacing=(30, 20, 12, 6, 2), clip=False)
    start = Rng([3, 4]).normal(*SHAPE) * 0.3  # inside the range of pictures all the way
    *_, last = smalti.stream(m, 2, inputs=SamplingInputs(initial_noise=start), sampler=sampler)
    assert last.x.abs().max() < 1
    latents = invert(m, m.render(last), sampler=sampler, refine=60)
    torch.testing.assert_close(latents, start, atol=1e-4, rtol=0)


def test_inversion_is_unconditional_without_labels() -> None:
    m = model(("a", "b"))
    few = DDIM(steps=4)
    none = invert(m, pictures(), sampler=few)
    other = invert(m, pictures(), labels=torch.tensor([0, 1, 1]), sampler=few)
    assert not torch.allclose(none, other)
    again = draw_pictures(
        m,
        3,
        inputs=SamplingInputs(initial_noise=none),
        sampler=replace(few, guidance=0.0, clip=False),
    )
    trip = round_trip(m, pictures(), sampler=few)
    torch.testing.assert_close(trip.pictures, again, atol=1e-6, rtol=0)
    with expect_user_error("class 2 is given", "0 to 1"):
        invert(m, pictures(), labels=torch.tensor([2, 2, 2]), sampler=few)
    assert none.dtype == torch.float64
    assert none.shape == (3, *SHAPE)


def test_inversion_of_another_size() -> None:
    assert round_trip(model(), torch.rand(2, 1, 8, 9), sampler=DDIM(steps=2)).pictures.shape == (
        2,
        1,
        8,
        9,
    )


def test_psnr() -> None:
    assert psnr(torch.zeros(1, 1, 2, 2), torch.full((1, 1, 2, 2), 0.1)).item() == pytest.approx(20)
    assert psnr(pictures(), pictures()).tolist() == [float("inf")] * 3


# ---- refusals


@each(
    ("inputs", "sampler", "words"),
    [
        (
            SamplingInputs(picture=pictures(2)),
            None,
            ["picture has shape (2, 1, 6, 5)", "(3, 1, 6, 5)"],
        ),
        (SamplingInputs(picture=pictures() * 255), None, ["picture has values", "0 to 1"]),
        (SamplingInputs(picture=pictures() * float("nan")), None, ["picture has values", "nan"]),
        (SamplingInputs(picture=pictures(), strength=0.0), None, ["strength is 0.0"]),
        (SamplingInputs(picture=pictures(), strength=1.1), None, ["strength is 1.1"]),
        (SamplingInputs(picture=pictures(), strength=float("nan")), None, ["strength is nan"]),
        (SamplingInputs(strength=0.5), None, ["strength", "without a picture"]),
        (SamplingInputs(known=pictures()), None, ["both known pictures and a mask"]),
        (SamplingInputs(mask=MASK), None, ["both known pictures and a mask"]),
        (SamplingInputs(), RePaint(), ["both known pictures and a mask"]),
        (
            SamplingInputs(known=pictures(), mask=MASK),
            DDIM(),
            ["DDIM does not fill holes", "RePaint"],
        ),
        (SamplingInputs(known=pictures(), mask=MASK.float()), None, ["torch.float32", "booleans"]),
        (SamplingInputs(known=pictures(), mask=MASK.T), None, ["mask has shape (5, 6)", "(6, 5)"]),
        (SamplingInputs(known=pictures() - 1, mask=MASK), None, ["known has values from -0.9"]),
        (
            SamplingInputs(known=pictures(), mask=MASK, picture=pictures()),
            None,
            ["a picture and a hole are both given"],
        ),
        (
            SamplingInputs(known=pictures(), mask=MASK),
            RePaint(steps=99),
            ["steps is 99", "40 noise levels"],
        ),
    ],
)
def test_what_does_not_fit_is_refused(
    inputs: SamplingInputs, sampler: Any, words: list[str]
) -> None:
    with expect_user_error(*words):
        smalti.stream(model(), 3, inputs=inputs, sampler=sampler)


@each("field", ["steps", "jump_length", "jump_n_sample"])
def test_repaint_counts_from_one(field: str) -> None:
    with expect_user_error(f"{field} is 0", "give 1 or more"):
        replace(RePaint(), **{field: 0})


@each(
    ("arguments", "words"),
    [
        ({"sampler": DDIM(steps=5, eta=0.1)}, ["fresh noise", "eta 0"]),
        ({"sampler": DDIM(steps=5, sigma_hat=True)}, ["fresh noise", "eta 0"]),
        ({"labels": torch.zeros(3).long()}, ["classes are given", "has none"]),
        ({"pictures": pictures() + 1}, ["pictures have values"]),
        ({"pictures": pictures()[0]}, ["pictures have shape (1, 6, 5)"]),
        ({"refine": -1}, ["refine is -1"]),
    ],
)
def test_what_cannot_be_inverted_is_refused(arguments: Any, words: list[str]) -> None:
    with expect_user_error(*words):
        invert(model(), arguments.pop("pictures", pictures()), **arguments)
