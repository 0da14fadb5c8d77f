"""The variational bound of a diffusion model for pictures."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from smalti.core.conditions import resolve_conditions
from smalti.core.errors import UserError
from smalti.core.protocols import Batch, Score
from smalti.core.rng import Rng
from smalti.diffusion.likelihood import BoundEstimator, estimate_bound, extract
from smalti.diffusion.map_condition import NAME as MAP_NAME
from smalti.layers.eval_mode import eval_mode

if TYPE_CHECKING:
    from smalti.diffusion.model import Diffusion


@torch.no_grad()
def estimate_score(model: Diffusion, batch: Batch, rng: Rng, estimator: BoundEstimator) -> Score:
    """Estimate the bound of a batch of pictures, as `Diffusion.score` describes."""
    config = model.config
    if estimator.variance is None and config.objective.learns_variance:
        estimator = replace(estimator, variance="learned")
    C, pictures = config.shape[0], batch.require_pictures()
    if pictures.shape[1] != C:
        raise UserError(
            f"pictures have {pictures.shape[1]} channels, but the model has {C}; "
            f"give pictures of {C} channels"
        )
    x0 = model.space.encode_8bit(pictures).to(model.alpha_bars.device)
    conditions = resolve_conditions(batch, model.spec, len(x0))
    size = (x0.shape[2], x0.shape[3])
    if config.picture:
        conditions = {**conditions, MAP_NAME: config.picture.find(batch)}
    maps = model.encode_map(conditions, x0, size, rng)

    def predict_x0(x: Tensor, t: Tensor) -> tuple[Tensor, Tensor | None]:
        output = model.predict(x.float(), t, c, maps).double()
        return model.read_output(output, x, extract(model.alpha_bars, t), estimator.clip)

    with eval_mode(model):
        c = model.conditions.to_vector(conditions, len(x0))
        c = model.prepend_augmentation(c, len(x0))
        return estimate_bound(x0, predict_x0, model.alpha_bars, rng, estimator)
