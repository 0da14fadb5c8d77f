"""How good a model is: Frechet distance and class accuracy of its samples."""

from __future__ import annotations

from smalti.evaluation.frechet import Moments, frechet_distance, moments
from smalti.evaluation.judgement import Judgement, judge, real_baseline

__all__ = ["Judgement", "Moments", "frechet_distance", "judge", "moments", "real_baseline"]
