"""What a client asks for, as arguments of a task."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from inspect import Parameter
from pathlib import Path
from typing import Any, get_args

from smalti.core.config import coerce_value
from smalti.core.errors import UserError, shorten
from smalti.core.messages import suggest_name
from smalti.core.size import normalize_size
from smalti.web.client_files import ClientFiles
from smalti.web.limits import Limits
from smalti.web.models import Models
from smalti.web.registry import WebTask

Values = Mapping[str, Any]
FindUpload = Callable[[str], Path]
"""Finds the file of one of the client's own uploads; UserError for any other id."""
MAX_WORDS, MAX_WORD = 256, 10_000
"""Values of a list, and characters of a text."""
MAX_TERMS = 1_000
"""Texts by text."""


def parse_arguments(
    task: WebTask, values: object, models: Models, limits: Limits, files: ClientFiles
) -> dict[str, Any]:
    """The arguments of a task, of JSON values. UserError names the first that is wrong."""
    if not isinstance(values, Mapping):
        raise UserError(f"arguments is {shorten(values)}; give an object of names and values")
    parameters = task.list_parameters()
    parsed: dict[str, Any] = {}
    for name, value in values.items():
        if name not in parameters:
            raise UserError(f"no argument {name!r:.60}; {suggest_name(name, parameters)}")
        if value is None:
            continue
        if name in task.uploads:
            parsed[name] = parse_uploads(name, value, parameters[name], files.find_upload)
        elif name in task.data:
            parsed[name] = files.find_data(value)
        elif name in task.runs:
            parsed[name] = files.find_run(value)
        else:
            parsed[name] = parse_value(name, value, parameters[name], models)
    check_required(parameters, parsed)
    check_limits(
        parsed, limits if task.pictures is None else replace(limits, pictures=task.pictures)
    )
    if "minutes" in parameters and not files.runs.is_local:
        check_minutes(parsed.get("minutes"), limits)
    return {name: parsed[name] for name in parameters if name in parsed} | dict(task.fixed)


def parse_value(name: str, value: Any, parameter: Parameter, models: Models) -> Any:
    """One argument. Text is never taken for the path of a file."""
    if name == "model":
        return models.find_model(value).location
    if name in ("classes", "text") or takes(parameter.annotation, Sequence[str]):
        return parse_words(name, value)
    if name == "conditions":
        if not isinstance(value, Mapping):
            raise UserError(f"conditions is {shorten(value)}; give an object of names and values")
        return {str(key): parse_words(f"conditions.{key}", v) for key, v in value.items()}
    if name == "size":
        return normalize_size(tuple(value) if isinstance(value, list) else value)
    if name == "sampler":
        return parse_sampler(value)
    if isinstance(value, Mapping) and takes(parameter.annotation, Mapping[str, str]):
        return parse_terms(name, value)
    return coerce_value(value, parameter.annotation, name)


def takes(hint: object, wanted: object) -> bool:
    """Whether a parameter takes a type, perhaps among others."""
    return wanted in (hint, *get_args(hint))


def parse_terms(name: str, value: Mapping[Any, Any]) -> dict[str, str]:
    """Texts by text, such as a glossary."""
    terms = {key: term for key, term in value.items() if isinstance(term, str)}
    if len(terms) < len(value) or len(terms) > MAX_TERMS:
        raise UserError(f"{name} is {shorten(value)}; give up to {MAX_TERMS} texts by text")
    return terms


def parse_words(name: str, value: Any) -> list[int | str]:
    """One word or number, or a list of them."""
    words = value if isinstance(value, list) else [value]
    plain = all(isinstance(w, int | str) and not isinstance(w, bool) for w in words)
    if not plain or len(words) > MAX_WORDS or any(len(str(w)) > MAX_WORD for w in words):
        raise UserError(f"{name} is {shorten(value)}; give up to {MAX_WORDS} words or numbers")
    return words


def parse_sampler(value: Any) -> dict[str, Any]:
    """Changes of the model's sampler: plain values by name."""
    if not isinstance(value, Mapping) or not all(
        isinstance(v, bool | int | float | str) for v in value.values()
    ):
        raise UserError(f'sampler is {shorten(value)}; give values by name, such as {{"steps": 8}}')
    return dict(value)


def parse_uploads(name: str, value: Any, parameter: Parameter, find_upload: FindUpload) -> Any:
    """The files of uploads, or a number where the parameter also takes one."""
    if isinstance(value, list) and "Sequence" in str(parameter.annotation):
        if not 1 <= len(value) <= MAX_WORDS:
            raise UserError(f"{name} has {len(value)} uploads; give 1 to {MAX_WORDS}")
        return [parse_uploads(name, one, parameter, find_upload) for one in value]
    is_number = isinstance(value, int) and not isinstance(value, bool)
    if is_number and "int" in str(parameter.annotation):
        return value
    if isinstance(value, Mapping) and isinstance(value.get("upload"), str):
        return find_upload(value["upload"])
    raise UserError(f'{name} is {shorten(value)}; upload a file, and give {{"upload": "its id"}}')


def check_required(parameters: Mapping[str, Parameter], parsed: Values) -> None:
    """UserError if an argument is missing that has no default."""
    for name, parameter in parameters.items():
        if parameter.default is Parameter.empty and name not in parsed:
            raise UserError(f"the argument {name!r} is missing; give it")


def check_minutes(minutes: float | None, limits: Limits) -> None:
    """UserError for training that has no end, or a late one, on a server for others."""
    if minutes is None or minutes > limits.train_minutes:
        shown = "not given" if minutes is None else f"{minutes:g}"
        raise UserError(
            f"minutes is {shown}; this server trains {limits.train_minutes:g} minutes at most"
        )


def check_limits(parsed: Values, limits: Limits) -> None:
    """UserError for more than this server allows at a time."""
    for name in ("n", "frames"):
        if parsed.get(name, 0) > limits.pictures:
            raise UserError(
                f"{name} is {parsed[name]}; this server makes {limits.pictures} pictures at a time"
            )
    if "size" in parsed and max(parsed["size"]) > limits.side:
        raise UserError(f"size is {max(parsed['size'])}; this server allows {limits.side} at most")
    codes = parsed.get("codes") or [[]]
    if max(len(codes), *map(len, codes)) > limits.code_side:
        raise UserError(f"codes have more than {limits.code_side} rows or columns; give fewer")
