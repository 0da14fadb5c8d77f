"""Rules of the repository that no linter checks."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from tests.conftest import NUMERIC

ROOT = Path(__file__).parents[3]
MACHINE_PATH = re.compile(rb"(?<![\w.~-])/(work|root|home|Users|opt|mnt)/[\w.]")
REGISTRY = re.compile(rb"\b(pypi|pythonhosted|npmjs|deb\.debian)\.(org|com)\b")
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#\s]*)(?:#[^)\s]*)?\)")


@cache
def list_files() -> list[Path]:
    """What git tracks, or would track."""
    if not (ROOT / ".git").exists():
        pytest.skip("needs a git checkout to list the project's files")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.split(b"\0")
    found = [ROOT / name.decode() for name in names if name]
    return [path for path in found if path.is_file()]


@cache
def read_texts() -> dict[str, bytes]:
    """The text files among them."""
    contents = {str(path.relative_to(ROOT)): path.read_bytes() for path in list_files()}
    return {name: content for name, content in contents.items() if b"\0" not in content}


def count_lines(path: str | Path) -> int:
    return len((ROOT / path).read_text().splitlines())


def find_offenders(pattern: re.Pattern[bytes]) -> list[str]:
    return [
        f"{name}:{number}: {line.decode(errors='replace').strip()}"
        for name, content in read_texts().items()
        for number, line in enumerate(content.splitlines(), 1)
        if pattern.search(line)
    ]


def test_contributing_is_short():
    assert count_lines("CONTRIBUTING.md") < 50


def test_source_files_are_short():
    sources = list((ROOT / "src").rglob("*.py"))
    assert sources
    assert [f"{path}: {n}" for path in sources if (n := count_lines(path)) > 350] == []


def test_no_path_of_one_machine():
    assert MACHINE_PATH.search(b"see " + b"/home" + b"/someone")
    assert find_offenders(MACHINE_PATH) == []


def test_no_registry_is_named():
    assert REGISTRY.search(b"https://" + b"pypi" + b".org/simple")
    assert find_offenders(REGISTRY) == []


def test_shipped_files_are_small():
    sizes = [path.stat().st_size for path in (ROOT / "src/smalti/assets").rglob("*.*")]
    assert 0 < sum(sizes) <= 50e6


def test_links_in_the_docs_lead_somewhere():
    pages = [ROOT / name for name in read_texts() if name.endswith(".md")]
    prose = [(page, FENCED.sub("", page.read_text())) for page in pages]
    links = [(page, link) for page, text in prose for link in LINK.findall(text) if link]
    inside = [(page, link) for page, link in links if "://" not in link]
    assert inside
    assert [f"{p.name}: {link}" for p, link in inside if not (p.parent / link).exists()] == []


def test_every_dependency_is_pinned_to_a_version_it_allows():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    pins = dict(
        line.split("==")
        for line in (ROOT / "constraints.txt").read_text().lower().splitlines()
        if not line.startswith("#")
    )
    assert not [name for name, version in pins.items() if Version(version).local]
    groups = project["dependency-groups"]
    required = project["project"]["dependencies"] + groups["dev"] + groups["docs"]
    for requirement in map(Requirement, required):
        pin = pins.get(requirement.name, pins.get(requirement.name.replace("-", "_")))
        assert pin is not None, f"{requirement.name} is not in constraints.txt"
        assert pin in requirement.specifier, f"{requirement} is pinned to {pin}"


def test_every_numeric_test_exists():
    tests = ROOT / "tests"
    names = {path.stem for path in tests.rglob("test_*.py")}
    folders = {path.name for path in tests.rglob("*") if path.is_dir()}
    assert NUMERIC - names - folders == set()


def test_names_are_the_fields_words():
    check = ROOT / "scripts" / "check_names.py"
    done = subprocess.run([sys.executable, check], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
