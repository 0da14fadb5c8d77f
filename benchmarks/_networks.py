"""Networks to compare, and their common training loop."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal

import torch
from diffusers.models.unets.unet_2d import UNet2DModel
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from smalti.convert import ArticleDDPM
from smalti.core.errors import UserError
from smalti.data import Pictures
from smalti.diffusion import DDIM, DiffusionConfig, UNetConfig
from smalti.diffusion.network import ConditionKind, NetworkConfig, check_equal
from smalti.layers.condition_encoder import make_choices
from smalti.recipes import find_recipe
from smalti.training.device import choose_precision
from smalti.training.loop import Loop
from smalti.training.run_record import RunRecord
from smalti.training.start import start_loop

RECIPE = find_recipe("ddpm-digits")
ENDLESS = 10**9  # steps: the cosine decay does not start, so the learning rate is constant


@dataclass(frozen=True)
class DiffusersUNet:
    """diffusers' UNet2DModel for gray pictures."""

    widths: tuple[int, ...] = (32, 64, 64)
    layers: int = 2
    classes: int = 0
    attention: tuple[int, ...] | None = None
    """Levels with attention, finest 0; default: the coarsest."""
    groups: int = 8
    head_width: int = 16

    condition_kinds: ClassVar[tuple[ConditionKind, ...]] = ("vector",)
    free_size: ClassVar[bool] = True

    def check_fit(self, shape: tuple[int, int, int], condition: int) -> None:
        """Raise UserError for another number of classes."""
        check_equal("classes", self.classes, max(condition - 1, 0))

    def build(self, outputs: int = 1) -> DiffusersAdapter:
        levels = range(len(self.widths))
        attention = levels[-1:] if self.attention is None else self.attention
        kinds = ["Attn" if level in attention else "" for level in levels]
        return DiffusersAdapter(
            UNet2DModel(
                sample_size=28,
                in_channels=1,
                out_channels=1,
                block_out_channels=self.widths,
                layers_per_block=self.layers,
                down_block_types=tuple(f"{kind}DownBlock2D" for kind in kinds),
                up_block_types=tuple(f"{kind}UpBlock2D" for kind in reversed(kinds)),
                norm_num_groups=self.groups,
                attention_head_dim=self.head_width,
                num_class_embeds=self.classes + 1 if self.classes else None,
            )
        )


class DiffusersAdapter(nn.Module):
    """A diffusers network with smalti's interface: `network(x, t, y)`, y one-hot."""

    def __init__(self, unet: UNet2DModel):
        super().__init__()
        self.unet = unet

    def forward(self, x: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        return self.unet(x, t, None if y is None else y.argmax(1), return_dict=False)[0]


def choose_network(name: str, pictures: Pictures) -> NetworkConfig:
    """Choose a class-conditional network for the digits. Raises UserError for another name."""
    K = len(pictures.classes)
    networks = {
        "ours": RECIPE.make_config(pictures).network,
        "small": UNetConfig(channels=pictures.shape[0], condition_width=K + 1),
        "diffusers": DiffusersUNet(classes=K),
        "article": ArticleDDPM(img_shape=pictures.shape, classes=K),
    }
    if name not in networks:
        raise UserError(f"no network {name!r}; there are {', '.join(networks)}")
    return networks[name]


def build_loop(
    network: NetworkConfig,
    pictures: Pictures,
    *,
    precision: Literal["32", "bf16"],
    batch_size: int = 128,
    conditional: bool = True,
) -> Loop:
    """Build smalti's training loop for a network, as in the recipe but without decay.

    Cosine schedule, v-prediction, AdamW at the recipe's learning rate after its warm-up, gradient
    clipping, and averaged weights (see `EMA`).
    """
    model = DiffusionConfig(
        shape=pictures.shape,
        network=network,
        conditions=make_choices(pictures.classes if conditional else ()),
        sampler=DDIM(steps=20, eta=0),
    )
    training = replace(
        RECIPE.training,
        steps=ENDLESS,
        batch_size=batch_size,
        accumulate=1,
        ema=0.999,
        precision=precision,
    )
    fabric = Fabric(accelerator="cpu", devices=1, precision=choose_precision(training))
    return start_loop(fabric, RunRecord(model, training, Path("nowhere"), {}), pictures)


def measure_size(network: NetworkConfig, classes: int = 0) -> tuple[int, int]:
    """Count parameters, and multiply-adds of one forward of one 28x28 picture."""
    built = network.build().eval()
    t = torch.zeros(1, dtype=torch.long)
    # attention as plain matrix products: the counter ignores the fused kernel of a CPU
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        y = F.one_hot(t, classes + 1).float()
        built(torch.zeros(1, 1, 28, 28), t, *((y,) if classes else ()))
    return sum(p.numel() for p in built.parameters()), counter.get_total_flops() // 2
