"""Time to find the nearest code, compared with its matrix product.

    .venv/bin/python -m benchmarks.codebook
    .venv/bin/python -m benchmarks.codebook --vectors 65536 --threads 1

`product` is the product alone, in the same parts as `nearest` and into allocated memory; `at once`
is z @ codes.T, which allocates all N x K numbers. `ratio` is that of `nearest` to the faster of
the two.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch

from smalti.codecs.nearest import MAX_PRODUCTS, find_nearest


def multiply_in_parts(z: torch.Tensor, codes: torch.Tensor, out: torch.Tensor) -> None:
    for part in z.split(len(out)):
        torch.mm(part, codes.t(), out=out[: len(part)])


def time_best(work: Callable[[], object], rounds: int) -> float:
    """Minimum seconds of several rounds."""
    work()
    found = []
    for _ in range(rounds):
        begun = time.perf_counter()
        work()
        found.append(time.perf_counter() - begun)
    return min(found)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--vectors", type=int, default=65536)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    print(f"{args.vectors} vectors, {args.threads} threads")
    print("    D      K   at once   product   nearest    ratio    limit")
    for D, max_ratio in ((64, 1.7), (256, 1.3)):
        for K in (256, 512, 1024, 4096):
            z, codes = torch.randn(args.vectors, D), torch.randn(K, D)
            out = torch.empty(args.threads * MAX_PRODUCTS // K, K)
            at_once = time_best(lambda z=z, codes=codes: z @ codes.t(), args.rounds)
            parts = time_best(
                lambda z=z, c=codes, out=out: multiply_in_parts(z, c, out), args.rounds
            )
            found = time_best(lambda z=z, codes=codes: find_nearest(z, codes), args.rounds)
            print(
                f"{D:5} {K:6} {1e3 * at_once:6.1f} ms {1e3 * parts:6.1f} ms {1e3 * found:6.1f} ms "
                f"{found / min(at_once, parts):8.2f}    {max_ratio}"
            )


if __name__ == "__main__":
    main()
