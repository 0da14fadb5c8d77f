"""What a model is told, checked: one mechanism for classes, captions and whatever else there is."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from smalti.core.errors import UserError, shorten
from smalti.core.given import Given
from smalti.core.protocols import Batch, Condition, Spec

Told = dict[str, Tensor | list[str]]
"""What is told of n pictures, by the condition's name: (n,) integers, or n texts."""
NONE = "none"
"""The value of a condition that is not told."""
SHOWN = 20
"""Most values that an error lists."""


def merge_shorthands(given: Given | Batch) -> Told:
    """`labels` and `text` by their names beside the other conditions. UserError for any twice."""
    told: Told = dict(given.conditions)
    for name, field, value in (("class", "labels", given.labels), ("text", "text", given.text)):
        if value is None:
            continue
        if name in told:
            raise UserError(f"{field} and conditions[{name!r}] are both given; give one of them")
        told[name] = value
    return told


def resolve(given: Given | Batch, spec: Spec, n: int) -> Told:
    """What a model is told of n pictures: (n,) int64 on the CPU for values, n strings for text.

    Values may be given by name, and "none" where the model learned without: this is the index
    behind the last. Of a batch that tells more than the model asks, the rest is left out. UserError
    for what the model is not told, for another number than n, and for values it does not have.
    """
    told, known = merge_shorthands(given), {c.name: c for c in spec.conditions}
    if isinstance(given, Given) and (odd := [name for name in told if name not in known]):
        told_as = "classes are" if odd[0] == "class" else f"{odd[0]} is"
        takes = f"is told {', '.join(known)}" if known else "has none"
        raise UserError(f"{told_as} given, but this model {takes}; leave {odd[0]} out")
    return {k: check_condition(v, known[k], n) for k, v in told.items() if k in known}


def check_condition(value: Tensor | list[str], condition: Condition, n: int) -> Tensor | list[str]:
    """The value of one condition, as `resolve` has it."""
    name, K = condition.name, len(condition.values)
    shape = (len(value),) if not isinstance(value, Tensor) else tuple(value.shape)
    if shape != (n,):
        found = shape[0] if len(shape) == 1 else shape
        raise UserError(f"{found} of {name} are given for {n} pictures; give one each")
    if not isinstance(value, Tensor):
        return find_values(value, condition) if K else list(value)
    if not K or value.is_floating_point() or value.dtype == torch.bool:
        wanted = f"integers from 0 to {K - 1}, or names" if K else "text"
        raise UserError(f"{name} is given as {value.dtype}; give {wanted}")
    y = value.detach().cpu()
    if len(bad := y[(y < 0) | (y >= K)]):
        by_name = f', or "{NONE}" by name' if condition.unknown else ""
        raise UserError(f"{name} {int(bad[0])} is given; this model's are 0 to {K - 1}{by_name}")
    return y.long()


def find_values(names: Sequence[str], condition: Condition) -> Tensor:
    """(n,) places of names among a condition's values; "none" is the one behind the last."""
    places = {name: k for k, name in reversed([*enumerate(condition.values)])}
    if condition.unknown:
        places.setdefault(NONE, len(places))
    for name in names:
        if name not in places:
            raise UserError(explain_missing(name, condition))
    return torch.tensor([places[name] for name in names], dtype=torch.int64)


def explain_missing(value: str, condition: Condition) -> str:
    """What is said of a value that a model does not have."""
    shown = ", ".join(condition.values[:SHOWN]) + ", ..." * (len(condition.values) > SHOWN)
    if value == NONE:
        return f"this model never learned without {condition.name}; give one of {shown}"
    return f"{condition.name} {shorten(value)} is none of this model's: {shown}"


def shorthands(conditions: Sequence[Condition]) -> tuple[str, ...]:
    """The fields of `Given` by which a model may be told these."""
    names = {c.name for c in conditions}
    short = {"class": "labels", "text": "text"}
    fields = tuple(field for name, field in short.items() if name in names)
    return (*fields, "conditions") if names else ()
