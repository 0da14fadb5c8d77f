"""Hashes of models stay the same when a later version adds a field that is off."""

from __future__ import annotations

import pytest

from smalti.core.fingerprint import drop_off_values, hash_model
from tests.tiny import diffusion_config


@pytest.mark.parametrize("off", [None, False, 0, 0.0, "", [], {}, {"augmentation": None}])
def test_a_field_that_is_off_does_not_count(off: object):
    config = {"tag": "u-net", "widths": [8, 16], "inner": {"tag": "x", "steps": 3}}
    later = {**config, "later": off, "inner": {**config["inner"], "later": off}}  # type: ignore[dict-item]
    assert drop_off_values(later) == drop_off_values(config) == config


def test_places_in_lists_count():
    assert drop_off_values({"attention": [False, True]}) != drop_off_values({"attention": [True]})


def test_a_field_that_is_on_counts():
    before, after = diffusion_config(), diffusion_config(condition_dropout=0.25)
    assert before.condition_dropout != after.condition_dropout
    models = [config.build() for config in (before, after)]
    models[1].load_state_dict(models[0].state_dict())
    assert hash_model(models[0]) != hash_model(models[1])
