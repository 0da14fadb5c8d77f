"""Resumable training of models, on one CPU or several devices."""

from smalti.training._run import resume, run
from smalti.training.config import Training
from smalti.training.run_record import RunRecord, read_run

__all__ = ["RunRecord", "Training", "read_run", "resume", "run"]
