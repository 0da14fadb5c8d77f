"""Sampling from a GPT, beside what the memory allows and beside other loops.

A step reads the weights and the key-value cache, so it takes at least their bytes over the memory's
bandwidth, which is measured in the same turns: the fastest read of a large array in huge pages.
Random weights; every repeat draws anew, a prefix of condition tokens first. Compared, if it can be
imported: Hugging Face transformers' GPT2LMHeadModel with its cache (`pip install --target FOLDER
transformers`, FOLDER in PYTHONPATH), with the same weights; and minGPT's loop, which runs the whole
network for every token.

Clocks: "thread" counts the thread's own CPU seconds, so that other programs on a busy machine do
not; it is right for one thread only. "wall" is time on the wall.

    python -m benchmarks.gpt --threads 1 --clock thread
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor

from benchmarks._machine import describe_machine, format_machine
from smalti.autoregressive import GPTConfig
from smalti.autoregressive.gpt.int8_weights import Int8Weights
from smalti.autoregressive.gpt.network import GPT
from smalti.autoregressive.gpt.walker import GPTWalker
from smalti.kernels.huge_pages import allocate
from smalti.layers.symbol_sampling import draw_index

CLOCKS = {"thread": time.thread_time, "wall": time.perf_counter}
K, BATCH, PREFIX, STEPS = 1024, 4, 256, 256
READ_NUMBERS = 1 << 25
seeds = itertools.count(1)


def main() -> None:
    options = parse_options()
    torch.set_num_threads(options.threads)
    machine = describe_machine()
    print(format_machine(machine), flush=True)
    network = GPTConfig(
        vocab_size=K + 256, context_length=PREFIX + STEPS - 1, layers=12, heads=8, width=512
    )
    clock = CLOCKS[options.clock]
    rows = measure(network.build().eval(), options.repeats, options.slow_steps, clock)
    print_rows(rows)
    result = {"machine": machine, "clock": options.clock, "rows": rows}
    print(json.dumps(result))
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpt")
    parser.formatter_class, parser.description = argparse.RawDescriptionHelpFormatter, __doc__
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--slow-steps", type=int, default=6, help="steps of minGPT's loop to time")
    parser.add_argument("--out", type=Path, help="a JSON file for the result")
    return parser.parse_args()


@torch.no_grad()
def measure(
    network: GPT, repeats: int, slow_steps: int, clock: Callable[[], float]
) -> list[dict[str, Any]]:
    """Seconds of each way's prefix and steps, the bytes of its steps, and the bandwidth."""
    int8, (big,) = Int8Weights(network), allocate([(READ_NUMBERS,)], torch.float32)
    big.fill_(1)

    def build_ours(weights: Int8Weights | None) -> Callable[[Tensor], Any]:
        def build(prefix: Tensor) -> Any:
            network.int8_weights = weights
            return GPTWalker(network, prefix, STEPS)

        return build

    ways: dict[str, tuple[Callable[[Tensor], Any], int]] = {
        "smalti": (build_ours(None), STEPS),
        "smalti, int8": (build_ours(int8), STEPS),
        "minGPT's loop": (lambda prefix: WholeLoop(network, prefix), slow_steps),
    }
    if (reference := build_reference(network)) is not None:
        ways["transformers"] = (lambda prefix: ReferenceLoop(reference, prefix), STEPS)
    bandwidths: list[float] = []
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for repeat in range(repeats + 1):  # the first one compiles
        for name, (build, steps) in ways.items():
            bandwidths += [measure_bandwidth(big, clock) for _ in range(4)]
            taken = time_sampling(build, 2 if repeat == 0 else steps, clock)
            if repeat:
                seconds[name].append((taken[0], taken[1] * STEPS / steps))
    fast = max(bandwidths)
    rows = []
    for name, times in seconds.items():
        count = sum_step_bytes(network, name.endswith("int8")) if "loop" not in name else 0
        prefix, steps = median(t for t, _ in times), median(t for _, t in times)
        row = {"name": name, "prefix": prefix, "steps": steps, "bytes": count, "bandwidth": fast}
        row |= {"least": min(t for _, t in times), "bound": count / fast}
        rows.append(row)
    return rows


def sum_step_bytes(network: GPT, int8: bool) -> int:
    """Bytes that all steps must read: the matrices each time, and the cache so far."""
    c = network.config
    weights = 4 * (12 * c.layers * c.width**2 + c.vocab_size * c.width)
    cached = sum(range(PREFIX + 1, PREFIX + STEPS))  # the first symbol is the prefix's
    cache = 4 * 2 * c.layers * BATCH * c.width * cached
    return weights * (STEPS - 1) // (4 if int8 else 1) + cache // (2 if int8 else 1)


