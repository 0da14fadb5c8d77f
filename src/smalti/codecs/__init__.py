"""Codecs: pictures to grids of codes and back. VQ-VAE, VQGAN and their quantizers."""

from __future__ import annotations

from smalti.codecs.classifier_distance import ClassifierDistance
from smalti.codecs.codebook_init import KMeans, Revival, Uniform
from smalti.codecs.codebook_quantizers import EMA, VQ, EMAConfig, SimVQ, SimVQConfig, VQConfig
from smalti.codecs.discriminator import DiscriminatorConfig, PatchDiscriminator
from smalti.codecs.fsq import FSQ, FSQConfig
from smalti.codecs.gradient import Rotation, StraightThrough
from smalti.codecs.gumbel import Gumbel, GumbelConfig
from smalti.codecs.health import Health, measure_health
from smalti.codecs.kl_autoencoder import KLAutoencoder, KLAutoencoderConfig
from smalti.codecs.lpips import LPIPS
from smalti.codecs.nearest import find_nearest
from smalti.codecs.residual import ResidualConfig
from smalti.codecs.segmentation import SegmentationCodec, SegmentationConfig
from smalti.codecs.space import Euclidean, Sphere
from smalti.codecs.strided import StridedConfig
from smalti.codecs.vqgan import VQGAN, VQGANConfig
from smalti.codecs.vqvae import VQVAE, VQVAEConfig

__all__ = [
    "EMA",
    "FSQ",
    "LPIPS",
    "VQ",
    "VQGAN",
    "VQVAE",
    "ClassifierDistance",
    "DiscriminatorConfig",
    "EMAConfig",
    "Euclidean",
    "FSQConfig",
    "Gumbel",
    "GumbelConfig",
    "Health",
    "KLAutoencoder",
    "KLAutoencoderConfig",
    "KMeans",
    "PatchDiscriminator",
    "ResidualConfig",
    "Revival",
    "Rotation",
    "SegmentationCodec",
    "SegmentationConfig",
    "SimVQ",
    "SimVQConfig",
    "Sphere",
    "StraightThrough",
    "StridedConfig",
    "Uniform",
    "VQConfig",
    "VQGANConfig",
    "VQVAEConfig",
    "find_nearest",
    "measure_health",
]
