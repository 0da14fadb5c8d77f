"""Which files of a folder or an archive are pictures, and what is passed over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from smalti.core.errors import UserError
from smalti.data.outputs import find_outputs
from smalti.data.picture_formats import (
    SIGNATURE_BYTES,
    has_signature,
    list_picture_suffixes,
    parse_suffix,
)
from smalti.data.sidecar import to_caption_path

SYSTEM_NAMES = {
    "@eadir", "#recycle", "#snapshot", "@recycle", "@recently-snapshot", "@sharebin", "@tmp",
    "@__thumb", "__macosx", "__pycache__", "lost+found", "$recycle.bin", "network trash folder",
    "system volume information", "temporary items", "thumbs.db", "ehthumbs.db", "desktop.ini",
    "icon\r",
}  # fmt: skip
"""What storage devices and file managers leave behind, in lower case."""
RAW_AND_VECTOR = (
    "3fr arw cr2 cr3 crw dcr dng erf iiq kdc mef mos mrw nef nrw orf pef raf raw rw2 rwl sr2 srf "
    "srw x3f ai eps pdf svg svgz thm lrv"
)
"""Photographs and drawings that Pillow does not read, or of which it reads a preview alone."""
UNFINISHED = "part partial crdownload download tmp bak orig swp"
"""What is not finished, and copies that a program keeps."""
TEXT_SUFFIXES = "txt json jsonl csv tsv xml yaml yml md html log aae xmp"
"""Of which there may be one beside each picture."""
NON_PICTURE_SUFFIXES = frozenset(
    f".{word}" for words in (RAW_AND_VECTOR, UNFINISHED, TEXT_SUFFIXES) for word in words.split()
)
"""Endings of files that are not looked into."""
BACKUP_ENDS = ("_original", "~")
"""Ends of the endings that programs give to what was there before."""
MAX_SHOWN = 8
"""Kinds that are named."""


@dataclass(frozen=True)
class Entry:
    """Something in a folder or an archive, not yet opened."""

    parts: tuple[str, ...]
    """Its path from there."""
    read: Callable[[int], bytes] = bytes
    """So many of its first bytes. Raises whatever it likes."""
    kind: Literal["file", "folder", "device"] = "file"
    """A folder stands for all that is in it; a device is a pipe or a socket, too."""


@dataclass(frozen=True)
class SkippedFiles:
    """What was passed over."""

    files: Mapping[str, int] = field(default_factory=dict)
    """How many files of each kind, the most frequent first."""
    folders: Mapping[str, int] = field(default_factory=dict)
    """How many folders of each name: the system's, and hidden ones."""
    outputs: Mapping[str, int] = field(default_factory=dict)
    """How many files that smalti wrote, by the folder they lie in."""

    def __str__(self) -> str:
        """What was passed over, in a line; empty when nothing was."""
        words = ("", "folders ", "written by smalti in ")
        kinds = (self.files, self.folders, self.outputs)
        return "; ".join(
            w + format_counts(kind) for w, kind in zip(words, kinds, strict=True) if kind
        )


@dataclass(frozen=True)
class FileSelection:
    """The pictures among many files."""

    pictures: Sequence[Entry]
    captions: Mapping[tuple[str, ...], Entry]
    """Text files beside pictures, by the picture's path."""
    skipped: SkippedFiles


def require_pictures(found: FileSelection, location: object) -> FileSelection:
    """The same. UserError, which names the place, where no picture was found."""
    if not found.pictures:
        others = f" (passed over: {found.skipped})" if str(found.skipped) else ""
        raise UserError(f"{location} holds no pictures{others}; put PNG or JPEG files into it")
    return found


def select_pictures(entries: Sequence[Entry]) -> FileSelection:
    """The pictures among the entries, in their order.

    A picture is a file whose ending promises one (whether it can be read shows later), or one of
    an unknown ending, or of none, that begins as a picture does.  Hidden files and folders and the
    system's are passed over, and what smalti wrote, of which the single pictures are taken when
    there are no others.
    """
    hidden = [find_hidden_folder(e) for e in entries]
    visible = [e for e, folder in zip(entries, hidden, strict=True) if not folder]
    outputs = find_outputs(visible)
    kinds = [None if e.parts in outputs else classify_entry(e) for e in visible]
    pictures = [e for e, kind in zip(visible, kinds, strict=True) if kind == PICTURE]
    pictures = pictures or [e for e in visible if e.parts in outputs and outputs[e.parts].is_single]
    taken = {e.parts for e in pictures}
    by_path = {e.parts: e for e in visible if e.kind == "file" and e.parts not in outputs}
    captions = {p: by_path[text] for p in taken if (text := to_caption_path(p)) in by_path}
    texts = {e.parts for e in captions.values()}
    skipped = SkippedFiles(
        count_kinds(kind for e, kind in zip(visible, kinds, strict=True)
                if kind and kind != PICTURE and e.parts not in texts),
        count_kinds(folder[-1] for folder in dict.fromkeys(hidden) if folder),
        count_kinds("/".join(w.folder) or "." for p, w in outputs.items() if p not in taken),
    )  # fmt: skip
    return FileSelection(pictures, captions, skipped)


PICTURE = "picture"


def classify_entry(entry: Entry) -> str:
    """PICTURE, or what the entry is called where it is counted."""
    name = entry.parts[-1]
    suffix = parse_suffix(name)
    if is_hidden(name):
        return "hidden"
    if entry.kind == "device":
        return "pipes and devices"
    if suffix in list_picture_suffixes():
        return PICTURE
    if (
        suffix not in NON_PICTURE_SUFFIXES
        and not suffix.endswith(BACKUP_ENDS)
        and has_signature(read_entry_start(entry))
    ):
        return PICTURE
    return suffix[1:].upper()[:20] or "no ending"


def read_entry_start(entry: Entry) -> bytes:
    """Its first bytes; none when it cannot be read."""
    try:
        return entry.read(SIGNATURE_BYTES)
    except Exception:  # archives raise nearly anything
        return b""


def find_hidden_folder(entry: Entry) -> tuple[str, ...] | None:
    """The outermost folder on the way to an entry that is hidden or the system's; None: none."""
    folders = entry.parts if entry.kind == "folder" else entry.parts[:-1]
    at = next((k for k, name in enumerate(folders, 1) if is_hidden(name)), None)
    return folders[:at] if at else None


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is hidden, or the system's."""
    return name.startswith(".") or name.casefold() in SYSTEM_NAMES


def count_kinds(kinds: Iterable[str]) -> dict[str, int]:
    return dict(Counter(kinds).most_common())


def format_counts(counts: Mapping[str, int]) -> str:
    """The counts as in: HEIC 20, no ending 3."""
    words = [f"{name} {count}" for name, count in counts.items()]
    return ", ".join([*words[:MAX_SHOWN], *(["..."] if len(words) > MAX_SHOWN else [])])
