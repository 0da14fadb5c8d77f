"""Options of a sampler that extends the default one select it."""

from __future__ import annotations

from smalti.autoregressive.windows import Sliding
from smalti.core.sampling import find_sampler
from smalti.diffusion import DDIM
from smalti.layers.symbol_sampling import Ancestral
from tests.expect import expect_user_error
from tests.tiny import diffusion_config, prior_config


def test_an_option_of_an_extending_sampler_selects_it() -> None:
    model = prior_config((), (1, 16, 16)).build()
    found = find_sampler({"seamless": True, "top_k": 3}, model)
    assert found == Sliding(top_k=3, seamless=True)
    assert type(find_sampler({"top_k": 3}, model)) is Ancestral


def test_a_named_sampler_stays() -> None:
    model = prior_config((), (1, 16, 16)).build()
    with expect_user_error("seamless is given, but sampler is ancestral"):
        find_sampler({"sampler": "ancestral", "seamless": True}, model)


def test_samplers_that_do_not_extend_the_default_are_not_selected() -> None:
    model = diffusion_config().build()
    other = find_sampler({"sampler": "ddpm"}, model)
    with expect_user_error("has it"):
        find_sampler({"sampler": "ddpm", "eta": 0.5}, model)
    assert type(other) is not DDIM
