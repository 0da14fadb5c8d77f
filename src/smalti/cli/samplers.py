"""Options of samplers."""

from __future__ import annotations

from cyclopts import Group

from smalti.autoregressive import Ancestral
from smalti.cli.flags import Flags, flags_of_kinds
from smalti.diffusion import DDIM, DDPM, Consistency, DPMSolver, UniPC

KINDS = [DDIM(), DDPM(), DPMSolver(), UniPC(), Consistency(), Ancestral()]


def sampler_flags() -> Flags:
    group = Group("Sampler", help="What is left out is the model's own.", sort_key=2)
    flags = flags_of_kinds(KINDS, "sampler", "The way from noise to picture.", "")
    return Flags(tuple(flags), group, show_default=False)
