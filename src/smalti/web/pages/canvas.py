"""Any size: canvases of any shape, and seamless ones. Its task is that of Draw."""

from __future__ import annotations

from smalti.web.registry import Page

PAGE = Page("canvas", 40)
