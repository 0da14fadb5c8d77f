"""The API reference: a page for each public module, of its names, made from their docstrings."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, ForwardRef

MODULES = {
    "smalti": "the names at the top, and the tasks that verbs call",
    "smalti.diffusion": "",
    "smalti.autoregressive": "",
    "smalti.pixelcnn": "",
    "smalti.sliding": "",
    "smalti.codecs": "`smalti.vq` has the same names",
    "smalti.translation": "",
    "smalti.patchmatch": "",
    "smalti.data": "",
    "smalti.training": "",
    "smalti.recipes": "",
    "smalti.evaluation": "",
    "smalti.features": "",
    "smalti.coding": "",
    "smalti.convert": "",
    "smalti.tasks": "",
    "smalti.core.pictures": "pictures as files, grids and GIFs",
    "smalti.core.protocols": "what models, codecs and data sets must have",
    "smalti.core.config": "configs as dataclasses and JSON",
}
PARAMETER = re.compile(r"(\w+(?:, \w+)*): (.*)")
ENDING = re.compile(r"Raises|Returns|Yields|UserError|`UserError`")
"""How a line begins that ends the list of parameters."""
CODE = re.compile(r"`[^`]*`")
SIGNS = re.compile(r"(`[^`]*`)|([*|\\]|_(?=\W|$))")
"""Code as a whole, or a sign that reStructuredText would read as markup."""
LONGEST_DEFAULT = 40


def write_pages(folder: Path) -> None:
    """Write a page for each module, and their index; pages that are the same stay as they are."""
    folder.mkdir(exist_ok=True)
    documented: dict[int, str] = {}
    pages = {name: format_page(name, documented) for name in MODULES}
    names = "\n".join(f"   {name}" for name in pages)
    pages["index"] = format_title("API reference") + (
        "Every public name, from its docstring. :doc:`/docs/python` shows how they are used.\n\n"
        f".. toctree::\n   :maxdepth: 1\n\n{names}\n"
    )
    for path in folder.glob("*.rst"):
        if path.stem not in pages:
            path.unlink()
    for name, text in pages.items():
        path = folder / f"{name}.rst"
        if not path.is_file() or path.read_text() != text:
            path.write_text(text)


def format_page(name: str, documented: dict[int, str]) -> str:
    """Format a module's page. A name that an earlier page documents is only linked."""
    module = import_module(name)
    lines = [format_title(name), convert_inline(inspect.getdoc(module) or ""), ""]
    if note := MODULES[name]:
        lines += [convert_inline(f"Here: {note}."), ""]
    elsewhere: list[str] = []
    for key, value in list_public(module):
        if page := documented.get(id(value)):
            elsewhere.append(f":py:obj:`~{page}.{key}`")
            continue
        documented[id(value)] = name
        lines += list(format_directive(f"{name}.{key}", value))
    if elsewhere:
        lines += ["Also here: " + ", ".join(elsewhere) + ".", ""]
    return "\n".join(lines) + "\n"


def list_public(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """List names and values of a module's `__all__`, or those that it defines; no modules."""
    names = getattr(module, "__all__", None) or [
        key
        for key, value in vars(module).items()
        if not key.startswith("_") and getattr(value, "__module__", "") == module.__name__
    ]
    for key in names:
        value = getattr(module, key)
        if not inspect.ismodule(value) and key != "__version__":
            yield key, value


def format_directive(name: str, value: object) -> Iterator[str]:
    if inspect.isclass(value):
        kind = "autoexception" if issubclass(value, BaseException) else "autoclass"
    else:
        kind = "autofunction" if callable(value) else "autodata"
    yield f".. {kind}:: {name}"
    yield from ["   :no-value:"] if kind == "autodata" else []
    yield ""


def format_title(text: str) -> str:
    return f"{text}\n{'=' * len(text)}\n\n"


def process_docstring(
    app: object, what: str, name: str, value: object, options: object, lines: list[str]
) -> None:
    """Turn a docstring of plain text into reStructuredText."""
    lines[:] = convert_text(lines)


def convert_text(lines: list[str]) -> list[str]:
    """Convert text: a list of the lines `name: ...`, and literal blocks of indented lines."""
    result: list[str] = []
    block = "text"
    text = "\n".join(lines)
    for line, inline in zip(text.split("\n"), convert_inline(text).split("\n"), strict=True):
        found = PARAMETER.fullmatch(inline)
        indented = line.startswith(" ")
        if not line.strip():
            block = block if block == "literal" else "text"
            result.append("")
        elif found and not indented:
            result += ["", f"* **{found[1]}**: {found[2]}"]
            block = "parameter"
        elif block == "parameter" and not ENDING.match(line) and not indented:
            result.append("  " + inline)
        elif indented:
            result += [] if block == "literal" else ["", "::", ""]
            block = "literal"
            result.append("    " + line)
        else:
            result += [] if block == "text" else [""]
            block = "text"
            result.append(inline)
    return [*result, ""]


def convert_inline(text: str) -> str:
    """Make code of what stands in backticks, and keep all other signs as they are."""
    text = SIGNS.sub(lambda m: m[1] or "\\" + m[2], text)
    return CODE.sub(lambda m: rf"\ `{m[0]}`\ ", text)


class SourceText:
    """A part of a signature as the source has it."""

    def __init__(self, text: str):
        self.text = text

    def __repr__(self) -> str:
        return self.text


def process_signature(
    app: object,
    what: str,
    name: str,
    value: Callable[..., Any],
    options: object,
    signature: str | None,
    returns: str | None,
) -> tuple[str, str | None] | None:
    """Write types as the source does: their names, not what they stand for."""
    if signature is None or what not in ("class", "exception", "function", "method"):
        return None
    try:
        found = inspect.signature(value)
    except (TypeError, ValueError):
        return None
    parameters = [shorten_parameter(p) for p in found.parameters.values()]
    if what == "method" and parameters and parameters[0].name in ("self", "cls"):
        parameters = parameters[1:]
    result = found.return_annotation
    text = str(found.replace(parameters=parameters, return_annotation=inspect.Signature.empty))
    shown = str(result) if isinstance(result, str) and what != "class" else None
    return text, shown


def shorten_parameter(parameter: inspect.Parameter) -> inspect.Parameter:
    empty = inspect.Parameter.empty
    annotation, default = parameter.annotation, parameter.default
    if isinstance(annotation, ForwardRef):
        annotation = annotation.__forward_arg__
    if isinstance(annotation, str):
        annotation = SourceText(annotation)
    if default is not empty and len(repr(default)) > LONGEST_DEFAULT:
        default = SourceText("...")
    return parameter.replace(annotation=annotation, default=default)
