"""smalti.sample and smalti.stream: what they draw, and what they refuse."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import smalti
from smalti.core.protocols import Spec
from smalti.core.sampling import merge_cond
from smalti.core.sampling_inputs import SamplingInputs
from smalti.diffusion import DDIM, Diffusion
from tests.expect import expect_user_error
from tests.tiny import diffusion_config, draw_pictures, randomize_zeros

QUICK = DDIM(steps=2)


def make_model(**changes: Any) -> Diffusion:
    return randomize_zeros(diffusion_config((1, 4, 4), sampler=QUICK, **changes).build()).eval()


def test_n_samples_are_the_seeds_from_0() -> None:
    m = make_model()
    assert torch.equal(draw_pictures(m, 3), draw_pictures(m, seeds=[0, 1, 2]))
    assert torch.equal(draw_pictures(m, 2), draw_pictures(m, 2, seeds=range(2)))


def test_a_sample_is_its_seeds() -> None:
    m = make_model()
    a, b = draw_pictures(m, seeds=[5, 9])
    assert not torch.equal(a, b)
    torch.testing.assert_close(draw_pictures(m, seeds=[9])[0], b, atol=1e-5, rtol=0)


def test_the_models_own_sampler_unless_another_is_given() -> None:
    m = make_model()
    assert len(list(smalti.stream(m, 1))) == 1 + QUICK.steps
    assert len(list(smalti.stream(m, 1, sampler=DDIM(steps=5)))) == 1 + 5


def test_progress_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    m = make_model()
    assert torch.equal(draw_pictures(m, 2, show_progress=True), draw_pictures(m, 2))


@pytest.mark.parametrize("cond", [1, [1, 1], torch.tensor([1, 1])])
def test_whole_numbers_are_classes(cond: Any) -> None:
    m = make_model(classes=("a", "b"))
    expected = draw_pictures(m, 2, inputs=SamplingInputs(labels=torch.tensor([1, 1])))
    assert torch.equal(draw_pictures(m, 2, cond=cond), expected)
    assert not torch.equal(draw_pictures(m, 2, cond=0), expected)


def test_cond_is_shorthand() -> None:
    inputs = SamplingInputs(size=(2, 3))
    assert merge_cond(inputs, None, 2, Spec("picture")) is inputs
    assert merge_cond(inputs, ["a b", "c"], 2, Spec("picture")).text == ["a b", "c"]
    picture = torch.rand(2, 1, 4, 4)
    assert merge_cond(inputs, picture, 2, Spec("picture")).picture is picture
    labels = merge_cond(inputs, [3, 4], 2, Spec("picture"))
    assert labels.labels is not None
    assert labels.labels.tolist() == [3, 4]
    assert labels.size == (2, 3)  # what else is given stays


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, ["n is None"]),
        ({"n": 0}, ["n is 0"]),
        ({"n": -1}, ["n is -1"]),
        ({"seeds": []}, ["0 seeds"]),
        ({"n": 3, "seeds": [1, 2]}, ["2 seeds", "n=3"]),
        ({"seeds": [1, -2]}, ["seed is -2"]),
        ({"n": 1, "cond": ["hello"]}, ["class 'hello' is not one of this model's: a, b"]),
        ({"n": 1, "cond": torch.rand(1, 1, 5, 4)}, ["picture has shape (1, 1, 5, 4)"]),
        ({"n": 1, "inputs": SamplingInputs(mask=torch.ones(1))}, ["known pictures and a mask"]),
        ({"n": 1, "sampler": "euler"}, ["sampler 'euler'", "ddim, ddpm, dpm-solver"]),
        ({"n": 1, "sampler": DDIM(steps=2000)}, ["steps is 2000", "1000 noise levels"]),
        ({"n": 2, "cond": [1]}, ["1 of class", "2 pictures"]),
        ({"n": 2, "cond": [0, 7]}, ["class 7", "0 to 1"]),
        ({"n": 2, "cond": 2}, ["class 2 is given", "0 to 1"]),  # the row that training hides by
        ({"n": 2, "cond": True}, ["integers"]),
        ({"n": 2, "cond": 2**70}, ["cond is [1180591620717411303424"]),
        ({"n": 1, "cond": [None]}, ["cond is [None]; give integers, text, or pictures"]),
        ({"n": 1, "cond": [0.5]}, ["class is given as torch.float32"]),
        ({"n": 10**12}, ["n is 1000000000000; give 1 or more, 1,000,000 at most"]),
        ({"n": 2.0}, ["n is 2.0; expected int"]),
        ({"seeds": [2**64]}, ["seed is 18446744073709551616; give 0 or more"]),
        ({"seeds": [10**5000]}, ["seed is a number of 16610 bits"]),
        ({"seeds": [1.5]}, ["seed is 1.5; expected int"]),
        ({"seeds": [True]}, ["seed is True; expected int"]),
        ({"n": 1, "inputs": SamplingInputs(size=(10**6, 4))}, ["size is 1000000; give 1 or more"]),
    ],
)
@pytest.mark.parametrize("verb", [smalti.sample, smalti.stream])
def test_refusals_come_before_any_work(verb: Any, arguments: Any, words: list[str]) -> None:
    with expect_user_error(*words):
        verb(make_model(classes=("a", "b")), **arguments)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("labels", {"a": 1}, "labels is {'a': 1}; give a tensor"),
        ("labels", torch.ones(2).bool(), "labels are of torch.bool"),
        ("text", "red heart", "text is 'red heart'; give a list of sentences"),
        ("text", [1], "text is [1]; give a list of sentences"),
        ("picture", "a.png", "picture is 'a.png'; give a tensor"),
    ],
)
def test_conditions_of_another_type_are_refused(field: str, value: Any, words: str) -> None:
    with expect_user_error(words):
        SamplingInputs(**{field: value})


def test_the_largest_seeds_draw_and_differ() -> None:
    a, b = draw_pictures(make_model(), seeds=[2**63, 2**64 - 1])
    assert not torch.equal(a, b)


def test_a_model_that_takes_nothing_says_so() -> None:
    m = make_model()
    with expect_user_error("labels is given", "takes initial_noise, picture"):
        smalti.sample(m, 1, cond=3)
    m.spec = Spec("picture")
    with expect_user_error("labels is given", "takes nothing"):
        smalti.sample(m, 1, cond=3)
