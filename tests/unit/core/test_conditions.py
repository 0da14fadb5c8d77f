"""What a model is told: shorthands, names of values, "none", and all that is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from smalti.core.conditions import resolve
from smalti.core.errors import UserError
from smalti.core.given import Given
from smalti.core.protocols import Batch, Condition, Spec

SPEC = Spec(
    "picture",
    conditions=(
        Condition("class", "vector", ("cat", "dog", "7")),
        Condition("style", "vector", ("flat", "round"), unknown=True),
        Condition("text", "vector", unknown=True),
    ),
)


def numbers(value: Tensor | list[str]) -> list[int]:
    assert isinstance(value, Tensor)
    assert value.dtype == torch.int64
    return value.tolist()


def test_labels_and_text_are_short_for_class_and_text() -> None:
    given = Given(torch.tensor([0, 2], dtype=torch.int8), ["red", "blue"])
    told = resolve(given, SPEC, 2)
    assert numbers(told["class"]) == [0, 2]
    assert told["text"] == ["red", "blue"]
    assert SPEC.classes == ("cat", "dog", "7")


def test_values_go_by_name() -> None:
    told = resolve(Given(conditions={"class": ["7", "dog"], "style": ["none", "flat"]}), SPEC, 2)
    assert numbers(told["class"]) == [2, 1]
    assert numbers(told["style"]) == [2, 0]


def test_a_value_may_itself_be_called_none() -> None:
    spec = Spec("picture", conditions=(Condition("class", "vector", ("none", "some"), True),))
    assert numbers(resolve(Given(conditions={"class": ["none"]}), spec, 1)["class"]) == [0]


def test_a_batch_may_tell_more_than_a_model_asks() -> None:
    batch = Batch(torch.zeros(1, 1, 2, 2), torch.tensor([1]), ["red"], {"size": ["large"]})
    assert resolve(batch, Spec("picture"), 1) == {}
    assert set(resolve(batch, SPEC, 1)) == {"class", "text"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (Given(conditions={"class": ["none"]}), "never learned without class; give one of cat"),
        (Given(conditions={"class": ["cow"]}), "class 'cow' is none of this model's: cat, dog, 7"),
        (Given(torch.tensor([3])), "class 3 is given; this model's are 0 to 2$"),
        (
            Given(conditions={"style": torch.tensor([2])}),
            'style 2 is given; this model.s are 0 to 1, or "none" by name',
        ),
        (
            Given(torch.tensor([0.0])),
            "class is given as torch.float32; give integers from 0 to 2",
        ),
        (Given(torch.tensor([[0]])), r"\(1, 1\) of class are given for 1 pictures; give one each"),
        (Given(text=["a", "b"]), "2 of text are given for 1 pictures; give one each"),
        (Given(conditions={"text": torch.tensor([0])}), "text is given as torch.int64; give text"),
        (Given(conditions={"size": ["large"]}), "size is given, but this model is told class, sty"),
        (
            Given(torch.tensor([0]), conditions={"class": ["cat"]}),
            r"labels and conditions\['class'\] are both given; give one of them",
        ),
    ],
)
def test_what_does_not_fit_is_refused(given: Given, message: str) -> None:
    with pytest.raises(UserError, match=message):
        resolve(given, SPEC, 1)


def test_a_model_without_conditions_says_so() -> None:
    with pytest.raises(UserError, match="classes are given, but this model has none; leave"):
        resolve(Given(torch.tensor([0])), Spec("picture"), 1)


def test_a_condition_is_integers_or_text() -> None:
    array: Any = np.zeros(2, int)
    assert isinstance(Given(conditions={"style": array}).conditions["style"], Tensor)
    with pytest.raises(UserError, match="style is None; give a tensor or a NumPy array"):
        Given(conditions={"style": None})  # type: ignore[dict-item]
