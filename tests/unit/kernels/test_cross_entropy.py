"""The compiled cross-entropy against PyTorch's."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from smalti.kernels.cross_entropy import compute_cross_entropy


def draw_logits(M: int, K: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    logits = 5 * torch.randn(M, K)
    logits[0] = torch.linspace(-500, 500, K)  # far beyond the range of exp
    return logits.to(dtype).requires_grad_(), torch.randint(K, (M,))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [(torch.float64, 1e-12), (torch.float32, 2e-6), (torch.bfloat16, 8e-3)],
)
def test_values_and_gradients_are_pytorchs(
    dtype: torch.dtype, tolerance: float, smoothing: float, threads: int
) -> None:
    logits, symbols = draw_logits(2000, 37, dtype)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        nats, losses = compute_cross_entropy(logits, symbols, smoothing)
    finally:
        torch.set_num_threads(before)
    wide = logits.detach().double().requires_grad_()
    wanted = F.cross_entropy(wide, symbols, reduction="none", label_smoothing=smoothing)
    torch.testing.assert_close(losses.double(), wanted, atol=1e-5, rtol=1e-6)
    plain = F.cross_entropy(wide.detach(), symbols, reduction="none")
    torch.testing.assert_close(nats.double(), plain, atol=1e-5, rtol=1e-6)
    weights = torch.rand(2000, dtype=torch.float64)
    (ours,) = torch.autograd.grad((losses.double() * weights).sum(), logits)
    (theirs,) = torch.autograd.grad((wanted * weights).sum(), wide)
    assert ours.dtype == dtype
    torch.testing.assert_close(ours.double(), theirs, atol=tolerance, rtol=0)


def test_without_gradients_the_result_is_the_same() -> None:
    logits, symbols = draw_logits(20, 9, torch.float32)
    with_gradient = compute_cross_entropy(logits, symbols, 0.1)
    without = compute_cross_entropy(logits.detach(), symbols, 0.1)
    torch.testing.assert_close(with_gradient, without)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_diverged_row_is_nan_and_no_other(bad: float) -> None:
    logits, symbols = draw_logits(5, 40, torch.float32)
    logits.data[2, 7] = bad
    _, losses = compute_cross_entropy(logits, symbols)
    assert losses.isnan().tolist() == [False, False, True, False, False]


def test_symbols_out_of_range_are_refused() -> None:
    logits, symbols = draw_logits(5, 4, torch.float32)
    with pytest.raises(IndexError, match=r"symbols are .* of 4"):
        compute_cross_entropy(logits, symbols + 4)


def test_a_gradient_is_computed_once() -> None:
    logits, symbols = draw_logits(5, 4, torch.float32)
    total = compute_cross_entropy(logits, symbols)[1].sum()
    torch.autograd.grad(total, logits, retain_graph=True)
    with pytest.raises(RuntimeError, match="freed already"):
        torch.autograd.grad(total, logits)
