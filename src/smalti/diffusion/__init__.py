"""Diffusion models: DDPM, DDIM and faster solvers."""

from smalti.diffusion.augmentation import Augmentation
from smalti.diffusion.config import DiffusionConfig
from smalti.diffusion.consistency import Consistency, ConsistencyTuning
from smalti.diffusion.inversion import RoundTrip, invert, round_trip
from smalti.diffusion.latents import Latents, make_latents
from smalti.diffusion.likelihood import BoundEstimator
from smalti.diffusion.map_condition import MapCondition
from smalti.diffusion.matching import DistributionMatching
from smalti.diffusion.model import Diffusion
from smalti.diffusion.objective import Bound, Hybrid, Simple
from smalti.diffusion.process import slerp
from smalti.diffusion.repaint import RePaint
from smalti.diffusion.samplers import DDIM, DDPM, DiffusionState
from smalti.diffusion.schedule import Cosine, Linear, Sigmoid
from smalti.diffusion.solvers import DPMSolver, UniPC
from smalti.diffusion.unet import UNet, UNetConfig
from smalti.diffusion.windows import Windows

__all__ = [
    "DDIM",
    "DDPM",
    "Augmentation",
    "Bound",
    "BoundEstimator",
    "Consistency",
    "ConsistencyTuning",
    "Cosine",
    "DPMSolver",
    "Diffusion",
    "DiffusionConfig",
    "DiffusionState",
    "DistributionMatching",
    "Hybrid",
    "Latents",
    "Linear",
    "MapCondition",
    "RePaint",
    "RoundTrip",
    "Sigmoid",
    "Simple",
    "UNet",
    "UNetConfig",
    "UniPC",
    "Windows",
    "invert",
    "make_latents",
    "round_trip",
    "slerp",
]
