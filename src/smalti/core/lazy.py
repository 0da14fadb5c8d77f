"""Names of a package that load on first use."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any


def attach_lazy_names(package: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` of a package that lists names in `__all__`, and says where they
    are by imports under `if TYPE_CHECKING:`, as type checkers want it.
    """
    homes: dict[str, str] = {}

    def load_name(name: str) -> Any:
        module = sys.modules[package]
        if name not in module.__all__:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        homes.update({} if homes else read_import_modules(module))
        home = homes[name]
        own = home == package  # a room, such as `from smalti import data`
        value = import_module(f"{home}.{name}") if own else getattr(import_module(home), name)
        setattr(module, name, value)  # the next use does not come here
        return value

    return load_name, lambda: sorted(sys.modules[package].__all__)


def read_import_modules(package: ModuleType) -> dict[str, str]:
    """The module of each name, from the package's source, of which nothing is run."""
    import ast

    source = package.__loader__.get_source(package.__name__)  # type: ignore[union-attr]
    blocks = [node.body for node in ast.parse(source).body if isinstance(node, ast.If)]
    imports = [line for block in blocks for line in block if isinstance(line, ast.ImportFrom)]
    return {name.name: str(line.module) for line in imports for name in line.names}
