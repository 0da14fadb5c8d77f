"""Feature networks of metrics and perceptual losses."""

from __future__ import annotations

from smalti.features.registry import FeatureExtractor, choose_features_name, find_features

__all__ = ["FeatureExtractor", "choose_features_name", "find_features"]
