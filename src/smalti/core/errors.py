"""The one kind of error that is meant for the person at the keyboard."""

from __future__ import annotations

import reprlib

from smalti.core.messages import shorten_message


class UserError(ValueError):
    """What the user gave cannot be used.

    The message is one clear line: what was given, what was wanted, what to do, naming the file or
    option at fault.  The command line prints that line alone and exits with code 2.  Long values
    are shown in part (`shorten_message`).
    """

    def __init__(self, message: str):
        super().__init__(shorten_message(message))


class ShortRepr(reprlib.Repr):
    """`repr` of a few entries, a few levels deep."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = self.maxlong = 200
        self.maxlist = self.maxtuple = self.maxdict = 12
        self.maxlevel = 3

    def repr_int(self, x: int, level: int) -> str:
        return repr(x) if abs(x) < 10**200 else f"a number of {x.bit_length()} bits"


def shorten(value: object, max_length: int = 60) -> str:
    """`repr(value)`, its middle left out where it is long; for values of any size and depth."""
    text = " ".join(ShortRepr().repr(value).split())
    half = (max_length - 5) // 2
    return text if len(text) <= max_length else f"{text[:half]} ... {text[-half:]}"


class Notice(UserWarning):
    """What the user should know, though it went well; the command line prints the line."""
