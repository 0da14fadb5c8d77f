"""The encoder-decoder Transformer of "Attention is all you need" (arXiv:1706.03762)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smalti.core.config import check_fields
from smalti.core.errors import UserError
from smalti.core.ranges import Count, Depth, FractionBelowOne, Width
from smalti.layers.attention import attend
from smalti.translation.tokenizer import PAD


@dataclass(frozen=True)
@check_fields
class TransformerConfig:
    """An encoder-decoder; what it is made of decides size and speed."""

    source_vocab_size: Count = 8000
    """Symbols of the source vocabulary."""
    target_vocab_size: Count = 8000
    """Symbols of the target vocabulary."""
    width: Width = 256
    """Numbers per position (d_model)."""
    heads: Width = 4
    """Attention heads; they share the width."""
    encoder_layers: Depth = 6
    """Layers of the encoder."""
    decoder_layers: Depth = 2
    """Layers of the decoder; few make decoding fast."""
    feed_forward_width: Width = 1024
    """Numbers inside a feed-forward layer (d_ff)."""
    dropout: FractionBelowOne = 0.1
    """Share of activations dropped in training."""
    norm: Literal["pre", "post"] = "pre"
    """Layer norm before each sub-layer, or after its sum as in the paper."""
    tied_embeddings: bool = True
    """The output layer uses the target embedding's matrix."""

    def __post_init__(self) -> None:
        if self.width % (2 * self.heads):
            raise UserError(
                f"width {self.width} does not go into {self.heads} heads of an even width; "
                f"give a multiple of {2 * self.heads}"
            )

    def build(self) -> Transformer:
        return Transformer(self)


class Transformer(nn.Module):
    """Source symbols (N, S) and target symbols (N, T) int64 -> logits (N, T, target_size).

    Rows are padded at their ends with <pad>. The logits at place t are those of the symbol behind
    the first t + 1 target symbols; behind a row's end they mean nothing.
    """

    def __init__(self, config: TransformerConfig):
        super().__init__()
        self.config = config
        width = config.width
        self.source = nn.Embedding(config.source_vocab_size, width)
        self.target = nn.Embedding(config.target_vocab_size, width)
        encoder = nn.ModuleList(EncoderLayer(config) for _ in range(config.encoder_layers))
        decoder = nn.ModuleList(DecoderLayer(config) for _ in range(config.decoder_layers))
        self.encoder = cast("list[EncoderLayer]", encoder)
        self.decoder = cast("list[DecoderLayer]", decoder)
        final = nn.LayerNorm if config.norm == "pre" else nn.Identity
        self.encoder_norm, self.decoder_norm = final(width), final(width)
        self.out = nn.Linear(width, config.target_vocab_size)
        self.dropout = nn.Dropout(config.dropout)
        self.initialize()

    def initialize(self) -> None:
        """Embeddings of variance 1/d, so that times sqrt(d) they are as large as positions."""
        for table in (self.source, self.target):
            nn.init.normal_(table.weight, std=self.config.width**-0.5)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        if self.config.tied_embeddings:
            self.out.weight = self.target.weight

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        memory, mask = self.encode(source)
        return self.out(self.decode(target, memory, mask))

    def encode(self, source: Tensor) -> tuple[Tensor, Tensor]:
        """Source symbols (N, S) -> memory (N, S, width), and the mask (N, 1, 1, S) of its words."""
        mask = (source != PAD)[:, None, None, :]
        x = self.embed(self.source, source)
        for layer in self.encoder:
            x = layer(x, mask)
        return self.encoder_norm(x), mask

    def decode(self, target: Tensor, memory: Tensor, mask: Tensor) -> Tensor:
        """Target symbols (N, T) -> (N, T, width), what `out` makes logits of."""
        x = self.embed(self.target, target)
        for layer in self.decoder:
            x = layer(x, memory, mask)
        return self.decoder_norm(x)

    def embed(self, table: nn.Embedding, symbols: Tensor, start: int = 0) -> Tensor:
        """Symbols (N, T) at places start, start + 1, ... -> (N, T, width)."""
        x = table(symbols) * self.config.width**0.5
        positions = torch.arange(start, start + symbols.shape[1], device=symbols.device)
        return self.dropout(x + encode_positions(positions, self.config.width))


