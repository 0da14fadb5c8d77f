"""Change fields of configs, nested ones included."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from smalti.core.config import SAMPLER_TAGS, find_config_class, find_config_tag
from smalti.core.errors import UserError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

C = TypeVar("C", bound="DataclassInstance")


class UnknownFieldError(UserError):
    """A value for a field that the config's type does not have."""

    def __init__(self, field: str, config_name: str, config: DataclassInstance):
        self.field, self.config_name = field, config_name
        names = ", ".join(f.name for f in dataclasses.fields(config))
        tag = find_config_tag(type(config))
        others = list_samplers_with(field.rpartition(".")[2]) if tag in SAMPLER_TAGS else []
        self.reason = f"is {tag}, which has {names}"
        if others:
            self.reason += f"; {', '.join(others)} {'has' if len(others) == 1 else 'have'} it"
        super().__init__(self.format_message(str))

    def format_message(self, rename_field: Callable[[str], str]) -> str:
        """The error message. rename_field: maps a field to its name for the user."""
        field, config = rename_field(self.field), rename_field(self.config_name)
        return f"{field} is given, but {config} {self.reason}"


def list_samplers_with(field: str) -> list[str]:
    """The tags of samplers that have a field of this name."""
    classes = {tag: find_config_class(tag) for tag in SAMPLER_TAGS}
    return [t for t, cls in classes.items() if field in (f.name for f in dataclasses.fields(cls))]


def change_config(
    config: C, values: Mapping[str, Any], config_name: str = "config", prefix: str = ""
) -> C:
    """Copy `config` with some fields changed, by name: {"schedule": "linear", "network.stem": 4}.

    A tag changes the type of a nested config, which keeps the fields that both types have. A
    config in a tuple is addressed by its `name`. config_name, prefix: the names of the config and
    the prefix of its fields in errors. UserError for a field that the selected type lacks, and for
    an invalid value.
    """
    current = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    for key in values:
        if key.split(".")[0] not in current:
            raise UnknownFieldError(f"{prefix}{key}", config_name, config)
    changed: dict[str, Any] = {}
    for name, value in current.items():
        inner, where = select_inner_values(values, name), f"{prefix}{name}"
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            if name in values:
                value = convert_type(value, find_config_class(values[name]))
            changed[name] = change_config(value, inner, where, f"{where}.")
        elif inner and value is None:
            raise UserError(
                f"{where}.{min(inner)} is given, but this model has no {name}; leave it out, or "
                "choose a model that has"
            )
        elif inner and isinstance(value, tuple):
            changed[name] = change_members(value, inner, where)
        elif name in values:
            changed[name] = values[name]
    try:
        return dataclasses.replace(config, **changed)
    except UserError:
        raise
    except ValueError as error:  # raised by the config's check
        raise UserError(str(error)) from error


def select_inner_values(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Select the values for the config in the field `name`, without that prefix."""
    before = f"{name}."
    return {k.removeprefix(before): v for k, v in values.items() if k.startswith(before)}


def change_members(
    members: tuple[Any, ...], values: Mapping[str, Any], tuple_name: str
) -> tuple[Any, ...]:
    """Change configs in a tuple; values are addressed by a config's `name`."""
    names = [getattr(member, "name", "") for member in members]
    for key in values:
        if key.split(".")[0] not in names:
            raise UserError(
                f"{tuple_name}.{key} is given, but {tuple_name} has {', '.join(names) or 'none'}"
            )
    return tuple(
        change_config(
            member,
            select_inner_values(values, name),
            f"{tuple_name}.{name}",
            f"{tuple_name}.{name}.",
        )
        for member, name in zip(members, names, strict=True)
    )


def convert_type(config: DataclassInstance, cls: type[C]) -> C:
    """Convert a config to `cls`, keeping the fields that both types have."""
    if isinstance(config, cls):
        return config
    names = {field.name for field in dataclasses.fields(config)}
    shared = [field.name for field in dataclasses.fields(cls) if field.name in names]
    return cls(**{name: getattr(config, name) for name in shared})
