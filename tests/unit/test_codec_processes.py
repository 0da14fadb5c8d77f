"""Codebooks and critics learn from what all processes have seen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import smalti
from smalti.data.pictures import Pictures
from smalti.training import Training, run
from smalti.vq import EMAConfig, Revival, Uniform
from tests.tiny import vqgan

PLAN = Training(steps=4, batch=8, warmup=1, precision="32", weight_decay=0.0, save=4)
TRAIN = Pictures(torch.randint(0, 256, (16, 1, 8, 8), dtype=torch.uint8), None, (), "toys")
NONE = Pictures(torch.zeros(0, 1, 8, 8, dtype=torch.uint8), None, (), "none")
STILL = EMAConfig(8, 4, decay=0.5, start=Uniform(), revival=Revival(below=0.0))


def trained(quantiser: EMAConfig, devices: int, accumulate: int, out: Path) -> dict[str, Any]:
    config = replace(vqgan(quantiser), critic_start=1)
    config = replace(config, critic=replace(config.critic, norm="spectral"))
    run(config, TRAIN, NONE, replace(PLAN, devices=devices, accumulate=accumulate), out)
    return smalti.load(out).state_dict()


@pytest.mark.slow
def test_two_processes_move_the_codes_as_one_in_two_parts_does(tmp_path: Path) -> None:
    """Neither knows the other's pictures; the adaptive weight is each process's, or each part's.

    The bias of an attention's keys adds one number to all logits of a query, which softmax does not
    see: its gradient is rounding alone, of which Adam makes a whole step. The step is random."""
    two, one = (trained(STILL, n, 3 - n, tmp_path / str(n)) for n in (2, 1))
    for name, value in one.items():
        if name.endswith(".k.bias"):
            continue
        torch.testing.assert_close(two[name], value, atol=1e-4, rtol=1e-3, msg=name)
    assert int(one["network.quantiser.book.use.steps"]) == 4
