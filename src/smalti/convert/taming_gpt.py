"""The GPT of VQGAN's authors (CompVis/taming-transformers), converted to smalti's network."""

from __future__ import annotations

import re

import torch

from smalti.convert.article_common import Weights, rename_weight

REPLACEMENTS = (  # theirs, ours
    (r"^tok_emb\b", "tokens"),
    (r"^pos_emb$", "positions"),
    (r"^ln_f\b", "norm"),
    (r"\bln1\b", "attention_norm"),
    (r"\bln2\b", "hidden_norm"),
    (r"\bmlp\b", "hidden"),
    (r"\battn\.proj\b", "out"),
    (r"\battn\.query\b", "qkv"),
)


def translate_gpt(weights: Weights) -> Weights:
    """Translate weight names, fuse queries, keys and values, and drop masks."""
    ours = {}
    for name, value in weights.items():
        if re.search(r"\battn\.(key|value|mask)\b", name):
            continue
        if ".attn.query." in name:
            others = (name.replace("query", part) for part in ("key", "value"))
            value = torch.cat([value, *(weights[other] for other in others)])
        name = rename_weight(name, REPLACEMENTS)
        ours[name] = value[0] if name == "positions" else value
    return ours
