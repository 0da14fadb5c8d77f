"""The one kind of error that is meant for the person at the keyboard."""

from __future__ import annotations


class UserError(ValueError):
    """What the user gave cannot be used.

    The message is one clear line: what was given, what was wanted, what to do, naming the file or
    option at fault.  The command line prints that line alone and exits with code 2.
    """
