"""The U-Net of the DDPM article (SingleZombie/DL-Demos, dldemos/ddpm), under its weights' names.

A faithful copy, kept for its golden outputs and published weights; smalti's U-Net has another
architecture. Class conditioning is our addition and is absent if `classes=0`.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from smalti.convert.article_common import (
    ArticleUNet,
    Reference,
    SinusoidTable,
    Size,
    Weights,
    add_class,
    compute_level_sizes,
    infer_common_config,
    make_class_table,
    pad_and_concat,
    read_shape,
    resolve_size,
)
from smalti.core.config import check_fields
from smalti.core.errors import UserError


@dataclass(frozen=True)
@check_fields
class ArticleDDPM(ArticleUNet):
    """Config of the DDPM article's U-Net. Defaults are the article's for MNIST.

    Raises UserError for invalid values.
    """

    residual: bool = True
    """Whether blocks have a shortcut."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if any(b != 2 * a for a, b in pairwise(self.channels)):
            raise UserError(
                f"channels is {self.channels}; give each level twice the width of the one "
                "before, as in the article"
            )

    def build(self, outputs: int = 1) -> ArticleDDPMUNet:
        """A new network with random weights."""
        self.check_outputs(outputs)
        return ArticleDDPMUNet(self)


class Block(nn.Module):
    """Layer norm and two convolutions, with a shortcut if residual."""

    def __init__(self, c_in: int, c_out: int, size: tuple[int, int], residual: bool) -> None:
        super().__init__()
        self.ln = nn.LayerNorm([c_in, *size])
        self.conv1 = nn.Conv2d(c_in, c_out, 3, padding=1)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, padding=1)
        shortcut = nn.Identity() if c_in == c_out else nn.Conv2d(c_in, c_out, 1)
        self.residual_conv = shortcut if residual else None

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv2(F.relu(self.conv1(self.ln(x))))
        return F.relu(out if self.residual_conv is None else out + self.residual_conv(x))


class ArticleDDPMUNet(nn.Module):
    """eps(x_t, t), as in the DDPM article, with a frozen sinusoidal time encoding.

    With `classes > 0` (our addition), a learned vector per class (the last is "no class") is
    added to the time encoding.
    """

    def __init__(self, config: ArticleDDPM) -> None:
        super().__init__()
        self.config = config
        c_picture, width, channels = config.img_shape[0], config.pe_dim, config.channels
        sizes = compute_level_sizes(config.img_shape, len(channels))

        def blocks(c_in: int, c_out: int, size: tuple[int, int]) -> nn.Sequential:
            first = Block(c_in, c_out, size, config.residual)
            return nn.Sequential(first, Block(c_out, c_out, size, config.residual))

        self.pe = SinusoidTable(config.n_steps, width)
        self.class_table = make_class_table(config.classes, width)
        self.pe_linears_en, self.encoders, self.downs = (nn.ModuleList() for _ in range(3))
        self.pe_linears_de, self.ups, self.decoders = (nn.ModuleList() for _ in range(3))
        c_in = c_picture
        for c, size in zip(channels[:-1], sizes[:-1], strict=True):
            mlp = nn.Sequential(nn.Linear(width, c_in), nn.ReLU(), nn.Linear(c_in, c_in))
            self.pe_linears_en.append(mlp)
            self.encoders.append(blocks(c_in, c, size))
            self.downs.append(nn.Conv2d(c, c, 2, stride=2))
            c_in = c
        self.pe_mid = nn.Linear(width, c_in)
        self.mid = blocks(c_in, channels[-1], sizes[-1])
        c_in = channels[-1]
        for c, size in zip(channels[-2::-1], sizes[-2::-1], strict=True):
            # c_in is 2 c, as the config ensures: time is added to the concatenated 2 c channels.
            self.pe_linears_de.append(nn.Linear(width, c_in))
            self.ups.append(nn.ConvTranspose2d(c_in, c, 2, stride=2))
            self.decoders.append(blocks(2 * c, c, size))
            c_in = c
        self.conv_out = nn.Conv2d(c_in, c_picture, 3, padding=1)

    def forward(self, x: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        """Predict the noise.

        x: (N, C, H, W) in [-1, 1] plus noise. t: integers (N,) or (N, 1) in 0 .. n_steps-1.
        y: integers (N,) in 0 .. classes, where `classes` itself, like None, is "no class"; or
        one-hots of them, (N, classes + 1).
        Returns eps (N, C, H, W). Raises UserError if y is given and the config has no classes.
        """
        time = add_class(self.pe(t.reshape(len(x))), self.class_table, y)  # (N, D)
        skips = []
        for linear, encoder, down in zip(
            self.pe_linears_en, self.encoders, self.downs, strict=True
        ):
            skips.append(encoder(x + linear(time)[:, :, None, None]))
            x = down(skips[-1])
        x = self.mid(x + self.pe_mid(time)[:, :, None, None])
        for linear, up, decoder in zip(self.pe_linears_de, self.ups, self.decoders, strict=True):
            x = decoder(pad_and_concat(skips.pop(), up(x)) + linear(time)[:, :, None, None])
        return self.conv_out(x)


def infer_ddpm(weights: Weights, size: Size | None = None) -> dict[str, object]:
    """Infer the config from the weights' names and shapes; size (H, W) is only checked."""
    c_picture = read_shape(weights, "conv_out.weight", 4)[0]
    first = "encoders.0.0" if "encoders.0.0.ln.weight" in weights else "mid.0"
    _, h, w = read_shape(weights, f"{first}.ln.weight", 3)
    config = infer_common_config(weights, mid="mid.0.conv1.weight")
    config["img_shape"] = [c_picture, *resolve_size((h, w), size)]
    config["residual"] = any(".residual_conv." in key for key in weights)
    return config


REFERENCES = {"dldemos_ddpm_unet": Reference(ArticleDDPM, infer_ddpm)}
