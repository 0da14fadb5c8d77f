"""The command line and the Python lines that do what a job did."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from inspect import Parameter
from pathlib import Path
from typing import Any

from smalti.core.config_flags import format_option
from smalti.core.size import format_size
from smalti.web.registry import WebTask

OPTION_NAMES = {"n": "-n", "classes": "--class", "text": "--text", "pictures": "--picture"}
"""Options that are not called as their parameters."""
POSITIONAL = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.POSITIONAL_ONLY)


def format_command(task: WebTask, arguments: Mapping[str, Any]) -> str:
    """The command line; empty for a task without a verb."""
    if not task.verb:
        return ""
    words = ["smalti", task.verb]
    parameters = task.list_parameters()
    options = {**OPTION_NAMES, **task.options}
    ahead = [n for n, p in parameters.items() if p.kind in POSITIONAL and n not in options]
    for name in ahead:
        if (name in arguments and name != "model") or (name in arguments and is_first(name, ahead)):
            words += [str(v) for v in list_values(arguments[name])]
    for name, value in arguments.items():
        if name not in ahead or (name == "model" and not is_first(name, ahead)):
            words += format_words(name, value, options)
    return " ".join(shlex.quote(word) for word in words)


def is_first(name: str, names: list[str]) -> bool:
    """Whether it is the first of the names: a model in another place is an option."""
    return names[:1] == [name]


def format_words(name: str, value: Any, options: Mapping[str, str]) -> Iterator[str]:
    """An option and its value, or several of them."""
    if isinstance(value, bool):
        yield from [format_option(name)] if value else []
    elif name == "classes":
        yield from ["--class", ",".join(map(str, list_values(value)))]
    elif name == "conditions":
        for key, values in value.items():
            for one in list_values(values):
                yield from ["--condition", f"{key}={one}"]
    elif name == "size":
        yield from ["--size", format_size(tuple(value))]
    elif name == "sampler":
        for key, one in value.items():
            if isinstance(one, bool):
                yield format_option(key) if one else "--no-" + format_option(key)[2:]
            else:
                yield from [format_option(key), str(one)]
    elif isinstance(value, Mapping):
        yield from [format_option(name), f"{name}.tsv"]  # one of the result's files
    else:
        for one in list_values(value):
            yield from [options.get(name, format_option(name)), str(one)]


def format_python(task: WebTask, arguments: Mapping[str, Any], out: str = "result") -> str:
    """Python lines that do the same."""
    module = task.path.partition(":")[0]
    package = "smalti" if module == "smalti.tasks" else module
    given = {name: to_plain(value) for name, value in arguments.items()}
    first = next(iter(task.list_parameters()), "")
    words = [repr(given.pop(first))] if first in given else []
    words += [f"{name}={value!r}" for name, value in given.items()]
    if task.has_parameter("out") and not task.names_out:
        words.append(f"out={out!r}")
    return f"from {package} import {task.name}\n\n{task.name}({', '.join(words)})"


def to_plain(value: Any) -> Any:
    """A value whose repr is Python that makes it again; paths are text."""
    if isinstance(value, Path):
        return str(value)
    return [to_plain(v) for v in value] if isinstance(value, list) else value


def list_values(value: Any) -> list[Any]:
    """One value or several as a list."""
    return value if isinstance(value, list) else [value]
