"""A decoder-only Transformer, as in VQGAN's second stage (arXiv:2012.09841, section 3.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from smalti.autoregressive.network import Requirements
from smalti.core.config import check_fields
from smalti.core.errors import UserError
from smalti.core.ranges import Count, CountOrZero, Depth, FractionBelowOne, Width
from smalti.layers.attention import attend
from smalti.layers.dropout import Dropout

if TYPE_CHECKING:
    from smalti.autoregressive.gpt.int8_weights import Int8Weights

INIT_STD = 0.02
"""Standard deviation of initial weights, as in GPT-2."""


@dataclass(frozen=True)
@check_fields
class GPTConfig:
    """A decoder-only Transformer: pre-norm, learned positions, an MLP of 4 D with GELU."""

    vocab_size: Count = 512
    """Rows of the token table. Predicted symbols come first, then conditions."""
    context_length: Width = 256
    """Longest sequence, conditions included."""
    layers: Depth = 4
    """Number of Transformer blocks."""
    heads: Width = 4
    """Attention heads. They must divide the width."""
    width: Width = 128
    """Embedding width D."""
    output_size: CountOrZero = 0
    """Rows of the output layer. 0 for those of the token table, as in the reference; conditions
    are never predicted, so their rows may be left out."""
    dropout: FractionBelowOne = 0.1
    """Dropout of embeddings, attention and residuals."""

    condition_kinds = ("tokens",)
    input_kind = "symbols"
    slides = True  # in windows, over canvases of any size (autoregressive/windows)

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise UserError(f"width is {self.width}; give a multiple of the {self.heads} heads")

    def derive_fields(self, requirements: Requirements) -> dict[str, Any]:
        """The token table's rows, and the longest sequence."""
        if requirements.joint:
            raise UserError("a GPT outputs one logit per symbol; give output Categorical")
        return {
            "output_size": requirements.n_symbols if self.output_size else 0,
            "vocab_size": requirements.vocab_size,
            "context_length": requirements.prefix_length + requirements.sequence_length - 1,
        }

    def build(self) -> GPT:
        return GPT(self)


class Block(nn.Module):
    """x + attention(norm(x)), then x + MLP(norm(x)), with causal attention."""

    def __init__(self, config: GPTConfig):
        super().__init__()
        D, self.heads, self.dropout = config.width, config.heads, config.dropout
        self.attention_norm = nn.LayerNorm(D)
        self.qkv = nn.Linear(D, 3 * D)
        self.out = nn.Linear(D, D)
        self.hidden_norm = nn.LayerNorm(D)
        self.hidden = nn.Sequential(nn.Linear(D, 4 * D), nn.GELU(), nn.Linear(4 * D, D))
        self.drop = Dropout(config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, D) -> (N, T, D)."""
        q, k, v = self.project_qkv(x)
        dropout = self.dropout if self.training else 0.0
        return self.add_residuals(x, attend(q, k, v, causal=True, dropout=dropout))

    def project_qkv(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Project x (N, T, D) to queries, keys, values: (N, heads, T, D / heads) each."""
        N, T, _ = x.shape
        qkv = self.qkv(self.attention_norm(x)).view(N, T, 3, self.heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        return q, k, v

    def add_residuals(self, x: Tensor, y: Tensor) -> Tensor:
        """Add attention's output y (N, heads, T, D / heads) and the MLP to x (N, T, D)."""
        x = x + self.drop(self.out(y.transpose(1, 2).flatten(2)))
        return x + self.drop(self.hidden(self.hidden_norm(x)))


class GPT(nn.Module):
    """`network(tokens)`: (N, T) integers below vocab_size -> next-token logits (N, T, K).

    K is output_size, or vocab_size if that is 0. T is at most context_length; the logits at t
    depend on tokens 0 .. t.
    """

    def __init__(self, config: GPTConfig):
        super().__init__()
        self.config = config
        self.int8_weights: Int8Weights | None = None  # of `quantize_for_sampling`
        self.tokens = nn.Embedding(config.vocab_size, config.width)
        self.positions = nn.Parameter(torch.zeros(config.context_length, config.width))
        self.drop = Dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        self.head = nn.Linear(config.width, config.output_size or config.vocab_size, bias=False)
        self.apply(initialize_weights)

    def forward(self, tokens: Tensor) -> Tensor:
        T = tokens.shape[1]
        if self.config.context_length < T:
            raise UserError(
                f"{T} tokens are given; this network takes at most {self.config.context_length}"
            )
        x = self.drop(self.tokens(tokens) + self.positions[:T])  # (N, T, D)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


def initialize_weights(module: nn.Module) -> None:
    """Initialize weights as normal and biases as 0, as in GPT-2."""
    if isinstance(module, (nn.Linear, nn.Embedding)):
        nn.init.normal_(module.weight, std=INIT_STD)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)
