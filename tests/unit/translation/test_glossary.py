"""Glossaries: files, terms in texts, and translations that contain them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics.bleu import BLEU

import smalti
from smalti.translation import (
    Beam,
    Glossary,
    TransformerConfig,
    Translator,
    read_glossary,
    train_tokenizer,
    translate,
    translate_catalog,
    translate_lines,
)
from smalti.translation.constrained_search import Term, search_with_terms
from smalti.translation.glossary import contains_all, open_glossary, spell_translation
from smalti.translation.tokenizer import EOS
from tests.expect import expect_user_error

TERMS = {"file": "档案", "document": "公文", "click": "点按", "home folder": "主页"}
SENTENCES = {  # of the test pages, with their references' words
    "Sets the position of a selected snap point or line relative to the top left corner of the "
    "page.": ("设置选中的吸附点或吸附线相对于页面左上角的位置。", {"line": "吸附线"}),
    "Sending mail": ("发送电子邮件", {"mail": "电子邮件"}),
    "Primary key": ("主关键字", {"primary key": "主关键字"}),
    "The functions and statements for managing files are described here.": (
        "下面介绍用于管理文件的函数和语句。",
        {"describe": "介绍", "described": "介绍"},
    ),
    "The file browser window displays the contents of your Home Folder.": (
        "文件管理器窗口显示主文件夹的内容。",
        {"file browser": "文件管理器"},
    ),
    "Puts a copy of the message into a folder you specify.": (
        "复制一份邮件的拷贝到您指定的文件夹中。",
        {"message": "邮件", "copy": "拷贝"},
    ),
}


@pytest.fixture(scope="module")
def shipped() -> Translator:
    return smalti.load("en-zh-help")


def write_terms(folder: Path, text: str) -> Path:
    path = folder / "terms.tsv"
    path.write_text(text, encoding="utf-8")
    return path


# ---- files


def test_a_file_is_read(tmp_path: Path) -> None:
    text = "\ufeff# mine\nfile\t档案\n\n home  folder \t 主页 \r\nfile\t档案\n"
    assert read_glossary(write_terms(tmp_path, text)).terms == {
        "file": "档案",
        "home folder": "主页",
    }
    assert read_glossary(write_terms(tmp_path, "")).terms == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "file\t档案\nfile\t文件\n",
            ["line 2", "'文件', but '档案' in line 1", "keep"],
        ),
        ("file 档案\n", ["line 1", "not two terms", "a tab"]),
        ("a\tb\tc\n", ["line 1", "not two terms"]),
        ("file\t \n", ["line 1", "not two terms"]),
        ("文件\tfile\n", ["line 1", "文件", "not English"]),
        ("42\t四十二\n", ["line 1", "42", "not English"]),
        ("file\t" + "字" * 201, ["line 1", "'file'", "of 201 characters; give at most 200"]),
    ],
)
def test_what_is_no_glossary(tmp_path: Path, text: str, words: list[str]) -> None:
    with expect_user_error("terms.tsv", *words):
        read_glossary(write_terms(tmp_path, text))


def test_bytes_folders_and_unknown_characters(tmp_path: Path, shipped: Translator) -> None:
    (tmp_path / "terms.tsv").write_bytes("file\t档案\n".encode("gb18030"))
    with expect_user_error("terms.tsv", "not UTF-8", "iconv"):
        read_glossary(tmp_path / "terms.tsv")
    with expect_user_error("is a folder"):
        read_glossary(tmp_path)
    with expect_user_error("cannot write '☃'", "'file'", "leave the term out"):
        translate(shipped, ["Save it."], glossary={"file": "☃"})
    with expect_user_error("'file'", "give one line"):
        translate(shipped, ["Save it."], glossary={"file": "a\nb"})


# ---- terms in texts


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Files in the file.", ["Files", "the file"]),
        ("a Home  Folder", ["a Home  Folder"]),
        ("profile, file-based, file_name", []),
        ("<file> {file} $file %(file)s: file", ["file"]),
        ("Use Word for a word and WORDS", ["Word", "a word", "WORDS"]),
        ("Access has access", ["Access"]),
        ("boxes", ["boxes"]),
    ],
)
def test_where_terms_are(text: str, found: list[str]) -> None:
    terms = {"file": "a", "home folder": "b", "folder": "c", "Access": "d", "box": "e"}
    spans = Glossary({**terms, "word": "f"}).find_terms(text)
    assert [text[start:end] for start, end, _ in spans] == found


def test_longer_terms_go_first() -> None:
    glossary = Glossary(
        {"file": "档案", "file browser": "浏览器", "Windows": "Windows", "window": "视窗"}
    )
    text = "The file browser opens a file in windows of Windows"
    assert glossary.list_translations(text) == ["浏览器", "档案", "视窗", "Windows"]


def test_what_contains_all() -> None:
    assert contains_all("档案和档案夹", ["档案夹", "档案"])
    assert not contains_all("档案夹", ["档案夹", "档案"])
    assert not contains_all("档案", ["档案", "档案"])
    assert contains_all("", [])


# ---- searches


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_every_term_is_written_once_begun(data: st.DataObject) -> None:
    torch.manual_seed(data.draw(st.integers(0, 9)))
    network = (
        TransformerConfig(30, 26, width=16, heads=2, encoder_layers=1, feed_forward_width=24)
        .build()
        .eval()
    )
    source = torch.tensor([[*torch.randint(4, 30, (6,)).tolist(), EOS]])
    words = data.draw(
        st.lists(st.lists(st.integers(4, 25), min_size=1, max_size=3), min_size=1, max_size=3)
    )
    terms = [Term(k, k + 2, [word]) for k, word in enumerate(words)]
    with torch.no_grad():
        network.out.bias[EOS] = 2
    found = search_with_terms(network, source, terms, Beam(3, max_length=20))
    assert found == sorted(found, key=lambda one: -one.score)
    for one in found:
        text = "".join(map(chr, one.symbols))
        assert all("".join(map(chr, word)) in text for word in words)
        assert EOS not in one.symbols


def test_latin_terms_may_follow_a_space() -> None:
    tokenizer = train_tokenizer(
        ["打开 Impress 文件", "Impress", "的 Impress 的"] * 9, 30, add_dummy_prefix=False
    )
    spellings = spell_translation("Impress", tokenizer)
    assert len(spellings) == 2
    assert [text.strip() for text in tokenizer.decode(spellings)] == ["Impress"] * 2
    assert len(spell_translation("文件", tokenizer)) == 1


# ---- the shipped model


def test_terms_are_written_where_they_belong(shipped: Translator) -> None:
    texts = [
        "Click OK to save the document.",
        "&Save the file",
        "<b>File</b> %s in your Home Folder",
    ]
    found = translate(shipped, texts, glossary=TERMS)
    assert all(word in found[0] for word in ("点按", "公文", "确定"))
    assert not any(word in found[0] for word in ("点击", "文档"))
    assert "档案" in found[1] and found[1].endswith("(&S)") and "文件" not in found[1]
    assert all(word in found[2] for word in ("<b>", "</b>", "%s", "档案", "主页"))
    assert translate(shipped, ["Save the file."], Beam(1), glossary={"FILE": "x"}) == translate(
        shipped, ["Save the file."], Beam(1)
    )


def test_what_the_reference_says_brings_the_translation_nearer(shipped: Translator) -> None:
    texts, references = list(SENTENCES), [reference for reference, _ in SENTENCES.values()]
    plain = translate(shipped, texts)
    assert translate(shipped, texts, glossary={}) == plain
    found = [translate(shipped, [t], glossary=SENTENCES[t][1])[0] for t in texts]
    for text, one in zip(texts, found, strict=True):
        wanted = open_glossary(SENTENCES[text][1], shipped.target_tokenizer).list_translations(text)
        assert wanted and contains_all(one, wanted), one
    bleu = BLEU(tokenize="zh")
    with_terms, without = (bleu.corpus_score(x, [references]).score for x in (found, plain))
    assert with_terms > without + 10


def test_terms_elsewhere_change_nothing(shipped: Translator) -> None:
    text = "Puts a copy of the message into a folder you specify."
    assert translate(shipped, [text], glossary={"spreadsheet": "试算表"}) == translate(
        shipped, [text]
    )
    assert translate(shipped, ["Save the file."], glossary={"file": "文件"}) == translate(
        shipped, ["Save the file."]
    )


def test_files_and_catalogs_take_them(shipped: Translator, tmp_path: Path) -> None:
    terms = write_terms(tmp_path, "file\t档案\n")
    (line,) = translate_lines(shipped, ["Save the file.\n"], glossary=terms)
    assert "档案" in line
    path = tmp_path / "zh.po"
    path.write_text('msgid "Copy %d file"\nmsgid_plural "Copy %d files"\nmsgstr[0] ""\n')
    translate_catalog(shipped, path, glossary=terms)
    assert "%d" in (filled := path.read_text().splitlines()[-1]) and "档案" in filled
