"""PixelCNN++ gives the reference's numbers with the reference's weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from smalti.autoregressive.logistic import nll
from smalti.convert import from_reference, infer_config, read_weights
from tests.expect import expect_user_error

HERE = Path(__file__).parent
KINDS = ("pclucas_pixelcnnpp_rgb", "pclucas_pixelcnnpp_gray")
pytestmark = pytest.mark.parametrize("kind", KINDS)


def load_reference(kind: str) -> tuple[Any, dict[str, Tensor]]:
    weights, config = read_weights(HERE / f"{kind}.safetensors")
    assert config is not None
    return from_reference(kind, config, weights), load_file(HERE / f"{kind}.safetensors")


@torch.no_grad()
def test_parameters_are_the_references(kind: str) -> None:
    network, golden = load_reference(kind)
    torch.testing.assert_close(network(golden["x"]), golden["params"], atol=1e-4, rtol=0)


def test_likelihood_is_the_references(kind: str) -> None:
    _, golden = load_reference(kind)
    nats = nll(golden["x"], golden["params"])
    assert nats.shape == golden["x"].shape[:1]
    torch.testing.assert_close(nats.sum(), golden["nll_nats_sum"][0], atol=0, rtol=1e-4)


def test_config_is_inferred(kind: str) -> None:
    weights, config = read_weights(HERE / f"{kind}.safetensors")
    assert infer_config(kind, weights) == config


def test_what_is_missing_is_named(kind: str) -> None:
    weights, config = read_weights(HERE / f"{kind}.safetensors")
    assert config is not None
    del weights["upsize_u_stream.1.deconv.weight_g"]
    del weights["nin_out.lin_a.bias"]
    with expect_user_error(kind, "missing", "doublings.u.1.weight.g", "end.weight.bias"):
        from_reference(kind, config, weights)
    with expect_user_error(kind, "input_channels", "2"):
        from_reference(kind, {**config, "input_channels": 2}, weights)