def measure_bandwidth(big: Tensor, clock: Callable[[], float]) -> float:
    """Bytes per second of reading a large array once."""
    begun = clock()
    big.sum()
    return big.nbytes / (clock() - begun)


def time_sampling(
    build: Callable[[Tensor], Any], steps: int, clock: Callable[[], float]
) -> tuple[float, float]:
    """Seconds of the prefix, and of drawing `steps` symbols after it."""
    rng = torch.Generator().manual_seed(next(seeds))
    prefix = torch.randint(K, K + 256, (BATCH, PREFIX), generator=rng)
    u = torch.rand(BATCH, steps, generator=rng, dtype=torch.float64)
    begun = clock()
    walker = build(prefix)
    middle = clock()
    for k in range(steps):
        walker.set_symbols(k, draw_index(walker.predict(k)[:, :K], u[:, k], 1.0))
    return middle - begun, clock() - middle


class WholeLoop:
    """minGPT's: the network over all tokens so far, for each one."""

    def __init__(self, network: GPT, prefix: Tensor):
        self.network, self.tokens = network, prefix

    def predict(self, k: int) -> Tensor:
        return self.network(self.tokens)[:, -1]

    def set_symbols(self, k: int, symbols: Tensor) -> None:
        self.tokens = torch.cat([self.tokens, symbols[:, None]], dim=1)


class ReferenceLoop:
    """transformers' GPT2LMHeadModel with its cache."""

    def __init__(self, model: Any, prefix: Tensor):
        self.model = model
        self.out = model(prefix, use_cache=True, logits_to_keep=1)

    def predict(self, k: int) -> Tensor:
        return self.out.logits[:, -1]

    def set_symbols(self, k: int, symbols: Tensor) -> None:
        if k < STEPS - 1:
            cache = self.out.past_key_values
            self.out = self.model(symbols[:, None], past_key_values=cache, use_cache=True)


def build_reference(network: GPT) -> Any:
    """The same network in transformers, with the same weights; None if that is not installed."""
    try:
        from transformers import GPT2Config, GPT2LMHeadModel  # pyright: ignore
    except ImportError:
        print("transformers is not installed; leaving it out", flush=True)
        return None
    c = network.config
    sizes = {"n_positions": c.context_length, "n_embd": c.width, "n_layer": c.layers}
    model = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=c.vocab_size,
            n_head=c.heads,
            activation_function="gelu",
            tie_word_embeddings=False,
            bos_token_id=0,
            eos_token_id=0,
            **sizes,
        )
    ).eval()
    names = {"attention_norm": "ln_1", "hidden_norm": "ln_2", "qkv": "attn.c_attn"}
    names |= {"out": "attn.c_proj", "hidden.0": "mlp.c_fc", "hidden.2": "mlp.c_proj"}
    weights = {}
    for name, w in network.state_dict().items():
        if name.startswith("blocks."):
            _, i, rest = name.split(".", 2)
            layer, kind = rest.rsplit(".", 1)
            w = w.t() if w.ndim == 2 else w  # transformers' Conv1D is transposed
            weights[f"transformer.h.{i}.{names[layer]}.{kind}"] = w.contiguous()
    weights["transformer.wte.weight"] = network.tokens.weight
    weights["transformer.wpe.weight"] = network.positions
    weights["transformer.ln_f.weight"], weights["transformer.ln_f.bias"] = network.norm.parameters()
    weights["lm_head.weight"] = network.head.weight
    missing = model.load_state_dict(weights, strict=False)
    assert not missing.unexpected_keys and all("attn." in key for key in missing.missing_keys)
    tokens = torch.randint(0, c.vocab_size, (2, 9))
    with torch.no_grad():
        difference = (model(tokens).logits - network(tokens)).abs().max()
    assert difference < 1e-4, difference
    return model


def print_rows(rows: list[dict[str, Any]]) -> None:
    """A line each; `bound` is bytes over bandwidth."""
    print(f"bandwidth {rows[0]['bandwidth'] / 1e9:.1f} GB/s\n")
    print(f"{'':16} {'prefix':>8} {'steps':>8} {'ms a step':>10} {'GB':>6} {'bound':>8}  ratio")
    for row in rows:
        bound = f"{row['bytes'] / 1e9:6.1f} {row['bound']:6.2f} s  "
        bound += f"{row['steps'] / max(row['bound'], 1e-9):.2f}"
        print(
            f"{row['name']:16} {row['prefix']:6.2f} s {row['steps']:6.2f} s "
            f"{1e3 * row['steps'] / STEPS:10.2f} {bound if row['bytes'] else ''}"
        )


if __name__ == "__main__":
    main()
