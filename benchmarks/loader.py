"""Speed of data loading, compared with training.

A pack of noise is memory-mapped, and shuffled batches are made as in training, without a model;
for comparison, training steps of the recipe `ddpm` on the same pictures. The first pass over the
pack is timed separately, after dropping the file from the system's cache.

    python -m benchmarks.loader
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from benchmarks._machine import describe_machine, format_machine
from smalti.data import Pictures, pack, read_splits
from smalti.recipes import find_recipe
from smalti.training.device import build_fabric
from smalti.training.run_record import RunRecord
from smalti.training.timing import probe_step_time

RECIPE = find_recipe("ddpm")


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.loader", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--pictures", type=int, default=20_000)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=20.0, help="of training steps")
    options = parser.parse_args(argv)
    torch.set_num_threads(options.threads)
    print(format_machine(describe_machine()), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        pack_folder = write_noise_pack(Path(folder), options.pictures, options.size)
        drop_from_cache(pack_folder / "pixels.npy")
        train = read_splits(pack_folder, size=options.size).train
        first, again = (measure_loading(train, epoch) for epoch in (0, 1))
        trained = measure_training(train, options.seconds)
    print(f"{options.pictures} pictures of {options.size} x {options.size} RGB in a pack")
    print(f"{'what':28} {'pictures/s':>10} {'x training':>10}")
    for name, rate in (("training step, ddpm", trained), ("loader, first pass", first),
                       ("loader, second pass", again)):  # fmt: skip
        print(f"{name:28} {rate:10.0f} {rate / trained:10.0f}")


def write_noise_pack(folder: Path, n: int, size: int) -> Path:
    """Write a pack of n pictures of noise."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (n, 3, size, size), dtype=np.uint8)
    np.savez(folder / "noise.npz", images=pixels, labels=np.arange(n) % 10)
    del pixels
    pack(folder / "noise.npz", folder / "pack", size=size)
    return folder / "pack"


def drop_from_cache(path: Path) -> None:
    """Ask the system to drop the file from its cache, if it supports that."""
    if hasattr(os, "posix_fadvise"):
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def measure_loading(pictures: Pictures, epoch: int) -> float:
    """Pictures per second of a pass in shuffled batches, as in training."""
    batch, device = RECIPE.training.batch_size, torch.device("cpu")
    order = pictures.plan_batches(seed=0, batch_size=batch)
    steps = len(pictures) // batch
    begun = time.perf_counter()
    for step in range(epoch * steps, (epoch + 1) * steps):
        pictures.make_batch(order.select_indices(step), device)
    return steps * batch / (time.perf_counter() - begun)


def measure_training(pictures: Pictures, seconds: float) -> float:
    """Pictures per second of whole training steps."""
    training = replace(RECIPE.training, steps=1)
    record = RunRecord(RECIPE.make_config(pictures), training, Path(), {})
    return (
        training.batch_size
        / probe_step_time(build_fabric(training), record, pictures, seconds).seconds
    )


if __name__ == "__main__":
    main()
