"""Names of a package that load on first use."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any


def on_first_use(package: str, homes: dict[str, str]) -> Callable[[str], Any]:
    """A `__getattr__` for the package: each name from the module that `homes` says, or that module
    itself, where it is the package's own of that name.
    """

    def find(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        home = import_module(homes[name])
        value = home if homes[name] == f"{package}.{name}" else getattr(home, name)
        setattr(sys.modules[package], name, value)  # the next use does not come here
        return value

    return find
