"""What every codec gives its users: pictures in [0, 1] to codes and back, of any size."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from smalti.codecs.health import health
from smalti.codecs.network import Autoencoder
from smalti.core.errors import UserError
from smalti.core.model import Model
from smalti.core.protocols import Batch, Loss, Spec
from smalti.core.tensors import to_pictures


class Codec(Model):
    """A network between pictures and codes, for users. How it is trained is told by who inherits.

    count: number of codes K, which have no order. A code stands for `network.factor` x
    `network.factor` pixels; pictures whose sides are no multiples are padded by their last row and
    column, and cropped back.
    """

    values: None = None

    def __init__(self, config: Any):
        super().__init__()
        self.config = config
        self.network = Autoencoder(config.network, config.quantiser)
        self.spec = Spec("codes", config.shape[0], config.shape[1:], free_size=True)

    @abstractmethod
    def loss(self, batch: Batch, step: int, carry: object = None) -> Loss: ...

    @property
    def count(self) -> int:
        return self.network.quantiser.size

    @property
    def device(self) -> torch.device:
        return next(self.network.parameters()).device

    def grid(self, size: tuple[int, int]) -> tuple[int, int]:
        """Rows and columns of codes of a picture of this height and width."""
        f = self.network.factor
        return -(-size[0] // f), -(-size[1] // f)

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        """Pictures (N, C, H, W) in [0, 1], or uint8 -> codes (N, h, w) int64. UserError for others.

        Arrays and PIL pictures will do, too (`core/tensors.py`).
        """
        x = self.check(x)
        return self.network.encode(self.fitted(self.placed(x.to(self.device))))

    @torch.no_grad()
    def latents(self, x: Tensor) -> Tensor:
        """Pictures (N, C, H, W) in [0, 1] -> z_e (N, D, h, w), before the quantiser."""
        self.check(x)
        return self.network.latents(self.fitted(self.placed(x.to(self.device))))

    @torch.no_grad()
    def decode(self, codes: Tensor, size: tuple[int, int] | None = None) -> Tensor:
        """Codes (N, h, w) -> pictures (N, C, H, W) float32 in [0, 1].

        size: (H, W) to crop to; all that the codes stand for when None. UserError for codes out of
        range, or of another size.
        """
        if size and codes.ndim == 3 and self.grid(size) != tuple(codes.shape[1:]):
            raise UserError(
                f"codes have shape {tuple(codes.shape)}, but pictures of {size[0]} x {size[1]} "
                f"have {self.grid(size)} of them; give their size"
            )
        x = self.shown(self.network.decode(codes.to(self.device)))
        return x if size is None else x[..., : size[0], : size[1]]

    @torch.no_grad()
    def from_latents(self, z: Tensor, size: tuple[int, int] | None = None) -> Tensor:
        """Latents (N, D, h, w) -> pictures (N, C, H, W) in [0, 1], as `decode` has them.

        They are quantised first: the decoder has seen codes only.
        """
        return self.decode(self.network.quantiser.find(z.to(self.device)), size)

    def reconstruct(self, x: Tensor) -> Tensor:
        """Pictures (N, C, H, W) as `encode` takes them, there and back."""
        x = self.check(x)
        return self.decode(self.encode(x), (x.shape[2], x.shape[3]))

    def examine(self, take: Callable[[slice], Tensor], n: int) -> tuple[dict[str, Any], list[str]]:
        """How many codes n pictures use, of which `take` gives some: for the log, and in words."""
        found = health(self, take, n, self.device)
        numbers = {
            "pictures_examined": n,
            "codes": found.size,
            "codes_used": found.used,
            "perplexity_used": round(found.perplexity, 4),
        }
        return numbers, [found.line()]

    def after_step(self) -> None:
        """After every optimiser step, on all processes at once."""
        self.network.quantiser.settle()

    def placed(self, x: Tensor) -> Tensor:
        """[0, 1] to the network's range."""
        low, high = self.network.range
        return low + (high - low) * x

    def shown(self, x: Tensor) -> Tensor:
        """The network's range to [0, 1]."""
        low, high = self.network.range
        return ((x - low) / (high - low)).clamp(0, 1).float()

    def fitted(self, x: Tensor) -> Tensor:
        """Padded to multiples of the factor, below and right."""
        f = self.network.factor
        H, W = x.shape[2:]
        below, right = -H % f, -W % f
        return F.pad(x, (0, right, 0, below), mode="replicate") if below or right else x

    def check(self, x: Any) -> Tensor:
        """Pictures as `encode` takes them, as float32 (N, C, H, W). UserError for others."""
        x, C = to_pictures(x, "pictures").float(), self.config.shape[0]
        if x.shape[1] != C:
            raise UserError(f"pictures have shape {tuple(x.shape)}; give (N, {C}, H, W)")
        return x
