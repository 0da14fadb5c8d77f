"""Codebooks: the nearest code, every quantizer, and what keeps codes alive."""

from __future__ import annotations

import itertools
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from smalti.codecs import find_nearest
from smalti.codecs.codebook_init import draw_vectors
from smalti.codecs.usage import CodebookUsage, perplexity
from smalti.coding.environment import use_threads
from smalti.vq import (
    EMAConfig,
    Euclidean,
    FSQConfig,
    GumbelConfig,
    KMeans,
    Revival,
    Rotation,
    SimVQConfig,
    Sphere,
    StraightThrough,
    Uniform,
    VQConfig,
)
from tests.expect import expect_user_error
from tests.naive.codes import ema_codebook, fsq_codes, nearest_code, rotation_matrix

QUANTIZERS: dict[str, Any] = {
    "vq": VQConfig(16, 4),
    "vq-sphere-rotation": VQConfig(16, 4, space=Sphere(), gradient=Rotation()),
    "vq-legacy": VQConfig(16, 4, legacy=True, init=Uniform()),
    "ema": EMAConfig(16, 4),
    "ema-sphere": EMAConfig(16, 4, space=Sphere()),
    "simvq": SimVQConfig(16, 4),
    "gumbel": GumbelConfig(16, 4),
    "fsq": FSQConfig((4, 3, 2)),
}
every = pytest.mark.parametrize("config", QUANTIZERS.values(), ids=QUANTIZERS.keys())


def draw_latents(width: int, *size: int) -> Tensor:
    return torch.randn(size[0], width, *size[1:])


# ------------------------------------------------------------------------------- the nearest code


@given(st.integers(0, 30), st.integers(1, 100), st.integers(1, 6), st.integers(0, 10_000))
def test_the_nearest_code_is_found_as_by_brute_force(N: int, K: int, D: int, seed: int) -> None:
    """Whole numbers, so that there are ties and all arithmetic is exact."""
    torch.manual_seed(seed)
    z, codes = (torch.randint(-2, 3, (n, D)).float() for n in (N, K))
    expected = nearest_code(z, codes)
    for n in (1, 2):
        with use_threads(n):
            assert torch.equal(find_nearest(z, codes), expected)


def test_a_large_search_is_done_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    z, codes = torch.randn(1000, 8), torch.randn(50, 8)
    whole = torch.cdist(z.double(), codes.double()).argmin(1)
    for part, n in itertools.product((2**19, 170), (1, 2)):  # 170: 3 vectors at a time
        monkeypatch.setattr(sys.modules["smalti.codecs.nearest"], "MAX_PRODUCTS", part)
        with use_threads(n):
            assert torch.equal(find_nearest(z, codes), whole)
            assert torch.equal(find_nearest(z.double(), codes), whole)


def test_threads_share_a_search_of_vectors_with_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["smalti.kernels.threads"], "MIN_COST_PER_THREAD", 1)
    z, codes = torch.randn(1001, 8, requires_grad=True), torch.randn(50, 8, requires_grad=True)
    expected = torch.cdist(z.detach().double(), codes.detach().double()).argmin(1)
    for n in (1, 2, 3):
        with use_threads(n):
            assert torch.equal(find_nearest(z, codes), expected)
            assert torch.get_num_threads() == n
            with ThreadPoolExecutor(1) as other:  # threads that begin later have as many
                assert other.submit(torch.get_num_threads).result() == n


def test_autocast_does_not_blur_the_search() -> None:
    codes = torch.tensor([[1.0], [1.002]])
    with torch.autocast("cpu", torch.bfloat16):
        assert find_nearest(torch.tensor([[1.002], [1.0]]), codes).tolist() == [1, 0]


def test_what_cannot_be_searched_is_refused() -> None:
    with expect_user_error("no codes"):
        find_nearest(torch.zeros(2, 3), torch.zeros(0, 3))
    with expect_user_error("(3,)", "(4,)"):
        find_nearest(torch.zeros(2, 3), torch.zeros(5, 4))


# ------------------------------------------------------------------------------ every quantizer


@every
def test_codes_and_vectors_agree(config: Any) -> None:
    quantizer = config.build().eval()
    z = draw_latents(quantizer.width, 2, 5, 3)
    out = quantizer(z)
    assert out.codes.shape == (2, 5, 3) and out.codes.dtype == torch.int64
    assert out.z.shape == z.shape
    assert 0 <= int(out.codes.min()) <= int(out.codes.max()) < quantizer.codebook_size
    assert torch.equal(quantizer.quantize(z), out.codes)
    torch.testing.assert_close(quantizer.dequantize(out.codes), out.z)


@every
def test_the_encoder_gets_a_gradient(config: Any) -> None:
    quantizer = config.build().train()
    z = draw_latents(quantizer.width, 2, 5, 3).requires_grad_()
    quantizer(z).z.square().sum().backward()
    assert z.grad is not None and z.grad.isfinite().all() and z.grad.any()


