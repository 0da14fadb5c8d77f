"""Configs with some of their fields changed, those of configs inside them, too."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from smalti.core.config import find_config_class, find_config_tag
from smalti.core.errors import UserError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

C = TypeVar("C", bound="DataclassInstance")


class UnknownFieldError(UserError):
    """A value for a field that a config, of the type that it has, lacks."""

    def __init__(self, field: str, config_name: str, config: DataclassInstance):
        self.field, self.config_name = field, config_name
        names = ", ".join(f.name for f in dataclasses.fields(config))
        self.reason = f"is {find_config_tag(type(config))}, which has {names}"
        super().__init__(self.format_message(str))

    def format_message(self, rename_field: Callable[[str], str]) -> str:
        """The message; rename_field: what a field is called."""
        return f"{rename_field(self.field)} is given, but {rename_field(self.config_name)} {self.reason}"


def change_config(
    config: C, values: Mapping[str, Any], config_name: str = "config", prefix: str = ""
) -> C:
    """`config` with some fields changed, by their names: {"schedule": "linear", "network.stem": 4}.

    A config inside it changes its type by a tag, and keeps the fields that both types have; one in
    a tuple goes by its own `name`. place and prefix: what the config, and what stands before its
    fields, is called in errors. UserError for a field that the chosen type lacks, and for a value
    that does not fit.
    """
    own = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    for key in values:
        if key.split(".")[0] not in own:
            raise UnknownFieldError(f"{prefix}{key}", config_name, config)
    changed: dict[str, Any] = {}
    for name, value in own.items():
        inner, where = select_inner_values(values, name), f"{prefix}{name}"
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            if name in values:
                value = convert_type(value, find_config_class(values[name]))
            changed[name] = change_config(value, inner, where, f"{where}.")
        elif inner and isinstance(value, tuple):
            changed[name] = change_members(value, inner, where)
        elif name in values:
            changed[name] = values[name]
    try:
        return dataclasses.replace(config, **changed)
    except UserError:
        raise
    except ValueError as error:  # a config's own complaint
        raise UserError(str(error)) from error


def select_inner_values(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Those for fields of the config that stands in the field `name`."""
    before = f"{name}."
    return {k.removeprefix(before): v for k, v in values.items() if k.startswith(before)}


def change_members(
    members: tuple[Any, ...], values: Mapping[str, Any], tuple_name: str
) -> tuple[Any, ...]:
    """Configs in a tuple, each with the values that are for its name."""
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
    """The config as one of `cls`, with the values of the fields that both have."""
    if isinstance(config, cls):
        return config
    own = {field.name for field in dataclasses.fields(config)}
    shared = [field.name for field in dataclasses.fields(cls) if field.name in own]
    return cls(**{name: getattr(config, name) for name in shared})
