"""Codebooks and discriminators learn from the pictures of all processes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import smalti
from smalti.data.pictures import Pictures
from smalti.training import Training, run
from smalti.vq import EMAConfig, Revival, Uniform, VQGANConfig
from tests.processes import fork_processes
from tests.tiny import vqgan_config

PLAN = Training(steps=4, batch_size=8, warmup=1, precision="32", weight_decay=0.0, save_every=4)
TRAIN = Pictures(torch.randint(0, 256, (16, 1, 8, 8), dtype=torch.uint8), None, (), "toys")
NONE = Pictures(torch.zeros(0, 1, 8, 8, dtype=torch.uint8), None, (), "none")
STILL = EMAConfig(8, 4, decay=0.5, init=Uniform(), revival=Revival(threshold=0.0))


def train_codec(config: VQGANConfig, devices: int, accumulate: int, out: Path) -> dict[str, Any]:
    run(config, TRAIN, NONE, replace(PLAN, devices=devices, accumulate=accumulate), out)
    return smalti.load(out).state_dict()


@pytest.mark.slow
def test_two_processes_move_the_codes_as_one_in_two_parts_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither knows the other's pictures; the adaptive weight is each process's, or each part's.

    A gradient that is rounding alone, as that of an attention's key bias is, becomes a whole step
    of Adam in a random direction. So weights are compared together, by how far they have moved;
    with half the pictures unseen they are 0.2 of that apart."""
    fork_processes(monkeypatch)
    config = replace(vqgan_config(STILL), discriminator_start=1)
    config = replace(config, discriminator=replace(config.discriminator, norm="spectral"))
    torch.manual_seed(PLAN.seed)
    start = config.build().state_dict()
    two, one = (train_codec(config, n, 3 - n, tmp_path / str(n)) for n in (2, 1))
    codebook = [name for name in one if ".codebook." in name]
    assert codebook
    for name in codebook:
        torch.testing.assert_close(two[name], one[name], atol=1e-3, rtol=1e-2, msg=name)
    weights = [name for name in one if name not in codebook]
    apart, moved = (
        torch.cat([(one[k].float() - other[k].float()).flatten() for k in weights]).norm()
        for other in (two, start)
    )
    assert apart < 0.02 * moved
    assert int(one["network.quantizer.codebook.usage.steps"]) == 4
