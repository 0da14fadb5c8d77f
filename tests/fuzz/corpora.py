"""Corpora of sentence pairs, of every format that `smalti data` reads."""

from __future__ import annotations

import gzip
import json
import lzma
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.fuzz.cases import Case, Make, make_cases, write_file
from tests.fuzz.defects import bytes_defects, field_defects, json_defects
from tests.fuzz.kit import Kit
from tests.fuzz.texts import LINES, MARKUP, catalog_defects, describe_pages, line_defects

PAIRS = (
    ("Click OK to save the document.", "单击确定以保存文档。"),
    ("Open the file in a new window.", "在新窗口中打开文件。"),
    ("Close the dialog.", "关闭对话框。"),
    ("The table has two columns.", "该表格有两列。"),
    ("Choose a color for the page.", "为页面选择一种颜色。"),
    ("Delete the selected rows.", "删除选中的行。"),
)
OUT = "--out looks"


def has_report(workdir: Path) -> bool:
    """Whether the report accounts for every pair."""
    report = json.loads((workdir / "looks/report.json").read_text())
    return 0 < sum(report["splits"].values()) <= report["pairs"]


def cases(kit: Kit) -> Iterator[Case]:
    yield from lines()
    yield from json_lines()
    yield from memories()
    yield from catalogs()
    yield from compiled_catalogs()
    yield from messages()
    yield from pages()
    yield from compressed()


def text_cases(
    title: str,
    name: str,
    text: str,
    defects: Iterator[tuple[str, bytes]],
    command: str,
    *also: Make,
) -> Iterator[Case]:
    """Yield cases of a text with these contents, and with defects of its bytes."""
    data = text.encode()
    damaged = bytes_defects(len(data), 8)
    yield from make_cases(title, name, data, damaged, command, *also, check=has_report)
    for defect, content in defects:
        make = write_file(name, content, *also)
        yield Case(f"{title}: {defect}", make, command, has_report)


# ---- a pair per line


def lines() -> Iterator[Case]:
    sides = ["".join(f"{pair[side]}\n" for pair in PAIRS) for side in (0, 1)]
    words = f"data a.en a.zh {OUT}"
    for side, other in (("en", "zh"), ("zh", "en")):
        k = int(side == "zh")
        also = write_file(f"a.{other}", sides[1 - k])
        defects = line_defects(sides[k])
        yield from text_cases(f"lines .{side}", f"a.{side}", sides[k], defects, words, also)
    for title, content in LINES.items():
        make = write_file("a.en", content, write_file("a.zh", content))
        yield Case(f"lines: both {title}", make, words, has_report)
    table = "".join(f"{english}\t{chinese}\n" for english, chinese in PAIRS)
    header = "document\ttarget\tsource\n"
    named = header + "".join(f"d{k}\t{b}\t{a}\n" for k, (a, b) in enumerate(PAIRS))
    for title, text in {"TSV": table, "TSV with a header": named}.items():
        yield from text_cases(title, "a.tsv", text, line_defects(text), f"data a.tsv {OUT}")
    for k, text in enumerate(
        ("source\ttarget\tsource", "source\ttarget", "target", "source\tTarget\tcorpus", "\t\t\t")
    ):
        make = write_file("a.tsv", f"{text}\n{table}")
        yield Case(f"TSV: header {k}", make, f"data a.tsv {OUT}", has_report)


def json_lines() -> Iterator[Case]:
    words = f"data a.jsonl {OUT}"
    rows = [json.dumps({"english": a, "chinese": b, "doc": "d"}) for a, b in PAIRS]
    text = "".join(f"{row}\n" for row in rows)
    yield from text_cases("JSON lines", "a.jsonl", text, line_defects(text), words)
    nested = {"translation": {"en": PAIRS[0][0], "zh": PAIRS[0][1]}, "document": "d", "corpus": "c"}
    for title, content in json_defects(nested):
        make = write_file("a.jsonl", content + b"\n" + text.encode())
        yield Case(f"JSON lines: first {title}", make, words, has_report)


