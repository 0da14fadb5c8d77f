"""The fused operations of PixelCNN++ against plain PyTorch."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from smalti.autoregressive.pixelcnn import fused_ops
from smalti.autoregressive.pixelcnn.fused_ops import add_gated_residual, concat_elu_pad_dropout
from smalti.kernels import bf16_rows


def random_numbers(*shape: int, seed: int = 0) -> Tensor:
    torch.manual_seed(seed)
    x = 2 * torch.randn(*shape, dtype=torch.float64)
    odd = torch.tensor([90.0, -90.0, 1e-9, -1e-9])
    x.view(-1)[:4] = odd[: x.numel()]
    return x.requires_grad_()


def run_both_ways(x: Tensor, work: Any, monkeypatch: Any) -> list[tuple[Tensor, Tensor]]:
    """Output and gradient at x, by the kernels, then by PyTorch."""
    found = []
    for use_kernel in (True, False):
        monkeypatch.setattr(fused_ops, "has_kernel", lambda x, k=use_kernel: k)
        out = work(x)
        weights = torch.randn(out.shape, dtype=x.dtype, generator=torch.Generator().manual_seed(7))
        (gradient,) = torch.autograd.grad((out * weights).sum(), x)
        found.append((out, gradient))
    return found


@pytest.mark.parametrize("padding", [(0, 0, 0, 0), (1, 1, 1, 0), (1, 0, 1, 0)])
@pytest.mark.parametrize("shape", [(3, 5, 4, 6), (1, 1, 1, 1), (2, 32, 3, 3)])
def test_concat_elu_pad(shape: tuple[int, ...], padding: Any, monkeypatch: Any) -> None:
    got, wanted = run_both_ways(
        random_numbers(*shape), lambda x: concat_elu_pad_dropout(x, padding), monkeypatch
    )
    torch.testing.assert_close(got, wanted, atol=1e-13, rtol=1e-13)


@pytest.mark.parametrize("threads", [1, 2])
def test_add_gated_residual(threads: int, monkeypatch: Any) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    monkeypatch.setattr(bf16_rows, "COST_PER_NUMBER", 10**9)  # so that it is worth a thread
    x, t = random_numbers(3, 5, 4, 6), random_numbers(3, 10, 4, 6, seed=1)
    try:
        for point, work in (
            (x, lambda x: add_gated_residual(x, t)),
            (t, lambda t: add_gated_residual(x, t)),
        ):
            got, wanted = run_both_ways(point, work, monkeypatch)
            torch.testing.assert_close(got, wanted, atol=1e-13, rtol=1e-13)
    finally:
        torch.set_num_threads(before)


def to_bfloat16(x: Tensor) -> Tensor:
    return x.detach().bfloat16().requires_grad_()


@pytest.mark.parametrize("shape", [(3, 5, 4, 6), (1, 1, 1, 1), (2, 32, 3, 3)])
def test_bfloat16_is_float32_rounded_once(shape: tuple[int, ...], monkeypatch: Any) -> None:
    x, t = (
        to_bfloat16(random_numbers(*shape)),
        to_bfloat16(random_numbers(shape[0], 2 * shape[1], *shape[2:], seed=1)),
    )
    works = (
        lambda x, t: concat_elu_pad_dropout(x, (1, 0, 1, 0)),
        lambda x, t: concat_elu_pad_dropout(t, (1, 1, 1, 0)),
        add_gated_residual,
    )
    monkeypatch.setattr(fused_ops, "has_kernel", lambda x: True)
    for work in works:
        found = []
        for float32 in (False, True):
            here = [p.detach().float() if float32 else p.detach() for p in (x, t)]
            here = [p.requires_grad_() for p in here]
            out = work(*here)
            g = torch.randn(out.shape, generator=torch.Generator().manual_seed(7)).bfloat16()
            out.backward(g.to(out.dtype))
            found.append([out, *(p.grad for p in here)])
        for got, wanted in zip(*found, strict=True):
            assert (got is None) == (wanted is None)
            if got is not None and wanted is not None:
                assert got.dtype == torch.bfloat16
                # half a unit in the last of 8 places, and what float32 was rounded by before
                torch.testing.assert_close(got.float(), wanted, rtol=1.001 * 2**-8, atol=1e-30)


def test_other_types_use_pytorch() -> None:
    x = torch.randn(2, 3, 4, 4).half()
    out = concat_elu_pad_dropout(x, (1, 1, 1, 0))
    assert out.dtype == torch.float16
    assert torch.equal(out, F.elu(torch.cat([p := F.pad(x, (1, 1, 1, 0)), -p], dim=1)))


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_drops_its_share_and_keeps_the_mean(p: float) -> None:
    torch.manual_seed(0)
    x = torch.full((16, 32, 20, 20), 1.0)
    out = concat_elu_pad_dropout(x, (1, 1, 1, 0), p)[:, :, 1:, 1:-1][:, :32]
    dropped = (out == 0).double()
    error = (p * (1 - p) / dropped.numel()) ** 0.5
    assert abs(dropped.mean() - p) < 5 * error
    torch.testing.assert_close(out[out > 0].unique(), torch.tensor([1 / (1 - p)]))
    for axes in ((0,), (1,), (2,), (3,)):  # no picture, feature, row or column has more
        shares = dropped.mean([a for a in range(4) if a not in axes])
        assert (shares - p).abs().max() < 5 * error * len(shares) ** 0.5
    other = dropped.roll(1, 1)
    assert abs((dropped * other).mean() - p * p) < 5 * error  # nor do neighbors go together


def run_with_dropout(x: Tensor, seed: int) -> Tensor:
    torch.manual_seed(seed)
    return concat_elu_pad_dropout(x, (1, 0, 1, 0), 0.4)


def test_dropout_follows_the_global_generator_and_its_gradient_the_draws() -> None:
    x = torch.randn(3, 4, 5, 5).double()
    assert torch.equal(run_with_dropout(x, 0), run_with_dropout(x, 0))
    assert not torch.equal(run_with_dropout(x, 0), run_with_dropout(x, 1))
    assert torch.autograd.gradcheck(lambda x: run_with_dropout(x, 3), x.requires_grad_())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_nan_is_not_lost(dtype: torch.dtype) -> None:
    x = torch.full((1, 2, 2, 2), torch.nan, dtype=dtype)
    t = torch.full((1, 4, 2, 2), torch.nan, dtype=dtype)
    assert concat_elu_pad_dropout(x, (0, 0, 0, 0)).isnan().any()
    assert add_gated_residual(torch.ones(1, 2, 2, 2, dtype=dtype), t).isnan().all()
