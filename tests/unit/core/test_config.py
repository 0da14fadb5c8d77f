"""Configs survive a JSON round trip; errors in a file give one line."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smalti.core.config import TAGS, check_fields, find_config_class, from_json, to_json
from smalti.core.errors import UserError
from smalti.diffusion import (
    DDIM,
    DDPM,
    Cosine,
    DiffusionConfig,
    DPMSolver,
    Linear,
    Sigmoid,
    UNetConfig,
    UniPC,
)
from smalti.layers.condition_encoder import compute_width, make_choices
from smalti.training import Training
from tests.expect import expect_user_error

SHARES = st.floats(0, 1)
NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
SCHEDULES = st.one_of(
    st.builds(
        Linear,
        T=st.integers(2, 50),
        beta_start=st.floats(1e-5, 1e-3),
        beta_end=st.floats(0.01, 0.1),
    ),
    st.builds(Cosine, T=st.integers(2, 50), s=SHARES),
    st.builds(Sigmoid, T=st.integers(2, 50), tau=st.floats(0.5, 2)),
)
SAMPLERS = st.one_of(
    st.builds(
        DDPM, variance=st.sampled_from(["beta", "beta-tilde"]), guidance=st.floats(-100, 100)
    ),
    st.builds(
        DDIM,
        steps=st.integers(1, 9),
        spacing=st.one_of(
            st.sampled_from(["uniform", "quadratic"]), st.lists(st.integers(0, 999)).map(tuple)
        ),
        eta=SHARES,
        clip=st.booleans(),
    ),
    st.builds(DPMSolver, steps=st.integers(1, 9), order=st.integers(1, 2), clip=st.booleans()),
    st.builds(
        UniPC,
        order=st.integers(1, 3),
        variant=st.sampled_from(["bh1", "bh2"]),
        spacing=st.lists(st.integers(0, 999)).map(tuple),
        corrector=st.booleans(),
    ),
)


@st.composite
def models(draw: st.DrawFn) -> DiffusionConfig:
    C, classes = draw(st.integers(1, 4)), tuple(draw(st.lists(NAMES, max_size=3)))
    widths = tuple(8 * w for w in draw(st.lists(st.integers(1, 4), min_size=1, max_size=3)))
    attention = tuple(draw(st.booleans()) for _ in widths)
    conditions, sampler = make_choices(classes), draw(SAMPLERS)
    D = compute_width(conditions, reserve_none=True)
    return DiffusionConfig(
        shape=(C, draw(st.integers(9, 64)), draw(st.integers(9, 64))),  # a norm needs two numbers
        network=UNetConfig(C, widths, attention=attention, condition_width=D),
        schedule=draw(SCHEDULES),
        prediction=draw(st.sampled_from(["eps", "x0", "v"])),
        conditions=conditions,
        condition_dropout=draw(SHARES) if sampler.guidance == 1 else 0.5,
        sampler=sampler,
    )


@settings(max_examples=40)
@given(models())
def test_a_config_comes_back_the_same(config: DiffusionConfig) -> None:
    text = json.dumps(to_json(config))
    again = from_json(json.loads(text))
    assert again == config
    assert json.dumps(to_json(again)) == text


@pytest.mark.parametrize("tag", TAGS)
def test_every_tag_is_a_frozen_dataclass_whose_defaults_come_back(tag: str) -> None:
    config: Any = find_config_class(tag)()
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.anything = 1
    written = to_json(config)
    assert written["tag"] == tag
    assert from_json(json.loads(json.dumps(written))) == config


def test_no_two_tags_name_one_class() -> None:
    assert len(set(TAGS.values())) == len(TAGS)


def test_fields_that_are_left_out_are_the_defaults() -> None:
    assert from_json({"tag": "ddim", "steps": 5}) == DDIM(steps=5)


def test_a_whole_number_may_stand_for_a_float() -> None:
    eta = from_json({"tag": "ddim", "eta": 1}).eta
    assert isinstance(eta, float)
    assert eta == 1


def test_none_comes_back() -> None:
    training = Training(steps=None)
    assert from_json(to_json(training)) == training


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"steps": 5}, ["no tag", "steps"]),
        ({"tag": "ddmi"}, ["unknown tag 'ddmi'", "ddim"]),
        ({"tag": ["ddim"]}, ["unknown tag ['ddim']"]),
        ({"tag": None}, ["unknown tag None"]),
        ({"tag": "os:system"}, ["unknown tag 'os:system'"]),
        ({"tag": "ddim", "stepz": 5}, ["'ddim'", "unknown field 'stepz'", "steps"]),
        ({"tag": "ddim", "steps": "many"}, ["ddim.steps is 'many'", "int"]),
        ({"tag": "ddim", "steps": 2.5}, ["ddim.steps is 2.5", "int"]),
        ({"tag": "ddim", "steps": True}, ["ddim.steps is True", "int"]),
        ({"tag": "ddim", "steps": None}, ["ddim.steps is None", "int"]),
        ({"tag": "ddim", "clip": 1}, ["ddim.clip is 1", "bool"]),
        ({"tag": "ddim", "eta": True}, ["ddim.eta is True", "float"]),
        ({"tag": "ddim", "eta": "0"}, ["ddim.eta is '0'", "float"]),
        ({"tag": "ddim", "eta": 2}, ["eta is 2"]),
        ({"tag": "ddim", "spacing": "cubic"}, ["ddim.spacing is 'cubic'", "quadratic"]),
        ({"tag": "ddim", "spacing": [5, "x"]}, ["ddim.spacing is [5, 'x']"]),
        ({"tag": "ddpm", "variance": "gamma"}, ["ddpm.variance is 'gamma'", "beta-tilde"]),
        ({"tag": "unet", "widths": 8}, ["unet.widths is 8", "tuple"]),
        ({"tag": "unet", "widths": [8, 16.0]}, ["widths is 16.0", "int"]),
        ({"tag": "diffusion", "shape": [1, 8]}, ["diffusion.shape is [1, 8]"]),
        ({"tag": "diffusion", "network": {"tag": "ddim"}}, ["diffusion.network is DDIM"]),
        ({"tag": "diffusion", "schedule": "cosine"}, ["diffusion.schedule is 'cosine'", "Cosine"]),
        ({"tag": "diffusion", "schedule": {"tag": "unet"}}, ["diffusion.schedule is UNetConfig"]),
        ({"tag": "diffusion", "schedule": {"T": 5}}, ["no tag", "T"]),
        ({"tag": "diffusion", "network": {"tag": "unet", "groups": 0}}, ["groups is 0"]),
    ],
)
def test_what_is_wrong_is_told_in_one_line(value: Any, words: list[str]) -> None:
    with expect_user_error(*words):
        from_json(value)


def test_only_plain_values_go_into_a_file() -> None:
    with pytest.raises(TypeError, match="is not a value of config files"):
        to_json({1, 2})


def test_only_classes_of_the_table_go_into_a_file() -> None:
    @dataclasses.dataclass(frozen=True)
    class Stranger:
        value: int = 0

    with pytest.raises(TypeError, match=r"Stranger has no line in the table of tags"):
        to_json(Stranger())


def test_a_check_that_is_inherited_is_made() -> None:
    @dataclasses.dataclass(frozen=True)
    @check_fields
    class Even:
        width: int = 2

        def __post_init__(self) -> None:
            if self.width % 2:
                raise UserError(f"width is {self.width}; give an even one")

    @dataclasses.dataclass(frozen=True)
    @check_fields
    class Wide(Even):
        height: int = 2

    with expect_user_error("width is 3", "even"):
        Wide(3)
