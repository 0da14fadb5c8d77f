"""Diffusion: DDPM, DDIM and faster solvers."""

from smalti.diffusion.model import Diffusion, DiffusionConfig
from smalti.diffusion.process import slerp
from smalti.diffusion.samplers import DDIM, DDPM, Noisy
from smalti.diffusion.schedule import Cosine, Linear, Sigmoid
from smalti.diffusion.solvers import DPMSolver, UniPC
from smalti.diffusion.unet import UNet, UNetConfig

__all__ = [
    "DDIM",
    "DDPM",
    "Cosine",
    "DPMSolver",
    "Diffusion",
    "DiffusionConfig",
    "Linear",
    "Noisy",
    "Sigmoid",
    "UNet",
    "UNetConfig",
    "UniPC",
    "slerp",
]
