"""Pages and their tasks. A page is a module in `smalti.web.pages` with a `PAGE`."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from smalti.core.config_flags import Flag, list_flags, read_parameter_docs
from smalti.core.errors import UserError
from smalti.core.messages import suggest_name

Summary = dict[str, Any]
"""Plain JSON values."""
NOT_FROM_CLIENTS = frozenset({"out", "device", "batch_size", "threads", "on_progress", "on_event"})
"""Parameters of tasks that the server sets."""


@dataclass(frozen=True)
class WebTask:
    """A task that clients may run."""

    path: str
    """Where the function is: "smalti.tasks:draw_samples". It is imported on first use."""
    summarize: str = ""
    """Where a function (result, folder) -> JSON values is; it may write more files there."""
    verb: str = ""
    """The verb of the command line, for the line that does the same; "" for none."""
    ability: str = ""
    """What its model must be able to do; "" for any, or for no model."""
    uploads: tuple[str, ...] = ()
    """Parameters that are pictures or files: a client gives ids of its uploads."""
    hidden: tuple[str, ...] = ()
    """More parameters that clients cannot set."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Options of the command line that are not called as their parameters: {"first": "--from"}."""
    fixed: Mapping[str, Any] = field(default_factory=dict)
    """Arguments that are always the same."""
    data: tuple[str, ...] = ()
    """Parameters that are data: an uploaded folder, or a path where only this machine connects."""
    runs: tuple[str, ...] = ()
    """Parameters that are run folders: names of the client's, or, as above, paths."""
    keywords: str = ""
    """Where a config is whose fields its keyword arguments are: "module:Config"."""
    pictures: int | None = None
    """Pictures of one job; None for the server's limit."""
    fills: bool = False
    """Whether its samplers are those that fill holes."""
    choices: Mapping[str, str] = field(default_factory=dict)
    """Where functions () -> names are that list the values of a parameter, by parameter."""
    names_out: bool = False
    """Whether clients name its output folder, which stays whatever comes of the job."""
    lane: str = "main"
    """Its queue: "quick" for a moment, "slow" for minutes, "long" for hours, else "main"."""
    job_seconds: float | None = None
    """Seconds that it may run; None for the server's limit, 0 for no limit."""

    @property
    def name(self) -> str:
        """The function's name."""
        return self.path.partition(":")[2]

    def load_function(self) -> Callable[..., Any]:
        """Import the task."""
        return load_object(self.path)

    def list_parameters(self) -> dict[str, inspect.Parameter]:
        """The parameters that clients may set, with their types."""
        signature = inspect.signature(self.load_function(), eval_str=True)
        kept = {**signature.parameters, **self.list_keywords()}
        not_theirs = NOT_FROM_CLIENTS - ({"out"} if self.names_out else set())
        for name in (*not_theirs, *self.hidden, *self.fixed):
            kept.pop(name, None)
        kinds = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
        return {name: p for name, p in kept.items() if p.kind not in kinds}

    def list_keywords(self) -> dict[str, inspect.Parameter]:
        """The fields of the config that the function's keyword arguments are of."""
        if not self.keywords:
            return {}
        kind = inspect.Parameter.KEYWORD_ONLY
        return {
            flag.name: inspect.Parameter(
                flag.name, kind, default=flag.default, annotation=flag.hint
            )
            for flag in self.list_keyword_flags()
        }

    def list_keyword_flags(self) -> list[Flag]:
        """These fields as options."""
        return [*list_flags(load_object(self.keywords)())] if self.keywords else []

    def read_docs(self) -> dict[str, str]:
        """What its parameters are, by name."""
        docs = {flag.name: flag.help for flag in self.list_keyword_flags()}
        return docs | read_parameter_docs(self.load_function())

    def list_choices(self, name: str) -> list[str]:
        """The values of a parameter that has a list of them."""
        return load_object(self.choices[name])()

    @property
    def makes_files(self) -> bool:
        """Whether it writes into the job's folder by itself."""
        return self.has_parameter("out") and not self.names_out and "out" not in self.hidden

    def has_parameter(self, name: str) -> bool:
        """Whether the function takes this argument."""
        return name in inspect.signature(self.load_function()).parameters


@dataclass(frozen=True)
class Page:
    """A page of the studio; its front end is static/pages/NAME.js."""

    name: str
    order: int
    """Place in the navigation, from 0."""
    tasks: tuple[WebTask, ...] = ()


def load_object(path: str) -> Any:
    """The object at "module:name"."""
    module, name = path.split(":")
    return getattr(import_module(module), name)


@cache
def find_pages() -> tuple[Page, ...]:
    """All pages, in the order of the navigation."""
    from smalti.web import pages

    names = sorted(module.name for module in pkgutil.iter_modules(pages.__path__))
    found = [importlib.import_module(f"{pages.__name__}.{name}").PAGE for name in names]
    return tuple(sorted(found, key=lambda page: page.order))


class Registry:
    """The pages and tasks of one server."""

    def __init__(self, pages: Iterable[Page] | None = None):
        self.pages = find_pages() if pages is None else tuple(pages)
        self.tasks = {task.name: task for page in self.pages for task in page.tasks}

    def find_task(self, name: object) -> WebTask:
        """The task of this name. UserError for any other."""
        if not isinstance(name, str) or name not in self.tasks:
            shown = name if isinstance(name, str) else "that is not text"
            raise UserError(f"no task {shown!r:.60}; {suggest_name(str(name), self.tasks)}")
        return self.tasks[name]


def summarize_result(task: WebTask, result: object, folder: Path) -> Summary:
    """What clients are told about a result."""
    return load_object(task.summarize)(result, folder) if task.summarize else {}
