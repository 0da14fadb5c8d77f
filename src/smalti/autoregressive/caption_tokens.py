"""Captions as tokens in front of a GPT: one for each word, in a vocabulary or hashed."""

from __future__ import annotations

import unicodedata
import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Annotated

import torch
from torch import Tensor

from smalti.core.config import check_fields
from smalti.core.errors import UserError
from smalti.core.ranges import CodebookSize, LengthRange, Width
from smalti.layers.caption import WORD


@dataclass(frozen=True)
@check_fields
class CaptionTokens:
    """Captions as one token for each word, for a GPT."""

    length: Width = 16
    """Tokens of a caption. Further words are cut, and shorter captions are padded."""
    buckets: CodebookSize = 4096
    """Rows of the hash table. Words with the same hash share a row."""
    words: Annotated[tuple[str, ...], LengthRange(0, 2**16)] = ()
    """Words with rows of their own. They are not hashed."""
    name: str = "text"
    """Name of the condition."""

    follows_shifts = True
    is_on_disk = False

    def learn_words(self, captions: Iterable[str]) -> CaptionTokens:
        """Return a copy with a row for each word of these captions, the commonest first."""
        counts = Counter(word for caption in captions for word in split_caption(caption))
        words = sorted(counts, key=lambda word: (-counts[word], word))[: 2**16]
        return replace(self, words=tuple(words))

    def pin_hash(self) -> CaptionTokens:
        """Return itself: it refers to no codec."""
        return self

    def build(self) -> CaptionTokenizer:
        return CaptionTokenizer(self)


class CaptionTokenizer:
    """Looks up the words of captions, or hashes them by CRC-32, which is platform independent.

    Tokens: 0 is padding, then those of the hash table, then those of known words.
    """

    is_picture = is_always_known = takes_labels = is_derived = False

    def __init__(self, config: CaptionTokens):
        self.name, self.buckets, self.n_tokens = config.name, config.buckets, config.length
        self.vocab_size = config.buckets + len(config.words)
        self.known = {word: config.buckets + k for k, word in enumerate(config.words)}

    def derive(self, x: Tensor) -> None:
        """Nothing is derived from pictures."""

    def encode(self, value: Tensor | list[str], device: torch.device) -> Tensor:
        """Encode n captions as tokens (n, length)."""
        if isinstance(value, Tensor):
            raise UserError(f"{self.name} is given as {value.dtype}; give text")
        rows = [self.find_tokens(caption) for caption in value]
        return torch.tensor(rows, dtype=torch.int64, device=device).view(-1, self.n_tokens)

    def find_tokens(self, caption: str) -> list[int]:
        """Find the tokens of a caption's words."""
        tokens = [self.find_token(word) for word in split_caption(caption)[: self.n_tokens]]
        return tokens + [0] * (self.n_tokens - len(tokens))

    def find_token(self, word: str) -> int:
        if word in self.known:
            return self.known[word]
        return zlib.crc32(word.encode()) % (self.buckets - 1) + 1


def split_caption(caption: str) -> list[str]:
    """Split a caption into words; case and punctuation are ignored."""
    return WORD.findall(unicodedata.normalize("NFKC", caption).casefold())
