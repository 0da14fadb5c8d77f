"""Choose the fastest walker for a network, importing its kernels on demand."""

from __future__ import annotations

from torch import Tensor, nn

from smalti.autoregressive.naive_walker import NaiveWalker
from smalti.autoregressive.pixelcnn.gated.network import GatedPixelCNN
from smalti.autoregressive.pixelcnn.plain.network import PixelCNN
from smalti.autoregressive.pixelcnn.plusplus.network import PixelCNNPlusPlus
from smalti.autoregressive.pixelcnn.weight_cache import pack_once
from smalti.core.protocols import Walker


def build_walker(
    network: nn.Module,
    n: int,
    size: tuple[int, int],
    y: Tensor | None = None,
    values: Tensor | None = None,
    channels: int | None = None,
) -> Walker:
    """Build a walker of n pictures (H, W), for a network in eval mode with its current weights.

    y: conditions, (n,) or (n, D). values: (K,) float64, the input for each symbol, in the network's
    `range`; None for a network that embeds symbols. channels: of a picture, for networks whose
    config has none.
    """
    if isinstance(network, GatedPixelCNN):
        from smalti.autoregressive.pixelcnn.gated.walker import GatedChunkWalker, GatedWeights

        w, part = pack_once(network, values, GatedWeights), GatedChunkWalker
    elif isinstance(network, PixelCNN):
        from smalti.autoregressive.pixelcnn.plain.walker import PlainChunkWalker, PlainWeights

        w, part = pack_once(network, values, PlainWeights), PlainChunkWalker
    elif isinstance(network, PixelCNNPlusPlus):
        from smalti.autoregressive.pixelcnn.plusplus.walker import (
            PlusPlusChunkWalker,
            PlusPlusWeights,
        )

        w, part = pack_once(network, values, PlusPlusWeights), PlusPlusChunkWalker
    else:
        return NaiveWalker(network, n, size, y, values, channels)
    from smalti.autoregressive.pixelcnn.raster_walker import RasterWalker

    return RasterWalker(network, w, part, n, size, y)
