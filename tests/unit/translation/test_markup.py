"""What a translation must keep: placeholders, tags, access keys, line breaks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smalti.translation.markup import (
    PLACEHOLDER,
    add_access_key,
    has_words,
    keeps_placeholders,
    mask_placeholders,
    split_access_key,
    unmask_placeholders,
)
from smalti.translation.segments import join_pieces, split_lines, split_long


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Could not open %s: %d of %1$d", ["%s", "%d", "%1$d"]),
        ("%(name)s has %-5.2f%% of %lu", ["%(name)s", "%-5.2f", "%%", "%lu"]),
        ("50% of all", []),
        ("%1 of %L2, {0} and {name} {0:.2f}", ["%1", "%L2", "{0}", "{name}", "{0:.2f}"]),
        ("{{x}} is ${HOME} of $1", ["{{x}}", "${HOME}", "$1"]),
        ("<b>bold</b> <a href='x y'>link</a>", ["<b>", "</b>", "<a href='x y'>", "</a>"]),
        ("a < b and c > d, 1 <2> 3", []),
        ("Tom &amp; Jerry &#8230; AT&T", ["&amp;", "&#8230;"]),
        ("see https://example.org/a?b=c. Or", ["https://example.org/a?b=c"]),
        ("write to me@example.org.", ["me@example.org"]),
        ("@name@ is not @ home", ["@name@"]),
    ],
)  # fmt: skip
def test_placeholders_are_found(text: str, found: list[str]) -> None:
    assert PLACEHOLDER.findall(text) == found


@pytest.mark.parametrize(
    ("source", "target", "kept"),
    [
        ("Open %s", "打开 %s", True),
        ("Open %s", "打开", False),
        ("Open", "打开 %s", False),
        ("%s and %s", "%s", False),
        ("%d of %s", "%s 的 %d", False),  # C takes its arguments in their order
        ("%1$d of %2$s", "%2$s 的 %1$d", True),
        ("%(a)s of %(b)d", "%(b)d 的 %(a)s", True),
        ("{a} of {b}", "{b} 的 {a}", True),
        ("<b>Now</b>", "</b>现在<b>", False),
        ("<b>Now</b> <i>here</i>", "<i>这里</i><b>现在</b>", True),
        ("100%% of %d", "%d 的 100%%", True),
    ],
)
def test_what_keeps_them(source: str, target: str, kept: bool) -> None:
    assert keeps_placeholders(source, target) is kept


def test_masks_come_off_again() -> None:
    text = "<b>%s</b> has {0} and %s"
    masked, found = mask_placeholders(text)
    assert masked == "{0}{1}{2} has {3} and {4}"
    assert unmask_placeholders(masked, found) == text
    assert unmask_placeholders("{1}{7}", found) == "%s{7}"


def test_whether_there_are_words() -> None:
    assert has_words("Open %s")
    assert not any(map(has_words, ["%s", "<b>{name}</b>", "42 %", "—", ""]))


@pytest.mark.parametrize(
    ("text", "plain", "key"),
    [
        ("&File", "File", "&F"),
        ("Save &As...", "Save As...", "&A"),
        ("_Open", "Open", "_O"),
        ("E_xit", "Exit", "_x"),
        ("AT&T", "AT&T", ""),
        ("Fish &amp; chips", "Fish &amp; chips", ""),
        ("Set my_long_name to one of these", "Set my_long_name to one of these", ""),
        ("&Cut && &Paste", "&Cut && &Paste", ""),
        ("Open %s", "Open %s", ""),
    ],
)
def test_access_keys_are_taken(text: str, plain: str, key: str) -> None:
    assert split_access_key(text) == (plain, key)


def test_access_keys_are_put_as_chinese_programs_do() -> None:
    assert add_access_key("另存为...", "&a") == "另存为(&A)..."
    assert add_access_key("名称：", "_N") == "名称(_N)："
    assert add_access_key("文件", "&F") == "文件(&F)"
    assert add_access_key("文件", "") == "文件"


# ---- segments


@given(st.text(st.sampled_from("ab .\n\t\\nr\r:"), max_size=30))
def test_lines_and_what_is_between_make_the_text(text: str) -> None:
    parts = split_lines(text)
    assert "".join(parts) == text
    assert not any("\n" in line or line != line.strip() for line in parts[::2])


def test_breaks_may_be_spelled() -> None:
    assert split_lines("One\\nTwo\n Three ") == ["One", "\\n", "Two", "\n ", "Three", " ", ""]
    assert split_lines(r"in C:\new") == [r"in C:\new"]


def words(pieces: object) -> list[int]:
    return [len(piece.split()) for piece in pieces]  # pyright: ignore


def test_sentences_stay_whole() -> None:
    text = "One two three. Four five! Six? Seven, e.g. Eight, nine. U.S. Ten"
    assert split_long(text, 20, 20, words) == [text]
    assert split_long(text, 5, 9, words) == [
        "One two three. Four five!", "Six? Seven, e.g. Eight, nine.", "U.S. Ten"
    ]  # fmt: skip
    assert split_long(text, 1, 9, words)[:3] == ["One two three.", "Four five!", "Six?"]


def test_a_long_sentence_is_cut_at_commas_then_at_spaces() -> None:
    assert split_long("a b c, d e, f g h i j k", 3, 4, words) == [
        "a b c,",
        "d e,",
        "f g h i",
        "j k",
    ]
    long = 'see <a href="x y z" title="a b c">all of it</a> now'
    pieces = split_long(long, 2, 4, words)
    assert " ".join(pieces) == long
    assert any('<a href="x y z" title="a b c">' in piece for piece in pieces)


def test_chinese_is_joined_without_spaces() -> None:
    assert join_pieces(["一。", "二。", "OK", "then", ""]) == "一。二。OK then"
