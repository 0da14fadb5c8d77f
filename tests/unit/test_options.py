"""What the options of the command line take."""

from __future__ import annotations

import pytest

from smalti.cli.flags import flags_of, read
from smalti.diffusion import UNetConfig
from tests.expect import refusal

ATTENTION = next(f for f in flags_of(UNetConfig()) if f.path == ("attention",))


@pytest.mark.parametrize(
    "words", [("no", "no", "yes"), ("false", "False", "true"), ("0,0,1",), ("n f Y",)]
)
def test_a_list_of_truths_takes_the_words_of_one(words: tuple[str, ...]):
    assert read(words, ATTENTION, "--attention") == (False, False, True)


@pytest.mark.parametrize("words", [("maybe",), ("no", "2"), ("no", "null")])
def test_other_words_are_no_truths(words: tuple[str, ...]):
    with refusal("--attention is ", words[-1], "give yes or no for each level"):
        read(words, ATTENTION, "--attention")
