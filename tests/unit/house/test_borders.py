"""What crosses the borders of rooms has a type: `Any` stands there only for a reason."""

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
    "autoregressive/conditioning.py": "a network of any type, which has the range that its config tells",
    "autoregressive/pixelcnn/packed_weights.py": "layers and networks by the weights they have",
    "core/checkpoint.py": "a model of any family, whose user knows which",
    "core/config.py": "values of the types that hints name, which are read at run time",
    "core/documents.py": "what JSON holds",
    "core/model.py": "a model of any family, whose user knows which",
    "core/protocols.py": "a sampler of any family, which no room above it can name",
}
"""Modules that may, and why; none is added without a reason."""


def is_any(annotation: ast.expr | None) -> bool:
    """Whether it is Any, or a union with it; plain values in a dict or list are no model."""
    match annotation:
        case ast.Name(id="Any"):
            return True
        case ast.BinOp(left=left, right=right):
            return is_any(left) or is_any(right)
    return False


def find_untyped(path: Path) -> Iterator[str]:
    """The public functions of a module that take or give `Any`, and its other names for that."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and is_any(node.value):
            yield ast.unparse(node.targets[0])
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            a = node.args
            given = [*a.posonlyargs, *a.args, *a.kwonlyargs]
            if any(map(is_any, (*(one.annotation for one in given), node.returns))):
                yield node.name


def list_untyped() -> list[str]:
    paths = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
    return [f"{p.relative_to(ROOT).as_posix()}:{name}" for p in paths for name in find_untyped(p)]


def test_any_stands_at_borders_for_a_reason_alone() -> None:
    modules = {one.partition(":")[0] for one in list_untyped()}
    assert modules <= REASONS.keys()
    assert modules == REASONS.keys(), "some have types now: take them from the list"
