"""The SLURM edge: packs submitted as arrays of jobs, what runs in such a job, and what SLURM says of it."""

from spinodal.cluster.queue import Waiting, ended, queued

__all__ = ["Waiting", "ended", "queued"]
