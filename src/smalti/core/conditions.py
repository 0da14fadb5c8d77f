"""Check the conditions of samples: classes, captions and others."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from smalti.core.errors import UserError, shorten
from smalti.core.protocols import Batch, Condition, Spec
from smalti.core.sampling_inputs import SamplingInputs

ConditionValues = dict[str, Tensor | list[str]]
"""Conditions of n pictures, by name: (n,) integers, n texts, or n pictures (n, C, H, W)."""
SHIFT = "shift"
"""The name under which a batch of codes has the index of each picture's shift."""
NONE = "none"
"""The value that means "unconditional"."""
MAX_LISTED = 20
"""Maximum number of values that an error lists."""


def merge_shorthands(inputs: SamplingInputs | Batch) -> ConditionValues:
    """Merge `labels` and `text` into the conditions. UserError for one that is given twice."""
    conditions: ConditionValues = dict(inputs.conditions)
    for name, field, value in (("class", "labels", inputs.labels), ("text", "text", inputs.text)):
        if value is None:
            continue
        if name in conditions:
            raise UserError(f"{field} and conditions[{name!r}] are both given; give one of them")
        conditions[name] = value
    return conditions


def resolve_conditions(inputs: SamplingInputs | Batch, spec: Spec, n: int) -> ConditionValues:
    """Resolve the conditions of n pictures.

    (n,) int64 on the CPU for values, or (n, K) shares of each of K values, for networks that take
    vectors; n strings for text, (n, C, H, W) or codes for pictures.

    Values may be given by name; "none", for models trained without the condition, too, is the index
    after the last value. A batch may have more conditions than the model, which are ignored.
    UserError for conditions that the model does not take, for a number other than n, and for
    unknown values.
    """
    conditions, known = merge_shorthands(inputs), {c.name: c for c in spec.conditions}
    name = find_picture_condition(spec.conditions)
    if name and isinstance(inputs, SamplingInputs) and inputs.picture is not None:
        if name in conditions:
            raise UserError(f"picture and conditions[{name!r}] are both given; give one of them")
        conditions[name] = inputs.picture
    if isinstance(inputs, SamplingInputs) and (
        odd := [name for name in conditions if name not in known]
    ):
        subject = "classes are" if odd[0] == "class" else f"{odd[0]} is"
        takes = f"takes {', '.join(known)}" if known else "has none"
        raise UserError(f"{subject} given, but this model {takes}; leave {odd[0]} out")
    return {k: check_condition(v, known[k], n) for k, v in conditions.items() if k in known}


def check_shares(shares: Tensor, name: str) -> Tensor:
    """Check the shares (n, K) of the values of a condition: between them lie mixtures of values."""
    shares = shares.detach().cpu().float()
    if not (shares.min() >= 0 and torch.allclose(shares.sum(1), torch.ones(len(shares)))):
        raise UserError(f"{name} has shares that are negative or do not add up to 1")
    return shares


def check_condition(value: Tensor | list[str], condition: Condition, n: int) -> Tensor | list[str]:
    """Check and convert the value of one condition, as in `resolve_conditions`."""
    name, K = condition.name, len(condition.values)
    if condition.is_picture:
        return check_picture_condition(value, name, n)
    shape = (len(value),) if not isinstance(value, Tensor) else tuple(value.shape)
    if isinstance(value, Tensor) and K and shape == (n, K) and value.is_floating_point():
        return check_shares(value, name)
    if shape != (n,):
        count = shape[0] if len(shape) == 1 else shape
        raise UserError(f"{count} of {name} are given for {n} pictures; give one each")
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


def check_picture_condition(value: Tensor | list[str], name: str, n: int) -> Tensor:
    """Check that a condition is n pictures, or codes of n pictures; the codec checks the rest."""
    if not isinstance(value, Tensor) or value.ndim not in (3, 4):
        raise UserError(f"{name} is a picture; give pictures (n, C, H, W)")
    if len(value) != n:
        raise UserError(f"{len(value)} of {name} are given for {n} pictures; give one each")
    return value.detach()


def find_picture_condition(conditions: Sequence[Condition]) -> str | None:
    """Find the condition that `SamplingInputs.picture` sets: the only one that is a picture."""
    names = [c.name for c in conditions if c.is_picture and not c.has_default]
    return names[0] if len(names) == 1 else None


def takes_label_maps(conditions: Sequence[Condition]) -> bool:
    """Whether `SamplingInputs.picture` sets a condition of label maps."""
    name = find_picture_condition(conditions)
    return any(c.name == name and c.takes_labels for c in conditions)


def find_value_indices(names: Sequence[str], condition: Condition) -> Tensor:
    """Find the (n,) indices of names among a condition's values; "none" comes after the last."""
    indices = {name: k for k, name in reversed([*enumerate(condition.values)])}
    if condition.allows_none:
        indices.setdefault(NONE, len(indices))
    for name in names:
        if name not in indices:
            raise UserError(explain_unknown_value(name, condition))
    return torch.tensor([indices[name] for name in names], dtype=torch.int64)


def explain_unknown_value(value: str, condition: Condition) -> str:
    """Explain in an error that a model does not have this value."""
    shown = ", ".join(condition.values[:MAX_LISTED]) + ", ..." * (
        len(condition.values) > MAX_LISTED
    )
    if value == NONE:
        return f"this model was not trained without {condition.name}; give one of {shown}"
    return f"{condition.name} {shorten(value)} is not one of this model's: {shown}"


def list_input_fields(conditions: Sequence[Condition]) -> tuple[str, ...]:
    """List the fields of `SamplingInputs` that set these conditions."""
    names = {c.name for c in conditions}
    short = {"class": "labels", "text": "text"}
    fields = tuple(field for name, field in short.items() if name in names)
    fields += ("picture",) if find_picture_condition(conditions) else ()
    return (*fields, "conditions") if names else ()
