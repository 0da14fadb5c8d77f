"""Codecs under their public name: all of `smalti.codecs`."""

from smalti.codecs import *  # noqa: F403
