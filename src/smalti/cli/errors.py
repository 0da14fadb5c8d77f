"""Errors as one line."""

from __future__ import annotations

import re

from cyclopts import CycloptsError
from cyclopts.exceptions import MissingArgumentError, UnknownOptionError, UnusedCliTokensError

from smalti.cli.synonyms import find_similar, find_synonym
from smalti.core.changes import UnknownFieldError
from smalti.core.config_flags import format_option
from smalti.core.errors import UserError
from smalti.core.messages import shorten_message

NAMED_TWICE = re.compile(r"^invalid value for (\S+): (?=\1 )")
"""What cyclopts puts before an error of ours, which names the option itself."""


def format_error(error: Exception) -> str | None:
    """The line for the user; None when the error is ours, and its traceback should be seen."""
    if isinstance(error, UnknownFieldError):
        return to_one_line(error.format_message(format_option))
    if isinstance(error, UserError):
        return to_one_line(str(error))
    if isinstance(error, CycloptsError):
        return to_one_line(format_usage_error(error))
    if isinstance(error, OSError) and error.errno is None:  # NumPy and Pillow, of a full disk
        return to_one_line(f"a file cannot be written or read: {error}")
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return to_one_line(f"{where}{error.strerror or error}")
    if type(error).__name__ == "SafetensorError":  # a full disk, met by its own writer
        return to_one_line(f"weights cannot be written or read: {error}")
    return None


def format_usage_error(error: CycloptsError) -> str:
    error.verbose = False
    chain = error.command_chain or ()
    verb = " ".join(["smalti", *chain]) if chain or not error.app else error.app.name[0]
    if isinstance(error, MissingArgumentError) and error.argument is not None:
        return format_missing_argument(error, verb)
    if isinstance(error, UnusedCliTokensError) and error.unused_tokens:
        return f"{error.unused_tokens[0]!r} is one argument too many; see `{verb} --help`"
    if isinstance(error, UnknownOptionError):
        return format_unknown_option(error, verb)
    text = str(error)
    text = text[:1].lower() + text[1:].rstrip(".")
    return NAMED_TWICE.sub("", text)


def format_unknown_option(error: UnknownOptionError, verb: str) -> str:
    """The option that was probably meant: what it is called elsewhere, or a like name."""
    typed = (error.token.keyword or error.token.value).split("=")[0]
    known = [name for argument in error.argument_collection for name in argument.names]
    meant = find_synonym(typed, known) or find_similar(typed, known)
    hint = f"did you mean {meant}?" if meant else f"see `{verb} --help`"
    return f"unknown option {typed}; {hint}"


def format_missing_argument(error: MissingArgumentError, verb: str) -> str:
    assert error.argument is not None
    info = error.argument.field_info
    if info.is_positional:
        return f"{error.argument.name.lstrip('-').upper()} is missing; see `{verb} --help`"
    return f"{error.keyword or error.argument.name} needs a value; see `{verb} --help`"


def to_one_line(text: str) -> str:
    return shorten_message(" ".join(text.split()))
