"""The U-Net of the DDIM article (SingleZombie/DL-Demos, dldemos/ddim), under its weights' names.

A faithful copy, kept for its golden outputs and published weights; smalti's U-Net has another
architecture. Class conditioning is our addition and is absent if `classes=0`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

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
from smalti.core.ranges import LevelFlags

COARSEST_SIZE = 8
"""Height and width of the coarsest level in all of the article's group-norm configs:
64 x 64 pictures with 4 levels, 128 x 128 with 5, 256 x 256 with 6."""
GROUPS = 32


@dataclass(frozen=True)
@check_fields
class ArticleDDIM(ArticleUNet):
    """Config of the DDIM article's U-Net. Defaults are the article's for MNIST.

    Raises UserError for invalid values.
    """

    with_attns: LevelFlags | bool = (False, False, False, False)
    """Whether each level has attention. A single bool applies to all levels."""
    norm_type: Literal["gn", "ln"] = "ln"
    """Group norm (32 groups) or layer norm."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.with_attns, bool):
            object.__setattr__(self, "with_attns", (self.with_attns,) * len(self.channels))
        attns = self.with_attns
        if not isinstance(attns, tuple) or len(attns) != len(self.channels):
            raise UserError(f"with_attns is {attns!r}; give one bool, or one per level")
        if self.norm_type == "gn" and any(c % GROUPS for c in self.channels):
            raise UserError(
                f"channels is {self.channels}; give multiples of {GROUPS} for group norm"
            )

    def build(self, outputs: int = 1) -> ArticleDDIMUNet:
        """A new network with random weights."""
        self.check_outputs(outputs)
        return ArticleDDIMUNet(self)


class LevelConfig(NamedTuple):
    """Settings shared by the blocks of one level."""

    width: int
    size: Size
    has_attention: bool
    c_time: int
    norm: Literal["gn", "ln"]

    def make_norm(self, c: int) -> nn.Module:
        return nn.LayerNorm([c, *self.size]) if self.norm == "ln" else nn.GroupNorm(GROUPS, c)

    def make_attention(self) -> nn.Module:
        return Attention(self) if self.has_attention else nn.Identity()


class ResBlock(nn.Module):
    """Two times norm, SiLU and convolution, with the time added in between, and a shortcut."""

    def __init__(self, c_in: int, level: LevelConfig) -> None:
        super().__init__()
        c_out = level.width
        self.norm1 = level.make_norm(c_in)
        self.conv1 = nn.Conv2d(c_in, c_out, 3, padding=1)
        self.time_layer = nn.Linear(level.c_time, c_out)
        self.norm2 = level.make_norm(c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, padding=1)
        self.residual_conv = nn.Identity() if c_in == c_out else nn.Conv2d(c_in, c_out, 1)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        out = self.conv1(F.silu(self.norm1(x)))
        out = out + self.time_layer(F.silu(time))[:, :, None, None]
        return self.conv2(F.silu(self.norm2(out))) + self.residual_conv(x)


class Attention(nn.Module):
    """One head of self-attention over all pixels, with a shortcut."""

    def __init__(self, level: LevelConfig) -> None:
        super().__init__()
        c = level.width
        self.norm = level.make_norm(c)
        self.q, self.k, self.v, self.out = (nn.Conv2d(c, c, 1) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x)
        q, k, v = (f(y).flatten(2).transpose(1, 2) for f in (self.q, self.k, self.v))  # (N, H W, C)
        y = F.scaled_dot_product_attention(q, k, v)
        return x + self.out(y.transpose(1, 2).reshape(x.shape))


class Block(nn.Module):
    """A residual block, then attention if the level has it."""

    def __init__(self, c_in: int, level: LevelConfig) -> None:
        super().__init__()
        self.res_block = ResBlock(c_in, level)
        self.attn_block = level.make_attention()

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        return self.attn_block(self.res_block(x, time))


class Middle(nn.Module):
    """Residual block, optional attention, residual block."""

    def __init__(self, c_in: int, level: LevelConfig) -> None:
        super().__init__()
        self.res_block1 = ResBlock(c_in, level)
        self.attn_block = level.make_attention()
        self.res_block2 = ResBlock(level.width, level)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        return self.res_block2(self.attn_block(self.res_block1(x, time)), time)


