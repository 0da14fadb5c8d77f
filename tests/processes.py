"""Processes of a training that begin where everything is loaded already."""

from __future__ import annotations

import multiprocessing
from typing import Any

import pytest
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy

from smalti.training import device

PRELOADED = ["torch._dynamo", "smalti.training", "smalti.codecs", "smalti.diffusion"]


def fork_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make trainings on several processes fork a server instead of spawning.

    Each spawned process loads PyTorch, for four seconds of processor time. The server has loaded
    it, and has not computed, which a process with PyTorch's threads must not have when it forks.
    `test_two_processes_take_the_steps_of_one` spawns.
    """
    multiprocessing.set_forkserver_preload(PRELOADED)
    monkeypatch.setattr(device, "Fabric", build_fabric)


def build_fabric(*, strategy: str, **options: Any) -> Fabric:
    chosen = DDPStrategy(start_method="forkserver") if strategy == "ddp_spawn" else strategy
    return Fabric(strategy=chosen, **options)