# ---- translation memories


def write_memory(*pairs: tuple[str, str]) -> str:
    units = "\n".join(
        f'<tu><prop type="x-document">d</prop><tuv xml:lang="en"><seg>{a}</seg></tuv>'
        f'<tuv xml:lang="zh"><seg>{b}</seg></tuv></tu>'
        for a, b in pairs
    )
    return f'<?xml version="1.0"?>\n<tmx version="1.4"><header/><body>{units}</body></tmx>\n'


def memories() -> Iterator[Case]:
    words, text = f"data a.tmx {OUT}", write_memory(*PAIRS)
    yield from text_cases("TMX", "a.tmx", text, line_defects(text), words)
    for title, change in MARKUP.items():
        for place in ("Close", "关闭"):
            make = write_file("a.tmx", change(text, place))
            yield Case(f"TMX: {title} at {place}", make, words, has_report)
    languages = ("", "e", "x-none", "EN", "en-", "e" * 10_000, "zh_CN", "zh-Hant", "\n")
    for k, language in enumerate(languages):
        make = write_file("a.tmx", text.replace('lang="en"', f'lang="{language}"', 3))
        yield Case(f"TMX: language {k}", make, words, has_report)
    for tag in ("tu", "tuv", "seg", "prop", "body", "ph"):
        for k, more in enumerate((f"<{tag}>", f"<{tag}/>", f"<{tag}><{tag}>x</{tag}></{tag}>")):
            make = write_file("a.tmx", text.replace("Close", f"Close {more}"))
            yield Case(f"TMX: {tag} {k} within", make, words, has_report)


# ---- gettext


def write_catalog(language: str, rows: Iterator[tuple[str, str]]) -> str:
    entries = "".join(f'\nmsgid "{a}"\nmsgstr "{b}"\n' for a, b in rows)
    return (
        f'msgid ""\nmsgstr "Language: {language}\\nContent-Type: text/plain; charset=UTF-8\\n"\n'
        f'{entries}\nmsgctxt "m"\nmsgid "A row"\nmsgid_plural "Two rows"\nmsgstr[0] "两行"\n'
    )


def catalogs() -> Iterator[Case]:
    text = write_catalog("zh_CN", iter(PAIRS))
    english = write_catalog("en", ((a, a) for a, _ in PAIRS))
    for title, words in {"catalog": "data a.po", "two catalogs": "data a.en.po a.po"}.items():
        also = [write_file("a.en.po", english)] if title == "two catalogs" else []
        defects = catalog_defects(text)
        yield from text_cases(title, "a.po", text, defects, f"{words} {OUT}", *also)


def compile_catalog(rows: list[tuple[str, str]]) -> bytes:
    """Write a .mo file as msgfmt does."""
    coded = sorted((a.encode(), b.encode()) for a, b in rows)
    tables, strings, at = [b"", b""], b"", 28 + 16 * len(coded)
    for side in (0, 1):
        for row in coded:
            tables[side] += struct.pack("<2I", len(row[side]), at + len(strings))
            strings += row[side] + b"\0"
    n = len(coded)
    return struct.pack("<7I", 0x950412DE, 0, n, 28, 28 + 8 * n, 0, at) + b"".join(tables) + strings


