"""Draw the conditions that the caller leaves open, given the known part of a picture if any."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from smalti.autoregressive.known import KnownSymbols, encode_known
from smalti.core.conditions import ConditionValues, resolve_conditions
from smalti.core.protocols import Condition, SymbolDistribution
from smalti.core.rng import Rng
from smalti.core.sampling_inputs import SamplingInputs

if TYPE_CHECKING:
    from smalti.autoregressive.mixing.model import ContextMixing
    from smalti.autoregressive.model import Autoregressive


def list_unspecified(
    conditions: Sequence[Condition], condition_values: ConditionValues
) -> list[Condition]:
    """List the choices that have no value but need one."""
    return [
        c for c in conditions if c.values and not c.has_default and c.name not in condition_values
    ]


def list_combinations(unspecified: Sequence[Condition]) -> Tensor:
    """List every combination of their values: (R, c)."""
    values = [torch.arange(len(c.values)) for c in unspecified]
    return torch.cartesian_prod(*values).view(-1, len(unspecified))


def draw_conditions(
    model: Autoregressive | ContextMixing, rng: Rng, inputs: SamplingInputs
) -> SamplingInputs:
    """Return the inputs with values drawn for the unspecified choices.

    For partly known pictures they are drawn from the posterior given the symbols before the first
    gap, otherwise uniformly.
    """
    n, conditions = len(rng), model.spec.conditions
    values = resolve_conditions(inputs, model.spec, n)
    # one number per choice, specified or not, so that later draws are the same
    u = {c.name: rng.uniform() for c in conditions if c.values}
    if not (unspecified := list_unspecified(conditions, values)):
        return inputs
    if (known := encode_known(model, inputs, n)) is None:
        drawn = {c.name: (u[c.name] * len(c.values)).long() for c in unspecified}
    else:
        sums = compute_posteriors(model, known, values, unspecified).cumsum(1)  # (n, R)
        row = torch.searchsorted(sums, u[unspecified[0].name][:, None], right=True)[:, 0]
        chosen = list_combinations(unspecified)[row.clamp(max=sums.shape[1] - 1)]  # (n, c)
        drawn = {c.name: chosen[:, k] for k, c in enumerate(unspecified)}
    labels = drawn.pop("class", inputs.labels)
    return replace(inputs, labels=labels, conditions={**inputs.conditions, **drawn})


def compute_posteriors(
    model: Autoregressive | ContextMixing,
    known: KnownSymbols,
    condition_values: ConditionValues,
    unspecified: Sequence[Condition],
) -> Tensor:
    """Compute the posterior (n, R) over combinations of values, once for identical pictures."""
    posteriors: dict[object, Tensor] = {}
    rows = []
    for i in range(len(known.symbols)):
        given = {name: value[i : i + 1] for name, value in condition_values.items()}
        part = KnownSymbols(known.symbols[i].cpu(), known.missing[i].cpu())
        values = (
            v.cpu().numpy().tobytes() if isinstance(v, Tensor) else v[0] for v in given.values()
        )
        key = (*(x.numpy().tobytes() for x in part[:2]), *values)
        if key not in posteriors:
            posteriors[key] = compute_posterior(model, part, given, unspecified)
        rows.append(posteriors[key])
    return torch.stack(rows)


def compute_posterior(
    model: Autoregressive | ContextMixing,
    known: KnownSymbols,
    condition_values: ConditionValues,
    unspecified: Sequence[Condition],
) -> Tensor:
    """Compute the posterior (R,) over combinations, given the symbols before the first gap.

    known: of one picture, (T,) each, on the CPU. The prior over combinations is uniform.
    """
    values = list_combinations(unspecified)
    R, (C, _, w) = len(values), model.requirements.grid
    end = int(known.missing.long().argmax())
    nats = torch.zeros(R, dtype=torch.float64)

    def choose(k: int, symbols: SymbolDistribution) -> Tensor:
        x = known.symbols[k]
        if k < end:
            nats.sub_(symbols.logits[:, x].cpu())
        return x.expand(R)

    each: ConditionValues = {
        name: value.expand(R, *value.shape[1:]) if isinstance(value, Tensor) else value * R
        for name, value in condition_values.items()
    }
    each |= {c.name: values[:, k] for k, c in enumerate(unspecified)}
    rows = model.walk_resolved(choose, R, each)
    for _ in islice(rows, -(-end // (w * C))):
        pass
    return (-nats).softmax(0)
