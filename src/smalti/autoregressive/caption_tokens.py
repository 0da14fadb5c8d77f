"""Captions as tokens in front of a GPT: one for each word, hashed."""

from __future__ import annotations

import unicodedata
import zlib
from dataclasses import dataclass

import torch
from torch import Tensor

from smalti.core.config import check_fields
from smalti.core.errors import UserError
from smalti.core.ranges import CodebookSize, Width
from smalti.layers.caption import WORD


@dataclass(frozen=True)
@check_fields
class CaptionTokens:
    """Captions as one token for each word, for a GPT."""

    length: Width = 16
    """Tokens of a caption. Further words are cut, and shorter captions are padded."""
    buckets: CodebookSize = 4096
    """Rows of the hash table. Words with the same hash share a row."""
    name: str = "text"
    """Name of the condition."""

    follows_shifts = True
    is_on_disk = False

    def pin_hash(self) -> CaptionTokens:
        """Return itself: it refers to no codec."""
        return self

    def build(self) -> CaptionTokenizer:
        return CaptionTokenizer(self)


class CaptionTokenizer:
    """Hashes the words of captions by CRC-32, which is platform independent; 0 is padding."""

    is_picture = is_always_known = takes_labels = is_derived = False

    def __init__(self, config: CaptionTokens):
        self.name, self.vocab_size, self.n_tokens = config.name, config.buckets, config.length

    def derive(self, x: Tensor) -> None:
        """Nothing is derived from pictures."""

    def encode(self, value: Tensor | list[str], device: torch.device) -> Tensor:
        """Encode n captions as tokens (n, length)."""
        if isinstance(value, Tensor):
            raise UserError(f"{self.name} is given as {value.dtype}; give text")
        rows = [self.hash_words(caption) for caption in value]
        return torch.tensor(rows, dtype=torch.int64, device=device).view(-1, self.n_tokens)

    def hash_words(self, caption: str) -> list[int]:
        """Hash the words of a caption; case and punctuation are ignored."""
        words = WORD.findall(unicodedata.normalize("NFKC", caption).casefold())[: self.n_tokens]
        hashed = [zlib.crc32(word.encode()) % (self.vocab_size - 1) + 1 for word in words]
        return hashed + [0] * (self.n_tokens - len(hashed))
