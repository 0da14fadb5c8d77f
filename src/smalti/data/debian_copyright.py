"""Debian's copyright files, which tell the license of every file of a package."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from pathlib import Path

Stanza = tuple[tuple[str, ...], str]
"""Patterns of files and the name of their license."""
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


def find_license(stanzas: list[Stanza], file: str) -> str | None:
    """The license of a file: the last stanza that names it counts, as Debian says."""
    for patterns, license in reversed(stanzas):
        if any(fnmatchcase(file, pattern) for pattern in patterns):
            return license
    return None


def format_licenses(stanzas: list[Stanza]) -> str:
    """The licenses of what a package holds, without those of its packaging."""
    names = [license for files, license in stanzas if not all("debian/" in f for f in files)]
    return ", ".join(dict.fromkeys(names))
