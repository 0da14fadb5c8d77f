"""Records the matrix products and convolutions of a piece of work, and times them alone."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

aten = torch.ops.aten
ATTENTION = aten._scaled_dot_product_flash_attention_for_cpu
ATTENTION_BACKWARD = aten._scaled_dot_product_flash_attention_for_cpu_backward
LAYOUTS = (torch.contiguous_format, torch.channels_last)


class Layout(NamedTuple):
    """A tensor without its content."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: torch.dtype


class Product(NamedTuple):
    """A product by the layouts of its operands, which are hashable."""

    func: Any
    args: tuple[Any, ...]
    flops: float


class ProductRecorder(TorchDispatchMode):
    """Counts products by phase; attention counts as its batched products, masked ones in full."""

    def __init__(self) -> None:
        super().__init__()
        self.phase = "forward"
        self.counts: Counter[tuple[str, Product]] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        packet = func.overloadpacket
        if packet in flop_registry:
            results = (kwargs or {}).get("out", out)
            flops = flop_registry[packet](*args, **(kwargs or {}) | {"out_val": results})
            plain = func if "out" not in (kwargs or {}) else packet.default
            self.add(plain, args, flops)
        elif packet is ATTENTION:
            self.add_attention(args[0], args[1], 2)
        elif packet is ATTENTION_BACKWARD:
            self.add_attention(args[1], args[2], 5)  # q k^T again, and 4 gradients
        return out

    def add(self, func: Any, args: Any, flops: float) -> None:
        self.counts[self.phase, Product(func, tuple(map(freeze_argument, args)), flops)] += 1

    def add_attention(self, q: Tensor, k: Tensor, n: int) -> None:
        """Add n products of the size of q k^T: q (N, heads, T, d), k (N, heads, S, d)."""
        (N, heads, T, d), S = q.shape, k.shape[2]
        a, b = (torch.empty(N * heads, *size, dtype=q.dtype) for size in ((T, d), (S, d)))
        for _ in range(n):
            self.add(aten.bmm.default, (a, b.mT), 2.0 * N * heads * T * S * d)


def freeze_argument(value: Any) -> Any:
    if isinstance(value, Tensor):
        return Layout(tuple(value.shape), value.stride(), value.dtype)
    return tuple(value) if isinstance(value, list) else value


def thaw_argument(value: Any, layout: torch.memory_format | None) -> Any:
    """A random tensor for a Layout, a 4-dimensional one in the given memory format if any."""
    if not isinstance(value, Layout):
        return list(value) if isinstance(value, tuple) else value
    x = torch.empty_strided(value.shape, value.strides, dtype=value.dtype).normal_()
    return x.contiguous(memory_format=layout) if layout and x.ndim == 4 else x


class ProductTime(NamedTuple):
    """The time of all recorded products of a phase, alone."""

    seconds: float
    flops: float


def time_products(
    recorder: ProductRecorder, budget: float, clock: Callable[[], float] = time.thread_time
) -> dict[str, ProductTime]:
    """Time each distinct product alone, a convolution in its faster memory format, times its count.

    budget: about the seconds to spend.
    """
    products = {product for _, product in recorder.counts}
    seconds = {p: time_product(p, budget / len(products), clock) for p in products}
    found = {"forward": ProductTime(0, 0), "backward": ProductTime(0, 0)}
    for (phase, product), n in recorder.counts.items():
        taken, flops = found[phase]
        found[phase] = ProductTime(taken + n * seconds[product], flops + n * product.flops)
    return found


def time_product(product: Product, budget: float, clock: Callable[[], float]) -> float:
    """Least seconds of one call, over the memory formats."""
    is_conv = "conv" in str(product.func)
    best = math.inf
    for layout in LAYOUTS if is_conv else (None,):
        args = [thaw_argument(value, layout) for value in product.args]
        end = clock() + budget / (2 if is_conv else 1)
        calls = 0
        while calls < 3 or clock() < end:
            begun = clock()
            product.func(*args)
            best = min(best, clock() - begun)
            calls += 1
    return best
