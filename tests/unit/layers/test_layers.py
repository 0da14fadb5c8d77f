"""The blocks that families share, against PyTorch's own or against the formula."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from smalti.layers.attention import PixelAttention, attend
from smalti.layers.embedding import SinusoidalEmbedding
from smalti.layers.residual import ResidualBlock
from tests.tiny import randomize_zeros


@torch.no_grad()
@pytest.mark.parametrize("heads", [1, 2, 4])
def test_attention_is_pytorchs(heads: int) -> None:
    ours = randomize_zeros(PixelAttention(8, heads, groups=2))
    theirs = nn.MultiheadAttention(8, heads, batch_first=True)
    theirs.in_proj_weight.copy_(ours.qkv.weight)
    theirs.in_proj_bias.copy_(ours.qkv.bias)
    theirs.out_proj.load_state_dict(ours.out.state_dict())
    x = torch.randn(2, 8, 3, 5)
    h = ours.norm(x).flatten(2).transpose(1, 2)  # (B, H*W, D)
    y = theirs(h, h, h, need_weights=False)[0].transpose(1, 2).reshape(x.shape)
    torch.testing.assert_close(ours(x), x + y)


@torch.no_grad()
def test_a_new_attention_layer_is_the_identity() -> None:
    x = torch.randn(2, 8, 3, 5)
    assert torch.equal(PixelAttention(8, 2, groups=2)(x), x)


def test_attention_under_autocast_is_in_float32() -> None:
    q, k, v = torch.randn(3, 1, 2, 5, 4).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        y = attend(q, k, v)
    assert y.dtype == torch.float32
    wanted = F.scaled_dot_product_attention(q.double(), k.double(), v.double())
    torch.testing.assert_close(y.double(), wanted, atol=1e-5, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("kind", ["causal", "mask", "all"])
def test_attention_with_dropout_averages_to_that_without(kind: str) -> None:
    torch.manual_seed(0)
    q, k, v = torch.randn(3, 1, 2, 7, 4)
    mask = torch.rand(1, 1, 7, 7) < 0.6 if kind == "mask" else None
    wanted = attend(q, k, v, causal=kind == "causal", mask=mask)
    rows = [x.expand(4000, -1, -1, -1) for x in (q, k, v)]
    drawn = attend(*rows, causal=kind == "causal", dropout=0.25, mask=mask)
    assert not torch.equal(drawn[0], drawn[1])
    torch.testing.assert_close(drawn.mean(0, keepdim=True), wanted, atol=0.08, rtol=0)
    if kind == "causal":  # the first position sees itself alone
        kept = drawn[:, :, 0] / v[:, :, 0]
        assert kept.round(decimals=3).unique().tolist() == pytest.approx([0.0, 4 / 3], abs=1e-3)


@pytest.mark.parametrize("width", [2, 6, 32])
def test_sines_then_cosines(width: int) -> None:
    t, half = [0, 3, 999], width // 2
    angles = [[k / 10_000 ** (i / half) for i in range(half)] for k in t]
    wanted = [[math.sin(a) for a in row] + [math.cos(a) for a in row] for row in angles]
    found = SinusoidalEmbedding(width)(torch.tensor(t))
    torch.testing.assert_close(found, torch.tensor(wanted), atol=1e-4, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("width_in", [4, 6])
def test_the_condition_scales_and_shifts_the_second_norm(width_in: int) -> None:
    block = randomize_zeros(ResidualBlock(width_in, 4, 3, groups=2, dropout=0.5)).eval()
    x, emb = torch.randn(2, width_in, 5, 5), torch.randn(2, 3)
    h = block.norm2(block.conv1(F.silu(block.norm1(x))))
    scale, shift = block.condition(emb)[:, :4], block.condition(emb)[:, 4:]  # (B, D) each
    h = h * (1 + scale[:, :, None, None]) + shift[:, :, None, None]
    torch.testing.assert_close(block(x, emb), block.skip(x) + block.conv2(F.silu(h)))
    assert isinstance(block.skip, nn.Identity) is (width_in == 4)


@torch.no_grad()
def test_a_new_residual_block_is_its_skip() -> None:
    x, emb = torch.randn(2, 4, 5, 5), torch.randn(2, 3)
    assert torch.equal(ResidualBlock(4, 4, 3, groups=2)(x, emb), x)
