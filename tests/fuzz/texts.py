"""Defects of text: its lines, its markup, the strings of catalogs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

DEEP = 20_000
MANY = 5000

LINES: dict[str, bytes] = {
    "blank": b"\n\n\n\n",
    "spaces": b"  \t \n" * 4,
    "a hundred zeros": bytes(100),
    "without an end": b"text",
    "a mark alone": b"\xef\xbb\xbf",
    "two marks": b"\xef\xbb\xbf\xef\xbb\xbftext\n",
    "UTF-16": "text\n".encode("utf-16"),
    "GB18030": "文档\n".encode("gb18030"),
    "half a surrogate": b"\xed\xa0\x80\n",
    "overlong": b"\xc0\xaf\n",
    "of two megabytes": b"x" * (2 << 20),
    "tabs": b"\t" * 100_000,
    "one sign": "\N{COMBINING ACUTE ACCENT}".encode() * 10_000,
    "signs of direction": "\u202e\u2066\n".encode() * 10,
    "other line ends": "a\x0bb\x0cc\u2028d\x85e\r\n".encode(),
}
"""Contents, whatever a line means."""


def line_defects(text: str, many: int = MANY) -> Iterator[tuple[str, bytes]]:
    """Yield the text with one line lost, doubled, replaced or `many` times as long; other texts."""
    rows = text.encode().splitlines(keepends=True)
    for name, content in LINES.items():
        yield name, content
        yield f"{name} at the end", b"".join(rows) + content
    for k, row in enumerate(rows):
        rest = rows[:k], rows[k + 1 :]
        changes = {
            "lost": b"",
            "twice": row + row,
            "with its end lost": row.rstrip(b"\n"),
            "with another end": row.replace(b"\n", b"\r\n"),
            "cut": row[: len(row) // 2] + b"\n",
            "long": row.rstrip(b"\n") * many + b"\n",
            "blank": b"\n",
            "zeros": bytes(20) + b"\n",
        }
        for name, content in changes.items():
            yield f"line {k} {name}", b"".join([*rest[0], content, *rest[1]])


# ---- markup

Change = Callable[[str, str], str | bytes]


def put_at(more: str) -> Change:
    """Make a function that inserts text at a place."""
    return lambda text, place: text.replace(place, more + place, 1)


def put_first(more: str) -> Change:
    """Make a function that inserts text after the XML declaration."""
    start = "?>\n"
    return lambda text, place: (
        text.replace(start, start + more, 1) if start in text else more + text
    )


def declare(encoding: str) -> Change:
    return lambda text, place: (
        f'<?xml version="1.0" encoding="{encoding}"?>' + text.partition("?>\n")[2]
    )


EXPANSION = "".join(f'<!ENTITY e{k + 1} "{f"&e{k};" * 20}">' for k in range(9))

MARKUP: dict[str, Change] = {
    "an open tag": put_at("<p>"),
    "an end tag": put_at("</p>"),
    "a sign <": put_at("<"),
    "a sign &": put_at("&"),
    "an unknown entity": put_at("&nothing;"),
    "a known entity": put_at("&nbsp;"),
    "a huge character": put_at("&#x110000;"),
    "half a surrogate by number": put_at("&#xD800;"),
    "character 0": put_at("&#0;"),
    "many digits": put_at(f"&#{'9' * 5000};"),
    "an open comment": put_at("<!--"),
    "a comment": put_at("<!-- - -->"),
    "an open section": put_at("<![CDATA["),
    "a section": put_at("<![CDATA[<p>&]]>"),
    "a section of another kind": put_at("<![x[y]]>"),
    "an open condition": put_at("<![if "),
    "a declaration": put_at("<!x [<!ENTITY y 'z'>]>"),
    "an instruction": put_at("<?x y?>"),
    "an open instruction": put_at("<?"),
    "an attribute twice": put_at('<b id="x" id="y"/>'),
    "an attribute without quotes": put_at("<b id=x/>"),
    "an open attribute": put_at('<b id="'),
    "a long attribute": put_at(f'<b id="{"x" * 1_000_000}"/>'),
    "many attributes": put_at("<b " + " ".join(f'a{k}=""' for k in range(5000)) + "/>"),
    "a long name": put_at(f"<{'x' * 1_000_000}/>"),
    "a name of signs": put_at("<\N{COMBINING ACUTE ACCENT}/>"),
    "an unknown prefix": put_at("<x:y/>"),
    "deep tags": lambda text, place: text.replace(place, "<b>" * DEEP + place + "</b>" * DEEP),
    "deep blocks": lambda text, place: text.replace(
        place, "<section><p>" * DEEP + place + "</p></section>" * DEEP
    ),
    "deep open tags": put_at("<div>" * DEEP),
    "many end tags": put_at("</div>" * DEEP),
    "many signs <": put_at("<" * DEEP),
    "many open tags": put_at("<a " * DEEP),
    "many open comments": put_at("<!--" * DEEP),
    "many open sections": put_at("<![CDATA[" * DEEP),
    "many open quotes": put_at('<a b="' * DEEP),
    "many signs &": put_at("&" * DEEP),
    "many ids": put_at("".join(f'<p id="i{k}">x{k}</p>' for k in range(5000))),
    "many blocks": put_at("<p>x</p>" * 5000),
    "an open script": put_at("<script>"),
    "a zero byte": put_at("\0"),
    "an entity of its own": put_first('<!DOCTYPE x [<!ENTITY y "z">]>'),
    "an entity of a file": put_first('<!DOCTYPE x [<!ENTITY y SYSTEM "/etc/passwd">]>'),
    "a DTD elsewhere": put_first('<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">'),
    "an entity of parameters": put_first('<!DOCTYPE x [<!ENTITY % y SYSTEM "/etc/passwd"> %y;]>'),
    "an open DTD": put_first("<!DOCTYPE x ["),
    "expanding entities": lambda text, place: put_first(
        f'<!DOCTYPE x [<!ENTITY e0 "many words">{EXPANSION}]>'
    )(str(put_at("&e9;")(text, place)), place),
    "entities in a circle": lambda text, place: put_first(
        '<!DOCTYPE x [<!ENTITY a "&b;"><!ENTITY b "&a;">]>'
    )(str(put_at("&a;")(text, place)), place),
    "the encoding UTF-16": declare("UTF-16"),
    "the encoding GB18030": declare("GB18030"),
    "an unknown encoding": declare("none"),
    "no encoding": declare("rot13"),
    "an encoding of text": declare("idna"),
    "an encoding that is undefined": declare("undefined"),
    "a long encoding": declare("x" * 10_000),
    "in UTF-16": lambda text, place: text.encode("utf-16"),
    "in UTF-32": lambda text, place: text.encode("utf-32"),
    "without a root": lambda text, place: "text",
    "two roots": lambda text, place: text + text,
    "a root alone": lambda text, place: "<x/>",
}
"""Defects of XML and HTML near a place."""

# ---- pages


def describe_pages() -> dict[str, Callable[[Sequence[str]], str]]:
    """Functions that write a page of paragraphs, by suffix."""
    return {
        ".html": lambda texts: (
            f'<html><body><h1 id="a">{texts[0]}</h1>\n'
            + "\n".join(f"<p>{text}" for text in texts[1:])
            + "\n</body></html>\n"
        ),
        ".page": lambda texts: (
            f'<?xml version="1.0"?>\n<page id="a"><title>{texts[0]}</title>\n'
            + "\n".join(f"<p>{text}</p>" for text in texts[1:])
            + "\n</page>\n"
        ),
        ".docbook": lambda texts: (
            f'<?xml version="1.0"?>\n<book><title id="a">{texts[0]}</title>\n'
            + "\n".join(f"<para>{text}</para>" for text in texts[1:])
            + "\n</book>\n"
        ),
    }


# ---- catalogs

STRINGS = {
    "an escape without digits": r"\x",
    "a byte": r"\xff",
    "a large byte": r"\777",
    "a zero": r"\0",
    "an open escape": "\\",
    "a quote": '"',
    "a line end": r"\n",
    "an unknown escape": r"\q\u1234",
    "a placeholder": "%s {name} <b>",
}
SIGNS = {"percent signs": "%", "quotes": r"\"", "brackets": "<", "braces": "{", "keys": "(&x)"}
"""What catalogs hold many of."""
ENTRIES = {
    "a text alone": '"x"\n',
    "an id alone": 'msgid "x"\n',
    "a translation alone": 'msgstr "x"\n',
    "two ids": 'msgid "x"\nmsgid "y"\nmsgstr "z"\n',
    "two translations": 'msgid "x"\nmsgstr "y"\nmsgstr "z"\n',
    "a plural alone": 'msgid "x"\nmsgid_plural "y"\nmsgstr "z"\n',
    "forms without a plural": 'msgid "x"\nmsgstr[0] "y"\n',
    "form 999": 'msgid "x"\nmsgid_plural "y"\nmsgstr[999] "z"\n',
    "form 99999999999": 'msgid "x"\nmsgid_plural "y"\nmsgstr[99999999999] "z"\n',
    "form -1": 'msgid "x"\nmsgid_plural "y"\nmsgstr[-1] "z"\n',
    "an unknown keyword": 'msgno "x"\n',
    "a domain": 'domain "x"\n',
    "an old entry": '#~ msgid "x"\n#~ msgstr "y"\n',
    "a second header": 'msgid ""\nmsgstr "Language: de\\n"\n',
    "an id twice": 'msgid "x"\nmsgstr "y"\n\nmsgid "x"\nmsgstr "z"\n',
    "flags alone": "#, fuzzy\n",
    "a previous id": '#| msgid "x"\nmsgid "y"\nmsgstr ""\n',
    "many entries": "".join(f'msgid "{k}"\nmsgstr "y"\n\n' for k in range(2000)),
}
CHARSETS = (
    "CHARSET", "UTF-16", "UTF-7", "rot13", "base64", "idna", "undefined", "punycode",
    "unicode_escape", "raw_unicode_escape", "GB18030", "ascii", "latin-1", "none", "-", "x" * 5000,
)  # fmt: skip


def catalog_defects(text: str, many: int = MANY) -> Iterator[tuple[str, bytes]]:
    """Yield a catalog with defects of lines, strings, entries and its charset."""
    yield from line_defects(text, many)
    signs = {f"many {title}": 4 * many * sign for title, sign in SIGNS.items()}
    for title, more in (STRINGS | signs).items():
        for place in ("Close", "关闭"):
            yield f"{title} at {place}", text.replace(place, more + place, 1).encode()
    for title, more in ENTRIES.items():
        yield f"{title} at the end", f"{text}\n{more}".encode()
        yield f"{title} in front", f"{more}\n{text}".encode()
    for charset in CHARSETS:
        yield f"charset {charset[:20]}", text.replace("UTF-8", charset).encode()
    for language in ("", "de", "x" * 5000, "zh_TW", "zh@latin", "-", ".", "en"):
        yield f"language {language[:10]}", text.replace("zh_CN", language).encode()
