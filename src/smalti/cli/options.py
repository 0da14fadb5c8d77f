"""Options that several verbs have."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

Switch = Annotated[bool, Parameter(negative=(), show_default=False)]
"""A flag that is off unless given."""
Classes = Annotated[
    tuple[str, ...],
    Parameter(name="--class", negative_iterable=(), show_default=False, metavar="CLASS"),
]
"""Classes by name or number, the option repeated or its value a list with commas."""
