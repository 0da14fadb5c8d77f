"""The diffusion model: its loss, its conditions, and the manners of its stream."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from smalti.convert import ArticleDDPM
from smalti.core.protocols import Batch
from smalti.core.rng import Rng
from smalti.core.sampling_inputs import SamplingInputs
from smalti.diffusion import DDIM, DDPM, Cosine, Diffusion, DiffusionConfig, DiffusionState, Linear
from smalti.layers.condition_encoder import make_choices
from tests.expect import expect_user_error
from tests.tiny import (
    Formula,
    FormulaConfig,
    diffusion_config,
    draw_pictures,
    randomize_zeros,
    unet_config,
)

SHAPE = (1, 4, 4)
CLASSES = ("a", "b", "c")
PICTURES = ("picture", "strength", "known", "mask")
STEPS = DDIM(steps=3)


def make_model(**changes: Any) -> Diffusion:
    torch.manual_seed(0)
    return randomize_zeros(
        diffusion_config(**{"shape": SHAPE, "sampler": STEPS, **changes}).build()
    ).eval()


def make_formula_model(f: Any, **changes: Any) -> tuple[Diffusion, Formula]:
    """A model whose network is f(x, t, y), and that network, which remembers its calls."""
    m = make_model(network=FormulaConfig(f), **changes)
    assert isinstance(m.network, Formula)
    return m, m.network


def predict_class(x: Tensor, t: Tensor, y: Tensor | None) -> Tensor:
    """Predicts a constant picture: the class."""
    assert y is not None
    return torch.zeros_like(x) + y.to(x.dtype)[:, None, None, None]


def make_batch(B: int = 6, classes: int = 0) -> Batch:
    labels = torch.randint(classes, (B,)) if classes else None
    return Batch(torch.rand(B, *SHAPE), labels)


# ---- the loss


@pytest.mark.parametrize("prediction", ["eps", "x0", "v"])
@pytest.mark.parametrize("schedule", [Linear(30), Cosine(1000)])
def test_the_loss_is_the_papers(prediction: Any, schedule: Any) -> None:
    """Algorithm 1 of DDPM, computed by hand with the same draws."""
    m, given = make_model(prediction=prediction, schedule=schedule).train(), make_batch()
    torch.manual_seed(7)
    loss = m.loss(given, step=0)

    torch.manual_seed(7)
    x0 = 2 * given.require_pictures() - 1
    t = ((torch.arange(6) + torch.rand(1)) / 6 * schedule.T).long()
    eps = torch.randn(x0.shape)
    a = schedule.compute_alpha_bars()[t].float()[:, None, None, None]
    x = a.sqrt() * x0 + (1 - a).sqrt() * eps
    expected = {"eps": eps, "x0": x0, "v": a.sqrt() * eps - (1 - a).sqrt() * x0}[prediction]
    by_hand = ((m.network(x, t) - expected) ** 2).mean()

    torch.testing.assert_close(loss.total, by_hand)
    assert loss.total.requires_grad
    assert torch.equal(loss.terms["loss"], loss.total)
    assert not loss.terms["loss"].requires_grad


def test_levels_cover_all_evenly() -> None:
    m, network = make_formula_model(lambda x, t, y: x, schedule=Linear(20))
    seen = torch.zeros(20)
    for _ in range(300):
        m.loss(make_batch(10), step=0)
        t = network.calls[-1].t
        assert ((t // 2).sort().values == torch.arange(10)).all()  # one from each tenth
        seen += torch.bincount(t, minlength=20)
    assert seen.min() > 0.7 * seen.mean()  # 150 expected, deviation 8.7


def test_one_picture_is_a_batch() -> None:
    assert make_model().loss(make_batch(1), step=0).total.isfinite()


def test_labels_are_hidden_in_training_only() -> None:
    m, network = make_formula_model(lambda x, t, y: x, classes=CLASSES, condition_dropout=0.25)
    given = make_batch(4000, classes=3)
    assert given.labels is not None
    m.eval().loss(given, step=0)
    assert torch.equal(network.calls[-1].y, given.labels)  # pyright: ignore[reportArgumentType]
    m.train().loss(given, step=0)
    y = network.calls[-1].y
    assert y is not None
    hidden = y == 3
    assert torch.equal(y[~hidden], given.labels[~hidden])
    assert hidden.float().mean() == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize(("share", "hidden"), [(0.0, 0), (1.0, 50)])
def test_no_labels_or_all_are_hidden(share: float, hidden: int) -> None:
    m, network = make_formula_model(lambda x, t, y: x, classes=CLASSES, condition_dropout=share)
    m.train().loss(make_batch(50, classes=3), step=0)
    y = network.calls[-1].y
    assert y is not None
    assert int((y == 3).sum()) == hidden


def test_a_model_without_classes_ignores_labels() -> None:
    m, network = make_formula_model(lambda x, t, y: x)
    m.loss(make_batch(5, classes=3), step=0)
    assert network.calls[-1].y is None


# ---- conditions


def test_guidance_goes_from_none_towards_the_class() -> None:
    m, network = make_formula_model(predict_class, classes=CLASSES, prediction="x0")
    labels = torch.tensor([0, 2])
    for guidance in (0.0, 1.0, 2.5):
        network.calls.clear()
        sampler = DDIM(steps=2, clip=False, guidance=guidance)
        *_, last = m.stream(Rng([0, 1]), SamplingInputs(labels=labels), sampler)
        expected = 3 + guidance * (labels.double() - 3)  # 3 is "no class"
        torch.testing.assert_close(last.x0[:, 0, 0, 0], expected)
        calls = [len(call.x) for call in network.calls]
        assert calls == ([4, 4] if guidance == 2.5 else [2, 2])  # both halves in one call


def test_no_class_is_guidance_0_and_no_number() -> None:
    """Whatever class is asked for, the pictures are those of the hidden row alone."""
    m, network = make_formula_model(predict_class, classes=CLASSES, prediction="x0")
    hidden = replace(STEPS, guidance=0)
    for k in (0, 2):
        draw_pictures(m, 2, cond=k, sampler=hidden)
    assert {int(y) for call in network.calls for y in call.y} == {3}  # type: ignore[union-attr]
    for number in (3, -1, 2**62):
        with expect_user_error(f"class {number} is given", "0 to 2"):
            draw_pictures(m, 2, cond=number)
        with expect_user_error(f"class {number} is given", "0 to 2"):
            m.score(Batch(torch.zeros(1, *SHAPE), torch.tensor([number])), Rng([0]))


def test_clipping_keeps_the_seen_picture_inside() -> None:
    m, _ = make_formula_model(lambda x, t, y: 5 * x, prediction="x0")
    for sampler in (DDIM(steps=3), DDPM()):
        clipped = [state.x0.abs().max() for state in m.stream(Rng([0]), sampler=sampler)][1:]
        assert max(clipped) == 1
        free = replace(sampler, clip=False)
        assert max(state.x0.abs().max() for state in m.stream(Rng([0]), sampler=free)) > 1


def test_classes_are_drawn_from_each_samples_own_stream() -> None:
    m, network = make_formula_model(predict_class, classes=CLASSES, prediction="x0")
    seeds = range(60)
    list(m.stream(Rng(seeds)))
    together = network.calls[-1].y
    assert together is not None
    assert set(together.tolist()) == {0, 1, 2}
    for seed in seeds:
        list(m.stream(Rng([seed])))
        assert network.calls[-1].y == together[seed]


@pytest.mark.parametrize("sampler", [DDIM(steps=3, eta=1), DDPM()])
def test_giving_what_would_be_drawn_changes_nothing(sampler: Any) -> None:
    m, rng = make_model(classes=CLASSES, schedule=Linear(8)), Rng([3, 4])
    start = rng.normal(*SHAPE)
    labels = (rng.uniform() * 3).long()
    states = list(m.stream(Rng([3, 4]), sampler=sampler))
    for given in (
        SamplingInputs(initial_noise=start),
        SamplingInputs(labels=labels),
        SamplingInputs(labels=labels, initial_noise=start),
    ):
        again = list(m.stream(Rng([3, 4]), given, sampler))
        assert all(torch.equal(a.x, b.x) for a, b in zip(states, again, strict=True))


def test_start_is_where_it_starts() -> None:
    m, start = make_model(), torch.randn(2, *SHAPE, requires_grad=True)
    states = list(m.stream(Rng([0, 1]), SamplingInputs(initial_noise=start)))
    assert torch.equal(states[0].x, start.detach().double())
    assert not any(state.x.requires_grad for state in states)
    with expect_user_error("initial_noise has shape (2, 1, 4, 4)", "(3, 1, 4, 4)"):
        m.stream(Rng([0, 1, 2]), SamplingInputs(initial_noise=start))


def test_size_is_free() -> None:
    m = make_model()
    assert m.spec.free_size
    assert draw_pictures(m, 2, inputs=SamplingInputs(size=(3, 7))).shape == (2, 1, 3, 7)
    for size in ((0, 4), (4, -1)):
        with expect_user_error("size is ", f"{min(size)}", "give 1 or more"):
            draw_pictures(m, 1, inputs=SamplingInputs(size=size))


def test_size_is_not_free_where_the_network_fixes_it() -> None:
    article = ArticleDDPM(n_steps=5, img_shape=SHAPE, channels=(4, 8), pe_dim=4)
    m = make_model(network=article, schedule=Linear(5))
    assert not m.spec.free_size
    with expect_user_error("size is given", "takes initial_noise"):
        draw_pictures(m, 1, inputs=SamplingInputs(size=(8, 8)))


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([0], ["1 of class", "2 pictures"]),
        ([[0, 1]], ["(1, 2) of class", "2 pictures"]),
        ([0, 3], ["class 3", "0 to 2"]),
        ([-1, 2], ["class -1", "0 to 2"]),
        ([0.0, 1.5], ["float32", "integers"]),
    ],
)
def test_classes_that_are_none_are_refused(labels: Any, words: list[str]) -> None:
    with expect_user_error(*words):
        make_model(classes=CLASSES).stream(Rng([0, 1]), SamplingInputs(labels=torch.tensor(labels)))


def test_classes_for_a_model_without_are_refused() -> None:
    with expect_user_error("classes are given", "none"):
        make_model().stream(Rng([0]), SamplingInputs(labels=torch.tensor([0])))


# ---- the manners of the stream


def test_grad_mode_does_not_leak() -> None:
    m = make_model()
    stream = m.stream(Rng([0]))
    for enabled in (True, False, True):
        with torch.set_grad_enabled(enabled):
            state = next(stream)
            assert torch.is_grad_enabled() is enabled
            assert not state.x.requires_grad
    assert not m.render(state).requires_grad


@pytest.mark.parametrize("sampler", [DDIM(steps=5, eta=1), DDPM(), DDIM(steps=5, sigma_hat=True)])
def test_states_stay_valid_after_the_next_step(sampler: Any) -> None:
    states: list[DiffusionState] = []
    copies: list[tuple[Tensor, Tensor]] = []
    for state in make_model(schedule=Linear(8)).stream(Rng([0]), sampler=sampler):
        states.append(state)
        copies.append((state.x.clone(), state.x0.clone()))
    assert len(states) > 5
    for state, (x, x0) in zip(states, copies, strict=True):
        assert torch.equal(state.x, x)
        assert torch.equal(state.x0, x0)


def test_what_the_caller_gave_is_left_as_it_was() -> None:
    start, labels = torch.randn(1, *SHAPE).double(), torch.tensor([1])
    before = start.clone(), labels.clone()
    m = make_model(classes=CLASSES)
    for state in m.stream(Rng([0]), SamplingInputs(labels=labels, initial_noise=start)):
        m.render(state)
    assert torch.equal(start, before[0])
    assert torch.equal(labels, before[1])


@pytest.mark.parametrize("training", [True, False])
def test_sampling_is_in_eval_mode_and_training_goes_on(training: bool) -> None:
    m, network = make_formula_model(lambda x, t, y: x / 2)
    m.train(training)
    for _ in m.stream(Rng([0])):
        assert m.training is training
        assert network.training is training
    assert [call.training for call in network.calls] == [False] * STEPS.steps


def test_the_mode_comes_back_after_an_error() -> None:
    def fail(*_: object) -> Tensor:
        raise RuntimeError("out of memory")

    m, _ = make_formula_model(fail)
    stream = m.train().stream(Rng([0]))
    next(stream)
    with pytest.raises(RuntimeError, match="out of memory"):
        next(stream)
    assert m.training
    assert torch.is_grad_enabled()


def test_sampling_does_not_touch_the_global_generator() -> None:
    m = make_model(classes=CLASSES)
    before = torch.get_rng_state()
    draw_pictures(m, 1, sampler=DDIM(steps=3, eta=1))
    assert torch.equal(torch.get_rng_state(), before)


def test_the_solver_is_in_float64_and_the_network_in_float32() -> None:
    m, network = make_formula_model(lambda x, t, y: x / 2)
    assert m.alpha_bars.dtype == torch.float64
    states = list(m.stream(Rng([0])))
    assert {state.x.dtype for state in states} == {torch.float64}
    assert {call.x.dtype for call in network.calls} == {torch.float32}
    assert m.render(states[-1]).dtype == torch.float32


def test_pictures_are_in_0_to_1() -> None:
    x = torch.tensor([-9.0, -1.0, 0.0, 1.0, 9.0]).double().reshape(1, 1, 1, 5)
    shown = make_model().render(DiffusionState(x, x, -1, 1, 1))
    assert shown.flatten().tolist() == [0, 0, 0.5, 1, 1]


# ---- configs


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"shape": (3, 4, 4), "network": unet_config()}, ["network.channels is 1", "needs 3"]),
        ({"conditions": make_choices(CLASSES)}, ["network.condition_width is 0", "needs 4"]),
        ({"condition_dropout": 1.5}, ["condition_dropout is 1.5"]),
        ({"condition_dropout": float("nan")}, ["condition_dropout is nan"]),
    ],
)
def test_configs_that_do_not_fit_are_refused(fields: Any, words: list[str]) -> None:
    with expect_user_error(*words):
        DiffusionConfig(**fields)


def test_the_spec_tells_what_the_forms_need() -> None:
    plain, classy = make_model().spec, make_model(shape=(3, 4, 6), classes=CLASSES).spec
    assert (plain.output, plain.channels, plain.size) == ("picture", 1, (4, 4))
    assert plain.accepted_inputs == ("initial_noise", *PICTURES, "size")
    assert (classy.channels, classy.size, classy.classes) == (3, (4, 6), CLASSES)
    assert classy.accepted_inputs == ("labels", "conditions", "initial_noise", *PICTURES, "size")
    assert classy.samplers[0] == STEPS
    assert DDPM() in classy.samplers
    assert [type(s) for s in classy.samplers].count(DDIM) == 1
