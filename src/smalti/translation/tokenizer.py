"""Vocabularies as codecs of text: text to symbols and back; subwords by a sentencepiece model."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
import torch
from torch import Tensor

from smalti.core.errors import MissingExtra, UserError
from smalti.data.sentence_pairs import PAD

if TYPE_CHECKING:
    from sentencepiece import SentencePieceProcessor

NEED = "translation needs the package sentencepiece"
UNK, BOS, EOS = 1, 2, 3
"""With PAD (0), the symbols of <pad>, <unk>, <s> and </s> in every vocabulary."""


class Tokenizer(Protocol):
    """A vocabulary: encodes texts as symbols 0 .. size - 1, and decodes them.

    One rule for all: an encoded sentence ends with </s>, be it a source or a target, and does not
    begin with <s>, which only starts the decoder's input.
    """

    @property
    def size(self) -> int: ...  # symbols, including the four special ones
    @property
    def model(self) -> bytes: ...  # stored in checkpoints
    def encode(self, text: Sequence[str], dropout: float = 0.0) -> list[list[int]]: ...
    def decode(self, symbols: Iterable[Sequence[int]]) -> list[str]: ...
    def list_pieces(self, text: str) -> list[str]: ...  # what its symbols stand for, in order


class SubwordTokenizer:
    """Encodes and decodes text by a sentencepiece model.

    Encoded sentences end with </s>. Lossless except for leading, trailing and repeated spaces.

    model: the bytes of a sentencepiece model file, which are stored in checkpoints.
    """

    def __init__(self, model: bytes):
        self.model: bytes = model
        self.processor = load_processor(model)
        first = [self.processor.id_to_piece(k) for k in range(min(4, self.size))]
        if first != ["<pad>", "<unk>", "<s>", "</s>"]:
            raise UserError(
                f"vocabulary begins with {' '.join(first)}; give a sentencepiece model "
                "that begins with <pad> <unk> <s> </s>"
            )

    @property
    def size(self) -> int:
        """Number of symbols, including special ones."""
        return self.processor.get_piece_size()

    def encode(self, text: Sequence[str], dropout: float = 0.0) -> list[list[int]]:
        """Encode each text to symbols, ending with </s>.

        dropout: probability of skipping a merge (BPE-dropout, arXiv:1910.13267), for training;
        drawn from PyTorch's global generator, which a run seeds and saves.
        """
        if not dropout:
            return self.processor.encode(list(text), add_eos=True)
        from sentencepiece import set_random_generator_seed

        set_random_generator_seed(int(torch.randint(1, 2**31, ())))
        # a new thread starts with this seed; several would share the texts out by chance
        return self.processor.encode(
            list(text), add_eos=True, enable_sampling=True, alpha=dropout, num_threads=1
        )

    def list_pieces(self, text: str) -> list[str]:
        """List the subwords of a text; "\u2581" stands for a space before a word."""
        return self.processor.encode(text, out_type=str)

    def decode(self, symbols: Iterable[Sequence[int]]) -> list[str]:
        """Decode sequences of symbols to text, up to the first </s>, ignoring <pad> and <s>."""
        return [self.processor.decode(trim_symbols(sequence)) for sequence in symbols]


def load_processor(model: bytes) -> SentencePieceProcessor:
    try:
        from sentencepiece import SentencePieceProcessor
    except ImportError as error:
        raise MissingExtra(NEED, "translate") from error
    try:
        return SentencePieceProcessor(model_proto=model)
    except RuntimeError as error:
        raise UserError("vocabulary is not a sentencepiece model; check the file") from error


def train_tokenizer(
    text: Iterable[str],
    vocab_size: int,
    algorithm: Literal["bpe", "unigram"] = "bpe",
    character_coverage: float = 1.0,
    add_dummy_prefix: bool = True,
    exact: bool = True,
) -> SubwordTokenizer:
    """Train a tokenizer with `vocab_size` symbols on text.

    character_coverage: share of the text's characters that get a symbol.
    add_dummy_prefix: encode the first word like those after a space.
    exact: raise UserError if the text is too short for vocab_size, instead of learning fewer.
    Raises UserError if the text has too many characters for vocab_size, or none.
    """
    try:
        from sentencepiece import SentencePieceTrainer
    except ImportError as error:
        raise MissingExtra(NEED, "translate") from error

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
            hard_vocab_limit=exact,
            pad_id=PAD,
            unk_id=UNK,
            bos_id=BOS,
            eos_id=EOS,
            unk_surface="\ufffd",
            minloglevel=2,
        )
    except RuntimeError as error:
        raise UserError(
            f"cannot train a vocabulary of {vocab_size} symbols on this text; "
            "give more text or another vocab_size"
        ) from error
    return SubwordTokenizer(model.getvalue())


def locate_pieces(text: str, pieces: Sequence[str]) -> list[tuple[int, int]]:
    """Locate the pieces of a text in it: start and end of each; empty for one not found."""
    spans, end, lower = [], 0, text.lower()
    for piece in pieces:
        word = piece.replace("\u2581", " ").strip()
        found = text.find(word, end)
        found = lower.find(word, end) if found < 0 else found
        start = max(found, end)
        end = start + (len(word) if found >= 0 else 0)
        spans.append((start, end))
    return spans


def trim_symbols(symbols: Sequence[int]) -> list[int]:
    """The symbols up to the first </s>, without <pad> and <s>."""
    values = [int(symbol) for symbol in symbols]
    end = values.index(EOS) if EOS in values else len(values)
    return [symbol for symbol in values[:end] if symbol not in (PAD, BOS)]


def pad_sequences(sequences: Sequence[Sequence[int]]) -> Tensor:
    """Pad sequences with <pad> to (N, T) int64."""
    batch = np.full((len(sequences), max(map(len, sequences))), PAD)
    for row, sequence in zip(batch, sequences, strict=True):
        row[: len(sequence)] = sequence
    return torch.from_numpy(batch)
