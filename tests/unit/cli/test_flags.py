"""Options of configs inside configs, and configs changed by them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import pytest

from smalti.core.changes import change_config
from smalti.core.config import TAGS, check_fields
from smalti.core.config_flags import list_flags
from smalti.core.ranges import Range
from smalti.diffusion import DiffusionConfig
from smalti.layers.caption import CaptionConfig
from smalti.layers.condition_encoder import Choice
from tests.expect import expect_user_error


@dataclass(frozen=True)
@check_fields
class Conditioned:
    """A config with conditions."""

    conditions: tuple[Choice | CaptionConfig, ...] = (Choice(("a", "b")), CaptionConfig())
    """The conditions."""
    steps: Annotated[int, Range(1, 9)] = 3
    """How many."""


@pytest.fixture(autouse=True)
def tagged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TAGS, "conditioned", f"{__name__}:Conditioned")


def test_conditions_go_by_their_names():
    flags = {flag.name: flag for flag in list_flags(Conditioned(), "model.")}
    assert {"model.conditions.text.buckets", "model.steps"} <= flags.keys()
    assert "model.conditions.text.name" not in flags
    assert flags["model.conditions.text.buckets"].option == "--model.conditions.text.buckets"
    changed = change_config(Conditioned(), {"conditions.text.buckets": 64, "steps": 4})
    assert changed == Conditioned((Choice(("a", "b")), CaptionConfig(buckets=64)), 4)


def test_wrong_names_and_values_are_refused():
    with expect_user_error("conditions.style.width is given, but conditions has class, text"):
        change_config(Conditioned(), {"conditions.style.width": 3})
    with expect_user_error(
        "conditions.text.wdth is given, but conditions.text is caption, which has"
    ):
        change_config(Conditioned(), {"conditions.text.wdth": 3})
    with expect_user_error("conditioned.steps is 10; give 1 or more, 9 at most"):
        change_config(Conditioned(), {"steps": 10})


def test_a_field_says_which_types_have_it_and_the_ranges_that_all_share():
    flags = {flag.name: flag for flag in list_flags(DiffusionConfig())}
    assert flags["schedule"].default == "cosine"
    assert flags["schedule.tau"].help.endswith("(sigmoid)")
    assert "(" not in flags["schedule.T"].help
    assert flags["sampler.steps"].hint is int  # Consistency has fewer than DDIM
    assert change_config(DiffusionConfig(), {"schedule": "sigmoid", "schedule.tau": 2.0}).schedule
