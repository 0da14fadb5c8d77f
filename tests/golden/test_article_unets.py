"""The article U-Nets give the reference's numbers with the reference's weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from smalti.convert import from_reference, infer_config, read_config, read_weights

HERE = Path(__file__).parent
KINDS = ("dldemos_ddpm_unet", "dldemos_ddim_unet")
pytestmark = pytest.mark.parametrize("kind", KINDS)


@torch.no_grad()
@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_eps_is_the_references(kind: str, shape: tuple[int, ...]) -> None:
    golden = load_file(HERE / f"{kind}.safetensors")
    weights, config = read_weights(HERE / f"{kind}.safetensors")
    assert config is not None
    eps = from_reference(kind, config, weights)(golden["x"], golden["t"].reshape(shape))
    torch.testing.assert_close(eps, golden["eps"], atol=1e-4, rtol=0)


def test_state_dict_keeps_every_weight(kind: str) -> None:
    weights, config = read_weights(HERE / f"{kind}.safetensors")
    assert config is not None
    network = from_reference(kind.replace("_", "-"), config, weights)
    again = network.state_dict()
    assert not network.training
    assert again.keys() == weights.keys()
    assert all(torch.equal(again[key], weights[key]) for key in weights)


def test_a_new_network_has_the_references_time_table(kind: str) -> None:
    weights, config = read_weights(HERE / f"{kind}.safetensors")
    assert config is not None
    built: Any = read_config(kind, config).build()
    table = built.pe.embedding.weight
    # a last place of a frequency, 1.2e-7 of it, is multiplied by as many steps as there are
    near = 2e-7 * len(table)
    torch.testing.assert_close(table, weights["pe.embedding.weight"], atol=near, rtol=0)
    assert not table.requires_grad


def test_config_is_inferred(kind: str) -> None:
    weights, config = read_weights(HERE / f"{kind}.safetensors")
    assert config is not None
    size = tuple(config["img_shape"][1:])
    assert infer_config(kind, weights, size) == config
