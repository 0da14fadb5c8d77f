"""Packages that only some users need: each has an extra, and its error has the line for pip."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from smalti.cli.serve import app as serve_app
from smalti.core.errors import MissingExtra
from smalti.data.fetch_sets import fetch_styles
from smalti.data.hub import import_datasets
from smalti.evaluation.text.scores import make_scorer
from smalti.features.inception import load_inception
from smalti.translation.tokenizer import load_processor, train_tokenizer
from smalti.translation.words import split_chinese

ROOT = Path(__file__).parents[3]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
USES: dict[str, tuple[str, Callable[[], object]]] = {
    "sentencepiece": ("translate", lambda: load_processor(b"")),
    "sentencepiece.": ("translate", lambda: train_tokenizer(["words"], 8)),
    "jieba": ("translate", lambda: split_chinese("一二")),
    "sacrebleu": ("translate", lambda: make_scorer.__wrapped__("bleu", "zh")),
    "torch_fidelity": ("inception", load_inception),
    "resvg_py": ("emoji", lambda: fetch_styles(Path("nowhere"))),
    "datasets": ("hub", lambda: import_datasets("hf:words")),
    "uvicorn": ("serve", lambda: serve_app([], exit_on_error=False, print_error=False)),
    "starlette": ("serve", lambda: serve_app([], exit_on_error=False, print_error=False)),
}


@pytest.mark.parametrize("use", USES)
def test_a_missing_package_is_named_with_the_line_for_pip(
    use: str, monkeypatch: pytest.MonkeyPatch
):
    package, (extra, work) = use.strip("."), USES[use]
    for name in [name for name in sys.modules if re.match(rf"({package}|smalti\.web)\b", name)]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtra) as raised:
        work()
    assert str(raised.value).endswith(f"; run `pip install 'smalti[{extra}]'`")
    assert any(re.match(package.replace("_", "[-_]").removesuffix("_py"), p) for p in EXTRAS[extra])


def test_the_extra_all_brings_what_the_others_bring():
    apart = {name for name in EXTRAS if name != "all"}
    (line,) = EXTRAS["all"]
    assert {*re.fullmatch(r"smalti\[(.*)\]", line)[1].split(",")} == apart  # type: ignore[index]


def test_lmdb_databases_are_read_without_a_package():
    assert EXTRAS["lmdb"] == []
    sources = (ROOT / "src").rglob("*.py")
    assert not any(re.search(r"^\s*(import|from) lmdb", s.read_text(), re.M) for s in sources)


def test_docs_name_extras_that_exist():
    for page in [*ROOT.glob("README*.md"), *(ROOT / "docs").rglob("*.md")]:
        for names in re.findall(r"smalti\[([\w,]+)\]", page.read_text()):
            assert {*names.split(",")} <= EXTRAS.keys(), page
