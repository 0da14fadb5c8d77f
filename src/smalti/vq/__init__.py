"""Codecs: pictures to grids of codes and back. VQ-VAE, VQGAN, and the quantisers between."""

from __future__ import annotations

from smalti.vq.critic import CriticConfig, PatchCritic
from smalti.vq.finite import FSQ, FSQConfig
from smalti.vq.gradient import Rotation, StraightThrough
from smalti.vq.gumbel import Gumbel, GumbelConfig
from smalti.vq.health import Health, health
from smalti.vq.learned import EMA, VQ, EMAConfig, SimVQ, SimVQConfig, VQConfig
from smalti.vq.lpips import LPIPS
from smalti.vq.nearest import nearest
from smalti.vq.perceptual import Looks
from smalti.vq.residual import ResidualConfig
from smalti.vq.space import Euclidean, Sphere
from smalti.vq.strided import StridedConfig
from smalti.vq.upkeep import KMeans, Revival, Uniform
from smalti.vq.vqgan import VQGAN, VQGANConfig
from smalti.vq.vqvae import VQVAE, VQVAEConfig

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
