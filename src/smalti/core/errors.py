"""Errors and notices for the user."""

from __future__ import annotations

import reprlib

from smalti.core.messages import shorten_message


class UserError(ValueError):
    """The user's input is invalid.

    The message is one line: what was given, what was expected, what to do, naming the file or
    option.  The command line prints only that line and exits with code 2.  Long values are
    shortened (`shorten_message`).
    """

    def __init__(self, message: str):
        super().__init__(shorten_message(message))


class MissingExtra(UserError):
    """A package is not installed that an extra of smalti brings; the message has the pip line."""

    def __init__(self, need: str, extra: str):
        super().__init__(f"{need}; run `pip install 'smalti[{extra}]'`")


class ShortRepr(reprlib.Repr):
    """A `repr` limited in entries and depth."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = self.maxlong = 200
        self.maxlist = self.maxtuple = self.maxdict = 12
        self.maxlevel = 3

    def repr_int(self, x: int, level: int) -> str:
        return repr(x) if abs(x) < 10**200 else f"a number of {x.bit_length()} bits"


def shorten(value: object, max_length: int = 60) -> str:
    """Return `repr(value)` without its middle if it is long; for values of any size and depth."""
    text = " ".join(ShortRepr().repr(value).split())
    half = (max_length - 5) // 2
    return text if len(text) <= max_length else f"{text[:half]} ... {text[-half:]}"


class Notice(UserWarning):
    """A warning for the user; the command line prints it as one line."""
