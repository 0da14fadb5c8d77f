"""Build a model that samples from a reference's network."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from smalti.convert.article_ddim import ArticleDDIM
from smalti.convert.article_ddpm import ArticleDDPM
from smalti.convert.article_pixelcnn import ArticlePixelCNNPrior
from smalti.convert.reference import from_reference, read_config
from smalti.core.errors import UserError
from smalti.diffusion import DDIM, DDPM, DiffusionConfig, Linear
from smalti.layers.condition_encoder import make_choices


def model_from_reference(
    kind: str,
    config: dict[str, Any],
    weights: dict[str, Tensor],
    size: tuple[int, int] | None = None,
    codec: str | None = None,
) -> Any:
    """Build the model of a reference's network, in eval mode.

    size: height and width of its samples, if the network does not fix them.
    codec: name or folder of the codec, for a prior over codes.
    Raises UserError like `from_reference`.
    """
    trained = from_reference(kind, config, weights).state_dict()  # before anything is allocated
    network: Any = read_config(kind, config)
    if codec is not None and not isinstance(network, ArticlePixelCNNPrior):
        raise UserError(f"codec {codec} is given, but {kind} is not a prior over codes; omit it")
    if isinstance(network, ArticleDDPM | ArticleDDIM):
        model_config: Any = make_diffusion_config(network)
    elif isinstance(network, ArticlePixelCNNPrior):
        model_config = network.build_model(size, codec)
    else:
        model_config = network.build_model(size)
    model = model_config.build().eval()
    model.network.load_state_dict(trained)
    return model


def make_diffusion_config(network: ArticleDDPM | ArticleDDIM) -> DiffusionConfig:
    """Config of the diffusion model of an article's U-Net.

    The articles predict eps, and use linear betas from 1e-4 to 0.02 for any T. The DDPM article
    samples with variance beta; the DDIM article's model defaults to 20 steps here.
    """
    T = network.n_steps
    return DiffusionConfig(
        shape=network.img_shape,
        network=network,
        schedule=Linear(
            T=T, beta_start=1e-4 * T / 1000, beta_end=0.02 * T / 1000
        ),  # Linear scales by 1000 / T
        prediction="eps",
        conditions=make_choices(tuple(str(k) for k in range(network.classes))),
        sampler=DDPM(variance="beta") if isinstance(network, ArticleDDPM) else DDIM(),
    )
