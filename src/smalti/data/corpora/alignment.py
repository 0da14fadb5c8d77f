"""Align the blocks of a page with those of its translation."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from smalti.data.corpora.blocks import Block, read_blocks
from smalti.data.corpora.languages import HAN
from smalti.data.corpora.pair import SentencePair

TOKEN = re.compile(r"\w{2,}", re.ASCII)
CHARACTERS_PER_WORD = 1.6
MAX_CELLS = 4_000_000
"""Pages, or parts between two common anchors, with more pairs of blocks are not aligned."""
BAND = 60
"""How far alignment may leave the diagonal, beside the difference of the numbers of blocks."""
GAP = -0.15
"""Score of a block without a counterpart."""
LEAST_SCORE = 0.2
"""Aligned blocks with a lower score are dropped."""


def read_pages(source: Path, target: Path) -> Iterator[SentencePair]:
    """Yield the blocks of two pages that correspond by structure; code is left out."""
    for one, other in align_blocks(read_blocks(source), read_blocks(target)):
        if not one.is_literal and not other.is_literal:
            yield SentencePair(*strip_numbers(one.text, other.text))


def align_blocks(left: Sequence[Block], right: Sequence[Block]) -> list[tuple[Block, Block]]:
    """Pair the blocks in order, each with at most one.

    Pages with the same sequence of elements are paired as they are. Others are cut at the ids that
    both have, and the parts aligned by dynamic programming.
    """
    if [block.kind for block in left] == [block.kind for block in right]:
        return [*zip(left, right, strict=True)]
    pairs = []
    for part, other in cut_at_anchors(left, right):
        if [block.kind for block in part] == [block.kind for block in other]:
            pairs += zip(part, other, strict=True)
        else:
            pairs += align_part(part, other)
    return pairs


def cut_at_anchors(
    left: Sequence[Block], right: Sequence[Block]
) -> Iterator[tuple[Sequence[Block], Sequence[Block]]]:
    """Cut both pages where the same ids begin, in the same order."""
    starts = [find_anchor_starts(blocks) for blocks in (left, right)]
    i = j = 0
    for anchor, at in starts[0].items():
        other = starts[1].get(anchor, -1)
        if other > j and at > i:
            yield left[i:at], right[j:other]
            i, j = at, other
    yield left[i:], right[j:]


def find_anchor_starts(blocks: Sequence[Block]) -> dict[str, int]:
    """The first block behind each id."""
    starts: dict[str, int] = {}
    for k, block in enumerate(blocks):
        if block.anchor:
            starts.setdefault(block.anchor, k)
    return starts


def align_part(left: Sequence[Block], right: Sequence[Block]) -> list[tuple[Block, Block]]:
    """Align by dynamic programming within a band around the diagonal."""
    n, m = len(left), len(right)
    band = abs(n - m) + BAND
    if not n or not m or 2 * band * n > MAX_CELLS:
        return []
    sides = [[BlockFeatures(block) for block in part] for part in (left, right)]
    best = {j: j * GAP for j in range(min(m, band) + 1)}
    moves: list[dict[int, str]] = []
    for i in range(1, n + 1):
        row: dict[int, float] = {}
        move: dict[int, str] = {}
        for j in range(max(0, i - band), min(m, i + band) + 1):
            options = [
                (best.get(j, -math.inf) + GAP, "left"),
                (row.get(j - 1, -math.inf) + GAP, "right"),
            ]
            if j and j - 1 in best:
                options.append((best[j - 1] + sides[0][i - 1].match(sides[1][j - 1]), "both"))
            row[j], move[j] = max(options)
        best = row
        moves.append(move)
    return follow_moves(left, right, sides, moves)


def follow_moves(
    left: Sequence[Block],
    right: Sequence[Block],
    sides: Sequence[Sequence[BlockFeatures]],
    moves: Sequence[dict[int, str]],
) -> list[tuple[Block, Block]]:
    pairs, i, j = [], len(left), len(right)
    while i and j:
        move = moves[i - 1].get(j, "left")
        if move == "both" and sides[0][i - 1].match(sides[1][j - 1]) > LEAST_SCORE:
            pairs.append((left[i - 1], right[j - 1]))
        i, j = i - (move != "right"), j - (move != "left")
    return pairs[::-1]


class BlockFeatures:
    """What of a block is compared with blocks of another language."""

    def __init__(self, block: Block):
        n_han = len(HAN.findall(block.text))
        self.block = block
        self.tokens = Counter(TOKEN.findall(block.text))
        self.length = (
            n_han + len(self.tokens) if n_han else CHARACTERS_PER_WORD * len(block.text.split())
        )

    def match(self, other: BlockFeatures) -> float:
        """Score a match, about -2 to 2: by kind, length, and common names or numbers."""
        if self.block.kind != other.block.kind or self.block.is_literal != other.block.is_literal:
            return -2.0
        if self.block.is_literal:
            return 1.5 if self.block.text == other.block.text else 0.3
        shared = (self.tokens & other.tokens).total()
        fewest = min(self.tokens.total(), other.tokens.total())
        ratio = abs(math.log((other.length + 1) / (self.length + 1)))
        return 0.8 - 1.2 * ratio + (shared / fewest if fewest else 0.3)


NUMBER = re.compile(
    r"(?:(?:Chapter|Appendix|Table|Figure|Example|Part|Section)\s+)?([A-Z]?\.?\d*(?:\.\d+)*)\.\s+"
)
CHINESE_NUMBER = re.compile(
    r"(?:第|附录|表|图|例|範例|示例|部分|节)?\s*([A-Z]?\.?\d*(?:\.\d+)*)\s*(?:章|节|部分|\.)\s*"
)


def strip_numbers(source: str, target: str) -> tuple[str, str]:
    """Remove the number that both titles carry: "Figure 3.1. Title", "图 3.1. 标题"."""
    found = [(CHINESE_NUMBER if HAN.search(x) else NUMBER).match(x) for x in (source, target)]
    one, other = found
    if one and other and one[1] and one[1] == other[1]:
        return source[one.end() :], target[other.end() :]
    return source, target
