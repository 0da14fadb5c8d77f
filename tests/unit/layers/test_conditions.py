"""Conditions as vectors and tokens: layout, dropout, and errors."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from smalti.core.config import from_json, to_json
from smalti.core.errors import UserError
from smalti.layers.caption import CaptionConfig
from smalti.layers.condition_encoder import Choice, ConditionEncoder, compute_width, make_choices

STYLE = Choice(("flat", "round", "old"), "style")
CAPTION = CaptionConfig(width=4, buckets=64)
ALL = (Choice(("cat", "dog")), STYLE, CAPTION)
VALUES = {"class": torch.tensor([1, 0]), "style": torch.tensor([3, 2]), "text": ["red", ""]}


def vector(conditions: ConditionEncoder, values: dict, n: int = 2) -> Tensor:
    x = conditions.to_vector(values, n)
    assert x is not None
    return x


def test_one_hots_and_captions_are_concatenated() -> None:
    conditions = ConditionEncoder(ALL, 0.2).eval()
    x = vector(conditions, VALUES)
    assert x.shape == (2, conditions.width) == (2, 3 + 4 + 4)
    assert x[0, :7].tolist() == [0, 1, 0, 0, 0, 0, 1]
    assert x[1, :7].tolist() == [1, 0, 0, 0, 0, 1, 0]
    assert not torch.equal(x[0, 7:], x[1, 7:])
    assert conditions.to_indices(VALUES, 2).tolist() == [[1, 3], [0, 2]]
    x.sum().backward()
    assert all(p.grad is not None for p in conditions.parameters())


def test_missing_conditions_are_dropped() -> None:
    conditions = ConditionEncoder(ALL, 0.2).eval()
    nothing = conditions.to_unconditional_vector(1)
    assert nothing is not None
    assert nothing[0, :7].tolist() == [0, 0, 1, 0, 0, 0, 1]
    values = {"class": torch.tensor([2]), "style": torch.tensor([3]), "text": [""]}
    assert torch.equal(vector(conditions, values, 1), nothing)


def test_training_drops_each_independently() -> None:
    conditions = ConditionEncoder((Choice(("cat",)), STYLE), 0.5)
    values = {"class": torch.zeros(400, dtype=torch.int64), "style": torch.ones(400).long()}
    torch.manual_seed(0)
    first, second = conditions.to_indices(values, 400).unbind(1)
    both = (first == 1) & (second == 3)
    assert 150 < int((first == 1).sum()) < 250
    assert 150 < int((second == 3).sum()) < 250
    assert 60 < int(both.sum()) < 140
    assert conditions.eval().to_indices(values, 400).unique(dim=0).tolist() == [[0, 1]]


def test_training_drops_captions() -> None:
    conditions = ConditionEncoder((CAPTION,), 0.5)
    torch.manual_seed(0)
    x = vector(conditions, {"text": ["red"] * 200}, 200)
    hidden = x.isclose(vector(conditions.eval(), {}, 1), atol=1e-5).all(1)
    assert 70 < int(hidden.sum()) < 130


def test_without_dropout_there_is_no_none() -> None:
    conditions = ConditionEncoder(ALL[:2])
    assert conditions.width == compute_width(ALL[:2], reserve_none=False) == 5
    assert not any(c.allows_none for c in conditions.spec)
    with pytest.raises(UserError, match="was not trained without style; give one for each of 2"):
        conditions.to_vector({"class": torch.tensor([0, 1])}, 2)
    with pytest.raises(UserError, match="was not trained without class; give it, and set guidance"):
        conditions.to_unconditional_vector(2)


def test_none_can_be_reserved_although_it_is_never_learned() -> None:
    conditions = ConditionEncoder((Choice(("cat", "dog")),), reserve_none=True)
    assert conditions.width == compute_width((Choice(("cat", "dog")),), reserve_none=True) == 3
    assert vector(conditions, {"class": torch.tensor([1])}, 1).tolist() == [[0, 1, 0]]
    assert not conditions.spec[0].allows_none
    with pytest.raises(UserError, match="was not trained without class"):
        conditions.to_vector({}, 1)


def test_no_conditions() -> None:
    conditions = ConditionEncoder(make_choices(()))
    assert conditions.width == 0
    assert conditions.to_vector({}, 2) is None
    assert conditions.to_unconditional_vector(2) is None
    assert conditions.to_indices({}, 2).shape == (2, 0)


def test_names_are_different() -> None:
    with pytest.raises(UserError, match="two conditions are named 'class'; give each a different"):
        ConditionEncoder((Choice(("cat",)), Choice(("dog",))))


def test_it_follows_the_modules_type() -> None:
    assert vector(ConditionEncoder((STYLE,)).double(), {"style": torch.tensor([0])}, 1).dtype == (
        torch.float64
    )


def test_a_choice_goes_into_a_file_and_back() -> None:
    assert from_json(to_json(STYLE)) == STYLE
    with pytest.raises(UserError, match=r"choice\.values is an empty list; give 1 to"):
        Choice(())
