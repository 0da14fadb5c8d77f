"""A module that its holder uses, and neither trains nor saves."""

from __future__ import annotations

from typing import Any


class Unregistered:
    """Holds a module where nn.Module does not find it; a copy of the holder holds the same one."""

    def __init__(self, module: Any):
        self.module = module

    def __deepcopy__(self, memo: dict[int, Any]) -> Unregistered:
        return self
