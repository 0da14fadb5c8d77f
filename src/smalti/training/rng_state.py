"""The states of PyTorch's global generators, and their seeds."""

from __future__ import annotations

import torch
from lightning_fabric import Fabric


def seed_noise(fabric: Fabric, seed: int, recoveries: int = 0) -> None:
    """Seed the noise: different on each process, and after each rollback."""
    process_seed = seed + 1_000_003 * (1 + fabric.global_rank) + 15_485_863 * recoveries
    torch.manual_seed(process_seed % 2**64)


def read_rng_state() -> list[torch.Tensor]:
    states = [torch.get_rng_state()]
    return [*states, torch.cuda.get_rng_state()] if torch.cuda.is_available() else states


def set_rng_state(states: list[torch.Tensor]) -> None:
    torch.set_rng_state(states[0])
    if len(states) > 1 and torch.cuda.is_available():
        torch.cuda.set_rng_state(states[1])
