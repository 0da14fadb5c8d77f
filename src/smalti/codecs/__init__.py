"""Codecs: pictures to grids of codes and back. VQ-VAE, VQGAN, and the quantisers between."""

from __future__ import annotations

from smalti.codecs.classifier_distance import Looks
from smalti.codecs.codebook_quantizers import EMA, VQ, EMAConfig, SimVQ, SimVQConfig, VQConfig
from smalti.codecs.discriminator import CriticConfig, PatchCritic
from smalti.codecs.fsq import FSQ, FSQConfig
from smalti.codecs.gradient import Rotation, StraightThrough
from smalti.codecs.gumbel import Gumbel, GumbelConfig
from smalti.codecs.health import Health, health
from smalti.codecs.lpips import LPIPS
from smalti.codecs.nearest import nearest
from smalti.codecs.residual import ResidualConfig
from smalti.codecs.space import Euclidean, Sphere
from smalti.codecs.strided import StridedConfig
from smalti.codecs.upkeep import KMeans, Revival, Uniform
from smalti.codecs.vqgan import VQGAN, VQGANConfig
from smalti.codecs.vqvae import VQVAE, VQVAEConfig

__all__ = [
    "EMA",
    "FSQ",
    "LPIPS",
    "VQ",
    "VQGAN",
    "VQVAE",
    "CriticConfig",
    "EMAConfig",
    "Euclidean",
    "FSQConfig",
    "Gumbel",
    "GumbelConfig",
    "Health",
    "KMeans",
    "Looks",
    "PatchCritic",
    "ResidualConfig",
    "Revival",
    "Rotation",
    "SimVQ",
    "SimVQConfig",
    "Sphere",
    "StraightThrough",
    "StridedConfig",
    "Uniform",
    "VQConfig",
    "VQGANConfig",
    "VQVAEConfig",
    "health",
    "nearest",
]
