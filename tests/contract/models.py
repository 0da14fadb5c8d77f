"""The models that the contract suite runs over. A new model gets its line here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from smalti.autoregressive import FrozenCodec, PictureCondition, build_config
from smalti.convert import ArticleDDIM, ArticleDDPM
from smalti.diffusion import (
    DDIM,
    DDPM,
    Bound,
    Consistency,
    ConsistencyTuning,
    DPMSolver,
    Hybrid,
    Linear,
    Sigmoid,
    UniPC,
)
from smalti.layers.condition_encoder import make_choices
from smalti.pixelcnn import (
    Categorical,
    GatedPixelCNNConfig,
    Levels,
    LogisticMixture,
    PixelCNNConfig,
    PixelCNNPlusPlusConfig,
)
from smalti.vq import EMAConfig, FSQConfig, GumbelConfig, Rotation, SimVQConfig, Sphere, VQConfig
from tests.tiny import (
    GPT,
    CountedConfig,
    diffusion_config,
    kl_config,
    latent_config,
    pixelcnn_config,
    plusplus_config,
    prior_config,
    segmentation_config,
    vqgan_config,
    vqvae_config,
)

AB = ("a", "b")
# RGB: with one channel, the article's time layers have a single rectified unit, often a dead one.
ARTICLE = {"n_steps": 20, "img_shape": (3, 8, 8), "channels": (6, 12), "pe_dim": 8}


@dataclass(frozen=True)
class ModelCase:
    """A small model, and the pictures it learns from."""

    config: Callable[[], Any]
    shape: tuple[int, int, int] = (1, 8, 8)
    """Channels, height and width."""
    learning_rate: float = 1e-2


MODELS = {
    "diffusion": ModelCase(lambda: diffusion_config(sampler=DDIM(steps=4))),
    "diffusion-classes-odd-rgb": ModelCase(
        lambda: diffusion_config((3, 7, 5), AB, sampler=DDIM(steps=4, eta=0.5, guidance=1.5)),
        shape=(3, 7, 5),
    ),
    "diffusion-eps-linear": ModelCase(
        lambda: diffusion_config(prediction="eps", schedule=Linear(20), sampler=DDPM("beta"))
    ),
    "diffusion-x0-sigmoid": ModelCase(
        lambda: diffusion_config(prediction="x0", schedule=Sigmoid(20), sampler=DDPM())
    ),
    "diffusion-dpm-solver": ModelCase(
        lambda: diffusion_config(classes=AB, sampler=DPMSolver(steps=4, guidance=1.5))
    ),
    "diffusion-unipc": ModelCase(
        lambda: diffusion_config(
            prediction="eps", schedule=Linear(20), sampler=UniPC(steps=5, order=3)
        )
    ),
    "diffusion-hybrid": ModelCase(
        lambda: diffusion_config(
            (3, 8, 8), AB, objective=Hybrid(), schedule=Linear(20), sampler=DDPM("learned")
        ),
        shape=(3, 8, 8),
    ),
    "diffusion-bound": ModelCase(
        lambda: diffusion_config(
            objective=Bound(), prediction="eps", sampler=DDPM("learned", stride=50)
        )
    ),
    "diffusion-consistency": ModelCase(
        lambda: diffusion_config(
            classes=AB, objective=ConsistencyTuning(steps=80), sampler=Consistency(3)
        )
    ),
    "diffusion-article-ddpm": ModelCase(
        lambda: diffusion_config(
            (3, 8, 8), AB, network=ArticleDDPM(**ARTICLE, classes=2), schedule=Linear(20)
        ),
        shape=(3, 8, 8),
    ),
    "diffusion-article-ddim": ModelCase(
        lambda: diffusion_config(
            (3, 8, 8),
            network=ArticleDDIM(**ARTICLE, with_attns=(False, False)),
            prediction="eps",
            schedule=Linear(20),
            sampler=DDIM(steps=4, spacing="quadratic", sigma_hat=True),
        ),
        shape=(3, 8, 8),
    ),
    "latent-diffusion": ModelCase(
        lambda: latent_config((1, 16, 16), AB, sampler=DDIM(steps=4, guidance=1.5)),
        shape=(1, 16, 16),
    ),
    "latent-diffusion-odd": ModelCase(
        lambda: latent_config((1, 15, 13), sampler=UniPC(steps=4)), shape=(1, 15, 13)
    ),
    "latent-consistency": ModelCase(
        lambda: latent_config(
            (1, 16, 16), objective=ConsistencyTuning(steps=80), sampler=Consistency(2)
        ),
        shape=(1, 16, 16),
    ),
    "gated-pixelcnn": ModelCase(lambda: pixelcnn_config(levels=2)),
    "gated-pixelcnn-classes-rgb": ModelCase(
        lambda: pixelcnn_config((3, 4, 5), AB, levels=16, width=24, dropout=0.1), shape=(3, 4, 5)
    ),
    "gated-pixelcnn-norm": ModelCase(lambda: pixelcnn_config(levels=4, batch_norm=True)),
    "plain-pixelcnn": ModelCase(lambda: pixelcnn_config(levels=4, kind=PixelCNNConfig, width=24)),
    "plain-pixelcnn-classes-rgb-norm": ModelCase(
        lambda: pixelcnn_config((3, 4, 5), AB, kind=PixelCNNConfig, batch_norm=True),
        shape=(3, 4, 5),
    ),
    "pixelcnnpp": ModelCase(lambda: plusplus_config(classes=AB, scales=2)),
    "pixelcnnpp-odd-rgb": ModelCase(lambda: plusplus_config((3, 7, 5), AB), shape=(3, 7, 5)),
    "pixelcnnpp-categorical": ModelCase(
        lambda: plusplus_config(levels=4, output=Categorical(), scales=1, dropout=0.1)
    ),
    "pixelcnnpp-embedded": ModelCase(
        lambda: plusplus_config(levels=4, output=Categorical(), scales=1, embedding_width=3)
    ),
    "gated-over-codes": ModelCase(
        lambda: build_config(
            FrozenCodec("vqvae-digits", shape=(1, 8, 8)),
            GatedPixelCNNConfig(width=12, blocks=1, head_width=12, first_kernel_size=3),
            conditions=make_choices(AB),
            condition_dropout=0.1,
        )
    ),
    "plain-over-codes-odd": ModelCase(
        lambda: build_config(
            FrozenCodec("vqvae-digits", shape=(1, 7, 5)),
            PixelCNNConfig(width=12, blocks=1, head_width=12, first_kernel_size=3),
        ),
        shape=(1, 7, 5),
    ),
    "gated-over-codes-map": ModelCase(
        lambda: build_config(
            FrozenCodec("vqvae-digits", shape=(1, 8, 8)),
            GatedPixelCNNConfig(width=12, blocks=1, head_width=12, first_kernel_size=3),
            conditions=(PictureCondition(Levels(4, (1, 8, 8))),),
            condition_dropout=0.1,
        )
    ),
    "pixelcnnpp-map-rgb": ModelCase(
        lambda: build_config(
            Levels(2, (3, 7, 5)),
            PixelCNNPlusPlusConfig(filters=16, blocks=1, scales=2, dropout=0.0),
            LogisticMixture(2),
            (PictureCondition(Levels(4, (3, 4, 3))),),
            condition_dropout=0.1,
        ),
        shape=(3, 7, 5),
    ),
    "gpt-over-pixels": ModelCase(
        lambda: build_config(Levels(4, (3, 4, 5)), GPT, conditions=make_choices(AB)),
        shape=(3, 4, 5),
    ),
    "context-mixing": ModelCase(CountedConfig, learning_rate=0.3),
    "prior-gpt": ModelCase(lambda: prior_config(AB)),
    "prior-gpt-odd": ModelCase(lambda: prior_config(shape=(1, 7, 5)), shape=(1, 7, 5)),
}

CODECS = {
    "vqvae": ModelCase(lambda: vqvae_config(VQConfig(16, 8))),
    "vqvae-sphere-rotation": ModelCase(
        lambda: vqvae_config(VQConfig(16, 8, space=Sphere(), gradient=Rotation()))
    ),
    "vqvae-ema-odd-rgb": ModelCase(
        lambda: vqvae_config(EMAConfig(16, 12), (3, 7, 5)), shape=(3, 7, 5)
    ),
    "vqvae-simvq": ModelCase(lambda: vqvae_config(SimVQConfig(32, 8))),
    "vqvae-gumbel": ModelCase(lambda: vqvae_config(GumbelConfig(16, 8))),
    "vqvae-fsq": ModelCase(lambda: vqvae_config(FSQConfig((5, 5, 4)))),
    "vqgan": ModelCase(lambda: vqgan_config(VQConfig(16, 4))),
    "vqgan-stem-odd-rgb": ModelCase(
        lambda: vqgan_config(
            EMAConfig(16, 4, decay=0.9), (3, 7, 5), stem=2, attention=(False, False)
        ),
        shape=(3, 7, 5),
    ),
    "segmentation": ModelCase(lambda: segmentation_config(VQConfig(16, 4))),
}

LATENT_CODECS = {
    "kl-autoencoder": ModelCase(lambda: kl_config(kl_weight=1e-4)),
    "kl-autoencoder-plain-odd-rgb": ModelCase(
        lambda: kl_config((3, 7, 5), perceptual_weight=0.0, discriminator_weight=0.0),
        shape=(3, 7, 5),
    ),
}
"""Codecs of continuous latents, without codes."""
