"""Word vocabularies as in SingleZombie/DL-Demos: a symbol for each of the most frequent words.

They are lossy: case, spaces and some punctuation are dropped, and rare words become <unk>. The
sub-words of tokenizer.py are not, and are the default.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from smalti.core.errors import MissingExtra, UserError, shorten
from smalti.core.files import write_text

CutName = Literal["basic-english", "jieba", "letters"]
"""Ways to cut a text into words: see `CUTS`."""
SPECIAL_COUNT = 1_000_000_000
"""Count of the special symbols in word-count files, above that of any word."""
REPLACEMENT = "\ufffd"
"""Decodes <unk>, as the sub-words do."""


class Layout(NamedTuple):
    """Names of the special symbols in the order of their numbers, and which of them is which."""

    names: tuple[str, str, str, str]
    pad: int
    unk: int
    bos: int
    eos: int


LAYOUTS = {
    "pad-first": Layout(("<PAD>", "<UNK>", "<S>", "</S>"), pad=0, unk=1, bos=2, eos=3),
    "start-first": Layout(("<sos>", "<eos>", "<unk>", "<pad>"), pad=3, unk=2, bos=0, eos=1),
}
"""The article's two: that of its word-count files, which the networks here need, and that of its
vocabularies of translation2019zh."""
PAD_FIRST = LAYOUTS["pad-first"]


@dataclass(frozen=True)
class WordTokenizer:
    """Encodes text as numbers of words and decodes it.

    Encoded sentences end with </s> and do not begin with <s>. In the article a source begins with
    <s>, too; here <s> only starts the decoder's input, whatever the vocabulary.
    """

    counts: Mapping[str, int]
    """How often each word occurred, the most frequent first, without special symbols."""
    cut: CutName = "basic-english"
    """How texts are cut into words."""
    layout: Layout = PAD_FIRST
    """Which numbers the special symbols have. Networks need the default."""

    @cached_property
    def words(self) -> tuple[str, ...]:
        """All symbols by their numbers."""
        return *self.layout.names, *self.counts

    @cached_property
    def numbers(self) -> dict[str, int]:
        return {word: k for k, word in enumerate(self.counts, 4)}

    @property
    def size(self) -> int:
        """Number of symbols, including the four special ones."""
        return len(self.words)

    @property
    def model(self) -> bytes:
        """What `parse_words` reads, for checkpoints."""
        return f"cut\t{self.cut}\n{format_counts(self)}".encode()

    def encode(self, text: Sequence[str], dropout: float = 0.0) -> list[list[int]]:
        """Encode each text to symbols, ending with </s>. UserError for dropout: words are whole."""
        if dropout:
            raise UserError(f"BPE-dropout is {dropout}, but words are not split; give 0")
        numbers, unk, eos = self.numbers, self.layout.unk, self.layout.eos
        cut = CUTS[self.cut].split
        return [[*(numbers.get(word, unk) for word in cut(one)), eos] for one in text]

    def list_pieces(self, text: str) -> list[str]:
        """List the words of a text."""
        return list(CUTS[self.cut].split(text))

    def decode(self, symbols: Iterable[Sequence[int]]) -> list[str]:
        """Decode sequences of symbols to text, up to the first </s>, ignoring <pad> and <s>."""
        return [CUTS[self.cut].join(self.list_words(sequence)) for sequence in symbols]

    def list_words(self, symbols: Sequence[int]) -> list[str]:
        values, (_, pad, unk, bos, eos) = [int(symbol) for symbol in symbols], self.layout
        end = values.index(eos) if eos in values else len(values)
        kept = [symbol for symbol in values[:end] if symbol not in (pad, bos)]
        return [REPLACEMENT if symbol == unk else self.words[symbol] for symbol in kept]

    def with_layout(self, layout: Layout) -> WordTokenizer:
        """The same words with other numbers for the special symbols."""
        return replace(self, layout=layout)


# ---------------------------------------------------------------- words of a text


class Cut(NamedTuple):
    """Cuts a text into words, and joins words to a text."""

    split: Callable[[str], list[str]]
    join: Callable[[Sequence[str]], str]


def split_english(text: str) -> list[str]:
    """Split text as torchtext's basic_english: lower case, ' . , ( ) ! ? are words of their own.

    Double quotes are dropped; semicolons, colons and <br /> become spaces.
    """
    text = re.sub(r"<br />|[;:]", " ", text.lower().replace('"', ""))
    return re.sub(r"(['.,()!?])", r" \1 ", text).split()


def split_chinese(text: str) -> list[str]:
    """Split text into words by jieba, without spaces."""
    try:
        import jieba
    except ImportError as error:
        raise MissingExtra("words of Chinese need jieba", "translate") from error
    jieba.setLogLevel(logging.WARNING)  # it reports the loading of its dictionary
    return [word for word in jieba.cut(text) if word.strip()]


def split_letters(text: str) -> list[str]:
    """Split text at spaces, after everything but letters and apostrophes has been dropped."""
    return "".join(c for c in text if c.isspace() or c.isalpha() or c == "'").split()


def join_chinese(words: Sequence[str]) -> str:
    """Join words; a space is left between two in Latin letters or digits.

    The article has no spaces at all, which merges such words.
    """
    text = ""
    for word in words:
        text += " " * bool(re.search(r"\w\Z", text, re.ASCII) and re.match(r"\w", word, re.ASCII))
        text += word
    return text


CUTS = {
    "basic-english": Cut(split_english, " ".join),
    "jieba": Cut(split_chinese, join_chinese),
    "letters": Cut(split_letters, " ".join),
}
"""The article's: basic_english and jieba for translation2019zh, letters for its text files, which
are cut into words already."""


def learn_words(
    text: Iterable[str], size: int, cut: CutName = "basic-english", min_count: int = 1
) -> WordTokenizer:
    """Count the words of a text and keep the most frequent.

    size: most symbols, including the four special ones. min_count: words that are rarer become
    <unk>. UserError for a size without room for words.
    """
    if size < 5:
        raise UserError(f"a vocabulary of {size} has no room for words; give 5 or more")
    counter = Counter(word for one in text for word in CUTS[cut].split(one))
    most_common = counter.most_common(size - 4)
    return WordTokenizer({word: n for word, n in most_common if n >= min_count}, cut)


# ---------------------------------------------------------------- word-count files


def write_word_counts(tokenizer: WordTokenizer, path: str | Path) -> Path:
    """Write a word-count file: a word, a tab and its count a line, special symbols first."""
    return write_text(Path(path), format_counts(tokenizer))


def read_word_counts(
    path: str | Path, cut: CutName = "letters", min_count: int = 0
) -> WordTokenizer:
    """Read a word-count file (`*.vocab.tsv`) with either layout of special symbols.

    min_count: words that are rarer become <unk>. UserError for a file that is none.
    """
    try:
        content = Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read: {error}; give a UTF-8 text file") from error
    return parse_counts(content, cut, min_count, str(path))


def format_counts(tokenizer: WordTokenizer) -> str:
    special = dict.fromkeys(tokenizer.layout.names, SPECIAL_COUNT)
    return "".join(f"{word}\t{n}\n" for word, n in {**special, **tokenizer.counts}.items())


def parse_counts(content: str, cut: CutName, min_count: int, name: str) -> WordTokenizer:
    rows = content.removeprefix("\ufeff").replace("\r\n", "\n").removesuffix("\n").split("\n")
    counts: dict[str, int] = {}
    for k, row in enumerate(rows, 1):
        word, _, count = row.rpartition("\t")
        if not word.strip() or not re.fullmatch(r"\d{1,15}", count, re.ASCII):
            raise UserError(f"{name}, line {k} is {shorten(row)}; expected a word, a tab, a count")
        if word in counts:
            raise UserError(f"{name}, line {k}: {shorten(word)} is repeated; give each word once")
        counts[word] = int(count)
    first = tuple(counts)[:4]
    for layout in LAYOUTS.values():
        if first == layout.names:
            kept = {w: n for w, n in list(counts.items())[4:] if n >= min_count}
            return WordTokenizer(kept, cut, layout)
    known = " or ".join(" ".join(layout.names) for layout in LAYOUTS.values())
    raise UserError(f"{name} begins with {shorten(' '.join(first))}; expected {known}")


def parse_words(model: bytes) -> WordTokenizer:
    """Read `WordTokenizer.model`. UserError for other bytes."""
    try:
        head, _, content = model.decode().partition("\n")
    except UnicodeDecodeError as error:
        raise UserError("vocabulary is no list of words; check the file") from error
    name, _, cut = head.partition("\t")
    if name != "cut" or cut not in get_args(CutName):
        raise UserError(f"vocabulary begins with {shorten(head)}; check the file")
    return parse_counts(content, cut, 0, "vocabulary")  # pyright: ignore[reportArgumentType]
