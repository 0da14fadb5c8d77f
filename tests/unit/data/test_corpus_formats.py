"""Readers of translation memories, catalogs, pages and messages."""

from __future__ import annotations

import gettext
import json
import struct
from pathlib import Path

import pytest

from smalti.data.corpora import read_pairs
from tests.expect import expect_user_error

Texts = list[tuple[str, str]]


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def read_texts(*paths: Path, languages: tuple[str, str] = ("en", "zh")) -> Texts:
    return [pair[:2] for pair in read_pairs(*paths, languages=languages)]


# ---- TMX

TMX = """<?xml version="1.0"?>
<tmx version="1.4"><header/><body>
<tu><prop type="x-document">guide</prop>
<tuv xml:lang="en-US"><seg>Click <bpt i="1">&lt;b&gt;</bpt>OK<ept i="1"/> now</seg></tuv>
<tuv xml:lang="zh-CN"><seg>现在单击<hi>确定</hi></seg></tuv>
<tuv xml:lang="zh-TW"><seg>按確定</seg></tuv></tu>
<tu><tuv xml:lang="en"><seg>Alone</seg></tuv></tu>
</body></tmx>"""


def test_tmx(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tmx", TMX)
    (pair,) = read_pairs(path)
    assert pair == ("Click OK now", "现在单击确定", "guide", "a")
    assert read_texts(path, languages=("zh-TW", "en")) == [("按確定", "Click OK now")]
    with expect_user_error("no unit in en and fr (but zh-CN, zh-TW)"):
        read_pairs(path, languages=("en", "fr"))
    write(path, TMX.replace("<hi>", "<hi"))
    with expect_user_error("a.tmx, line 5"):
        read_pairs(path)


BOMB = "".join(f'<!ENTITY e{k + 1} "{f"&e{k};" * 20}">' for k in range(9))  # e9 is 20^9 times e0


def test_entities_do_not_fill_the_memory(tmp_path: Path) -> None:
    dtd = f'<!DOCTYPE page [<!ENTITY e0 "many words">{BOMB}]>'
    memory = write(tmp_path / "a.tmx", f"{dtd}<tmx>&e9;</tmx>")
    with expect_user_error("declares the entity 'e0'"):
        read_pairs(memory)
    page = write(tmp_path / "a.page", f"{dtd}<page><p>&e9;</p></page>")
    with expect_user_error("a.page, line 1"):
        read_pairs(page, page)
    outside = '<!DOCTYPE page [<!ENTITY x SYSTEM "secret.txt">]><page><p>a&x;b</p></page>'
    write(tmp_path / "secret.txt", "secret")
    page = write(tmp_path / "b.page", outside)
    assert read_texts(page, page) == [("ab", "ab")]


# ---- gettext

PO = """msgid ""
msgstr "Language: zh_CN\\nContent-Type: text/plain; charset=UTF-8\\n"

msgid "&Open"
msgstr "打开(&O)"

#, fuzzy
msgid "Close"
msgstr "关"

msgid "Save"
msgstr ""

msgctxt "menu"
msgid "%d file"
msgid_plural "%d files"
msgstr[0] "%d 个文件"
"""
PO_TEXTS = [("&Open", "打开(&O)"), ("%d files", "%d 个文件")]


def test_catalogs(tmp_path: Path) -> None:
    path = write(tmp_path / "a.po", PO)
    assert read_texts(path) == PO_TEXTS
    assert read_texts(path, languages=("zh", "en")) == [(b, a) for a, b in PO_TEXTS]
    with expect_user_error("a.po is in zh_CN, not in en or de"):
        read_pairs(path, languages=("en", "de"))
    german = write(tmp_path / "de.po", PO.replace("zh_CN", "de").replace("打开(&O)", "Ö&ffnen"))
    found = read_texts(german, path, languages=("de", "zh"))
    assert found == [("Ö&ffnen", "打开(&O)"), ("%d 个文件", "%d 个文件")]
    write(path, PO.replace("UTF-8", "undefined"))
    with expect_user_error("charset 'undefined' is unknown"):
        read_pairs(path)
    write(path, PO + '\nmsgid "a"\nmsgstr b\n')
    with expect_user_error("a.po, line 20"):
        read_pairs(path)


def compile_catalog(messages: dict[str, str]) -> bytes:
    """As msgfmt does."""
    rows = sorted((key.encode(), text.encode()) for key, text in messages.items())
    n, tables, strings, at = len(rows), ([], []), b"", 28 + 16 * len(messages)
    for side in (0, 1):
        for row in rows:
            tables[side].append(struct.pack("<2I", len(row[side]), at + len(strings)))
            strings += row[side] + b"\0"
    head = struct.pack("<7I", 0x950412DE, 0, n, 28, 28 + 8 * n, 0, 28 + 16 * n)
    return head + b"".join(tables[0] + tables[1]) + strings


def test_compiled_catalogs(tmp_path: Path) -> None:
    path = tmp_path / "zh_CN" / "LC_MESSAGES" / "a.mo"
    path.parent.mkdir(parents=True)
    messages = {"": "Language: zh_CN\nContent-Type: text/plain; charset=UTF-8\n", "Open": "打开"}
    path.write_bytes(compile_catalog({**messages, "menu\4%d file\0%d files": "%d 个文件"}))
    with path.open("rb") as file:  # it is one for others, too
        assert gettext.GNUTranslations(file).gettext("Open") == "打开"
    assert sorted(read_texts(path)) == [("%d files", "%d 个文件"), ("Open", "打开")]
    german = tmp_path / "de" / "LC_MESSAGES" / "a.mo"
    german.parent.mkdir(parents=True)
    german.write_bytes(compile_catalog({"": "Language: de\n", "Open": "Öffnen"}))
    assert len(read_pairs(tmp_path)) == 2  # the German one is left out


@pytest.mark.parametrize("cut", [0, 3, 12, 40, -3, "huge"])
def test_damaged_compiled_catalogs(tmp_path: Path, cut: int | str) -> None:
    data = compile_catalog({"": "Language: zh\n", "Open": "打开"})
    data = data[:8] + b"\xff" * 4 + data[12:] if cut == "huge" else data[: int(cut)]
    (tmp_path / "a.mo").write_bytes(data)
    with expect_user_error("a.mo is"):
        read_pairs(tmp_path / "a.mo")


# ---- pages

ENGLISH = """<html><head><title>No</title></head><body><nav><p>Menu</p></nav>
<h1 id="top">Save <em>files</em></h1>
<p>Use <code>make</code> to
save.</p><pre>make all</pre>
<ul><li>One thing<li>Another</ul>
<p>See <a href="x">Files</a>.</p></body></html>"""
CHINESE = """<html><head><title>不</title></head><body><nav><p>菜单</p></nav>
<h1 id="top">保存<em>文件</em></h1>
<p>使用 <code>make</code> 来
保存。</p><pre>make all</pre>
<ul><li>一个<li>另一个</ul>
<p>参见<a href="x">文件</a>。</p></body></html>"""
PAGE_TEXTS = [
    ("Save files", "保存文件"),
    ("Use make to save.", "使用 make 来保存。"),
    ("One thing", "一个"),
    ("Another", "另一个"),
    ("See Files.", "参见文件。"),
]


def test_html(tmp_path: Path) -> None:
    source, target = write(tmp_path / "en/a.html", ENGLISH), write(tmp_path / "zh/a.html", CHINESE)
    assert read_texts(source, target) == PAGE_TEXTS
    for paths in ([source.parent, target.parent], [tmp_path]):
        pairs = read_pairs(*paths)
        assert [pair[:2] for pair in pairs] == PAGE_TEXTS
        assert {pair.document for pair in pairs} == {"a.html" if len(paths) == 2 else "en/a.html"}


def test_a_number_that_is_no_character(tmp_path: Path) -> None:
    source, target = (
        write(tmp_path / f"{code}.html", f"<p>{text}&#{'9' * 5000};</p>")
        for code, text in (("en", "Open"), ("zh", "打开"))
    )
    assert read_texts(source, target) == [("Open\ufffd", "打开\ufffd")]


def test_pages_of_other_structure_are_aligned(tmp_path: Path) -> None:
    more = ENGLISH.replace("<ul>", "<p>This text of seven words is new.</p><ul>")
    source, target = write(tmp_path / "a.en.html", more), write(tmp_path / "a.zh.html", CHINESE)
    assert read_texts(source, target) == PAGE_TEXTS


MALLARD = """<page xmlns="http://projectmallard.org/1.0/" id="a">
<info><credit><name>N</name></credit><desc>{0}</desc></info><title>{1}</title>
<p>{2} <guiseq><gui>{3}</gui><gui>{4}</gui></guiseq> <key>F1</key></p>
<code>some code</code><p><link xref="b"/></p>
<p>{2} <keyseq><key>Ctrl</key><key>Z</key></keyseq>&#8230;</p></page>"""


def test_mallard_pages(tmp_path: Path) -> None:
    english = MALLARD.format("What", "Title", "Press", "File", "Open")
    chinese = MALLARD.format("说明", "标题", "按", "文件", "打开")
    source, target = (
        write(tmp_path / "C/a.page", english),
        write(tmp_path / "zh_CN/a.page", chinese),
    )
    found = [
        ("What", "说明"),
        ("Title", "标题"),
        ("Press File > Open F1", "按文件 > 打开 F1"),
        ("Press Ctrl+Z…", "按 Ctrl+Z…"),
    ]
    assert read_texts(source, target) == found
    assert read_texts(tmp_path) == found


DOCBOOK = """<!DOCTYPE book PUBLIC "-//OASIS//DTD DocBook XML V4.2//EN" "x.dtd" [
<!ENTITY app "<application>Pluma</application>">]>
<book><chapter id="c"><title>{0}</title><para>{1} &app;&nbsp;{2}</para>
<para>{3} <xref linkend="c"/>.</para><programlisting>x = 1</programlisting></chapter></book>"""


def test_docbook(tmp_path: Path) -> None:
    source = write(tmp_path / "a.docbook", DOCBOOK.format("Start", "Run", "now", "See"))
    target = write(tmp_path / "b.docbook", DOCBOOK.format("开始", "现在运行", "吧", "参见"))
    assert read_texts(source, target) == [("Start", "开始"), ("Run Pluma now", "现在运行 Pluma 吧")]


# ---- JSON


def test_json_messages(tmp_path: Path) -> None:
    english = {"@metadata": {"authors": "A"}, "menu": {"open": "Open", "quit": "Quit"}, "n": 3}
    source = write(tmp_path / "i18n/en.json", json.dumps(english))
    target = write(tmp_path / "i18n/zh-hans.json", '{"menu": {"open": "打开"}, "@metadata": {}}')
    assert read_texts(source, target) == read_texts(tmp_path) == [("Open", "打开")]
    write(target, '{"menu":\n {"open": "打开"')
    with expect_user_error("zh-hans.json, line 2"):
        read_pairs(source, target)
    write(target, "[" * 100_000)
    with expect_user_error("zh-hans.json"):
        read_pairs(source, target)
    write(target, '{"other": "x"}')
    with expect_user_error("no key in common"):
        read_pairs(source, target)


def test_folders_without_a_corpus(tmp_path: Path) -> None:
    with expect_user_error("holds no corpus in en and zh"):
        read_pairs(tmp_path)
    write(tmp_path / "en/a.html", ENGLISH)
    write(tmp_path / "zh/b.html", CHINESE)
    with expect_user_error("no files of the same names"):
        read_pairs(tmp_path / "en", tmp_path / "zh")
    with expect_user_error("are of different formats"):
        read_pairs(tmp_path / "en/a.html", write(tmp_path / "a.json", "{}"))
    with expect_user_error("does not exist"):
        read_pairs(tmp_path / "nothing.tsv")
