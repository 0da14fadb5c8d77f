"""The conditions of a model, selected by name from those that the pictures have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from smalti.core.errors import UserError
from smalti.core.messages import suggest_similar
from smalti.data.pictures import Pictures, Splits
from smalti.layers.condition_encoder import Choice, make_choices

CLASS, TEXT = "class", "text"


def list_condition_names(pictures: Pictures) -> list[str]:
    """List the names of what the pictures have: classes, captions and attributes."""
    own = {CLASS: pictures.classes, TEXT: pictures.captions}
    return [*(name for name, values in own.items() if values), *sorted(pictures.attributes)]


def check_condition_names(names: Sequence[str], pictures: Pictures) -> None:
    """UserError for a condition that the pictures lack."""
    known = list_condition_names(pictures)
    for name in names:
        if name not in known:
            has = f"has {', '.join(known)}" if known else "has neither classes nor captions"
            hint = suggest_similar(name, known) or "give some of these"
            raise UserError(f"condition {name} is given, but {pictures.name} {has}; {hint}")


def select_conditions(splits: Splits, names: Sequence[str] | None) -> Splits:
    """Keep the conditions of these names; None for classes and captions, without attributes.

    UserError for one that is missing.
    """
    if names is not None:
        check_condition_names(names, splits.train)
    names = (CLASS, TEXT) if names is None else names
    test = None if splits.test is None else keep_conditions(splits.test, names)
    train, valid = (keep_conditions(part, names) for part in (splits.train, splits.valid))
    return replace(splits, train=train, valid=valid, test=test)


def keep_conditions(pictures: Pictures, names: Sequence[str]) -> Pictures:
    has_class = CLASS in names
    return replace(
        pictures,
        labels=pictures.labels if has_class else None,
        classes=pictures.classes if has_class else (),
        captions=pictures.captions if TEXT in names else (),
        attributes={k: pictures.attributes[k] for k in names if k in pictures.attributes},
    )


def make_all_choices(pictures: Pictures) -> tuple[Choice, ...]:
    """A choice for the classes, and one for each attribute.

    A sample without a class draws one, as always; a sample without an attribute has none.
    """
    attributes = (
        Choice(one.values, name, optional=True) for name, one in pictures.attributes.items()
    )
    return (*make_choices(pictures.classes), *attributes)
