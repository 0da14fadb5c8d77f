"""The likelihood of pictures' symbols under an autoregressive model."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from smalti.autoregressive.condition_sampling import list_combinations, list_unspecified
from smalti.core.conditions import ConditionValues, resolve_conditions
from smalti.core.protocols import Batch, Score
from smalti.layers.eval_mode import eval_mode

if TYPE_CHECKING:
    from smalti.autoregressive.mixing.model import ContextMixing
    from smalti.autoregressive.model import Autoregressive


@torch.no_grad()
def compute_score(model: Autoregressive | ContextMixing, batch: Batch) -> Score:
    """Compute -log p of the pictures' symbols, as `Autoregressive.score`."""
    n = len(batch.require_pictures() if batch.codes is None else batch.codes)
    values = resolve_conditions(batch, model.spec, n)
    with eval_mode(model):  # no shifts
        z, values, _ = model.read_symbols(batch, values)
    z = z.to(model.device)
    missing = [c for c in list_unspecified(model.spec.conditions, values) if not c.allows_none]
    kind, T = "exact" if model.is_lossless else "codes", model.requirements.sequence_length
    if not missing:
        return Score(model.compute_nats(z, values), T, kind)
    names = [c.name for c in missing]
    each = [
        model.compute_nats(
            z, {**values, **dict(zip(names, row[:, None].expand(-1, n), strict=True))}
        )
        for row in list_combinations(missing)
    ]
    nats = math.log(len(each)) - torch.logsumexp(-torch.stack(each), dim=0)
    return Score(nats, T, kind)


def sum_nats(model: Autoregressive, z: Tensor, condition_values: ConditionValues) -> Tensor:
    """Compute the nats (N,) float64 of symbols z (N, C, h, w)."""
    with eval_mode(model):
        y = model.encode_conditions(condition_values, len(z))
        dtype = next(model.network.parameters()).dtype
        parameters = model.conditioning.predict(model.network, z, y, model.values, dtype).double()
    nats = model.config.output.compute_nats(parameters, z, model.requirements.n_symbols)
    return nats.flatten(1).sum(1)


@torch.no_grad()
def compute_log_probs(
    model: Autoregressive, z: Tensor, condition_values: ConditionValues
) -> Tensor:
    """Compute the log-probabilities of every symbol at each place: (N T, K) float64.

    z: (N, C, h, w). Rows are picture by picture, row by row, channels innermost.
    """
    N, C, h, w = z.shape
    K, P = model.requirements.n_symbols, model.requirements.n_parameters
    with eval_mode(model):
        y = model.encode_conditions(condition_values, N)
        dtype = next(model.network.parameters()).dtype
        out = model.conditioning.predict(model.network, z, y, model.values, dtype)
    each = out.reshape(N, P, -1, h, w).permute(0, 3, 4, 2, 1)  # (N, h, w, C or 1, P)
    previous = z.permute(0, 2, 3, 1).flatten(0, 2)  # (N h w, C)
    channels = []
    for c in range(C):
        parameters = each[..., min(c, each.shape[3] - 1), :].flatten(0, 2)
        symbols = model.config.output.build_distribution(parameters, previous[:, :c], c, K)
        channels.append(symbols.logits)
    return torch.stack(channels, dim=1).flatten(0, 1)
