"""Diffusion with several conditions, class names, and networks of users."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import smalti
from smalti.core.config import TAGS
from smalti.core.errors import UserError
from smalti.core.protocols import Batch
from smalti.core.rng import Rng
from smalti.core.sampling_inputs import SamplingInputs
from smalti.diffusion import DDIM, DDPM, Diffusion, DiffusionConfig, Hybrid
from smalti.diffusion.network import ConditionKind, check_equal
from smalti.layers.attention import attend
from smalti.layers.caption import CaptionConfig
from smalti.layers.condition_encoder import Choice, compute_width
from smalti.layers.embedding import SinusoidalEmbedding
from tests.expect import expect_user_error
from tests.tiny import diffusion_config, draw_pictures, randomize_zeros, unet_config

SHADE = Choice(("dark", "light"))
SIDE = Choice(("left", "right"), "side")
SAMPLER = DDIM(steps=8)


def paint(shade: int, side: int) -> Tensor:
    """(1, 4, 4): one half dark or light, the other gray."""
    x = torch.full((1, 4, 4), 128 / 255)
    x[:, :, 2 * side : 2 * side + 2] = float(shade)
    return x


GRID = [(a, b) for a in (0, 1) for b in (0, 1)]
PICTURES = torch.stack([paint(*pair) for pair in GRID] * 4)  # (16, 1, 4, 4)
SHADES, SIDES = torch.tensor(GRID * 4).unbind(1)


def train(model: Diffusion, batch: Batch, steps: int = 150) -> Diffusion:
    torch.manual_seed(0)
    optimizer = torch.optim.Adam(model.train().parameters(), lr=4e-3)
    for step in range(steps):
        optimizer.zero_grad()
        model.loss(batch, step).total.backward()
        optimizer.step()
    return model.eval()


def find_nearest(pictures: Tensor) -> set[tuple[int, int]]:
    """Which of the four pictures these are like."""
    distances = [(pictures - paint(*pair)).abs().mean((1, 2, 3)) for pair in GRID]
    return {GRID[k] for k in torch.stack(distances).argmin(0).tolist()}


def conditional(conditions: tuple[Choice | CaptionConfig, ...]) -> Diffusion:
    """A model that predicts the picture, which is quickly learned."""
    D = compute_width(conditions, reserve_none=True)
    network = unet_config(condition_width=D, widths=(16, 16), stem=1)
    changes = {"network": network, "prediction": "x0", "sampler": SAMPLER}
    return diffusion_config((1, 4, 4), conditions=conditions, **changes).build()


def test_two_choices_are_learned_at_once_and_each_can_be_hidden() -> None:
    model = train(conditional((SHADE, SIDE)), Batch(PICTURES, SHADES, None, {"side": SIDES}))
    for shade, side in GRID:
        cond = {"class": SHADE.values[shade], "side": SIDE.values[side]}
        assert find_nearest(draw_pictures(model, 4, cond=cond)) == {(shade, side)}
    assert find_nearest(draw_pictures(model, 24, cond={"class": "light", "side": "none"})) == {
        (1, 0),
        (1, 1),
    }
    assert find_nearest(draw_pictures(model, 24, cond={"class": "none", "side": "left"})) == {
        (0, 0),
        (1, 0),
    }
    hidden = model.score(Batch(PICTURES[:4]), Rng(range(4))).nats.mean()
    labeled = Batch(PICTURES[:4], SHADES[:4], None, {"side": SIDES[:4]})
    assert model.score(labeled, Rng(range(4))).nats.mean() < hidden


def test_a_class_and_text_are_learned_at_once() -> None:
    words = [f"on the {SIDE.values[k]}" for k in SIDES.tolist()]
    captions = CaptionConfig(width=8, buckets=64)
    model = train(conditional((SHADE, captions)), Batch(PICTURES, SHADES, words))
    assert model.spec.accepted_inputs[:3] == ("labels", "text", "conditions")
    for sampler in (SAMPLER, DDIM(steps=8, guidance=2.0)):
        for shade, side in GRID:
            cond = {"class": shade, "text": f"on the {SIDE.values[side]}"}
            assert find_nearest(draw_pictures(model, 4, cond=cond, sampler=sampler)) == {
                (shade, side)
            }
    left = draw_pictures(model, 24, cond={"class": "none", "text": "on the left"})
    assert find_nearest(left) == {(0, 0), (1, 0)}
    assert find_nearest(draw_pictures(model, 24, cond={"class": "dark", "text": ""})) == {
        (0, 0),
        (0, 1),
    }
    with expect_user_error("cond is text, which may be any of class, text"):
        draw_pictures(model, 1, cond="light")


def test_choices_that_are_not_given_are_drawn_each_by_itself() -> None:
    config = diffusion_config((1, 4, 4), conditions=(SHADE, SIDE), sampler=SAMPLER)
    model = randomize_zeros(config.build()).eval()
    drawn = model.draw_conditions(Rng(range(40)), SamplingInputs())
    pairs = {*zip(drawn["class"].tolist(), drawn["side"].tolist(), strict=True)}  # type: ignore[union-attr]
    assert pairs == {*GRID}
    half = model.draw_conditions(
        Rng(range(40)), SamplingInputs(conditions={"class": ["dark"] * 40})
    )
    assert torch.equal(half["side"], drawn["side"])  # type: ignore[arg-type]


def test_a_class_goes_by_its_name() -> None:
    model = randomize_zeros(diffusion_config((1, 4, 4), ("3", "7"), sampler=SAMPLER).build()).eval()
    assert torch.equal(draw_pictures(model, 2, cond="7"), draw_pictures(model, 2, cond=1))
    assert torch.equal(draw_pictures(model, cond=["7", "3"]), draw_pictures(model, cond=[1, 0]))
    nothing = draw_pictures(model, 2, cond="none")
    assert torch.equal(nothing, draw_pictures(model, 2, sampler=DDIM(steps=8, guidance=0)))
    assert not torch.equal(nothing, draw_pictures(model, 2, cond=1))


def test_what_was_never_hidden_cannot_be_left_out() -> None:
    config = diffusion_config((1, 4, 4), ("3", "7"), sampler=SAMPLER, condition_dropout=0.0)
    model = randomize_zeros(config.build()).eval()
    with expect_user_error("this model was not trained without class; give one of 3, 7"):
        draw_pictures(model, 1, cond="none")
    with expect_user_error(
        "this model was not trained without class; give it, and set guidance to 1"
    ):
        draw_pictures(model, 1, cond=1, sampler=DDIM(guidance=2.0))
    with expect_user_error("sampler.guidance is 2.0, but with condition_dropout 0"):
        diffusion_config((1, 4, 4), ("3",), sampler=DDIM(guidance=2.0), condition_dropout=0.0)


# ---- a network of a user


@dataclass(frozen=True)
class PatchesConfig:
    """A Transformer over 2x2 patches, after DiT (arXiv:2212.09748), as a user writes it."""

    condition: int = 0
    width: int = 16
    condition_kinds: ClassVar[tuple[ConditionKind, ...]] = ("vector",)
    free_size: ClassVar[bool] = True

    def check_fit(self, shape: tuple[int, int, int], condition: int) -> None:
        """UserError for sides that are odd, and for other conditions."""
        check_equal("condition", self.condition, condition)
        if shape[1] % 2 or shape[2] % 2:
            raise UserError(f"pictures of {shape[1]}x{shape[2]} have an odd side; give even ones")

    def build(self, outputs: int = 1) -> Patches:
        return Patches(self, outputs)


TAGS["test-patches"] = f"{__name__}:PatchesConfig"


class Patches(nn.Module):
    def __init__(self, config: PatchesConfig, outputs: int):
        super().__init__()
        D = config.width
        self.first = nn.Linear(4 + 2, D)  # a patch and its position
        self.time = nn.Sequential(SinusoidalEmbedding(D), nn.Linear(D, D))
        self.condition = nn.Linear(config.condition, 2 * D)
        self.norm = nn.LayerNorm(D, elementwise_affine=False)
        self.qkv, self.out = nn.Linear(D, 3 * D), nn.Linear(D, D)
        self.hidden = nn.Sequential(nn.Linear(D, 4 * D), nn.GELU(), nn.Linear(4 * D, D))
        self.last = nn.Linear(D, outputs * 4)

    def forward(self, x: Tensor, t: Tensor, c: Tensor) -> Tensor:
        B, _, H, W = x.shape
        patches = F.pixel_unshuffle(x, 2).flatten(2).transpose(1, 2)  # (B, T, 4)
        rows = torch.linspace(-1, 1, H // 2).repeat_interleave(W // 2)
        positions = torch.stack([rows, torch.linspace(-1, 1, W // 2).repeat(H // 2)], 1)
        h = self.first(torch.cat([patches, positions.expand(B, -1, -1)], 2))  # (B, T, D)
        scale, shift = (self.time(t).repeat(1, 2) + self.condition(c))[:, None].chunk(2, 2)
        q, k, v = self.qkv(self.norm(h) * (1 + scale) + shift).chunk(3, 2)
        h = h + self.out(attend(q[:, None], k[:, None], v[:, None])[:, 0])
        h = h + self.hidden(self.norm(h) * (1 + scale) + shift)
        return F.pixel_shuffle(self.last(h).transpose(1, 2).unflatten(2, (H // 2, W // 2)), 2)


def patches(objective: Any, classes: tuple[str, ...] = ("left", "right")) -> DiffusionConfig:
    network = PatchesConfig(len(classes) + 1)
    return diffusion_config(
        (1, 4, 4), classes, network=network, objective=objective, sampler=SAMPLER
    )


def test_any_network_trains_samples_and_comes_back(tmp_path: Path) -> None:
    model = train(patches(Hybrid()).build(), Batch(PICTURES, SIDES), steps=300)
    for side in (0, 1):
        pictures = draw_pictures(model, 8, cond=SIDE.values[side])
        gray = pictures[..., 2 - 2 * side : 4 - 2 * side]
        assert (gray - 0.5).abs().mean() < 0.15
    assert draw_pictures(model, 2, sampler=DDPM("learned", stride=100)).isfinite().all()
    assert draw_pictures(model, 1, inputs=SamplingInputs(size=(6, 8))).shape == (1, 1, 6, 8)
    with expect_user_error("pictures of 6x7 have an odd side"):
        draw_pictures(model, 1, inputs=SamplingInputs(size=(6, 7)))
    smalti.save(model, tmp_path / "patches")
    again = smalti.load(tmp_path / "patches")
    assert torch.equal(draw_pictures(again, 2), draw_pictures(model, 2))


def test_what_a_network_does_not_take_is_refused() -> None:
    with expect_user_error("network.condition is 3, but this model needs 4"):
        diffusion_config((1, 4, 4), ("a", "b", "c"), network=PatchesConfig(3))
    with expect_user_error("pictures of 5x5 have an odd side"):
        diffusion_config((1, 5, 5), ("a", "b"), network=PatchesConfig(3))

    class DeafConfig(PatchesConfig):
        condition_kinds = ()

    with expect_user_error(
        "the network accepts no conditions, but this model's condition is a vector"
    ):
        diffusion_config((1, 4, 4), ("a", "b"), network=DeafConfig(3))
    with pytest.raises(UserError, match="expected NetworkConfig"):
        DiffusionConfig(network=object())  # type: ignore[arg-type]
