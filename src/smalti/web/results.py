"""The files of a result, and all of them as one archive."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from starlette.responses import FileResponse, Response

from smalti.core.errors import UserError
from smalti.web.jobs import FILES, Job

SHOWN_TYPES = {
    ".png": "image/png",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".json": "application/json",
    ".txt": "text/plain; charset=utf-8",
    ".csv": "text/plain; charset=utf-8",
}
"""Types that a browser may show; any other file is only saved, so that none runs as a page."""


def find_file(job: Job, name: str) -> Path:
    """A file of a result. UserError for a name that its list does not have."""
    if name not in {file["name"] for file in job.list_files()}:
        raise UserError(f"the result has no file {name!r:.80}")
    return job.folder / FILES / name


def send_file(job: Job, name: str, *, as_download: bool = False) -> Response:
    """Answer with a file of a result."""
    path = find_file(job, name)
    media_type = SHOWN_TYPES.get(path.suffix.lower())
    kind = "attachment" if as_download or media_type is None else "inline"
    return FileResponse(
        path,
        media_type=media_type or "application/octet-stream",
        filename=f"{job.task}-{path.name}",
        content_disposition_type=kind,
        headers={"cache-control": "private, max-age=31536000, immutable"},
    )


def send_archive(job: Job) -> Response:
    """Answer with all files of a result as a zip."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:  # pictures are compressed
        for file in job.list_files():
            archive.write(job.folder / FILES / file["name"], file["name"])
    name = f"attachment; filename={job.task}.zip"
    headers = {"content-disposition": name}
    return Response(buffer.getvalue(), media_type="application/zip", headers=headers)
