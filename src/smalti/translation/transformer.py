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
from smalti.layers.dropout import Dropout
from smalti.translation.tokenizer import PAD


@dataclass(frozen=True)
@check_fields
class TransformerConfig:
    """Configuration of the encoder-decoder Transformer."""

    source_vocab_size: Count = 8000
    """Size of the source vocabulary."""
    target_vocab_size: Count = 8000
    """Size of the target vocabulary."""
    width: Width = 256
    """Features per position (d_model)."""
    heads: Width = 4
    """Number of attention heads."""
    encoder_layers: Depth = 6
    """Number of encoder layers."""
    decoder_layers: Depth = 2
    """Number of decoder layers. Fewer decode faster."""
    feed_forward_width: Width = 1024
    """Hidden features of feed-forward layers (d_ff)."""
    dropout: FractionBelowOne = 0.1
    """Dropout probability."""
    norm: Literal["pre", "post"] = "pre"
    """Layer norm before each sub-layer or after it. The paper has it after."""
    tied_embeddings: bool = True
    """Share the output matrix with the embedding. That is, with the target embedding."""
    tied_source: bool = False
    """Share the source embedding with the target's. Needs one vocabulary for both languages."""

    def __post_init__(self) -> None:
        if self.tied_source and self.source_vocab_size != self.target_vocab_size:
            raise UserError(
                f"tied_source needs one vocabulary, but the source's has {self.source_vocab_size} "
                f"symbols and the target's {self.target_vocab_size}; learn a joint one"
            )
        if self.width % (2 * self.heads):
            raise UserError(
                f"width {self.width} does not divide into {self.heads} heads of even width; "
                f"give a multiple of {2 * self.heads}"
            )

    def build(self) -> Transformer:
        return Transformer(self)


class Transformer(nn.Module):
    """Source symbols (N, S) and target symbols (N, T) int64 -> logits (N, T, target_vocab_size).

    Rows are padded with <pad>. The logits at position t predict the symbol after the first t + 1
    target symbols; they are meaningless after a row's end.
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
        self.dropout = Dropout(config.dropout)
        self.initialize()

    def initialize(self) -> None:
        """Set embeddings to variance 1/d: scaled by sqrt(d), they match the positions."""
        for table in (self.source, self.target):
            nn.init.normal_(table.weight, std=self.config.width**-0.5)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        if self.config.tied_embeddings:  # nn.Linear's (K, width) is an embedding's shape
            self.out.weight = self.target.weight
        if self.config.tied_source:
            self.source.weight = self.target.weight

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        memory, mask = self.encode(source)
        return self.out(self.decode(target, memory, mask))

    def encode(self, source: Tensor) -> tuple[Tensor, Tensor]:
        """Source symbols (N, S) -> memory (N, S, width), and its mask (N, 1, 1, S)."""
        mask = (source != PAD)[:, None, None, :]
        x = self.embed(self.source, source)
        for layer in self.encoder:
            x = layer(x, mask)
        return self.encoder_norm(x), mask

    def decode(self, target: Tensor, memory: Tensor, mask: Tensor) -> Tensor:
        """Target symbols (N, T) -> features (N, T, width), before the output layer."""
        x = self.embed(self.target, target)
        for layer in self.decoder:
            x = layer(x, memory, mask)
        return self.decoder_norm(x)

    def embed(self, table: nn.Embedding, symbols: Tensor, start: int = 0) -> Tensor:
        """Symbols (N, T) at positions start, start + 1, ... -> (N, T, width)."""
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
        self.dropout = Dropout(config.dropout)
        self.pre = config.norm == "pre"

    def forward(self, x: Tensor, layer: Callable[[Tensor], Tensor]) -> Tensor:
        if self.pre:
            return x + self.dropout(layer(self.norm(x)))
        return self.norm(x + self.dropout(layer(x)))


class FeedForward(nn.Module):
    """A two-layer perceptron at each position."""

    def __init__(self, config: TransformerConfig):
        super().__init__()
        self.inner = nn.Linear(config.width, config.feed_forward_width)
        self.outer = nn.Linear(config.feed_forward_width, config.width)
        self.dropout = Dropout(config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.outer(self.dropout(F.relu(self.inner(x), inplace=True)))


class SelfAttention(nn.Module):
    """Self-attention: to the positions of the mask, or causal without a mask."""

    def __init__(self, config: TransformerConfig):
        super().__init__()
        self.heads = config.heads
        self.qkv = nn.Linear(config.width, 3 * config.width)
        self.out = nn.Linear(config.width, config.width)
        self.dropout = Dropout(config.dropout)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        q, k, v = self.project(x)
        return self.out(self.dropout(join_heads(attend(q, k, v, causal=mask is None, mask=mask))))

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, each (N, heads, T, width / heads)."""
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        return split_heads(q, self.heads), split_heads(k, self.heads), split_heads(v, self.heads)


class CrossAttention(nn.Module):
    """Attention of the target to the encoder's memory."""

    def __init__(self, config: TransformerConfig):
        super().__init__()
        self.heads = config.heads
        self.q = nn.Linear(config.width, config.width)
        self.kv = nn.Linear(config.width, 2 * config.width)
        self.out = nn.Linear(config.width, config.width)
        self.dropout = Dropout(config.dropout)

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
    """Sinusoidal encoding, sines at even features, cosines at odd: (T,) -> (T, width) float32."""
    frequencies = 10000 ** (
        -torch.arange(0, width, 2, device=positions.device) / width
    )  # (width / 2,)
    angles = positions[:, None] * frequencies
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)
