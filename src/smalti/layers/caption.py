"""Captions as vectors: words and their parts, hashed into one table."""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from smalti.core.config import check_fields
from smalti.core.ranges import Count, Range, Width

WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
@check_fields
class CaptionConfig:
    """How a caption becomes a vector."""

    width: Width = 64
    """Length of the vector."""
    buckets: Count = 4096
    """Rows of the table; words that fall into one row are the same to the model."""
    ngram_size: Annotated[int, Range(0, 16)] = 3
    """Letters of the pieces of words that are looked at beside them; 0 for whole words alone."""
    word_pairs: bool = True
    """Look at pairs of neighboring words, too, so that their order counts."""
    name: str = "text"
    """What the condition is called."""

    def build(self) -> CaptionEncoder:
        return CaptionEncoder(self)


class CaptionEncoder(nn.Module):
    """The mean of a caption's words, through two layers: `encoder(*encoder.read(text))`.

    A word is the mean of its own row and those of its pieces (arXiv:1607.04606), hashed by CRC-32,
    which is the same everywhere. Capitals, punctuation and spaces have no say; an empty caption is
    a vector of its own. There is no vocabulary, so no caption is refused.
    """

    def __init__(self, config: CaptionConfig):
        super().__init__()
        self.config = config
        self.table = nn.Parameter(torch.empty(config.buckets, config.width).normal_())
        self.norm = nn.LayerNorm(config.width)
        self.hidden = nn.Linear(config.width, config.width)
        self.out = nn.Linear(config.width, config.width)

    def tokenize(self, text: Sequence[str]) -> tuple[Tensor, Tensor, Tensor]:
        """Rows of the table (T,) and their shares (T,) of all N captions' parts, one behind the
        other, and where each caption begins (N,).
        """
        read = [hash_parts(split_caption(one, self.config), self.config.buckets) for one in text]
        rows = [row for one in read for row in one]
        starts = torch.tensor([0, *map(len, read)])[:-1].cumsum(0)
        device = self.table.device
        return (
            torch.tensor([row for row, _ in rows], dtype=torch.int64, device=device),
            torch.tensor([share for _, share in rows], dtype=self.table.dtype, device=device),
            starts.to(device),
        )

    def forward(self, indices: Tensor, weights: Tensor, offsets: Tensor) -> Tensor:
        """(N, width)."""
        x = F.embedding_bag(indices, self.table, offsets, mode="sum", per_sample_weights=weights)
        return self.out(F.silu(self.hidden(self.norm(x))))


def split_caption(caption: str, config: CaptionConfig) -> list[list[str]]:
    """For every word of a caption what is looked at: itself, its pieces, itself with the next."""
    words = WORD.findall(unicodedata.normalize("NFKC", caption).casefold())
    parts = [[f"<{word}>", *list_ngrams(word, config.ngram_size)] for word in words]
    if config.word_pairs:
        for own, pair in zip(parts, pairwise(words), strict=False):
            own.append(" ".join(pair))
    return parts


def list_ngrams(word: str, n: int) -> list[str]:
    """All n letters in a row of `<word>`, whose brackets tell beginnings and endings apart."""
    marked = f"<{word}>"
    return [marked[k : k + n] for k in range(len(marked) - n + 1)] if n else []


def hash_parts(parts: list[list[str]], buckets: int) -> list[tuple[int, float]]:
    """(row, share) of every part; words have equal shares, and so do the parts of a word."""
    return [
        (zlib.crc32(part.encode()) % buckets, 1 / (len(parts) * len(word)))
        for word in parts
        for part in word
    ]