class ArticleDDIMUNet(nn.Module):
    """eps(x_t, t), as in the DDIM article: two blocks per level, each with a skip connection.

    With `classes > 0` (our addition), a learned vector per class (the last is "no class") is
    added to the time embedding. Group norm takes any height and width that the levels can halve;
    layer norm only those of the config.
    """

    def __init__(self, config: ArticleDDIM) -> None:
        super().__init__()
        self.config = config
        c_picture, channels = config.img_shape[0], config.channels
        c_time = 4 * channels[0]
        attends = config.with_attns
        assert isinstance(attends, tuple)  # set by `__post_init__`
        settings = zip(
            channels, compute_level_sizes(config.img_shape, len(channels)), attends, strict=True
        )
        levels = [LevelConfig(*values, c_time, config.norm_type) for values in settings]
        self.pe = SinusoidTable(config.n_steps, config.pe_dim)
        first = nn.Linear(config.pe_dim, c_time)
        self.pe_linears = nn.Sequential(first, nn.SiLU(), nn.Linear(c_time, c_time))
        self.class_table = make_class_table(config.classes, c_time)
        self.conv_in = nn.Conv2d(c_picture, channels[0], 3, padding=1)
        self.encoders, self.downs, self.ups, self.decoders = (nn.ModuleList() for _ in range(4))
        c_in = channels[0]
        for level in levels[:-1]:
            c = level.width
            self.encoders.append(nn.ModuleList([Block(c_in, level), Block(c, level)]))
            self.downs.append(nn.Conv2d(c, c, 2, stride=2))
            c_in = c
        self.mid = Middle(c_in, levels[-1])
        c_in = channels[-1]
        for level in levels[-2::-1]:
            c = level.width
            self.ups.append(nn.ConvTranspose2d(c_in, c, 2, stride=2))
            self.decoders.append(nn.ModuleList(Block(2 * c, level) for _ in range(2)))
            c_in = c
        self.conv_out = nn.Conv2d(c_in, c_picture, 3, padding=1)

    def forward(self, x: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        """Predict the noise.

        x: (N, C, H, W) in [-1, 1] plus noise. t: integers (N,) or (N, 1) in 0 .. n_steps-1.
        y: integers (N,) in 0 .. classes, where `classes` itself, like None, is "no class"; or
        one-hots of them, (N, classes + 1).
        Returns eps (N, C, H, W). Raises UserError if y is given and the config has no classes.
        """
        time = self.pe_linears(self.pe(t.reshape(len(x))))
        time = add_class(time, self.class_table, y)  # (N, 4 channels[0])
        x = self.conv_in(x)
        skips = []
        for encoder, down in zip(self.encoders, self.downs, strict=True):
            for block in encoder.children():
                x = block(x, time)
                skips.append(x)
            x = down(x)
        x = self.mid(x, time)
        for up, decoder in zip(self.ups, self.decoders, strict=True):
            x = up(x)
            for block in decoder.children():
                x = block(pad_and_concat(skips.pop(), x), time)
        return self.conv_out(F.silu(x))


def infer_ddim(weights: Weights, size: Size | None = None) -> dict[str, object]:
    """Infer the config from the weights' names and shapes.

    Group norm does not determine the size (H, W).  Default: the article's for that number of
    levels (4: 64, 5: 128, 6: 256, see COARSEST_SIZE). Layer norm does, and size is checked.
    """
    c_picture = read_shape(weights, "conv_out.weight", 4)[0]
    config = infer_common_config(weights, mid="mid.res_block1.conv1.weight")
    levels = sum(1 for key in weights if key.startswith("downs.") and key.endswith(".weight"))
    first = "encoders.0.0.res_block" if levels else "mid.res_block1"
    norm = f"{first}.norm1.weight"
    has_layer_norm = norm in weights and weights[norm].ndim == 3
    if has_layer_norm:
        _, h, w = read_shape(weights, norm, 3)
        size = resolve_size((h, w), size)
    elif size is None:
        size = (COARSEST_SIZE << levels, COARSEST_SIZE << levels)
    config["img_shape"] = [c_picture, *size]
    config["norm_type"] = "ln" if has_layer_norm else "gn"
    blocks = [f"encoders.{i}.0" for i in range(levels)] + ["mid"]
    config["with_attns"] = [f"{block}.attn_block.q.weight" in weights for block in blocks]
    return config


REFERENCES = {"dldemos_ddim_unet": Reference(ArticleDDIM, infer_ddim)}
