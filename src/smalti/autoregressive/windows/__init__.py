"""Sliding windows: a GPT draws canvases of any size, seeing one window of codes at a time."""

from smalti.autoregressive.windows.layout import WindowLayout
from smalti.autoregressive.windows.prefix import WindowPrefix
from smalti.autoregressive.windows.sampler import Sliding
from smalti.autoregressive.windows.walk import choose_by_sampler, walk_windows
from smalti.autoregressive.windows.walker import WindowWalker

__all__ = [
    "Sliding",
    "WindowLayout",
    "WindowPrefix",
    "WindowWalker",
    "choose_by_sampler",
    "walk_windows",
]
