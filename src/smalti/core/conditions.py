"""What a model is told, checked: one mechanism for classes, captions and whatever else there is."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from smalti.core.errors import UserError, shorten
from smalti.core.protocols import Batch, Condition, Spec
from smalti.core.sampling_inputs import SamplingInputs

ConditionValues = dict[str, Tensor | list[str]]
"""What is told of n pictures, by the condition's name: (n,) integers, or n texts."""
NONE = "none"
"""The value of a condition that is not told."""
MAX_LISTED = 20
"""Most values that an error lists."""


def merge_shorthands(inputs: SamplingInputs | Batch) -> ConditionValues:
    """`labels` and `text` by their names beside the other conditions. UserError for any twice."""
    conditions: ConditionValues = dict(inputs.conditions)
    for name, field, value in (("class", "labels", inputs.labels), ("text", "text", inputs.text)):
        if value is None:
            continue
        if name in conditions:
            raise UserError(f"{field} and conditions[{name!r}] are both given; give one of them")
        conditions[name] = value
    return conditions


def resolve_conditions(inputs: SamplingInputs | Batch, spec: Spec, n: int) -> ConditionValues:
    """What a model is told of n pictures: (n,) int64 on the CPU for values, n strings for text.

    Values may be given by name, and "none" where the model learned without: this is the index
    behind the last. Of a batch that tells more than the model asks, the rest is left out. UserError
    for what the model is not told, for another number than n, and for values it does not have.
    """
    conditions, known = merge_shorthands(inputs), {c.name: c for c in spec.conditions}
    if isinstance(inputs, SamplingInputs) and (
        odd := [name for name in conditions if name not in known]
    ):
        told_as = "classes are" if odd[0] == "class" else f"{odd[0]} is"
        takes = f"is told {', '.join(known)}" if known else "has none"
        raise UserError(f"{told_as} given, but this model {takes}; leave {odd[0]} out")
    return {k: check_condition(v, known[k], n) for k, v in conditions.items() if k in known}


def check_condition(value: Tensor | list[str], condition: Condition, n: int) -> Tensor | list[str]:
    """The value of one condition, as `resolve` has it."""
    name, K = condition.name, len(condition.values)
    shape = (len(value),) if not isinstance(value, Tensor) else tuple(value.shape)
    if shape != (n,):
        found = shape[0] if len(shape) == 1 else shape
        raise UserError(f"{found} of {name} are given for {n} pictures; give one each")
    if not isinstance(value, Tensor):
        return find_value_indices(value, condition) if K else list(value)
    if not K or value.is_floating_point() or value.dtype == torch.bool:
        expected = f"integers from 0 to {K - 1}, or names" if K else "text"
        raise UserError(f"{name} is given as {value.dtype}; give {expected}")
    y = value.detach().cpu()
    if len(bad := y[(y < 0) | (y >= K)]):
        by_name = f', or "{NONE}" by name' if condition.allows_none else ""
        raise UserError(f"{name} {int(bad[0])} is given; this model's are 0 to {K - 1}{by_name}")
    return y.long()


def find_value_indices(names: Sequence[str], condition: Condition) -> Tensor:
    """(n,) places of names among a condition's values; "none" is the one behind the last."""
    indices = {name: k for k, name in reversed([*enumerate(condition.values)])}
    if condition.allows_none:
        indices.setdefault(NONE, len(indices))
    for name in names:
        if name not in indices:
            raise UserError(explain_unknown_value(name, condition))
    return torch.tensor([indices[name] for name in names], dtype=torch.int64)


def explain_unknown_value(value: str, condition: Condition) -> str:
    """What is said of a value that a model does not have."""
    shown = ", ".join(condition.values[:MAX_LISTED]) + ", ..." * (
        len(condition.values) > MAX_LISTED
    )
    if value == NONE:
        return f"this model never learned without {condition.name}; give one of {shown}"
    return f"{condition.name} {shorten(value)} is none of this model's: {shown}"


def list_input_fields(conditions: Sequence[Condition]) -> tuple[str, ...]:
    """The fields of `Given` by which a model may be told these."""
    names = {c.name for c in conditions}
    short = {"class": "labels", "text": "text"}
    fields = tuple(field for name, field in short.items() if name in names)
    return (*fields, "conditions") if names else ()
