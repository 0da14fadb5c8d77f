"""Completion on codes: which codes are drawn, and that known pixels and codes are kept."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import smalti
from smalti.autoregressive import (
    AutoregressiveConfig,
    FrozenCodec,
    IndexCodec,
    Spiral,
    build_config,
)
from smalti.autoregressive.known import FILLINGS, encode_known, find_covering_codes
from smalti.core.protocols import SymbolDistribution
from smalti.core.sampling_inputs import SamplingInputs
from smalti.layers.condition_encoder import make_choices
from smalti.layers.symbol_sampling import Ancestral
from smalti.pixelcnn import GatedPixelCNNConfig
from tests.expect import expect_user_error
from tests.tiny import GPT, draw_pictures, prior_config, randomize_zeros

SIZE = (19, 26)  # 5 x 7 codes, the last of which cover padding
SHAPE = (1, *SIZE)


def gated_config() -> AutoregressiveConfig:
    network = GatedPixelCNNConfig(width=12, blocks=1, head_width=12, first_kernel_size=3)
    return build_config(FrozenCodec("vqvae-digits", shape=SHAPE), network)


CONFIGS = {
    "gpt": lambda: prior_config(shape=SHAPE),
    "gated": gated_config,
    "spiral": lambda: prior_config(shape=SHAPE, order=Spiral()),
}


@pytest.fixture(scope="module", params=CONFIGS)
def prior(request: pytest.FixtureRequest) -> Any:
    torch.manual_seed(0)
    return randomize_zeros(CONFIGS[request.param]().build().eval())


def pictures(n: int, seed: int = 0) -> Tensor:
    return torch.rand(n, *SHAPE, generator=torch.Generator().manual_seed(seed))


def box(top: int, bottom: int, left: int, right: int) -> Tensor:
    mask = torch.zeros(SIZE, dtype=torch.bool)
    mask[top:bottom, left:right] = True
    return mask


def to_grid(model: Any, sequence: Tensor) -> Tensor:
    return model.requirements.to_grid(sequence)[:, 0]


@settings(max_examples=12, deadline=None)
@given(
    st.integers(0, 18), st.integers(1, 19), st.integers(0, 25), st.integers(1, 26), st.integers(0)
)
def test_known_pixels_and_codes_are_kept(
    prior: Any, top: int, height: int, left: int, width: int, seed: int
) -> None:
    x, mask = pictures(2, seed % 1000), box(top, top + height, left, left + width)
    inputs = SamplingInputs(known=x, mask=mask)
    *_, last = smalti.stream(prior, 2, inputs=inputs)
    kept = ~mask.expand_as(x)
    assert torch.equal(prior.render(last)[kept], x[kept])
    codes = [prior.codec.encode(x.masked_fill(mask, gray)) for gray in FILLINGS]
    cut = ~find_covering_codes(prior.codec, mask.expand_as(x))[:, 0]
    same = (codes[0] == codes[1]) & (codes[0] == codes[2]) & cut
    assert torch.equal(last.symbols[:, 0][same], codes[0][same])
    known = encode_known(prior, inputs, 2)
    assert known is not None
    assert torch.equal(to_grid(prior, known.missing), ~same)


def test_a_code_covers_its_own_pixels_alone() -> None:
    codec: Any = FrozenCodec("vqvae-digits").load()
    for i, j in ((0, 0), (3, 4), (4, 3), (18, 25), (15, 24)):
        covering = find_covering_codes(codec, box(i, i + 1, j, j + 1)[None, None])
        assert covering.shape == (1, 1, 5, 7)
        assert covering[0, 0].nonzero().tolist() == [[i // 4, j // 4]]


def test_without_a_hole_the_network_does_not_run(
    prior: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, mask = pictures(2), torch.zeros(SIZE, dtype=torch.bool)
    monkeypatch.setattr(type(prior), "build_walker", None)
    states = list(smalti.stream(prior, 2, inputs=SamplingInputs(known=x, mask=mask)))
    assert len(states) == 5
    assert torch.equal(states[-1].symbols[:, 0], prior.codec.encode(x))
    assert torch.equal(prior.render(states[-1]), x)


def test_with_a_hole_of_everything_it_is_sampling(prior: Any) -> None:
    whole = torch.ones(SIZE, dtype=torch.bool)
    inputs = SamplingInputs(known=pictures(3), mask=whole)
    drawn, free = draw_pictures(prior, 3, inputs=inputs), draw_pictures(prior, 3)
    assert torch.equal(drawn, free)


def test_only_missing_codes_are_chosen_and_the_others_are_seen(prior: Any) -> None:
    """Each choice sees the distribution that the network gives the final codes."""
    x, mask = pictures(2), box(6, 9, 10, 13)
    inputs = SamplingInputs(known=x, mask=mask)
    known = encode_known(prior, inputs, 2)
    assert known is not None
    called: dict[int, Tensor] = {}

    def choose(k: int, symbols: SymbolDistribution) -> Tensor:
        called[k] = symbols.logits
        return (symbols.logits.argmax(1) + k) % 64

    *_, last = prior.walk(choose, 2, inputs)
    missing = known.missing.any(0)
    assert 0 < int(missing.sum()) < len(missing)
    assert [*called] == missing.nonzero()[:, 0].tolist()
    z = last.symbols
    y = prior.encode_conditions({}, 2)
    with torch.no_grad():
        predicted = prior.conditioning.predict(prior.network, z, y, None, torch.float32)
    logits = prior.requirements.to_sequence(predicted.flatten(2).view(2, 64, 5, 7))
    logits = logits.view(2, -1, 64).double().log_softmax(2)  # (n, T, K)
    for k, given_logits in called.items():
        torch.testing.assert_close(given_logits, logits[:, k], atol=1e-4, rtol=1e-4)


def test_a_completion_depends_on_its_own_seed_and_picture(prior: Any) -> None:
    x, mask = pictures(3), torch.stack([box(8 + 3 * i, 19, 0, 26) for i in range(3)])[:, None]
    all_three = draw_pictures(prior, 3, inputs=SamplingInputs(known=x, mask=mask))
    alone = draw_pictures(prior, seeds=[2], inputs=SamplingInputs(known=x[2:], mask=mask[2:]))
    torch.testing.assert_close(all_three[2:], alone, atol=1e-5, rtol=0)


def test_truncation_applies(prior: Any) -> None:
    inputs = SamplingInputs(known=pictures(2), mask=box(6, 19, 0, 26))
    greedy = draw_pictures(prior, 2, inputs=inputs, sampler=Ancestral(temperature=0))
    first = draw_pictures(prior, 2, inputs=inputs, sampler=Ancestral(top_k=1))
    assert torch.equal(greedy, first)


def test_a_class_is_drawn_given_the_codes_before_the_hole() -> None:
    torch.manual_seed(0)
    model: Any = randomize_zeros(prior_config(classes=("a", "b"), shape=SHAPE).build().eval())
    model.network.head.weight.data *= 40  # classes differ
    inputs = SamplingInputs(known=pictures(1).expand(200, -1, -1, -1), mask=box(14, 19, 13, 26))
    drawn = model.draw_conditions(smalti.Rng(range(200)), inputs).labels
    known = encode_known(model, inputs, 200)
    assert known is not None
    end = known.find_drawn_range()[0]
    assert end > 0
    z = to_grid(model, known.symbols[:1])[:, None]
    nats = []
    for label in (0, 1):
        y = model.encode_conditions({"class": torch.tensor([label])}, 1)
        with torch.no_grad():
            parameters = model.conditioning.predict(model.network, z, y, None, torch.float32)
        each = model.config.output.compute_nats(parameters.double(), z, 64).flatten()
        nats.append(each[:end].sum())
    share = (-torch.stack(nats)).softmax(0)[1]
    deviation = float((share * (1 - share) / 200).sqrt())
    assert abs(drawn.double().mean() - share) <= 5 * deviation + 1e-3


def test_frames_show_the_known_pixels(prior: Any) -> None:
    x, mask = pictures(2), box(6, 19, 0, 26)
    for state in smalti.stream(prior, 2, inputs=SamplingInputs(known=x, mask=mask)):
        assert torch.equal(prior.render(state)[..., :6, :], x[..., :6, :])


def test_models_of_indices_take_no_known_pictures() -> None:
    model = build_config(IndexCodec(8, (3, 4)), GPT, conditions=make_choices(())).build()
    assert "mask" not in model.spec.accepted_inputs
    with expect_user_error("known is given"):
        smalti.sample(
            model,
            1,
            inputs=SamplingInputs(known=torch.zeros(1, 1, 3, 4), mask=torch.ones(3, 4).bool()),
        )


def test_holes_of_another_size_are_refused(prior: Any) -> None:
    with expect_user_error("mask has shape (28, 28)"):
        smalti.sample(
            prior, 1, inputs=SamplingInputs(known=pictures(1), mask=torch.ones(28, 28).bool())
        )
    with expect_user_error("known has shape", "(1, 1, 19, 26)"):
        smalti.sample(
            prior, 1, inputs=SamplingInputs(known=torch.rand(1, 1, 28, 28), mask=box(0, 1, 0, 1))
        )


def test_guidance_keeps_what_is_known() -> None:
    torch.manual_seed(0)
    config = prior_config(classes=("a", "b"), shape=SHAPE, condition_dropout=0.1)
    model: Any = randomize_zeros(config.build().eval())
    model.network.head.weight.data *= 40  # classes differ
    x, mask = pictures(2), box(6, 19, 0, 26)
    inputs = SamplingInputs(known=x, mask=mask, labels=torch.tensor([0, 1]))
    plain, guided = (
        draw_pictures(model, 2, inputs=inputs, sampler=Ancestral(guidance=s)) for s in (1, 50)
    )
    assert torch.equal(guided[..., :6, :], x[..., :6, :])
    assert not torch.equal(plain, guided)
