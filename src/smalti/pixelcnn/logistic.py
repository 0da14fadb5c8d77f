"""Logistic mixtures under their family's name; they stand in layers, for others use them too."""

from smalti.layers.logistic import (
    Mixture,
    log_cells,
    log_joint,
    mixture,
    moved_means,
    nll,
    subpixel_nats,
    width,
)

__all__ = [
    "Mixture",
    "log_cells",
    "log_joint",
    "mixture",
    "moved_means",
    "nll",
    "subpixel_nats",
    "width",
]
