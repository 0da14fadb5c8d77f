"""Finding the nearest code, beside the matrix product that it takes.

    .venv/bin/python -m benchmarks.codebook
    .venv/bin/python -m benchmarks.codebook --vectors 65536 --threads 1

`product` is one torch.matmul of all vectors and all codes, as large as it is; `nearest` works in
parts of it and never holds more.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch

from smalti.vq import nearest


def seconds(work: Callable[[], object], rounds: int) -> float:
    """The least of several rounds."""
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
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    print(f"{given.vectors} vectors, {given.threads} threads")
    print("    D      K    product    nearest    ratio    wanted at most")
    for D, most in ((64, 1.6), (256, 1.2)):
        for K in (256, 512, 1024, 4096):
            z, codes = torch.randn(given.vectors, D), torch.randn(K, D)
            product = seconds(lambda z=z, codes=codes: z @ codes.t(), given.rounds)
            found = seconds(lambda z=z, codes=codes: nearest(z, codes), given.rounds)
            print(
                f"{D:5} {K:6} {1e3 * product:7.1f} ms {1e3 * found:7.1f} ms "
                f"{found / product:8.2f}    {most}"
            )


if __name__ == "__main__":
    main()
