"""Convert published checkpoints to smalti modules: read_weights, infer_config, from_reference."""

from __future__ import annotations

from smalti.convert.article_ddim import ArticleDDIM, ArticleDDIMUNet
from smalti.convert.article_ddpm import ArticleDDPM, ArticleDDPMUNet
from smalti.convert.reference import REFERENCES, from_reference, infer_config, read_config
from smalti.core.weights import read_weights

__all__ = [
    "REFERENCES",
    "ArticleDDIM",
    "ArticleDDIMUNet",
    "ArticleDDPM",
    "ArticleDDPMUNet",
    "from_reference",
    "infer_config",
    "read_config",
    "read_weights",
]
