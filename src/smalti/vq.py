"""Public names of the codecs: all of `smalti.codecs`."""

from smalti.codecs import *  # noqa: F403
