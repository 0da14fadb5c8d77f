"""The Transformer's key-value cache, compiled for CPUs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from smalti.kernels import encoder_decoder as kernel
from smalti.kernels.jit import can_cache
from smalti.kernels.ranking import rank_continuations
from smalti.kernels.threads import run_in_threads
from smalti.translation.kv_cache import Ranking
from smalti.translation.packed_network import pack_network
from smalti.translation.tokenizer import EOS, PAD
from smalti.translation.transformer import Transformer

CHUNK = 192
"""Tokens to encode in one call: their features stay in a processor's cache."""
FIRST_CAPACITY = 32
"""Positions of a new cache, which grows."""


def can_compile(network: Transformer) -> bool:
    """Whether the compiled cache supports the network's type and device, and pays."""
    w = network.out.weight
    return w.dtype in (torch.float32, torch.float64) and w.device.type == "cpu" and can_cache()


class CompiledCache:
    """What `KVCache` is, on a CPU: the same calls and, but for rounding, the same logits.

    Sentences take no padding, and the rows of one share its encoding. Choosing rows moves no keys
    and values, since each row lists where those of its positions are.
    """

    def __init__(self, network: Transformer, source: Tensor):
        """source: (n, S) int64, padded with <pad>."""
        self.packed, self.length = pack_network(network), 0
        self.vocab_size, self.decoder_layers = (
            network.config.target_vocab_size,
            len(network.decoder),
        )
        self.room = np.zeros(kernel.CACHES + 3 * self.decoder_layers, np.int64)
        self.sizes = self.packed.sizes.copy()
        self.arrays: dict[int, np.ndarray] = {}  # whose addresses are in `room`
        real = source.numpy() != PAD
        self.lengths = real.sum(1)  # of each row's sentence
        self.starts = self.lengths.cumsum() - self.lengths
        self.slots = np.empty((len(source), 0), np.int64)
        self.encode(source.numpy()[real], real.nonzero()[1])

    def encode(self, symbols: np.ndarray, places: np.ndarray) -> None:
        """Encode the tokens of all sentences, in chunks of whole ones."""
        n = len(symbols)
        for layer in range(self.decoder_layers):
            self.make_array(kernel.CACHES + 3 * layer, n, self.sizes[kernel.KV_STRIDE])
        self.set_array(kernel.ORDER, np.arange(n))
        self.make_workspace(n, max(self.lengths))
        starts, lengths = (np.repeat(x, self.lengths) for x in (self.starts, self.lengths))
        self.set_inputs(0, symbols, places, starts, lengths)
        self.run(kernel.encode, group_sentences(self.lengths), self.packed.weight_like)

    def append(self, symbols: Tensor) -> Tensor:
        """Append one symbol to each row (n,) -> logits (n, target_size) of the next one."""
        n = len(symbols)
        if not self.length:
            self.sizes[kernel.SLOT_COUNT] = n
        if self.length == self.slots.shape[1]:
            self.add_capacity(max(FIRST_CAPACITY, 2 * self.length))
        self.set_inputs(1, symbols.numpy(), np.full(n, self.length), self.starts, self.lengths)
        self.set_array(kernel.SLOTS, self.slots)
        self.sizes[kernel.TIME] = self.length
        logits = np.empty((n, self.sizes[kernel.LOGITS_STRIDE]), self.packed.dtype)
        self.set_array(kernel.LOGITS, logits)
        threads = min(n, torch.get_num_threads())
        ends = [n * i // threads for i in range(threads + 1)]
        self.run(kernel.decode, list(pairwise(ends)), self.packed.weight_like)
        self.length += 1
        return torch.from_numpy(logits[:, : self.vocab_size])

    def rank_next(self, symbols: Tensor, scores: np.ndarray, count: int) -> Ranking:
        """As `DecoderCache.rank_next`."""
        shape = len(scores), count
        found = np.empty(shape), np.empty(shape, np.int64), np.empty(shape, np.int64)
        self.append(symbols)
        logits = self.arrays[kernel.LOGITS]  # whole: a slice of one row has another type
        rank_continuations(logits, scores, EOS, self.vocab_size, *found)
        return found

    def select(self, rows: Tensor) -> None:
        """Keep these rows (m,), in this order; rows may repeat. Not more than at the first step."""
        at = rows.numpy()
        assert not self.length or len(at) <= self.sizes[kernel.SLOT_COUNT]
        self.starts, self.lengths, self.slots = self.starts[at], self.lengths[at], self.slots[at]

    def add_capacity(self, capacity: int) -> None:
        """Make room for more positions, and a step's features."""
        width, slot_count = (self.sizes[k] for k in (kernel.WIDTH, kernel.SLOT_COUNT))
        for layer in range(self.decoder_layers):
            for column in (kernel.CACHES + 3 * layer + 1, kernel.CACHES + 3 * layer + 2):
                before = self.arrays.get(column)
                self.make_array(column, capacity * slot_count, width)
                if before is not None:
                    self.arrays[column][: len(before)] = before
        slots = np.empty((len(self.slots), capacity), np.int64)
        slots[:, : self.length] = self.slots
        self.slots, self.sizes[kernel.CAPACITY] = slots, capacity
        self.make_workspace(slot_count, max(capacity, *self.lengths))

    def make_workspace(self, n: int, longest: int) -> None:
        """Make room for the features of n rows, and for attention to the `longest` row's."""
        strides = {kernel.X: kernel.STRIDE, kernel.NORMED: kernel.STRIDE}
        strides |= {kernel.ROWS: kernel.QKV_STRIDE, kernel.ATTENDED: kernel.STRIDE}
        strides |= {kernel.HIDDEN: kernel.HIDDEN_STRIDE, kernel.WORK: kernel.WORK_STRIDE}
        for column, stride in strides.items():
            self.make_array(column, n, self.sizes[stride])
        self.make_array(kernel.SCORES, torch.get_num_threads(), longest)

    def make_array(self, column: int, n: int, width: int) -> None:
        """Make an array of zeros: kernels leave the padding of rows as it is."""
        self.set_array(column, np.zeros((n, width), self.packed.dtype))

    def set_array(self, column: int, array: np.ndarray) -> None:
        self.arrays[column] = array
        self.room[column] = array.ctypes.data

    def set_inputs(self, side: int, symbols: np.ndarray, places: np.ndarray, *sentences: Any):
        """Set the symbols of rows, of the source or target, their places and their sentences'."""
        longest = int(places.max(initial=0)) + 1
        self.room[kernel.TABLE] = self.packed.embeddings[side]
        self.set_array(kernel.POSITIONS, self.packed.list_positions(longest))
        columns = (kernel.SYMBOLS, kernel.PLACES, kernel.STARTS, kernel.LENGTHS)
        for column, array in zip(columns, (symbols, places, *sentences), strict=True):
            self.set_array(column, np.ascontiguousarray(array))

    def run(
        self, function: Callable[..., None], ranges: Sequence[tuple[int, int]], *more: np.ndarray
    ) -> None:
        """Call a kernel for each range of rows, in as many threads as PyTorch's."""
        scores, threads = self.arrays[kernel.SCORES], len(self.arrays[kernel.SCORES])

        def work(thread: int) -> None:
            sizes = self.sizes.copy()
            sizes[kernel.SCORES_AT] = thread * scores.shape[1]
            for sizes[kernel.FIRST], sizes[kernel.LAST] in ranges[thread::threads]:
                function(self.packed.table, self.room, sizes, scores[0], *more)

        rows = sum(end - start for start, end in ranges)
        run_in_threads(work, range(min(threads, len(ranges))), rows * self.packed.cost)


def group_sentences(lengths: np.ndarray) -> list[tuple[int, int]]:
    """Group neighbors to ranges of about CHUNK tokens, at least a sentence each."""
    ranges, first, end = [], 0, 0
    for length in lengths.tolist():
        if end > first and end + length - first > CHUNK:
            ranges.append((first, end))
            first = end
        end += length
    return [*ranges, (first, end)]
