"""What killed processes have left behind, and nobody needs any more."""

from __future__ import annotations

from collections.abc import Set
from pathlib import Path

from spinodal.campaign.attempts import attempts_folder
from spinodal.campaign.packs import checkpoint_file, pack_file, read_pack
from spinodal.errors import UserError


def tidy(campaign: Path, done: Set[str], living: Set[int]) -> None:
    """Delete checkpoints of packs that are done, and half-written files of whoever is not alive.

    Args:
        campaign: its folder.
        done: points with every stage in the records.
        living: numbers of the attempts that are alive.
    """
    for stray in attempts_folder(campaign).glob(".*.tmp"):
        number = stray.name.split(".")[1]
        if number.isdecimal() and int(number) not in living:
            stray.unlink(missing_ok=True)
    for checkpoint in checkpoint_file(campaign, "*").parent.glob("*.ckpt"):
        try:
            pack = read_pack(pack_file(campaign, checkpoint.name.partition(".")[0]))
        except UserError:
            continue  # of an older version
        if pack.points.keys() <= done:
            checkpoint.unlink(missing_ok=True)
            for folder in ("checkpoints", "packs", "records"):
                for stray in (campaign / folder).glob(f".{pack.name}.*.tmp"):
                    stray.unlink(missing_ok=True)
