"""Forms of tasks, as plain values: from a task's signature and docs, and from a model's `Spec`.

Neither a new model nor a new family nor a new sampler needs an edit here.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from dataclasses import replace
from inspect import Parameter
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from smalti.core.changes import convert_type
from smalti.core.config import find_config_tag
from smalti.core.config_flags import Flag, list_flags, take_first_sentence
from smalti.core.errors import UserError
from smalti.core.protocols import Spec
from smalti.core.ranges import Range
from smalti.web.limits import Limits
from smalti.web.models import Models
from smalti.web.registry import WebTask

Field = dict[str, Any]
"""A field of a form: `name`, `kind`, `help`, `default`, and `low`, `high`, `choices` ..."""
Form = dict[str, Any]
SPECIAL = ("model", "classes", "text", "conditions", "size", "sampler", "pictures", "strength")
"""Parameters that depend on the model."""
INHERITED = ("clip", "guidance")
"""Fields whose default a sampler that fills holes takes from the model's own."""


def make_form(task: WebTask, models: Models, limits: Limits, model: str | None = None) -> Form:
    """The form of a task: its fields, and the samplers of the model that is named.

    UserError for a model that is not offered.
    """
    function, parameters = task.load_function(), task.list_parameters()
    docs = task.read_docs()
    spec = models.read_spec(model) if model is not None else None
    fields: list[Field] = []
    for name, parameter in parameters.items():
        help = take_first_sentence(docs.get(name, ""))
        if name in SPECIAL and name not in task.uploads:
            fields += make_special_fields(name, task, spec, models, help)
        elif name in task.uploads:
            if name != "pictures" or spec is None or takes_pictures(spec):
                fields.append(make_upload_field(parameter, help))
        elif name in task.data:
            fields.append({"name": name, "help": help, "kind": "data", "required": True})
        elif name in task.runs:
            fields.append({"name": name, "help": help, "kind": "text", "default": None})
        elif name in task.choices:
            field = {"name": name, "help": help, "kind": "choice", "default": None}
            fields.append(field | {"choices": task.list_choices(name)})
        elif field := make_field(name, parameter.annotation, parameter.default, help):
            fields.append(limit_field(field, task.pictures or limits.pictures))
    summary = (function.__doc__ or "").strip().partition("\n")[0]
    return {"task": task.name, "model": model, "summary": summary, "fields": fields}


def make_special_fields(
    name: str, task: WebTask, spec: Spec | None, models: Models, help: str
) -> Iterator[Field]:
    """The fields of a parameter that depends on the model: none if the model takes none."""
    field: Field = {"name": name, "help": help}
    if name == "model":
        yield field | {"kind": "model", "choices": models.list_able(task.ability)}  # type: ignore[arg-type]
    elif spec is None:
        return
    elif name == "classes" and spec.classes:
        none = any(c.name == "class" and c.allows_none for c in spec.conditions)
        yield field | {"kind": "classes", "choices": [*spec.classes], "allows_none": none}
    elif name == "text" and "text" in spec.accepted_inputs:
        yield field | {"kind": "texts"}
    elif name == "conditions":
        yield from make_condition_fields(spec, help)
    elif name == "size" and spec.free_size:
        yield field | {"kind": "size", "default": spec.size}
    elif name == "strength" and "strength" in spec.accepted_inputs:
        yield field | {"kind": "number", "low": 0, "high": 1, "default": None}
    elif name == "sampler" and spec.samplers:
        yield field | {"kind": "sampler", "variants": [*describe_samplers(spec, task.fills)]}


def make_condition_fields(spec: Spec, help: str) -> Iterator[Field]:
    """A field for each condition that has no parameter of its own."""
    for condition in spec.conditions:
        if condition.name in ("class", "text") or condition.is_picture:
            continue
        field: Field = {"name": f"conditions.{condition.name}", "help": help}
        field["label"] = condition.name
        if condition.values:
            field |= {"kind": "classes", "choices": [*condition.values]}
            yield field | {"allows_none": condition.allows_none}
        elif not condition.has_default:
            yield field | {"kind": "texts"}


def describe_samplers(spec: Spec, fills: bool = False) -> Iterator[dict[str, Any]]:
    """Each sampler with its options and defaults, the model's own first.

    Another sampler keeps the values that the model's own has, too, as `find_sampler` does. Where
    these are out of its range, it is "explicit": a client sends all of its values.
    """
    for sampler in spec.samplers:
        if getattr(sampler, "fills_holes", False) == fills:
            adapted = adapt_sampler(sampler, spec.samplers[0], fills)
            options = [make_flag_field(flag) for flag in list_flags(adapted or sampler)]
            fields = [field for field in options if field]
            tag = find_config_tag(type(sampler))
            yield {"tag": tag, "fields": fields, "explicit": adapted is None}


