"""Debian's copyright files, which tell the licence of every file of a package."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from pathlib import Path

Stanza = tuple[tuple[str, ...], str]
"""Patterns of files and the name of their licence."""
FIELD = re.compile(r"^(Files|License):[ \t]*(.*(?:\n[ \t]+.*)*)", re.M)


def read_copyright(path: Path) -> list[Stanza]:
    """The stanzas of a file in Debian's machine-readable format; none of another format."""
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return []
    stanzas: list[Stanza] = []
    for paragraph in re.split(r"\n\s*\n", text):
        fields = dict(FIELD.findall(paragraph))
        if "Files" in fields and "License" in fields:
            name = fields["License"].split("\n", 1)[0].strip()
            stanzas.append((tuple(fields["Files"].split()), name))
    return stanzas


def find_licence(stanzas: list[Stanza], file: str) -> str | None:
    """The licence of a file: the last stanza that names it counts, as Debian says."""
    for patterns, licence in reversed(stanzas):
        if any(fnmatchcase(file, pattern) for pattern in patterns):
            return licence
    return None


def name_licences(stanzas: list[Stanza]) -> str:
    """The licences of what a package holds, without those of its packaging."""
    names = [licence for files, licence in stanzas if not all("debian/" in f for f in files)]
    return ", ".join(dict.fromkeys(names))
