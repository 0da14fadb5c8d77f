"""Read corpora of any supported format: the format follows from the names of the files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from smalti.core.errors import UserError
from smalti.data.corpora.alignment import read_pages
from smalti.data.corpora.blocks import XML_SUFFIXES
from smalti.data.corpora.fetched_corpus import find_corpus
from smalti.data.corpora.gettext_files import (
    is_language,
    read_gettext,
    read_gettext_pair,
    read_language,
)
from smalti.data.corpora.json_messages import read_json_messages
from smalti.data.corpora.language_files import find_code, list_relative_files, match_files
from smalti.data.corpora.languages import find_language
from smalti.data.corpora.line_files import read_aligned_files, read_json_lines, read_tsv
from smalti.data.corpora.pair import LanguagePair, SentencePair
from smalti.data.corpora.text_file import COMPRESSED, strip_compression
from smalti.data.corpora.tmx import read_tmx

READERS: dict[str, Callable[[Path, LanguagePair], Iterator[SentencePair]]] = {
    ".tsv": read_tsv,
    ".jsonl": read_json_lines,
    ".tmx": read_tmx,
    ".po": read_gettext,
    ".mo": read_gettext,
}
"""Readers of files that hold both languages, by suffix."""
PAIR_READERS: dict[str, Callable[[Path, Path], Iterator[SentencePair]]] = {
    ".json": read_json_messages,
    **dict.fromkeys((".html", ".htm", ".xhtml", *XML_SUFFIXES), read_pages),
}
"""Readers of two files with a language each, by suffix; files of other suffixes are lines."""
GETTEXT = (".po", ".mo")


def read_pairs(*paths: str | Path, languages: LanguagePair = ("en", "zh")) -> list[SentencePair]:
    """Read the sentence pairs of all paths: files, folders, "help-corpus" where it is fetched.

    A file or folder that holds one language is followed by that of the other:
    `read_pairs("a.en", "a.zh")`. `languages` are the codes of source and target. Pairs get the
    name of their file as document and corpus, unless it tells them.
    Raises UserError, naming file and line, for files that cannot be read.
    """
    return [*iterate_pairs(*paths, languages=languages)]


def iterate_pairs(
    *paths: str | Path, languages: LanguagePair = ("en", "zh")
) -> Iterator[SentencePair]:
    """As `read_pairs`, pair by pair."""
    if not paths:
        raise UserError("no corpus is given; name its files")
    for group in group_paths([find_corpus(path) for path in paths], languages):
        corpus = name_corpus(group[0])
        for pair in read_group(group, languages):
            yield pair if pair.corpus else pair._replace(corpus=corpus)


def name_corpus(path: Path) -> str:
    """A corpus is called as its file or folder, without suffixes."""
    return Path(path.resolve()).name.partition(".")[0] or path.name


def find_suffix(path: Path) -> str:
    return strip_compression(path).suffix.lower()


def group_paths(paths: Sequence[Path], languages: LanguagePair) -> Iterator[tuple[Path, ...]]:
    """Group the paths into corpora: one with both languages, or two with one each."""
    rest = [*paths]
    while rest:
        path = rest.pop(0)
        if not path.exists():
            raise UserError(f"{path} does not exist; name a file or folder of sentence pairs")
        if rest and is_one_language(path, rest[0], languages):
            yield path, rest.pop(0)
        elif path.is_dir() or find_suffix(path) in READERS:
            yield (path,)
        else:
            raise UserError(
                f"{path} holds one language; give the file of the other language after it"
            )


def is_one_language(path: Path, other: Path, languages: LanguagePair) -> bool:
    """Whether a path holds one language, and its translation is in the path behind it."""
    if path.is_dir():
        return other.is_dir() and not [*list_groups(path, languages)]
    suffix = find_suffix(path)
    if suffix in GETTEXT and other.is_file() and find_suffix(other) in GETTEXT:
        known = [read_language(one) for one in (path, other)]
        return all(is_language(one, code) for one, code in zip(known, languages, strict=True))
    return suffix not in READERS


def read_group(group: tuple[Path, ...], languages: LanguagePair) -> Iterator[SentencePair]:
    """Read one corpus. Pairs without a document get the name of their file."""
    if not group[0].is_dir():
        files = [(group[0].name, group)]
    elif len(group) == 2:
        files = [*list_translated_files(group[0], group[1], languages)]
    else:
        files = [*list_groups(group[0], languages)]
    if not files:
        raise UserError(describe_folder(group, languages))
    for name, paths in files:
        for pair in read_files(paths, languages):
            yield pair if pair.document else pair._replace(document=name)


def read_files(files: tuple[Path, ...], languages: LanguagePair) -> Iterator[SentencePair]:
    """Read a file with both languages, or two."""
    suffix = find_suffix(files[0])
    if len(files) == 1:
        return READERS[suffix](files[0], languages)
    if suffix in GETTEXT:
        return read_gettext_pair(files[0], files[1])
    if suffix in PAIR_READERS and suffix != find_suffix(files[1]):
        raise UserError(f"{files[0]} and {files[1]} are of different formats; give two of one")
    return PAIR_READERS.get(suffix, read_aligned_files)(files[0], files[1])


def list_groups(folder: Path, languages: LanguagePair) -> Iterator[tuple[str, tuple[Path, ...]]]:
    """The corpora in a folder of both languages, with a name each.

    Files that hold both, and pairs of files whose paths tell the languages: en/a.html and
    zh/a.html, en.json and zh-Hans.json. Catalogs of other languages are left out.
    """
    for path in list_relative_files(folder, add_compressed(READERS)):
        whole = folder / path
        if find_suffix(whole) not in GETTEXT or is_wanted(whole, languages):
            yield path.as_posix(), (whole,)
    files = list_relative_files(folder, add_compressed(PAIR_READERS))
    plain = [path for path in folder.rglob("*") if path.is_file() and is_text(path, languages)]
    files += [path.relative_to(folder) for path in plain]
    for source, target in match_files(files, files, languages, marked=True):
        yield source.as_posix(), (folder / source, folder / target)


def is_text(path: Path, languages: LanguagePair) -> bool:
    """Whether a file's suffix is one of the languages, as in a.en."""
    suffix = find_suffix(path).removeprefix(".")
    return any(is_language(suffix, code) for code in languages)


