"""The W&B edge: a mirror of the records, drawn against λ."""

from spinodal.tracking.mirror import Mirror
from spinodal.tracking.runs import Run, job_runs, replica_runs
from spinodal.tracking.session import Session
from spinodal.tracking.stages import LogStages

__all__ = ["LogStages", "Mirror", "Run", "Session", "job_runs", "replica_runs"]