def compiled_catalogs() -> Iterator[Case]:
    words = f"data a.mo {OUT}"
    header = "Language: zh_CN\nContent-Type: text/plain; charset={}\n"
    rows = [("", header.format("UTF-8")), *PAIRS, ("m\4A row\0Two rows", "一行\0两行")]
    data = compile_catalog(rows)
    fields = {f"word {k}": (4 * k, 4) for k in range(7 + 4 * len(rows))}
    defects = [*bytes_defects(len(data), 28), *field_defects(fields)]
    yield from make_cases("compiled catalog", "a.mo", data, defects, words, check=has_report)
    charsets = ("UTF-16", "rot13", "base64", "idna", "undefined", "punycode", "unicode_escape", "",
                "GB18030", "ascii", "latin-1", "none", "x" * 5000)  # fmt: skip
    for charset in charsets:
        make = write_file("a.mo", compile_catalog([("", header.format(charset)), *rows[1:]]))
        yield Case(f"compiled catalog: charset {charset[:20]}", make, words, has_report)
    for k, row in enumerate((("\4", "x"), ("\0", "\0"), ("a\0b\0c", "d\0e\0f\0g"), ("a", "\0"))):
        make = write_file("a.mo", compile_catalog([*rows, row]))
        yield Case(f"compiled catalog: message {k}", make, words, has_report)


# ---- messages and pages


def messages() -> Iterator[Case]:
    words = f"data en.json zh.json {OUT}"
    documents = [
        {"@metadata": {"n": 1}, "menu": {str(k): pair[side] for k, pair in enumerate(PAIRS[:3])}}
        | {"more": [pair[side] for pair in PAIRS[3:]]}
        for side in (0, 1)
    ]
    for name, other, k in (("en", "zh", 0), ("zh", "en", 1)):
        also = write_file(f"{other}.json", json.dumps(documents[1 - k]))
        text = json.dumps(documents[k], ensure_ascii=False, indent=1)
        defects = ((f"JSON {title}", content) for title, content in json_defects(documents[k]))
        yield from text_cases(f"messages {name}", f"{name}.json", text, defects, words, also)


def pages() -> Iterator[Case]:
    for suffix, write_page in describe_pages().items():
        sides = [write_page([pair[side] for pair in PAIRS]) for side in (0, 1)]
        words = f"data en{suffix} zh{suffix} {OUT}"
        also = write_file(f"zh{suffix}", sides[1])
        title, name = f"page {suffix}", f"en{suffix}"
        yield from text_cases(title, name, sides[0], line_defects(sides[0]), words, also)
        for defect, change in MARKUP.items():
            damaged = [
                change(side, place) for side, place in zip(sides, ("Close", "关闭"), strict=True)
            ]
            yield Case(f"{title}: {defect}", write_file(name, damaged[0], also), words, has_report)
            both = write_file(name, damaged[0], write_file(f"zh{suffix}", damaged[1]))
            yield Case(f"{title}: {defect} in both", both, words, has_report)


# ---- compression


def compressed() -> Iterator[Case]:
    table = "".join(f"{a}\t{b}\n" for a, b in PAIRS).encode()
    compress: dict[str, Callable[[bytes], bytes]] = {"gz": gzip.compress, "xz": lzma.compress}
    for suffix, pack in compress.items():
        name = f"a.tsv.{suffix}"
        words, data = f"data {name} {OUT}", pack(table)
        yield from make_cases(
            name, name, data, bytes_defects(len(data), 24), words, check=has_report
        )
        for title, content in {
            "many lines": pack(b"a\tb\n" * (1 << 19)),
            "nothing": pack(b""),
            "packed twice": pack(data),
            "two in one": data + data,
            "more behind it": data + b"more",
            "not packed": table,
        }.items():
            yield Case(f"{name}: {title}", write_file(name, content), words, has_report)
        for kind, text in (("tsv", ""), ("tmx", write_memory(*PAIRS)), ("po", "")):
            name = f"a.{kind}.{suffix}"
            make = write_bomb(name, pack, text.encode())
            yield Case(f"{name}: a bomb of spaces", make, f"data {name} {OUT}", has_report)


def write_bomb(name: str, pack: Callable[[bytes], bytes], start: bytes) -> Make:
    """Make a function that writes 256 MB in a small file, for whose packing it takes its time."""
    return lambda workdir: (workdir / name).write_bytes(pack(start + b" " * (1 << 28)))