class EncoderLayer(nn.Module):
    """Self-attention and feed-forward: (N, S, width) -> the same."""

    def __init__(self, config: TransformerConfig):
        super().__init__()
        self.attention = SelfAttention(config)
        self.feed_forward = FeedForward(config)
        residuals = nn.ModuleList(Residual(config) for _ in range(2))
        self.residuals = cast("list[Residual]", residuals)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = self.residuals[0](x, lambda y: self.attention(y, mask))
        return self.residuals[1](x, self.feed_forward)


class DecoderLayer(nn.Module):
    """Causal self-attention, attention to the source, feed-forward: (N, T, width) -> the same."""

    def __init__(self, config: TransformerConfig):
        super().__init__()
        self.attention = SelfAttention(config)
        self.cross = CrossAttention(config)
        self.feed_forward = FeedForward(config)
        residuals = nn.ModuleList(Residual(config) for _ in range(3))
        self.residuals = cast("list[Residual]", residuals)

    def forward(self, x: Tensor, memory: Tensor, mask: Tensor) -> Tensor:
        keys, values = self.cross.project(memory)
        x = self.residuals[0](x, self.attention)
        x = self.residuals[1](x, lambda y: self.cross(y, keys, values, mask))
        return self.residuals[2](x, self.feed_forward)


class Residual(nn.Module):
    """x + dropout(layer(norm(x))), or norm(x + dropout(layer(x))) as in the paper."""

    def __init__(self, config: TransformerConfig):
        super().__init__()
        self.norm = nn.LayerNorm(config.width)
        self.dropout = nn.Dropout(config.dropout)
        self.pre = config.norm == "pre"

    def forward(self, x: Tensor, layer: Callable[[Tensor], Tensor]) -> Tensor:
        if self.pre:
            return x + self.dropout(layer(self.norm(x)))
        return self.norm(x + self.dropout(layer(x)))


class FeedForward(nn.Module):
    """Two layers at each place."""

    def __init__(self, config: TransformerConfig):
        super().__init__()
        self.inner = nn.Linear(config.width, config.feed_forward_width)
        self.outer = nn.Linear(config.feed_forward_width, config.width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.outer(self.dropout(F.relu(self.inner(x))))


class SelfAttention(nn.Module):
    """Attention of a sequence to itself: to all that the mask shows, or causal without a mask."""

    def __init__(self, config: TransformerConfig):
        super().__init__()
        self.heads = config.heads
        self.qkv = nn.Linear(config.width, 3 * config.width)
        self.out = nn.Linear(config.width, config.width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        q, k, v = self.project(x)
        return self.out(self.dropout(join_heads(attend(q, k, v, causal=mask is None, mask=mask))))

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, each (N, heads, T, width / heads)."""
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        return split_heads(q, self.heads), split_heads(k, self.heads), split_heads(v, self.heads)


class CrossAttention(nn.Module):
    """Attention of the target to the source's memory."""

    def __init__(self, config: TransformerConfig):
        super().__init__()
        self.heads = config.heads
        self.q = nn.Linear(config.width, config.width)
        self.kv = nn.Linear(config.width, 2 * config.width)
        self.out = nn.Linear(config.width, config.width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
        q = split_heads(self.q(x), self.heads)
        return self.out(self.dropout(join_heads(attend(q, keys, values, mask=mask))))

    def project(self, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of the memory, each (N, heads, S, width / heads)."""
        k, v = self.kv(memory).chunk(2, dim=-1)
        return split_heads(k, self.heads), split_heads(v, self.heads)


def split_heads(x: Tensor, heads: int) -> Tensor:
    """(N, T, width) -> (N, heads, T, width / heads)."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def join_heads(x: Tensor) -> Tensor:
    """(N, heads, T, d) -> (N, T, heads * d)."""
    return x.transpose(1, 2).flatten(2)


def encode_positions(positions: Tensor, width: int) -> Tensor:
    """Sines at even, cosines at odd numbers: (T,) -> (T, width) float32."""
    frequencies = 10000 ** (
        -torch.arange(0, width, 2, device=positions.device) / width
    )  # (width / 2,)
    angles = positions[:, None] * frequencies
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)
