"""What crosses the borders of rooms has a type: `Any` stands there only for a reason."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import smalti

ROOT = Path(smalti.__file__).parent
ROOMS = ("core", "training", "features", "evaluation", "coding", "recipes")
REASONS = {
    "coding/classes.py": "a model that scores, has classes and walks: no protocol says all three",
    "coding/file.py": "a header's value, before it is known to be one",
    "coding/levels.py": "arrays of NumPy or PyTorch; a lossless codec, whose levels have a depth",
    "coding/squeeze.py": "a lossless model, as `open_model` made sure of",
    "core/brief.py": "records of any kind, shown in one line",
    "core/changes.py": "configs of any kind, and their values before they are checked",
    "core/checkpoint.py": "a model of any family, whose user knows which",
    "core/config.py": "values of any kind, before they are checked",
    "core/documents.py": "what JSON and YAML hold",
    "core/model.py": "a model of any family, whose user knows which",
    "core/pickles.py": "what a pickle asks for",
    "core/sampling.py": "samplers of any family",
    "core/tensors.py": "arrays of any kind, before they are checked",
    "evaluation/assess.py": "models of any kind of output, each with measures of its own",
    "evaluation/bits.py": "a model that scores and has a spec and weights",
    "evaluation/codec.py": "a codec that is a module, too",
    "evaluation/measures.py": "what is measured is of each kind's own type",
    "evaluation/report.py": "what JSON holds",
    "features/inception.py": "a published network, which has no types",
    "training/curves.py": "axes of matplotlib, which need not be installed",
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


def untyped(path: Path) -> Iterator[str]:
    """The public functions of a module that take or give `Any`."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            a = node.args
            given = [*a.posonlyargs, *a.args, *a.kwonlyargs]
            if any(map(is_any, (*(one.annotation for one in given), node.returns))):
                yield node.name


def found() -> list[str]:
    paths = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
    return [f"{p.relative_to(ROOT).as_posix()}:{name}" for p in paths for name in untyped(p)]


def test_any_stands_at_borders_for_a_reason_alone() -> None:
    modules = {one.partition(":")[0] for one in found()}
    assert modules <= REASONS.keys()
    assert modules == REASONS.keys(), "some have types now: take them from the list"