def adapt_sampler(sampler: Any, native: Any, fills: bool) -> Any:
    """A sampler with values of the model's own sampler; None if these are out of its range."""
    try:
        if not fills:
            return convert_type(native, type(sampler))
        values = {name: getattr(native, name) for name in INHERITED if hasattr(native, name)}
        return replace(sampler, **values)
    except UserError:
        return None


def make_flag_field(flag: Flag) -> Field | None:
    """The field of a config's option."""
    return make_field(flag.name, flag.hint, flag.default, flag.help)


def make_upload_field(parameter: Parameter, help: str) -> Field:
    """The field of a picture or several."""
    return {
        "name": parameter.name,
        "help": help,
        "kind": "picture",
        "required": parameter.default is Parameter.empty,
        "multiple": "Sequence" in str(parameter.annotation),
    }


def make_field(name: str, hint: Any, default: Any, help: str) -> Field | None:
    """A field by its type; None for a type that no form has, such as an object."""
    field: Field = {"name": name, "help": help, "default": None}
    if default is Parameter.empty:
        field["required"] = True
    elif default is None or isinstance(default, bool | int | float | str):
        field["default"] = default
    hint, rule = unwrap_hint(hint)
    if hint is bool:
        return field | {"kind": "switch"}
    if hint in (int, float):
        return field | {"kind": "integer" if hint is int else "number", **describe_range(rule)}
    if get_origin(hint) is Literal:
        return field | {"kind": "choice", "choices": [*get_args(hint)]}
    if hint is str:
        return field | {"kind": "text"}
    return None


def unwrap_hint(hint: Any) -> tuple[Any, Range | None]:
    """A hint without None, ranges and unions; and its range."""
    rule: Range | None = None
    while True:
        origin, args = get_origin(hint), get_args(hint)
        if origin is Annotated:
            rule = next((a for a in args[1:] if isinstance(a, Range)), rule)
            hint = args[0]
        elif origin in (Union, types.UnionType):
            kept = [a for a in args if a is not type(None)]
            kept = [a for a in kept if get_origin(a) is Literal] or kept  # names before lists
            scalars = [a for a in kept if unwrap_hint(a)[0] in (int, float, str, bool)]
            if len(kept) != 1 and len(kept) != len(scalars):
                return object, rule
            hint = kept[0] if len(kept) == 1 else str
        else:
            return hint, rule


def describe_range(rule: Range | None) -> dict[str, Any]:
    """Ends of a range that a browser and JSON can hold."""
    if rule is None:
        return {}
    ends = {"low": rule.low, "high": rule.high}
    found: dict[str, Any] = {k: v for k, v in ends.items() if abs(v) < 2**53}
    if rule.excludes_low and "low" in found:
        found["excludes_low"] = True
    return found


def limit_field(field: Field, pictures: int) -> Field:
    """Lower the high end of counts to what this server allows."""
    if field["name"] in ("n", "frames"):
        field["high"] = min(field.get("high", pictures), pictures)
        if isinstance(field["default"], int):
            field["default"] = min(field["default"], pictures)
    return field


def takes_pictures(spec: Spec) -> bool:
    """Whether a model draws from pictures, or under a condition that is one."""
    return "picture" in spec.accepted_inputs or any(c.is_picture for c in spec.conditions)


JSON_TYPES: Mapping[str, dict[str, Any]] = {
    "switch": {"type": "boolean"},
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "text": {"type": "string"},
    "choice": {"enum": []},
    "model": {"type": "string"},
    "texts": {"type": "array", "items": {"type": "string"}},
    "classes": {"type": "array", "items": {"type": ["string", "integer"]}},
    "size": {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2},
    "sampler": {"type": "object", "additionalProperties": True},
    "conditions": {"type": "object", "additionalProperties": True},
    "picture": {"$ref": "#/components/schemas/Picture"},
    "data": {"oneOf": [{"$ref": "#/components/schemas/Picture"}, {"type": "string"}]},
    "codes": {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}},
}
"""The JSON Schema of each kind of field."""


def to_json_schema(field: Field) -> dict[str, Any]:
    """A field as JSON Schema, for OpenAPI."""
    schema = {**JSON_TYPES[field["kind"]]}
    if field["kind"] == "choice":
        schema["enum"] = field["choices"]
    if field["kind"] == "picture" and field.get("multiple"):
        schema = {"oneOf": [schema, {"type": "array", "items": schema}]}
    if "low" in field:
        schema["exclusiveMinimum" if field.get("excludes_low") else "minimum"] = field["low"]
    if "high" in field:
        schema["maximum"] = field["high"]
    if field.get("default") is not None:
        schema["default"] = field["default"]
    return schema | ({"description": field["help"]} if field.get("help") else {})