@every
def test_a_step_updates_usage_and_logs_it(config: Any) -> None:
    quantizer = config.build().train()
    for _ in range(3):
        out = quantizer(draw_latents(quantizer.width, 4, 5, 3))
        quantizer.after_step()
    assert out.loss.isfinite()
    assert {"codes_alive", "codes_revived", "perplexity"} <= out.terms.keys()
    quantizer.after_step()  # nothing was chosen since: nothing happens


@every
def test_wrong_codes_are_refused(config: Any) -> None:
    quantizer = config.build()
    K = quantizer.codebook_size
    for codes, words in (
        (torch.full((1, 2, 2), K), (str(K), f"0 to {K - 1}")),
        (torch.full((1, 2, 2), -1), ("-1",)),
        (torch.zeros(1, 2, 2), ("float32", "integers")),
        (torch.zeros(2, 2, dtype=torch.int64), ("(2, 2)",)),
    ):
        with expect_user_error(*words):
            quantizer.dequantize(codes)


def test_the_two_placements_of_beta() -> None:
    """|sg[z] - e|^2 + beta |z - sg[e]|^2, so the gradient at z is beta's, and at e is not."""
    for legacy, at_z, at_e in ((False, 0.25, 1.0), (True, 1.0, 0.25)):
        quantizer = VQConfig(2, 1, legacy=legacy).build().eval()
        with torch.no_grad():
            quantizer.codebook.weight.copy_(torch.tensor([[0.0], [5.0]]))
        z = torch.full((1, 1, 1, 1), 1.0, requires_grad=True)
        quantizer(z).loss.backward()
        assert z.grad is not None and z.grad.item() == pytest.approx(2 * at_z)
        grad = quantizer.codebook.weight.grad
        assert grad is not None and grad[0, 0].item() == pytest.approx(-2 * at_e)


def test_straight_through_hands_the_gradient_on() -> None:
    z, e = (torch.randn(5, 3, requires_grad=True) for _ in range(2))
    out = StraightThrough()(z, e)
    torch.testing.assert_close(out, e)
    g = torch.randn(5, 3)
    out.backward(g)
    assert torch.equal(z.grad, g) and e.grad is None  # pyright: ignore


def test_the_rotation_is_the_papers() -> None:
    z, e = (torch.randn(6, 4, dtype=torch.float64) for _ in range(2))
    z.requires_grad_()
    out = Rotation()(z, e)
    torch.testing.assert_close(out, e)
    g = torch.randn(6, 4, dtype=torch.float64)
    out.backward(g)
    expected = [rotation_matrix(a, b).T @ c for a, b, c in zip(z.detach(), e, g, strict=True)]
    torch.testing.assert_close(z.grad, torch.stack(expected))


def test_fsq_takes_the_nearest_levels() -> None:
    levels = (5, 4, 2)
    quantizer = FSQConfig(levels).build()
    z = 2 * torch.randn(60, 3)
    codes = quantizer.quantize(z.T[None, :, :, None])[0, :, 0]
    assert torch.equal(codes, fsq_codes(z, levels))
    everything = torch.arange(40).view(1, 8, 5)
    found = quantizer.dequantize(everything)
    assert found.abs().max() <= 1
    assert found.permute(0, 2, 3, 1).reshape(40, 3).unique(dim=0).shape[0] == 40


def test_simvq_moves_all_codes_at_once() -> None:
    quantizer = SimVQConfig(32, 4).build()
    before = quantizer.compute_codebook().detach().clone()
    optimizer = torch.optim.SGD(quantizer.parameters(), lr=0.1)
    quantizer(draw_latents(4, 2, 3, 3)).loss.backward()
    optimizer.step()
    assert ((quantizer.compute_codebook() - before).abs().sum(1) > 0).all()


def test_gumbel_anneals_and_takes_the_most_likely_in_eval() -> None:
    quantizer = GumbelConfig(8, 4, half_life=2).build()
    start = quantizer.compute_temperature()
    for _ in range(4):
        quantizer(draw_latents(4, 2, 3, 3))
        quantizer.after_step()
    assert quantizer.compute_temperature() == pytest.approx(start / 4)
    z = draw_latents(4, 2, 3, 3)
    assert torch.equal(quantizer.eval()(z).codes, quantizer.logits(z).argmax(1))


# ----------------------------------------------------------------------------- keeping codes alive


