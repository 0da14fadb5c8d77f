"""How much one client, and all of them, may ask for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Limits of a studio."""

    pictures: int = 64
    """Pictures of one job."""
    side: int = 1024
    """Height or width of a picture to draw, in pixels."""
    code_side: int = 256
    """Rows or columns of codes to decode."""
    job_seconds: float = 600.0
    """Seconds that a job may run."""
    jobs_waiting: int = 16
    """Jobs of one client that wait or run."""
    jobs_waiting_in_all: int = 1000
    jobs_kept: int = 100
    """Finished jobs of one client; older ones are removed."""
    clients: int = 10_000
    """Clients that are remembered; those not seen for longest are forgotten."""
    body_bytes: int = 1 << 20
    """Bytes of a request that is not an upload."""
    upload_bytes: int = 32 << 20
    """Bytes of one upload."""
    upload_pixels: int = 16 << 20
    """Pixels of one uploaded picture."""
    uploads_kept: int = 64
    """Uploads of one client; older ones are removed."""
    upload_quota: int = 256 << 20
    """Bytes of all uploads of one client."""
    archive_bytes: int = 256 << 20
    """Bytes of one uploaded folder."""
    archive_quota: int = 512 << 20
    """Bytes of all uploaded folders of one client; the oldest are removed."""
    archive_files: int = 50_000
    """Files of an uploaded folder."""
    archive_unpacked: int = 2 << 30
    """Bytes of an uploaded folder when it is unpacked."""
    train_minutes: float = 60.0
    """Minutes of one training, on a server for others."""
    runs: int = 16
    """Runs of one client, on a server for others."""
    body_seconds: float = 20.0
    """Seconds without a byte after which an upload is given up."""
    request_seconds: float = 300.0
    """Seconds that a whole request may take to arrive."""
    head_seconds: float = 10.0
    """Seconds that the head of a request may take to arrive."""
    send_seconds: float = 30.0
    """Seconds after which a client that reads nothing is given up."""
    cancel_seconds: float = 10.0
    """Seconds that a cancelled job has before its process is ended."""
    save_seconds: float = 120.0
    """Seconds that cancelled training has to save its last step."""
    streams: int = 32
    """Streams of events that one client may have open."""
