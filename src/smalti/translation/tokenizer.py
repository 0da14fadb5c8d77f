"""Sub-words as a codec: text to symbols and back, by a sentencepiece model."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import Tensor

from smalti.core.errors import UserError
from smalti.data.sentence_pairs import PAD

if TYPE_CHECKING:
    from sentencepiece import SentencePieceProcessor

UNK, BOS, EOS = 1, 2, 3
"""With PAD, 0: symbols of <pad>, <unk>, <s> and </s>, the same in every vocabulary."""


class SubwordTokenizer:
    """A codec of text: `encode` and `decode` go through the pieces of a sentencepiece model.

    Source and target have one each. Sentences end with </s>; <s> is only put in front of what a
    decoder has written so far. Spaces at the ends and repeated spaces are lost, nothing else.

    model: the bytes of a sentencepiece model file, which a checkpoint carries.
    """

    def __init__(self, model: bytes):
        self.model = model
        self.processor = load_processor(model)
        found = [self.processor.id_to_piece(k) for k in range(min(4, self.size))]
        if found != ["<pad>", "<unk>", "<s>", "</s>"]:
            raise UserError(
                f"vocabulary begins with {' '.join(found)}; give a sentencepiece model "
                "that begins with <pad> <unk> <s> </s>"
            )

    @property
    def size(self) -> int:
        """Number of symbols, special ones included."""
        return self.processor.get_piece_size()

    def encode(self, text: Sequence[str], dropout: float = 0.0) -> list[list[int]]:
        """Symbols of each text, </s> at the end.

        dropout: share of merges that are left out at random (BPE-dropout, arXiv:1910.13267), for
        training; its randomness is sentencepiece's own.
        """
        sampling = {"enable_sampling": True, "alpha": dropout} if dropout else {}
        return self.processor.encode(list(text), add_eos=True, **sampling)

    def decode(self, symbols: Iterable[Sequence[int]]) -> list[str]:
        """Text of each sequence of symbols, up to its first </s>; <pad> and <s> say nothing."""
        return [self.processor.decode(trim_symbols(sequence)) for sequence in symbols]


def load_processor(model: bytes) -> SentencePieceProcessor:
    try:
        from sentencepiece import SentencePieceProcessor
    except ImportError as error:
        raise UserError(
            "sub-words need the package sentencepiece; install smalti[translate]"
        ) from error
    try:
        return SentencePieceProcessor(model_proto=model)
    except RuntimeError as error:
        raise UserError("vocabulary is not a sentencepiece model; is the file whole?") from error


def train_tokenizer(
    text: Iterable[str],
    vocab_size: int,
    algorithm: Literal["bpe", "unigram"] = "bpe",
    character_coverage: float = 1.0,
    add_dummy_prefix: bool = True,
) -> SubwordTokenizer:
    """A vocabulary of `vocab_size` symbols learned from text.

    character_coverage: share of the text's characters that get a symbol of their own. add_dummy_prefix: words are
    parted by spaces, so that the first one is written like those behind a space. UserError when
    the text holds too little for so many symbols, or too many characters for so few.
    """
    from sentencepiece import SentencePieceTrainer

    model = io.BytesIO()
    try:
        SentencePieceTrainer.train(
            sentence_iterator=iter(text),
            model_writer=model,
            vocab_size=vocab_size,
            model_type=algorithm,
            character_coverage=character_coverage,
            normalization_rule_name="identity",
            add_dummy_prefix=add_dummy_prefix,
            max_sentence_length=1 << 16,
            pad_id=PAD,
            unk_id=UNK,
            bos_id=BOS,
            eos_id=EOS,
            unk_surface="\ufffd",
            minloglevel=2,
        )
    except RuntimeError as error:
        raise UserError(
            f"no vocabulary of {vocab_size} symbols can be learned from this text; "
            "give more text, or another size"
        ) from error
    return SubwordTokenizer(model.getvalue())


def trim_symbols(symbols: Sequence[int]) -> list[int]:
    """The symbols up to the first </s>, without <pad> and <s>."""
    listed = [int(symbol) for symbol in symbols]
    end = listed.index(EOS) if EOS in listed else len(listed)
    return [symbol for symbol in listed[:end] if symbol not in (PAD, BOS)]


def pad_sequences(sequences: Sequence[Sequence[int]]) -> Tensor:
    """(N, T) int64, <pad> behind each sequence that is not the longest."""
    batch = np.full((len(sequences), max(map(len, sequences))), PAD)
    for row, sequence in zip(batch, sequences, strict=True):
        row[: len(sequence)] = sequence
    return torch.from_numpy(batch)
