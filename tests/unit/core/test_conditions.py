"""Conditions: shorthands, names of values, "none", and invalid ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from smalti.core.conditions import resolve_conditions
from smalti.core.errors import UserError
from smalti.core.protocols import Batch, Condition, Spec
from smalti.core.sampling_inputs import SamplingInputs

SPEC = Spec(
    "picture",
    conditions=(
        Condition("class", "vector", ("cat", "dog", "7")),
        Condition("style", "vector", ("flat", "round"), allows_none=True),
        Condition("text", "vector", allows_none=True),
    ),
)


def to_integers(value: Tensor | list[str]) -> list[int]:
    assert isinstance(value, Tensor)
    assert value.dtype == torch.int64
    return value.tolist()


def test_labels_and_text_are_short_for_class_and_text() -> None:
    inputs = SamplingInputs(torch.tensor([0, 2], dtype=torch.int8), ["red", "blue"])
    resolved = resolve_conditions(inputs, SPEC, 2)
    assert to_integers(resolved["class"]) == [0, 2]
    assert resolved["text"] == ["red", "blue"]
    assert SPEC.classes == ("cat", "dog", "7")


def test_values_go_by_name() -> None:
    resolved = resolve_conditions(
        SamplingInputs(conditions={"class": ["7", "dog"], "style": ["none", "flat"]}), SPEC, 2
    )
    assert to_integers(resolved["class"]) == [2, 1]
    assert to_integers(resolved["style"]) == [2, 0]


def test_a_value_may_itself_be_called_none() -> None:
    spec = Spec("picture", conditions=(Condition("class", "vector", ("none", "some"), True),))
    assert to_integers(
        resolve_conditions(SamplingInputs(conditions={"class": ["none"]}), spec, 1)["class"]
    ) == [0]


def test_a_batch_may_tell_more_than_a_model_asks() -> None:
    batch = Batch(torch.zeros(1, 1, 2, 2), torch.tensor([1]), ["red"], {"size": ["large"]})
    assert resolve_conditions(batch, Spec("picture"), 1) == {}
    assert set(resolve_conditions(batch, SPEC, 1)) == {"class", "text"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            SamplingInputs(conditions={"class": ["none"]}),
            "was not trained without class; give one of cat",
        ),
        (
            SamplingInputs(conditions={"class": ["cow"]}),
            "class 'cow' is not one of this model's: cat, dog, 7",
        ),
        (SamplingInputs(torch.tensor([3])), "class 3 is given; this model's are 0 to 2$"),
        (
            SamplingInputs(conditions={"style": torch.tensor([2])}),
            'style 2 is given; this model.s are 0 to 1, or "none" by name',
        ),
        (
            SamplingInputs(torch.tensor([0.0])),
            "class is given as torch.float32; give integers from 0 to 2",
        ),
        (
            SamplingInputs(torch.tensor([[0]])),
            r"\(1, 1\) of class are given for 1 pictures; give one each",
        ),
        (SamplingInputs(text=["a", "b"]), "2 of text are given for 1 pictures; give one each"),
        (
            SamplingInputs(conditions={"text": torch.tensor([0])}),
            "text is given as torch.int64; give text",
        ),
        (
            SamplingInputs(conditions={"size": ["large"]}),
            "size is given, but this model takes class, sty",
        ),
        (
            SamplingInputs(torch.tensor([0]), conditions={"class": ["cat"]}),
            r"labels and conditions\['class'\] are both given; give one of them",
        ),
    ],
)
def test_what_does_not_fit_is_refused(given: SamplingInputs, message: str) -> None:
    with pytest.raises(UserError, match=message):
        resolve_conditions(given, SPEC, 1)


def test_a_model_without_conditions_says_so() -> None:
    with pytest.raises(UserError, match="classes are given, but this model has none; leave"):
        resolve_conditions(SamplingInputs(torch.tensor([0])), Spec("picture"), 1)


def test_a_condition_is_integers_or_text() -> None:
    array: Any = np.zeros(2, int)
    assert isinstance(SamplingInputs(conditions={"style": array}).conditions["style"], Tensor)
    with pytest.raises(UserError, match="style is None; give a tensor or a NumPy array"):
        SamplingInputs(conditions={"style": None})  # type: ignore[dict-item]
