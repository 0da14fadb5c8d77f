"""The set of samples used by all measures."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import torch
from torch import Tensor, nn

from smalti.core.config import coerce_value
from smalti.core.drawing import draw_in_batches
from smalti.core.errors import UserError
from smalti.core.progress import OnProgress, ignore_event
from smalti.core.protocols import Condition, GenerativeModel, LikelihoodModel, Sampler
from smalti.core.ranges import BatchSize, SampleCount
from smalti.core.rng import list_seeds
from smalti.core.sampling_inputs import SamplingInputs
from smalti.core.short_repr import add_short_repr
from smalti.data.pictures import Pictures
from smalti.evaluation.cost import count_forwards

ClassOrder = Literal["turns", "data"]
"""Classes cycled, all equally often, or as often as in the training pictures."""
GOLDEN = 0.6180339887498949


@dataclass(frozen=True, eq=False)
@add_short_repr
class SampleSet:
    """Samples and their cost."""

    pictures: Tensor
    """(N, C, H, W) in [0, 1], on the CPU."""
    labels: Tensor | None
    """(N,) the requested class of each."""
    seconds: float
    """Total time of sampling."""
    forwards: int | None
    """Total pictures passed through the network; None for a model that does not run it whole."""
    condition_pictures: tuple[str, ...] = ()
    """Names of the conditions that were pictures, those of held-out pictures."""


def draw_sample_set(
    model: GenerativeModel,
    n: int,
    seed: int = 0,
    labels: Tensor | None = None,
    sampler: Sampler | None = None,
    batch_size: int = 100,
    on_progress: OnProgress = ignore_event,
    text: list[str] | None = None,
    conditions: Mapping[str, Tensor] = MappingProxyType({}),
    attributes: Mapping[str, list[str]] = MappingProxyType({}),
) -> SampleSet:
    """Draw n samples with the seeds seed .. seed + n - 1, `batch_size` at a time.

    labels: (n,) or None.  text: n captions, for a model conditioned on text.  conditions: n
    pictures by name, for one conditioned on pictures.  attributes: n values by name.
    """
    seeds = list_seeds(seed, coerce_value(n, SampleCount, "n"))
    batch_size = coerce_value(batch_size, BatchSize, "batch_size")
    inputs = SamplingInputs(labels=labels, text=text, conditions={**conditions, **attributes})
    begun = time.perf_counter()
    with count_forwards(model) as forwards:
        drawn = draw_in_batches(
            model, seeds, inputs, sampler, batch_size=batch_size, on_progress=on_progress
        )
    seconds = time.perf_counter() - begun
    count = (forwards.count or None) if forwards else None
    return SampleSet(drawn.pictures, labels, seconds, count, tuple(conditions))


def find_device(model: nn.Module | LikelihoodModel) -> str:
    """Find the device of a model's weights."""
    weight = next(iter(model.parameters()), None)
    return "cpu" if weight is None else str(weight.device)


def choose_classes(n: int, K: int, order: ClassOrder, labels: Tensor | None) -> Tensor | None:
    """Choose the class of each of n samples, (n,); None for a model without classes.

    "turns": i mod K.  "data": as often as in `labels` (M,), also in every prefix: sample i takes
    the class at the fraction i * (golden ratio) mod 1 of the sorted labels.
    """
    if not K:
        return None
    i = torch.arange(n)
    if order == "turns":
        return i % K
    if labels is None or not len(labels):
        raise UserError("classes is 'data', but the data have no classes; choose 'turns'")
    rows = ((i + 0.5) * GOLDEN % 1 * len(labels)).long()
    return labels.sort().values[rows]


def choose_captions(n: int, accepted_inputs: Sequence[str], held_out: Pictures) -> list[str] | None:
    """Choose the caption of each of n samples, by cycling those of the held-out pictures.

    None if the model takes no text; empty captions if the pictures have none.  accepted_inputs:
    names of the inputs that the model takes.
    """
    if "text" not in accepted_inputs:
        return None
    captions = held_out.captions or ("",)
    return [captions[i % len(captions)] for i in range(n)]


def choose_condition_pictures(
    conditions: Sequence[Condition], held_out: Pictures, n: int
) -> dict[str, Tensor]:
    """Choose condition pictures of n samples, by cycling those of the held-out pictures.

    conditions: the model's. UserError if pictures are missing that the model needs.
    """
    chosen: dict[str, Tensor] = {}
    rows = torch.arange(n) % max(1, len(held_out))
    for c in conditions:
        if not c.is_picture or c.has_default:
            continue
        source = held_out.conditions.get(c.name, held_out if c.is_derived else None)
        if source is not None:
            chosen[c.name] = source.take_floats(rows)
        elif not c.allows_none:
            raise UserError(
                f"{held_out.name} has no condition pictures, but this model needs {c.name}; "
                "give their folder (--picture-data)"
            )
    return chosen


def choose_attributes(
    conditions: Sequence[Condition], held_out: Pictures, n: int
) -> dict[str, list[str]]:
    """Choose attributes of n samples, by cycling those of the held-out pictures."""
    names = {c.name for c in conditions if c.values}
    words = {k: one.list_words() for k, one in held_out.attributes.items() if k in names}
    return {name: [column[i % len(column)] for i in range(n)] for name, column in words.items()}


def choose_balanced(pictures: Pictures, n: int, order: ClassOrder = "turns") -> Tensor:
    """Choose n pictures to compare with n samples, (n,), or all if there are fewer.

    "turns": the first of each class, then the second, ..., so that every prefix is balanced like
    the samples.  "data", or without classes: the first ones.
    """
    labels, K = pictures.labels, len(pictures.classes)
    if labels is None or not K or order == "data":
        return torch.arange(min(n, len(pictures)))
    ranks = torch.empty_like(labels)
    for k in range(K):
        of_class = labels == k
        ranks[of_class] = torch.arange(int(of_class.sum()))  # its rank within the class
    return (ranks * K + labels).argsort()[:n]
