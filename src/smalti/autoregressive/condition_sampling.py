"""Choices that nobody makes for a model: drawn, also from what is known of a picture, or summed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from smalti.autoregressive.walk import KnownSymbols, encode_known, walk_rows
from smalti.core.conditions import ConditionValues, resolve_conditions
from smalti.core.protocols import Condition, SymbolDistribution
from smalti.core.rng import Rng
from smalti.core.sampling_inputs import SamplingInputs

if TYPE_CHECKING:
    from smalti.autoregressive.model import Autoregressive


def list_unspecified(
    conditions: Sequence[Condition], condition_values: ConditionValues
) -> list[Condition]:
    """The choices that nobody made."""
    return [c for c in conditions if c.values and c.name not in condition_values]


def list_combinations(unspecified: Sequence[Condition]) -> Tensor:
    """(R, c): every combination of their values."""
    values = [torch.arange(len(c.values)) for c in unspecified]
    return torch.cartesian_prod(*values).view(-1, len(unspecified))


def draw_conditions(model: Autoregressive, rng: Rng, inputs: SamplingInputs) -> SamplingInputs:
    """The same, with values drawn for the choices that are not made.

    Of pictures of which a part is known, as probable as they are given what comes before its first
    gap; else each as probable as any other.
    """
    n, conditions = len(rng), model.spec.conditions
    told = resolve_conditions(inputs, model.spec, n)
    # one number a choice, also of those that are made: what follows is the same
    u = {c.name: rng.uniform() for c in conditions if c.values}
    if not (untold := list_unspecified(conditions, told)):
        return inputs
    if (known := encode_known(model, inputs, n)) is None:
        drawn = {c.name: (u[c.name] * len(c.values)).long() for c in untold}
    else:
        sums = compute_posteriors(model, known, told, untold).cumsum(1)  # (n, R)
        row = torch.searchsorted(sums, u[untold[0].name][:, None], right=True)[:, 0]
        values = list_combinations(untold)[row.clamp(max=sums.shape[1] - 1)]  # (n, c)
        drawn = {c.name: values[:, k] for k, c in enumerate(untold)}
    labels = drawn.pop("class", inputs.labels)
    return replace(inputs, labels=labels, conditions={**inputs.conditions, **drawn})


def compute_posteriors(
    model: Autoregressive,
    known: KnownSymbols,
    condition_values: ConditionValues,
    unspecified: Sequence[Condition],
) -> Tensor:
    """(n, R) how probable each combination of values is; pictures that are alike are asked once."""
    found: dict[object, Tensor] = {}
    rows = []
    for i in range(len(known.symbols)):
        own = {name: value[i : i + 1] for name, value in condition_values.items()}
        part = KnownSymbols(*(x[i].cpu() for x in known))
        key = (*(x.numpy().tobytes() for x in part), str(own))
        if key not in found:
            found[key] = compute_posterior(model, part, own, unspecified)
        rows.append(found[key])
    return torch.stack(rows)


def compute_posterior(
    model: Autoregressive,
    known: KnownSymbols,
    condition_values: ConditionValues,
    unspecified: Sequence[Condition],
) -> Tensor:
    """(R,) how probable each combination of values is, given what comes before the first gap.

    known: of one picture, (T,) each, on the CPU. All combinations are as probable beforehand.
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
        name: value.expand(R) if isinstance(value, Tensor) else value * R
        for name, value in condition_values.items()
    }
    each |= {c.name: values[:, k] for k, c in enumerate(unspecified)}
    rows = walk_rows(model, choose, R, model.encode_conditions(each, R), None)
    for _ in islice(rows, -(-end // (w * C))):
        pass
    return (-nats).softmax(0)