def is_wanted(path: Path, languages: LanguagePair) -> bool:
    """Whether a catalog's header, or else its path, is of these languages, or tells none."""
    language = read_language(path) or find_code(path) or ""
    return not language or any(is_language(language, code) for code in languages)


def list_translated_files(
    folder: Path, other: Path, languages: LanguagePair
) -> Iterator[tuple[str, tuple[Path, ...]]]:
    """The files of two folders of one language each; plain text where there is nothing else."""
    for suffixes in (add_compressed([*PAIR_READERS, *GETTEXT]), add_compressed([".txt"])):
        sides = [list_relative_files(one, suffixes) for one in (folder, other)]
        if pairs := match_files(sides[0], sides[1], languages, marked=False):
            for source, target in pairs:
                yield source.as_posix(), (folder / source, other / target)
            return


def add_compressed(suffixes: Iterable[str]) -> list[str]:
    return [f"{suffix}{more}" for suffix in suffixes for more in ("", *COMPRESSED)]


def describe_folder(group: tuple[Path, ...], languages: LanguagePair) -> str:
    wanted = " and ".join(languages)
    if len(group) == 2:
        return f"{group[0]} and {group[1]} have no files of the same names; give two translations"
    return (
        f"{group[0]} holds no corpus in {wanted}: no .tsv, .jsonl, .tmx, .po or .mo, and no files "
        "whose paths differ by the language alone; give two folders, one for each language"
    )


def guess_languages(*paths: str | Path) -> LanguagePair | None:
    """The languages that the names of two paths tell, as in a.en and a.zh; None if they do not."""
    codes = [code for path in paths[:2] if (code := find_code(Path(path).name))]
    if len(codes) < 2 or find_language(codes[0]).code == find_language(codes[1]).code:
        return None
    return codes[0], codes[1]
