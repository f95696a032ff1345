"""A campaign's folder, besides its records: packs to compute, attempts at them, launches; files that are whole."""

from spinodal.campaign.attempts import NOT_FINITE, Attempt, Failure, Running, alive, begin, read_attempts
from spinodal.campaign.launches import commit, read_launches, waiting_here, write_launch
from spinodal.campaign.machine import this_process
from spinodal.campaign.origin import Origin, origin_of
from spinodal.campaign.packs import (
    Pack,
    Part,
    checkpoint_file,
    own_values,
    pack_file,
    read_pack,
    read_packs,
    with_values,
    write_pack,
)
from spinodal.campaign.submissions import (
    Submission,
    read_submission,
    read_submissions,
    submission_file,
    write_submission,
)
from spinodal.campaign.sweeps import Sweeps, sweeps_of
from spinodal.campaign.tidy import tidy

__all__ = [
    "NOT_FINITE",
    "Attempt",
    "Failure",
    "Origin",
    "Pack",
    "Part",
    "Running",
    "Submission",
    "Sweeps",
    "alive",
    "begin",
    "checkpoint_file",
    "commit",
    "origin_of",
    "own_values",
    "pack_file",
    "read_attempts",
    "read_launches",
    "read_pack",
    "read_packs",
    "read_submission",
    "read_submissions",
    "submission_file",
    "sweeps_of",
    "this_process",
    "tidy",
    "waiting_here",
    "with_values",
    "write_launch",
    "write_pack",
    "write_submission",
]
