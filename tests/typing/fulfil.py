"""Which class fulfils which protocol: type checkers read this, and nothing runs it.

A line fails where the class lacks a method of the protocol, or has it with other types.
"""

from __future__ import annotations

from smalti.autoregressive import Autoregressive, AutoregressiveConfig, Levels
from smalti.autoregressive.gpt.walker import GPTWalker
from smalti.autoregressive.naive_walker import NaiveTokenWalker, NaiveWalker
from smalti.autoregressive.output import Drawn
from smalti.autoregressive.pixelcnn.raster_walker import RasterWalker
from smalti.codecs.codebook import Book
from smalti.codecs.discriminator import CriticPlayer
from smalti.codecs.vqgan import VQGAN, VQGANConfig
from smalti.codecs.vqvae import VQVAE, VQVAEConfig
from smalti.core import players as p
from smalti.core import protocols as c
from smalti.core.states import Canvas
from smalti.data.codes import Codes
from smalti.data.order import EqualCounts, EqualTokens
from smalti.data.pairs import Pairs
from smalti.data.pictures import Pictures
from smalti.diffusion import Diffusion, DiffusionConfig, Noisy
from smalti.features.classifier import Classifier, ClassifierConfig
from smalti.translation import Translator
from smalti.translation.model import TranslatorConfig

DATASETS: list[type[c.Dataset]] = [Pictures, Codes, Pairs]
ORDERS: list[type[c.Order]] = [EqualCounts, EqualTokens]
DESCRIBED: list[type[c.Described]] = [Pictures, Codes, VQGANConfig]

CONFIGS: list[type[c.ModelConfig]] = [
    AutoregressiveConfig,
    ClassifierConfig,
    DiffusionConfig,
    TranslatorConfig,
    VQGANConfig,
    VQVAEConfig,
]
CHECKABLE: type[p.Checkable] = VQGANConfig

CODECS: list[type[c.Codec]] = [Levels, VQVAE, VQGAN]
LATENT_CODECS: list[type[c.LatentCodec]] = [VQVAE, VQGAN]

CANVASES: list[type[c.Generative[Canvas]]] = [Autoregressive, Translator]
NOISY: type[c.Generative[Noisy]] = Diffusion
STATES: list[type[c.State]] = [Canvas, Noisy]
LIKELIHOODS: list[type[c.Likelihood]] = [Autoregressive, Diffusion]
WALKED: type[c.Autoregressive] = Autoregressive
WALKERS: list[type[c.Walker]] = [GPTWalker, NaiveTokenWalker, NaiveWalker, RasterWalker]
BEAM_WALKERS: list[type[c.BeamWalker]] = [GPTWalker, NaiveWalker]
SYMBOLS: type[c.Symbols] = Drawn

PLAYERS: list[type[c.Player]] = [
    Autoregressive,
    Classifier,
    CriticPlayer,
    Diffusion,
    Translator,
    VQGAN,
    VQVAE,
]
TEAM: type[p.Team] = VQGAN
PLANNED: type[p.Planned] = VQGAN
PREMISED: type[p.Premised] = VQGAN
NOTED: list[type[p.Noted]] = [VQGAN, CriticPlayer]
TUNED: type[p.Tuned] = CriticPlayer
AFTER_STEP: list[type[p.AfterStep]] = [VQVAE, VQGAN]
EXAMINED: list[type[p.Examined]] = [VQVAE, VQGAN]
RESUMED: type[p.Resumed] = Book
