"""A campaign's folder, besides its records: packs to compute, attempts at them, launches; files that are whole."""

from spinodal.campaign.atomic import delete_strays, write_atomically
from spinodal.campaign.attempts import Attempt, Failure, Running, alive, begin, read_attempts
from spinodal.campaign.launches import commit, read_launches, write_launch
from spinodal.campaign.packs import (
    REPLICA_AXES,
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
from spinodal.campaign.tidy import tidy

__all__ = [
    "REPLICA_AXES",
    "Attempt",
    "Failure",
    "Pack",
    "Part",
    "Running",
    "alive",
    "begin",
    "checkpoint_file",
    "commit",
    "delete_strays",
    "own_values",
    "pack_file",
    "read_attempts",
    "read_launches",
    "read_pack",
    "read_packs",
    "tidy",
    "with_values",
    "write_atomically",
    "write_launch",
    "write_pack",
]
