"""Public functions have types: `Any` is allowed only for a reason."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import smalti

ROOT = Path(smalti.__file__).parent
ROOMS = (
    *("core", "data", "autoregressive", "codecs", "diffusion", "translation"),
    *("training", "features", "evaluation", "coding", "recipes", "tasks"),
)
REASONS = {
    "autoregressive/conditioning.py": "a network of any type, with the range of its config",
    "autoregressive/pixelcnn/packed_weights.py": "layers and networks by the weights they have",
    "core/checkpoint.py": "a model of any family",
    "core/config.py": "values of the types in hints, which are read at run time",
    "core/documents.py": "JSON values",
    "core/model.py": "a model of any family",
    "core/protocols.py": "a sampler of any family, which core cannot import",
}
"""Modules that may use Any, and why."""


def is_any(annotation: ast.expr | None) -> bool:
    """Whether it is Any, or a union with it; plain values in a dict or list do not count."""
    match annotation:
        case ast.Name(id="Any"):
            return True
        case ast.BinOp(left=left, right=right):
            return is_any(left) or is_any(right)
    return False


def find_untyped(path: Path) -> Iterator[str]:
    """Find the public functions of a module that take or return `Any`, and its aliases of Any."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and is_any(node.value):
            yield ast.unparse(node.targets[0])
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            a = node.args
            arguments = [*a.posonlyargs, *a.args, *a.kwonlyargs]
            if any(map(is_any, (*(one.annotation for one in arguments), node.returns))):
                yield node.name


def list_untyped() -> list[str]:
    paths = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
    return [f"{p.relative_to(ROOT).as_posix()}:{name}" for p in paths for name in find_untyped(p)]


def test_any_stands_at_borders_for_a_reason_alone() -> None:
    modules = {one.partition(":")[0] for one in list_untyped()}
    assert modules <= REASONS.keys()
    assert modules == REASONS.keys(), "some have types now: take them from the list"
