"""The article's Transformer, converted to smalti's network."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn

import torch

from smalti.convert.article_common import Reference, Size, Weights, rename_weight
from smalti.core.errors import UserError
from smalti.translation.tokenizer import PAD
from smalti.translation.transformer import Transformer, TransformerConfig

REPLACEMENTS = (
    (r"^(en|de)coder\.layers\.", r"\1coder."),
    (r"^encoder\.embedding", "source"),
    (r"^decoder\.embedding", "target"),
    (r"^output_layer", "out"),
    (r"\.self_attention\.", ".attention."),
    (r"\.ffn\.layer1", ".feed_forward.inner"),
    (r"\.ffn\.layer2", ".feed_forward.outer"),
)
FUSED_PROJECTIONS = {"attention": ("q", "k", "v"), "cross": ("k", "v")}
"""Projections that smalti fuses into one matrix."""


@dataclass(frozen=True)
class ArticleTransformer:
    """Config of the article's encoder-decoder."""

    src_vocab_size: int
    dst_vocab_size: int
    pad_idx: int
    d_model: int
    d_ff: int
    n_layers: int
    heads: int
    max_seq_len: int
    """Maximum sentence length in the article. Unlimited in smalti."""

    def __post_init__(self) -> None:
        if self.pad_idx != PAD:
            raise UserError(f"pad_idx is {self.pad_idx}; only {PAD} is supported")

    def build(self) -> Transformer:
        return TransformerConfig(
            source_vocab_size=self.src_vocab_size,
            target_vocab_size=self.dst_vocab_size,
            width=self.d_model,
            heads=self.heads,
            encoder_layers=self.n_layers,
            decoder_layers=self.n_layers,
            feed_forward_width=self.d_ff,
            norm="post",
            tied_embeddings=False,
        ).build()

    def build_model(self, size: Size | None) -> NoReturn:
        raise UserError(
            "the weights have no vocabulary, so they cannot translate; "
            "use smalti.convert.from_reference for the network alone"
        )


def infer_transformer(weights: Weights, size: Size | None = None) -> dict[str, object]:
    raise UserError("the number of heads cannot be inferred from the weights; give the config")


def translate_transformer(weights: Weights) -> Weights:
    """Translate weight names, and fuse queries, keys and values."""
    renamed = {rename_key(key): value for key, value in weights.items()}
    for key in [key for key in renamed if re.search(r"\.(attention|cross)\.k\.", key)]:
        stem, part = key.split(".k.")
        letters = FUSED_PROJECTIONS[stem.rpartition(".")[2]]
        names = [f"{stem}.{letter}.{part}" for letter in letters]
        if all(name in renamed for name in names):
            renamed[f"{stem}.{''.join(letters)}.{part}"] = torch.cat(
                [renamed.pop(n) for n in names]
            )
    return renamed


def rename_key(key: str) -> str:
    key = re.sub(r"^(decoder\.layers\.\d+)\.attention\.", r"\1.cross.", key)
    key = rename_weight(key, REPLACEMENTS)
    return re.sub(r"\.norm(\d)", lambda match: f".residuals.{int(match[1]) - 1}.norm", key)


REFERENCES = {
    "dldemos_transformer": Reference(ArticleTransformer, infer_transformer, translate_transformer)
}
