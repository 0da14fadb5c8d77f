"""The small networks that metrics and perceptual losses look through."""

from __future__ import annotations

from smalti.features.registry import FeatureExtractor, choose_features_name, find_features

__all__ = ["FeatureExtractor", "choose_features_name", "find_features"]
