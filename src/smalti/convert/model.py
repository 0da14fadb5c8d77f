"""From a reference's network to a model that samples."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from smalti.convert.article_ddim import ArticleDDIM
from smalti.convert.article_ddpm import ArticleDDPM
from smalti.convert.article_pixelcnn import ArticlePrior
from smalti.convert.reference import from_reference, read_config
from smalti.core.errors import UserError
from smalti.diffusion import DDIM, DDPM, DiffusionConfig, Linear
from smalti.layers.conditions import named_choice


def model_from_reference(
    kind: str,
    config: dict[str, Any],
    weights: dict[str, Tensor],
    size: tuple[int, int] | None = None,
    codec: str | None = None,
) -> Any:
    """The model around a reference's network, in eval mode.

    size: height and width of what it draws, where the network leaves them open.
    codec: the codec whose codes it draws, by its name or folder, for a network of codes.
    Raises UserError as `from_reference` does.
    """
    trained = from_reference(kind, config, weights).state_dict()  # before anything is allocated
    network: Any = read_config(kind, config)
    if codec is not None and not isinstance(network, ArticlePrior):
        raise UserError(f"codec {codec} is given, but {kind} draws no codes; leave it out")
    if isinstance(network, ArticleDDPM | ArticleDDIM):
        settled: Any = article_diffusion(network)
    elif isinstance(network, ArticlePrior):
        settled = network.model(size, codec)
    else:
        settled = network.model(size)
    model = settled.build().eval()
    model.network.load_state_dict(trained)
    return model


def article_diffusion(network: ArticleDDPM | ArticleDDIM) -> DiffusionConfig:
    """The model of an article's U-Net.

    The articles train on linear betas from 1e-4 to 0.02 whatever T is, and predict eps. The DDPM
    article samples with the variance beta; the DDIM article's model takes 20 steps here.
    """
    T = network.n_steps
    return DiffusionConfig(
        shape=network.img_shape,
        network=network,
        schedule=Linear(
            T=T, first=1e-4 * T / 1000, last=0.02 * T / 1000
        ),  # Linear scales them back
        prediction="eps",
        conditions=named_choice(tuple(str(k) for k in range(network.classes))),
        sampler=DDPM(variance="beta") if isinstance(network, ArticleDDPM) else DDIM(),
    )
