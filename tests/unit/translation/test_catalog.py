"""Message catalogs: untranslated entries are filled, all other bytes are kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from smalti.translation.catalog import fill_catalog, read_catalog
from tests.expect import expect_user_error

HEADER = """# Chinese.
msgid ""
msgstr ""
"Language: zh_CN\\n"
"Content-Type: text/plain; charset=UTF-8\\n"
"Plural-Forms: nplurals=1; plural=0;\\n"

"""
BODY = """#: a.c:12
#, c-format
msgid "Open %s"
msgstr ""

# a remark
#| msgid "old"
msgctxt "menu"
msgid ""
"Say \\"yes\\"\\t\\\\ "
"now\\n"
msgstr   ""
"" # no
msgid "One file"
msgid_plural "%d files"
msgstr[0] ""
#, fuzzy
msgid "Guessed"
msgstr ""
msgid "Done"
msgstr    "完成"
#~ msgid "gone"
#~ msgstr ""
""".replace('"" # no\n', "")


def write(folder: Path, text: str, charset: str = "utf-8") -> Path:
    path = folder / "app.po"
    path.write_bytes(text.encode(charset))
    return path


def test_messages_are_read(tmp_path: Path) -> None:
    catalog = read_catalog(write(tmp_path, HEADER + BODY))
    assert catalog.language == "zh_CN"
    assert [entry.sources["msgid"] for entry in catalog.untranslated] == [
        "Open %s", 'Say "yes"\t\\ now\n', "One file", "Guessed"
    ]  # fmt: skip
    assert catalog.untranslated[1].sources["msgctxt"] == "menu"
    assert catalog.untranslated[2].find_source("msgstr[0]") == "%d files"


def test_only_what_was_open_changes(tmp_path: Path) -> None:
    catalog = read_catalog(write(tmp_path, HEADER + BODY))
    found = {
        "Open %s": "打开 %s",
        'Say "yes"\t\\ now\n': '说\n"是"\t\\\n',
        "%d files": "%d 个文件",
        "Guessed": "猜",
    }
    content, filled = fill_catalog(catalog, found)
    assert filled == 4
    expected = (HEADER + BODY).replace("#, c-format\n", "#, c-format, fuzzy\n")
    expected = expected.replace('"Open %s"\nmsgstr ""', '"Open %s"\nmsgstr "打开 %s"')
    expected = expected.replace('#| msgid "old"', '#, fuzzy\n#| msgid "old"')
    expected = expected.replace('msgstr   ""\n', 'msgstr ""\n"说\\n"\n"\\"是\\"\\t\\\\\\n"\n')
    expected = expected.replace('msgid "One file"', '#, fuzzy\nmsgid "One file"')
    expected = expected.replace('msgstr[0] ""', 'msgstr[0] "%d 个文件"')
    expected = expected.replace('"Guessed"\nmsgstr ""', '"Guessed"\nmsgstr "猜"')
    assert content.decode() == expected
    again = read_catalog(write(tmp_path, expected))
    assert again.untranslated == []
    assert again.entries[2].translations == {"msgstr": '说\n"是"\t\\\n'}


def test_nothing_changes_where_nothing_is_found(tmp_path: Path) -> None:
    for text in (HEADER + BODY, HEADER.replace("\n", "\r\n"), "", "\ufeff" + HEADER + BODY):
        path = write(tmp_path, text)
        assert fill_catalog(read_catalog(path), {}) == (path.read_bytes(), 0)


def test_forms_of_a_language_with_two(tmp_path: Path) -> None:
    text = 'msgid "One file"\r\nmsgid_plural "%d files"\r\nmsgstr[0] ""\r\nmsgstr[1] ""\r\n'
    catalog = read_catalog(write(tmp_path, text))
    assert fill_catalog(catalog, {"%d files": "n"}) == (text.encode(), 0)
    content, _ = fill_catalog(catalog, {"%d files": "n", "One file": "1"})
    expected = text.replace('[0] ""', '[0] "1"').replace('[1] ""', '[1] "n"')
    assert content.decode() == "#, fuzzy\r\n" + expected


def test_another_charset(tmp_path: Path) -> None:
    text = HEADER.replace("UTF-8", "GB2312") + 'msgid "Open"\nmsgstr ""\n\nmsgid "a"\nmsgstr "打"\n'
    catalog = read_catalog(write(tmp_path, text, "gb2312"))
    content, _ = fill_catalog(catalog, {"Open": "打开"})
    assert 'msgstr "打开"' in content.decode("gb2312")
    with expect_user_error("app.po", "GB2312", "lacks '開'", "msgconv"):
        fill_catalog(catalog, {"Open": "打開"})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hello\n", ["app.po, line 1", "'hello'", "msgfmt"]),
        ('msgid "a\nmsgstr ""\n', ["line 1", "not valid in a .po file"]),
        ('msgid "a"\n\nmsgstr "b"\n', ["line 1", "no msgid or msgstr"]),
        ('"a"\n', ["line 1", "outside of an entry"]),
        ('msgid "a"\nmsgid "b"\nmsgstr ""\n', ["line 2", "second msgid"]),
        ('msgid "a"\nmsgid_plural "b"\nmsgstr ""\n', ["line 1", "needs msgstr[0]"]),
        (HEADER.replace("UTF-8", "CHARSET"), ["template", "msginit"]),
        (HEADER.replace("UTF-8", "NONSENSE"), ["charset 'NONSENSE'"]),
    ],
)
def test_what_is_no_catalog(tmp_path: Path, text: str, words: list[str]) -> None:
    with expect_user_error(*words):
        read_catalog(write(tmp_path, text))


def test_wrong_bytes(tmp_path: Path) -> None:
    with expect_user_error("app.po", "0xb4", "is not UTF-8", "iconv"):
        read_catalog(write(tmp_path, HEADER + 'msgid "a"\nmsgstr "打"\n', "gb2312"))
    with expect_user_error("is a folder"):
        read_catalog(tmp_path)
