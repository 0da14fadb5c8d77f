"""Every number of a config is of its type, finite and in its range, or one line says what is."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest

from smalti.core.config import (
    TAGS,
    coerce_value,
    collect_hints,
    find_config_class,
    from_json,
    to_json,
)
from smalti.core.errors import UserError, shorten
from smalti.core.ranges import Fraction, LengthRange, OutOfRangeError, PictureShape, Range, Seed
from smalti.diffusion import DDIM, Cosine, DiffusionConfig, UNetConfig
from smalti.training import Training
from smalti.vq import FSQConfig, ResidualConfig
from tests.expect import expect_user_error

NOTHINGS: tuple[Any, ...] = (
    None, True, "", "x", "a\0b", [], {}, [None], -1, -0.5, 0.3, math.nan, math.inf, -math.inf,
    1e30, 10**400, -(10**5000), 2**64, [10**9] * 3, [1] * 10_000, {"tag": "unet"}, {"tag": []},
)  # fmt: skip


@pytest.mark.parametrize("tag", TAGS)
def test_whatever_a_field_is_given_is_taken_or_refused_in_one_line(tag: str) -> None:
    written = to_json(find_config_class(tag)())
    for name in written.keys() - {"tag"}:
        for value in NOTHINGS:
            try:
                config = from_json({**written, name: value})
            except UserError as error:
                assert "\n" not in str(error) and len(str(error)) < 900
            else:
                taken = to_json(config)[name]  # as it is, and not as something else
                assert taken == value or isinstance(value, (dict, bool))


@pytest.mark.parametrize("tag", TAGS)
def test_python_is_told_the_same_as_a_file(tag: str) -> None:
    cls = find_config_class(tag)
    if tag == "toy":
        pytest.skip("a toy of the tests")
    for field in dataclasses.fields(cls):
        with pytest.raises(UserError):
            cls(**{field.name: object()})


@pytest.mark.parametrize("tag", sorted(TAGS.keys() - {"toy", "token-toy"}))
def test_every_number_has_a_range(tag: str) -> None:
    """Where a field is a bare int or float, nothing keeps it from being absurd."""
    bare = [
        name for name, hint in collect_hints(find_config_class(tag)).items() if hint in (int, float)
    ]
    assert not bare


@pytest.mark.parametrize(
    ("value", "hint", "words"),
    [
        (-1, Seed, ["--x is -1", "0 or more", "18,446,744,073,709,551,615 at most"]),
        (2**64, Seed, ["--x is 18446744073709551616"]),
        (10**4000, Seed, ["--x is a number of 13288 bits"]),
        (1.5, Fraction, ["--x is 1.5", "1 at most"]),
        (math.nan, Fraction, ["--x is nan"]),
        (math.inf, float, ["--x is inf"]),
        (10**400, float, ["--x is a number of 1329 bits"]),
        ("1", Fraction, ["--x is '1'", "float"]),
        (
            (3, 65_536, 65_536),
            PictureShape,
            ["--x is 3 x 65536 x 65536", "67,108,864 numbers at most"],
        ),
        ((3, 8), PictureShape, ["--x is (3, 8)", "tuple (int, 1 or more"]),
        ("a" * 10_000, int, ["--x is 'aaaa", "..."]),
    ],
)
def test_what_is_wrong_is_told_in_one_line(value: Any, hint: Any, words: list[str]) -> None:
    with expect_user_error(*words) as error:
        coerce_value(value, hint, "--x")
    assert len(str(error.value)) < 300


def test_the_ends_of_a_range() -> None:
    for good in (0, 2**64 - 1):
        assert coerce_value(good, Seed, "seed") == good
    Range(0, 1).check(0, "x")
    Range(0, 1).check(1, "x")
    for open_range, end in (
        (Range(0, 1, excludes_low=True), 0),
        (Range(0, 1, excludes_high=True), 1),
    ):
        with pytest.raises(OutOfRangeError):
            open_range.check(end, "x")
    LengthRange(1, 2).check((1, 2), "x")
    with expect_user_error("x is an empty list", "1 to 2"):
        LengthRange(1, 2).check((), "x")


def test_numbers_of_other_libraries_and_lists_are_taken() -> None:
    config = DDIM(steps=np.int64(5), eta=np.float32(0.5))  # pyright: ignore
    assert config == DDIM(steps=5, eta=0.5)
    assert (type(config.steps), type(config.eta)) == (int, float)
    assert UNetConfig(widths=[8, 16]).widths == (8, 16)  # pyright: ignore


def test_configs_inside_configs_are_checked_too() -> None:
    with expect_user_error("cosine.T is 1", "2 or more"):
        DiffusionConfig(schedule=Cosine(T=1))
    with expect_user_error("diffusion.schedule is 5", "Linear or Cosine or Sigmoid"):
        DiffusionConfig(schedule=5)  # pyright: ignore


def test_a_codebook_and_a_padding_that_cannot_be() -> None:
    with expect_user_error("fsq.levels is 65536 x 65536", "numbers at most"):
        FSQConfig((65_536, 65_536))
    with expect_user_error("downsampling factor", "1024"):
        ResidualConfig(widths=(32,) * 12, attention=(False,) * 12)
    with expect_user_error("to multiples of 2048"):
        UNetConfig(stem=1024, widths=(32, 32), attention=(False, False))
    with expect_user_error("training.seed is -1"):
        Training(seed=-1)


def test_long_values_are_echoed_in_part() -> None:
    assert shorten("a" * 1000, 21) == "'aaaaaaa ... aaaaaaa'"
    assert shorten(10**5000) == "a number of 16610 bits"
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert len(shorten(deep)) < 30
    assert shorten("two\nlines") == r"'two\nlines'"
