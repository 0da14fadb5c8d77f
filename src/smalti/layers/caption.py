"""The caption encoder: hashed embeddings of words and character n-grams."""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from smalti.core.config import check_fields
from smalti.core.ranges import Count, Range, Width

WORD = re.compile(r"[^\W_]+")
MAX_KEPT = 2**16
"""Captions whose hashes are kept."""


@dataclass(frozen=True)
@check_fields
class CaptionConfig:
    """A caption encoder."""

    width: Width = 64
    """Length of the caption vector."""
    buckets: Count = 4096
    """Rows of the hash table. Words with the same hash share a row."""
    ngram_size: Annotated[int, Range(0, 16)] = 3
    """Letters per n-gram; 0 for whole words only."""
    word_pairs: bool = True
    """Also embed pairs of neighboring words. This makes word order count."""
    name: str = "text"
    """Name of the condition."""

    def build(self) -> CaptionEncoder:
        return CaptionEncoder(self)


class CaptionEncoder(nn.Module):
    """The mean of a caption's word vectors, through an MLP: `encoder(*encoder.tokenize(text))`.

    A word vector is the mean of the rows of the word and its n-grams (arXiv:1607.04606), hashed by
    CRC-32, which is platform independent. Case, punctuation and spaces are ignored; an empty
    caption has its own vector. There is no vocabulary, so every caption is accepted.
    """

    def __init__(self, config: CaptionConfig):
        super().__init__()
        self.config = config
        self.table = nn.Parameter(torch.empty(config.buckets, config.width).normal_())
        self.norm = nn.LayerNorm(config.width)
        self.hidden = nn.Linear(config.width, config.width)
        self.out = nn.Linear(config.width, config.width)

    def tokenize(self, text: Sequence[str]) -> tuple[Tensor, Tensor, Tensor]:
        """Tokenize N captions: concatenated table rows (T,), weights (T,), and offsets (N,)."""
        hashed = [hash_caption(one, self.config) for one in text]
        rows = [row for one in hashed for row in one]
        offsets = torch.tensor([0, *map(len, hashed)])[:-1].cumsum(0)
        device = self.table.device
        return (
            torch.tensor([row for row, _ in rows], dtype=torch.int64, device=device),
            torch.tensor([weight for _, weight in rows], dtype=self.table.dtype, device=device),
            offsets.to(device),
        )

    def forward(self, indices: Tensor, weights: Tensor, offsets: Tensor) -> Tensor:
        """Encode tokenized captions as (N, width)."""
        x = F.embedding_bag(indices, self.table, offsets, mode="sum", per_sample_weights=weights)
        return self.out(F.silu(self.hidden(self.norm(x))))


@lru_cache(maxsize=MAX_KEPT)
def hash_caption(caption: str, config: CaptionConfig) -> list[tuple[int, float]]:
    """Hash every part of a caption to (row, weight). Captions come again in every epoch."""
    return hash_parts(split_caption(caption, config), config.buckets)


def split_caption(caption: str, config: CaptionConfig) -> list[list[str]]:
    """List the parts of every word: itself, its n-grams, itself with the next word."""
    words = WORD.findall(unicodedata.normalize("NFKC", caption).casefold())
    parts = [[f"<{word}>", *list_ngrams(word, config.ngram_size)] for word in words]
    if config.word_pairs:
        for part, pair in zip(parts, pairwise(words), strict=False):
            part.append(" ".join(pair))
    return parts


def list_ngrams(word: str, n: int) -> list[str]:
    """List the n-grams of `<word>`; the brackets mark its beginning and end."""
    marked = f"<{word}>"
    return [marked[k : k + n] for k in range(len(marked) - n + 1)] if n else []


def hash_parts(parts: list[list[str]], buckets: int) -> list[tuple[int, float]]:
    """Hash every part to (row, weight); words weigh the same, as do the parts of a word."""
    return [
        (zlib.crc32(part.encode()) % buckets, 1 / (len(parts) * len(word)))
        for word in parts
        for part in word
    ]
