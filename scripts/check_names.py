"""Keep the field's words: functions are verbs, and the old dialect does not come back.

Run by `make lint`: prints a line for each fault, and ends with 1 where there is any. A name that is
right all the same goes into ALLOWED, with the reason.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
CODE = ("src", "benchmarks", "scripts")
TEXT = ("src", "tests", "benchmarks", "scripts", "docs", "README.md")

IRREGULAR = re.compile(
    r"begun|bound|broken|built|chosen|cut|done|drawn|fed|found|given|gone|got|had|held|kept|known|laid|led"
    r"|left|lost|made|met|put|said|seen|sent|set|shown|spread|sunk|taken|thought|told|torn|worn|written"
)
"""Participles that do not end in -ed."""
ENDS_IN_ED = {"embed", "exceed", "feed", "need", "proceed", "red", "seed", "speed", "succeed"}
"""Words that end in -ed and are no participles."""
VERBS_AND_SIDES = {"set", "put", "cut", "read", "spread", "left", "bound"}
"""Words that are verbs, too, and a side."""
ALLOWED = {
    "discretized_gaussian_nats": "the formula's name",
    "gated_pixelcnn_digits": "a recipe: it builds the model of that name",
    "named_players": "as torch's named_parameters",
}
"""Names that begin with a participle for a reason."""

OLD_WORDS = re.compile(
    r"colour|\bgrey|centre\b|behaviour|neighbour|catalogue|licence|judgement"
    r"|(?:optimis|quantis|initialis|normalis|recognis|memoris|summaris|discretis)(?:e|ing|ation|ed)"
    r"|\b(?:so_far|settle|surroundings|critics?|seats?)\b|\bunless told\b|\bha(?:s|ve) a say\b"
    r"|\bin the mean\b|as the (?:paper|article) has it|what is known of|bring back"
    r"|what training makes small|\btells? how\b",
    re.IGNORECASE,
)
"""Other spellings, and words of the old dialect."""
QUOTING = ("check_names.py", "synonyms.py")
"""Files that need them."""


def find_functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """All functions and methods but properties, which are named as values."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            decorators = {ast.unparse(d).split(".")[-1] for d in node.decorator_list}
            if not decorators & {"property", "cached_property", "setter"}:
                yield node


def find_fault(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """What is wrong with a function's name; empty where nothing is."""
    words = node.name.strip("_").split("_")
    answers = node.returns is not None and ast.unparse(node.returns) == "bool"
    if "of" in (words[0], words[-1]):
        return "names a value; say what the function does"
    if is_participle(words[0]) and not answers and node.name not in ALLOWED:
        return "begins with a participle; begin with a verb"
    return ""


def is_participle(word: str) -> bool:
    if word in VERBS_AND_SIDES:
        return False
    return bool(IRREGULAR.fullmatch(word)) or (word.endswith("ed") and word not in ENDS_IN_ED)


def main() -> int:
    faults: list[str] = []
    for folder in CODE:
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in find_functions(ast.parse(path.read_text())):
                if fault := find_fault(node):
                    faults.append(f"{path.relative_to(ROOT)}:{node.lineno}: {node.name} {fault}")
    for name in TEXT:
        start = ROOT / name
        paths = [start] if start.is_file() else sorted(start.rglob("*"))
        for path in paths:
            if path.suffix in (".py", ".md", ".toml") and path.name not in QUOTING:
                for n, line in enumerate(path.read_text().splitlines(), 1):
                    if old := OLD_WORDS.search(line):
                        faults.append(f"{path.relative_to(ROOT)}:{n}: {old[0]!r} is an old word")
    print("\n".join(faults) or "names: all in the field's words")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
