"""Training: any player, on one CPU or many devices, resumable."""

from smalti.training.config import Training
from smalti.training.drive import resume, run
from smalti.training.job import Job, read_run

__all__ = ["Job", "Training", "read_run", "resume", "run"]
