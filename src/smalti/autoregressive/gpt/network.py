"""A decoder-only Transformer, as VQGAN's second stage has it (arXiv:2012.09841, section 3.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from smalti.autoregressive.network import Requirements
from smalti.core.config import check_fields
from smalti.core.errors import UserError
from smalti.core.ranges import Count, Depth, FractionBelowOne, Width
from smalti.layers.attention import attend

INIT_STD = 0.02
"""Deviation of initial weights, as GPT-2 has it."""


@dataclass(frozen=True)
@check_fields
class GPTConfig:
    """A decoder-only Transformer: pre-norm, learned positions, a hidden layer of 4 D with GELU."""

    vocab_size: Count = 512
    """Symbols in the one table: those that are predicted first, then those of conditions."""
    context_length: Width = 256
    """Longest sequence T, conditions included."""
    layers: Depth = 4
    """Blocks of attention and hidden layer."""
    heads: Width = 4
    """Attention heads; they divide the width."""
    width: Width = 128
    """Width D of the sequence."""
    dropout: FractionBelowOne = 0.1
    """Share dropped of embeddings, of attention and of what every block adds."""

    condition_kinds = ("tokens",)
    input_kind = "symbols"

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise UserError(f"width is {self.width}, which {self.heads} heads do not divide")

    def derive_fields(self, requirements: Requirements) -> dict[str, Any]:
        """The table's rows, and the longest sequence."""
        if requirements.joint:
            raise UserError("a GPT puts one number out for each symbol; give output Categorical")
        return {
            "vocab_size": requirements.vocab_size,
            "context_length": requirements.prefix_length + requirements.sequence_length - 1,
        }

    def build(self) -> GPT:
        return GPT(self)


class Block(nn.Module):
    """x + attention(norm(x)), then x + hidden(norm(x)); a position sees itself and those before."""

    def __init__(self, config: GPTConfig):
        super().__init__()
        D, self.heads, self.dropout = config.width, config.heads, config.dropout
        self.attention_norm = nn.LayerNorm(D)
        self.qkv = nn.Linear(D, 3 * D)
        self.out = nn.Linear(D, D)
        self.hidden_norm = nn.LayerNorm(D)
        self.hidden = nn.Sequential(nn.Linear(D, 4 * D), nn.GELU(), nn.Linear(4 * D, D))
        self.drop = nn.Dropout(config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, D) -> (N, T, D)."""
        q, k, v = self.project_qkv(x)
        dropout = self.dropout if self.training else 0.0
        return self.add_residuals(x, attend(q, k, v, causal=True, dropout=dropout))

    def project_qkv(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values of x (N, T, D): (N, heads, T, D / heads) each."""
        N, T, _ = x.shape
        qkv = self.qkv(self.attention_norm(x)).view(N, T, 3, self.heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        return q, k, v

    def add_residuals(self, x: Tensor, y: Tensor) -> Tensor:
        """The output, from the input x (N, T, D) and attention's y (N, heads, T, D / heads)."""
        x = x + self.drop(self.out(y.transpose(1, 2).flatten(2)))
        return x + self.drop(self.hidden(self.hidden_norm(x)))


class GPT(nn.Module):
    """`network(tokens)`: (N, T) integers below `symbols` -> logits (N, T, symbols) of what follows.

    T is at most `context`; the logits at t depend on tokens 0 .. t.
    """

    def __init__(self, config: GPTConfig):
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(config.vocab_size, config.width)
        self.positions = nn.Parameter(torch.zeros(config.context_length, config.width))
        self.drop = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        self.head = nn.Linear(config.width, config.vocab_size, bias=False)
        self.apply(initialize_weights)

    def forward(self, tokens: Tensor) -> Tensor:
        T = tokens.shape[1]
        if self.config.context_length < T:
            raise UserError(
                f"{T} tokens are given; this network takes {self.config.context_length}"
            )
        x = self.drop(self.tokens(tokens) + self.positions[:T])  # (N, T, D)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


def initialize_weights(module: nn.Module) -> None:
    """Normal weights and no biases, as in GPT-2."""
    if isinstance(module, (nn.Linear, nn.Embedding)):
        nn.init.normal_(module.weight, std=INIT_STD)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)
