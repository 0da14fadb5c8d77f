"""From a reference's network to a model that samples."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from smalti.convert.article_ddpm import ArticleDDPM
from smalti.convert.reference import from_reference, read_config
from smalti.diffusion import DDIM, DDPM, Diffusion, DiffusionConfig, Linear


def model_from_reference(
    kind: str, config: dict[str, Any], weights: dict[str, Tensor]
) -> Diffusion:
    """The diffusion model around a reference's network, in eval mode.

    The articles train on linear betas from 1e-4 to 0.02 whatever T is, and predict eps. The DDPM
    article samples with the variance beta; the DDIM article's model takes 20 steps here.
    Raises UserError as `from_reference` does.
    """
    network = read_config(kind, config)
    T = network.n_steps
    settled = DiffusionConfig(
        shape=network.img_shape,
        network=network,
        schedule=Linear(
            T=T, first=1e-4 * T / 1000, last=0.02 * T / 1000
        ),  # Linear scales them back
        prediction="eps",
        classes=tuple(str(k) for k in range(network.classes)),
        sampler=DDPM(variance="beta") if isinstance(network, ArticleDDPM) else DDIM(),
    )
    model = settled.build().eval()
    model.network.load_state_dict(from_reference(kind, config, weights).state_dict())
    return model
