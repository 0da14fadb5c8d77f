"""Verbs whose options depend on the other words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any

from cyclopts import App, Parameter

from smalti.cli.help_layout import ARGUMENTS, OPTIONS, OneLineFormatter


def make_dynamic_verb(
    name: str, choose: Callable[[Sequence[str]], tuple[Callable[..., Any], str]], **about: Any
) -> App:
    """A verb that reads all words first and then runs the command that `choose` makes of them.

    choose: words -> the command and its help. about: usage and examples of the App.
    """
    app = App(name=name, help_flags=(), version_flags=())

    @app.default
    def verb(*words: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)]) -> int:
        from smalti.cli import call_app

        command, help = choose(words)
        inner = App(
            name=f"smalti {name}",
            help=help,
            help_format="rich",
            help_formatter=OneLineFormatter(),
            group_arguments=ARGUMENTS,
            group_parameters=OPTIONS,
            version_flags=(),
            **about,
        )
        inner["--help"].show = False
        inner.default(command)
        return call_app(inner, list(words)) or 0

    verb.choose = choose  # type: ignore[attr-defined]

    return app
