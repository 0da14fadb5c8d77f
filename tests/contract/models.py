"""The models that the contract suite runs over. A new model gets its line here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from smalti.autoregressive import Frozen, fit
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
from smalti.layers.conditions import named_choice
from smalti.pixelcnn import Categorical, GatedConfig, Levels, PlainConfig
from smalti.vq import EMAConfig, FSQConfig, GumbelConfig, Rotation, SimVQConfig, Sphere, VQConfig
from tests.tiny import GPT, diffusion, pixelcnn, plusplus, prior, vqgan, vqvae

AB = ("a", "b")
# RGB: with one channel, the article's time layers have a single rectified unit, often a dead one.
ARTICLE = {"n_steps": 20, "img_shape": (3, 8, 8), "channels": (6, 12), "pe_dim": 8}


@dataclass(frozen=True)
class Case:
    """A small model, and the pictures it learns from."""

    config: Callable[[], Any]
    shape: tuple[int, int, int] = (1, 8, 8)
    """Channels, height and width."""


MODELS = {
    "diffusion": Case(lambda: diffusion(sampler=DDIM(steps=4))),
    "diffusion-classes-odd-rgb": Case(
        lambda: diffusion((3, 7, 5), AB, sampler=DDIM(steps=4, eta=0.5, guidance=1.5)),
        shape=(3, 7, 5),
    ),
    "diffusion-eps-linear": Case(
        lambda: diffusion(prediction="eps", schedule=Linear(20), sampler=DDPM("beta"))
    ),
    "diffusion-x0-sigmoid": Case(
        lambda: diffusion(prediction="x0", schedule=Sigmoid(20), sampler=DDPM())
    ),
    "diffusion-dpm-solver": Case(
        lambda: diffusion(classes=AB, sampler=DPMSolver(steps=4, guidance=1.5))
    ),
    "diffusion-unipc": Case(
        lambda: diffusion(prediction="eps", schedule=Linear(20), sampler=UniPC(steps=5, order=3))
    ),
    "diffusion-hybrid": Case(
        lambda: diffusion(
            (3, 8, 8), AB, objective=Hybrid(), schedule=Linear(20), sampler=DDPM("learned")
        ),
        shape=(3, 8, 8),
    ),
    "diffusion-bound": Case(
        lambda: diffusion(objective=Bound(), prediction="eps", sampler=DDPM("learned", stride=50))
    ),
    "diffusion-consistency": Case(
        lambda: diffusion(classes=AB, objective=ConsistencyTuning(steps=80), sampler=Consistency(3))
    ),
    "diffusion-article-ddpm": Case(
        lambda: diffusion(
            (3, 8, 8), AB, network=ArticleDDPM(**ARTICLE, classes=2), schedule=Linear(20)
        ),
        shape=(3, 8, 8),
    ),
    "diffusion-article-ddim": Case(
        lambda: diffusion(
            (3, 8, 8),
            network=ArticleDDIM(**ARTICLE, with_attns=(False, False)),
            prediction="eps",
            schedule=Linear(20),
            sampler=DDIM(steps=4, spacing="quadratic", sigma_hat=True),
        ),
        shape=(3, 8, 8),
    ),
    "gated-pixelcnn": Case(lambda: pixelcnn(levels=2)),
    "gated-pixelcnn-classes-rgb": Case(
        lambda: pixelcnn((3, 4, 5), AB, levels=16, width=24, dropout=0.1), shape=(3, 4, 5)
    ),
    "gated-pixelcnn-norm": Case(lambda: pixelcnn(levels=4, norm=True)),
    "plain-pixelcnn": Case(lambda: pixelcnn(levels=4, kind=PlainConfig, width=24)),
    "plain-pixelcnn-classes-rgb-norm": Case(
        lambda: pixelcnn((3, 4, 5), AB, kind=PlainConfig, norm=True), shape=(3, 4, 5)
    ),
    "pixelcnnpp": Case(lambda: plusplus(classes=AB, scales=2)),
    "pixelcnnpp-odd-rgb": Case(lambda: plusplus((3, 7, 5), AB), shape=(3, 7, 5)),
    "pixelcnnpp-categorical": Case(
        lambda: plusplus(levels=4, output=Categorical(), scales=1, dropout=0.1)
    ),
    "pixelcnnpp-embedded": Case(
        lambda: plusplus(levels=4, output=Categorical(), scales=1, embed=3)
    ),
    "gated-over-codes": Case(
        lambda: fit(
            Frozen("vqvae-digits", shape=(1, 8, 8)),
            GatedConfig(width=12, blocks=1, head=12, first=3),
            conditions=named_choice(AB),
            condition_dropout=0.1,
        )
    ),
    "plain-over-codes-odd": Case(
        lambda: fit(
            Frozen("vqvae-digits", shape=(1, 7, 5)),
            PlainConfig(width=12, blocks=1, head=12, first=3),
        ),
        shape=(1, 7, 5),
    ),
    "gpt-over-pixels": Case(
        lambda: fit(Levels(4, (3, 4, 5)), GPT, conditions=named_choice(AB)), shape=(3, 4, 5)
    ),
    "prior-gpt": Case(lambda: prior(AB)),
    "prior-gpt-odd": Case(lambda: prior(shape=(1, 7, 5)), shape=(1, 7, 5)),
}

CODECS = {
    "vqvae": Case(lambda: vqvae(VQConfig(16, 8))),
    "vqvae-sphere-rotation": Case(
        lambda: vqvae(VQConfig(16, 8, space=Sphere(), gradient=Rotation()))
    ),
    "vqvae-ema-odd-rgb": Case(lambda: vqvae(EMAConfig(16, 12), (3, 7, 5)), shape=(3, 7, 5)),
    "vqvae-simvq": Case(lambda: vqvae(SimVQConfig(32, 8))),
    "vqvae-gumbel": Case(lambda: vqvae(GumbelConfig(16, 8))),
    "vqvae-fsq": Case(lambda: vqvae(FSQConfig((5, 5, 4)))),
    "vqgan": Case(lambda: vqgan(VQConfig(16, 4))),
    "vqgan-stem-odd-rgb": Case(
        lambda: vqgan(EMAConfig(16, 4, decay=0.9), (3, 7, 5), stem=2, attention=(False, False)),
        shape=(3, 7, 5),
    ),
}