def test_ema_is_the_papers() -> None:
    """From the second step on: the first one initializes the codes."""
    quantizer = (
        EMAConfig(4, 2, decay=0.8, revival=Revival(threshold=0), init=Uniform()).build().train()
    )
    quantizer.codebook.usage.steps.fill_(1)
    codes = quantizer.codebook.weight.clone()
    steps = []
    for _ in range(3):
        z = draw_latents(2, 2, 3, 3)
        out = quantizer(z)
        steps.append((z.permute(0, 2, 3, 1).reshape(-1, 2), out.codes.flatten()))
        quantizer.after_step()
    expected = ema_codebook(codes, torch.ones(4), codes.clone(), steps, 0.8)
    torch.testing.assert_close(quantizer.codebook.weight, expected)


def test_kmeans_finds_clusters() -> None:
    centers = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    z = (centers[:, None] + 0.01 * torch.randn(3, 30, 2)).flatten(0, 1)
    for _ in range(20):
        found = KMeans().choose_centers(z, 3)
        if found is not None and torch.cdist(centers, found).min(1).values.max() < 0.1:
            return
    raise AssertionError("no start of twenty led there")


def test_fewer_latents_than_codes_still_give_a_codebook() -> None:
    found = draw_vectors(torch.randn(3, 2), 8)
    assert found.unique(dim=0).shape == (8, 2)


@pytest.mark.parametrize("kind", [VQConfig, EMAConfig])
def test_dead_codes_are_revived_at_latents(kind: Any) -> None:
    quantizer = kind(8, 2, init=Uniform(), revival=Revival(every=5)).build().train()
    with torch.no_grad():
        quantizer.codebook.weight[4:] = 1000.0  # out of reach
    quantizer.codebook.usage.share[4:] = 0.001
    for _ in range(5):
        quantizer(draw_latents(2, 4, 6, 6))
        quantizer.after_step()
    assert int(quantizer.codebook.usage.revived) == 4
    assert quantizer.codebook.weight.abs().max() < 10
    quantizer.eval()
    assert quantizer(draw_latents(2, 16, 6, 6)).codes.unique().tolist() == list(range(8))


def test_new_codes_are_broadcast_from_the_first_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise codebooks would differ between processes."""
    import sys

    monkeypatch.setattr(
        sys.modules["smalti.codecs.codebook"], "broadcast_from_first", lambda v: v.fill_(7.0)
    )
    quantizer = VQConfig(8, 2, revival=Revival(every=2)).build().train()
    quantizer(draw_latents(2, 4, 6, 6))
    quantizer.after_step()
    assert (quantizer.codebook.weight == 7).all()
    with torch.no_grad():
        quantizer.codebook.weight.normal_()
    quantizer.codebook.usage.share[3] = 0
    quantizer(draw_latents(2, 4, 6, 6))
    quantizer.after_step()
    assert (quantizer.codebook.weight == 7).all(1).tolist() == [k == 3 for k in range(8)]


def test_a_threshold_of_0_revives_nothing() -> None:
    quantizer = VQConfig(8, 2, init=Uniform(), revival=Revival(0.0, 1)).build().train()
    with torch.no_grad():
        quantizer.codebook.weight[4:] = 1000.0
    for _ in range(600):
        quantizer.codebook.usage.record(torch.zeros(4, dtype=torch.int64))
        quantizer.codebook.recent_latents = torch.zeros(4, 2)
        quantizer.after_step()
    assert int(quantizer.codebook.usage.revived) == 0
    assert int(quantizer.codebook.usage.find_alive().sum()) == 1


def test_usage_counts_what_was_chosen() -> None:
    usage = CodebookUsage(4)
    for _ in range(400):
        usage.record(torch.tensor([0, 0, 1, 2]))
        usage.record(torch.tensor([0, 0, 1, 2]))
        usage.after_step()
    torch.testing.assert_close(usage.share, torch.tensor([0.5, 0.25, 0.25, 0.0]), atol=5e-3, rtol=0)
    assert usage.find_alive().tolist() == [True, True, True, False]


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=30).filter(any))
def test_perplexity_lies_between_1_and_the_codes_in_use(counts: list[int]) -> None:
    value = float(perplexity(torch.tensor(counts).double()))
    assert 1 - 1e-9 <= value <= sum(c > 0 for c in counts) + 1e-9


def test_perplexity_of_even_use_is_their_number() -> None:
    assert float(perplexity(torch.full((7,), 3.0))) == pytest.approx(7)


def test_configs_refuse_nonsense() -> None:
    for make, words in (
        (lambda: VQConfig(codebook_size=1), ("codebook_size", "1")),
        (lambda: EMAConfig(decay=1.0), ("decay",)),
        (lambda: Revival(threshold=1.0), ("threshold",)),
        (lambda: Revival(every=0), ("every",)),
        (lambda: FSQConfig(()), ("levels",)),
        (lambda: FSQConfig((1, 3)), ("levels",)),
        (lambda: GumbelConfig(min_temperature=2.0), ("max_temperature", "min_temperature")),
    ):
        with expect_user_error(*words):
            make()
    assert Euclidean().project(torch.ones(2, 2)).equal(torch.ones(2, 2))
