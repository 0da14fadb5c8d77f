"""The small networks that metrics and perceptual losses look through."""

from __future__ import annotations

from smalti.features.registry import Features, features_name_for, find_features

__all__ = ["Features", "features_name_for", "find_features"]
