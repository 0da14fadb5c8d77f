"""Package attributes that are imported on first use."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any


def attach_lazy_names(package: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Make `__getattr__` and `__dir__` of a package.

    The package lists its names in `__all__`, and imports them under `if TYPE_CHECKING:`, as type
    checkers expect.
    """
    modules: dict[str, str] = {}

    def load_name(name: str) -> Any:
        module = sys.modules[package]
        if name not in module.__all__:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        modules.update({} if modules else read_import_modules(module))
        source = modules[name]
        is_module = source == package  # such as `from smalti import data`
        value = (
            import_module(f"{source}.{name}") if is_module else getattr(import_module(source), name)
        )
        setattr(module, name, value)  # the next access does not call this
        return value

    return load_name, lambda: sorted(sys.modules[package].__all__)


def read_import_modules(package: ModuleType) -> dict[str, str]:
    """Read the module of each name from the package's source, without running it."""
    import ast

    source = package.__loader__.get_source(package.__name__)  # type: ignore[union-attr]
    blocks = [node.body for node in ast.parse(source).body if isinstance(node, ast.If)]
    imports = [line for block in blocks for line in block if isinstance(line, ast.ImportFrom)]
    return {name.name: str(line.module) for line in imports for name in line.names}
