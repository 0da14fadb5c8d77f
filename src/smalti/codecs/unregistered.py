"""A module that its owner uses but neither trains nor saves."""

from __future__ import annotations

from typing import Any


class Unregistered:
    """Hides a module from nn.Module's registration. A deep copy shares the same module."""

    def __init__(self, module: Any):
        self.module = module

    def __deepcopy__(self, memo: dict[int, Any]) -> Unregistered:
        return self
