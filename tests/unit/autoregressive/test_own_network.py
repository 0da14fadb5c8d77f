"""Custom networks support all that smalti's do: scores, walks, completion and conditions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from smalti.autoregressive import Autoregressive, Choice, IndexCodec, Levels, build_config
from smalti.autoregressive.network import Requirements
from smalti.coding import compress, decompress
from smalti.core.config import TAGS
from smalti.core.protocols import Batch
from smalti.core.rng import Rng
from smalti.core.sampling_inputs import SamplingInputs
from smalti.pixelcnn import GatedPixelCNNConfig, PixelCNNConfig
from tests.tiny import GPT, draw_pictures, randomize_zeros


@dataclass(frozen=True)
class RowsConfig:
    """Sees the sum of all rows above, each channel the same."""

    outputs: int = 0
    condition_width: int = 0
    condition_kinds = ("vector",)
    input_kind = "values"

    def derive_fields(self, requirements: Requirements) -> dict[str, Any]:
        return {
            "outputs": requirements.n_parameters,
            "condition_width": requirements.condition_width,
        }

    def build(self) -> nn.Module:
        return Rows(self)


class Rows(nn.Module):
    range = (0.0, 1.0)

    def __init__(self, config: RowsConfig):
        super().__init__()
        self.weight = nn.Parameter(3 * torch.randn(config.outputs))
        self.condition = nn.Linear(config.condition_width, config.outputs)
        nn.init.normal_(self.condition.weight, std=3)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        above = (x.sum((1, 3)).cumsum(1) - x.sum((1, 3))).sin()  # (N, H)
        logits = above[..., None] * self.weight + self.condition(y)[:, None]  # (N, H, K)
        return logits.movedim(2, 1)[:, :, None, :, None].expand(-1, -1, *x.shape[1:])


@dataclass(frozen=True)
class BeforeConfig:
    """Sees the token before."""

    rows: int = 0
    condition_kinds = ("tokens",)
    input_kind = "symbols"

    def derive_fields(self, requirements: Requirements) -> dict[str, Any]:
        return {"rows": requirements.vocab_size}

    def build(self) -> nn.Module:
        return nn.Embedding(self.rows, self.rows)


@pytest.mark.parametrize("network", [RowsConfig(), BeforeConfig()], ids=["vector", "tokens"])
def test_it_supports_all_that_others_do(network: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TAGS, "own", f"{__name__}:{type(network).__name__}")
    torch.manual_seed(0)
    codec, conditions = Levels(3, (3, 2, 2)), (Choice(("a", "b")),)
    model: Autoregressive = (
        build_config(codec, network, conditions=conditions).build().double().eval()
    )
    pictures = torch.randint(0, 3, (3, 3, 2, 2)).double() / 2
    batch, nats = Batch(pictures, torch.tensor([0, 1, 1])), torch.zeros(3).double()
    z = model.encode(pictures)

    def choose(k: int, symbols: Any) -> Tensor:
        here = z[:, k % 3, k // 6, k // 3 % 2]
        nats.sub_(symbols.logits.gather(1, here[:, None])[:, 0])
        return here

    list(model.walk(choose, 3, SamplingInputs(labels=batch.labels)))
    torch.testing.assert_close(nats, model.score(batch, Rng(range(3))).nats, atol=1e-5, rtol=0)
    assert not torch.equal(draw_pictures(model, 8, cond=0), draw_pictures(model, 8, cond=1))
    mask = torch.tensor([[False, False], [True, True]])
    filled = draw_pictures(model, 3, inputs=SamplingInputs(known=pictures.float(), mask=mask))
    assert torch.equal(filled[:, :, 0], pictures[:, :, 0].float())
    two = build_config(Levels(2, (3, 2, 2)), network, conditions=conditions).build().eval()
    pixels = torch.randint(0, 2, (3, 3, 2, 2), dtype=torch.uint8) * 255
    assert torch.equal(decompress(two, compress(two, pixels)), pixels)


@pytest.mark.parametrize(
    "network", [GatedPixelCNNConfig(width=8, blocks=1), PixelCNNConfig(width=8), GPT]
)
def test_codebooks_may_be_large(network: Any) -> None:
    """Codes drawn one by one have the full network's score."""
    torch.manual_seed(0)
    model: Autoregressive = randomize_zeros(
        build_config(IndexCodec(1024, (3, 4)), network).build()
    ).eval()
    codes = draw_pictures(model, 5)
    assert codes.shape == (5, 3, 4) and 256 < codes.max() < 1024
    score = model.score(Batch(None, codes=codes[:, None]), Rng(range(5)))
    assert (score.kind, score.dims) == ("codes", 12)
    nats = torch.zeros(5).double()

    def choose(k: int, symbols: Any) -> Tensor:
        here = codes.flatten(1)[:, k]
        nats.sub_(symbols.logits.gather(1, here[:, None])[:, 0])
        return here

    list(model.walk(choose, 5))
    torch.testing.assert_close(nats, score.nats, atol=1e-3, rtol=0)
