"""Select the pictures of a folder or an archive, and count skipped files."""

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
"""Files and folders of storage devices and file managers, in lower case."""
RAW_AND_VECTOR = (
    "3fr arw cr2 cr3 crw dcr dng erf iiq kdc mef mos mrw nef nrw orf pef raf raw rw2 rwl sr2 srf "
    "srw x3f ai eps pdf svg svgz thm lrv"
)
"""Photographs and drawings that Pillow cannot read, or only as a preview."""
UNFINISHED = "part partial crdownload download tmp bak orig swp"
"""Unfinished downloads, and backups."""
TEXT_SUFFIXES = "txt json jsonl csv tsv xml yaml yml md html log aae xmp"
"""Text files that may accompany pictures."""
NON_PICTURE_SUFFIXES = frozenset(
    f".{word}" for words in (RAW_AND_VECTOR, UNFINISHED, TEXT_SUFFIXES) for word in words.split()
)
"""Suffixes of files that are never opened."""
BACKUP_ENDS = ("_original", "~")
"""Ends of the suffixes of backups."""
TABLE_NAME = "metadata.csv"
MAX_SHOWN = 8
"""Number of kinds in a message."""


@dataclass(frozen=True)
class Entry:
    """Something in a folder or an archive, not yet opened."""

    parts: tuple[str, ...]
    """Its path relative to the folder or archive."""
    read: Callable[[int], bytes] = bytes
    """Reads its first n bytes. May raise any exception."""
    kind: Literal["file", "folder", "device"] = "file"
    """A folder includes everything in it; pipes and sockets are devices."""


@dataclass(frozen=True)
class SkippedFiles:
    """Counts of skipped files."""

    files: Mapping[str, int] = field(default_factory=dict)
    """Number of files of each kind, the most frequent first."""
    folders: Mapping[str, int] = field(default_factory=dict)
    """Number of hidden and system folders of each name."""
    outputs: Mapping[str, int] = field(default_factory=dict)
    """Number of files written by smalti, by folder."""

    def __str__(self) -> str:
        """Summarize in one line; empty if nothing was skipped."""
        words = ("", "folders ", "written by smalti in ")
        kinds = (self.files, self.folders, self.outputs)
        return "; ".join(
            w + format_counts(kind) for w, kind in zip(words, kinds, strict=True) if kind
        )


@dataclass(frozen=True)
class FileSelection:
    """The pictures among the files of a folder or an archive."""

    pictures: Sequence[Entry]
    captions: Mapping[tuple[str, ...], Entry]
    """Caption files, by the picture's path."""
    skipped: SkippedFiles
    tables: Sequence[Entry] = ()
    """Files called `TABLE_NAME`, with captions and attributes."""


def require_pictures(found: FileSelection, location: object) -> FileSelection:
    """Return the selection. Raises UserError, naming the location, if it has no pictures."""
    if not found.pictures:
        others = f" (skipped: {found.skipped})" if str(found.skipped) else ""
        raise UserError(f"{location} holds no pictures{others}; put PNG or JPEG files into it")
    return found


def select_pictures(entries: Sequence[Entry]) -> FileSelection:
    """Select the pictures among the entries, in order.

    A picture is a file with a picture's suffix, readable or not, or a file with an unknown or no
    suffix and a picture's signature.  Hidden and system files and folders are skipped, and so is
    smalti's output, except its single pictures if there are no others.
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
    tables = [e for path, e in by_path.items() if path[-1] == TABLE_NAME]
    texts = {e.parts for e in (*captions.values(), *tables)}
    skipped = SkippedFiles(
        count_kinds(kind for e, kind in zip(visible, kinds, strict=True)
                if kind and kind != PICTURE and e.parts not in texts),
        count_kinds(folder[-1] for folder in dict.fromkeys(hidden) if folder),
        count_kinds("/".join(w.folder) or "." for p, w in outputs.items() if p not in taken),
    )  # fmt: skip
    return FileSelection(pictures, captions, skipped, tables)


PICTURE = "picture"


def classify_entry(entry: Entry) -> str:
    """Return PICTURE, or the kind that the entry is counted under."""
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
    """Read an entry's first bytes; b"" if it cannot be read."""
    try:
        return entry.read(SIGNATURE_BYTES)
    except Exception:  # archives raise nearly anything
        return b""


def find_hidden_folder(entry: Entry) -> tuple[str, ...] | None:
    """Find the outermost hidden or system folder that contains an entry; None if there is none."""
    folders = entry.parts if entry.kind == "folder" else entry.parts[:-1]
    at = next((k for k, name in enumerate(folders, 1) if is_hidden(name)), None)
    return folders[:at] if at else None


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is hidden or a system file."""
    return name.startswith(".") or name.casefold() in SYSTEM_NAMES


def count_kinds(kinds: Iterable[str]) -> dict[str, int]:
    return dict(Counter(kinds).most_common())


def format_counts(counts: Mapping[str, int]) -> str:
    """Format counts: HEIC 20, no ending 3."""
    words = [f"{name} {count}" for name, count in counts.items()]
    return ", ".join([*words[:MAX_SHOWN], *(["..."] if len(words) > MAX_SHOWN else [])])
