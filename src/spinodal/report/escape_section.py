"""The section of the page about escape from metastable phases."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from spinodal.report.commands import again
from spinodal.report.escape import Hold, law_sheet, time_sheet
from spinodal.report.page import Picture, Section, capitalised


def escape_section(holds: Sequence[Hold], campaign: Path) -> Section:
    """How long noise takes to carry replicas out of their phase.

    Args:
        holds: What was found.
        campaign: Its folder.
    """
    pictures = [
        Picture(
            hold.figure,
            alt=f"Survival under noise, and mean escape time against 1/T, for {hold.name}: {hold.told}",
            title=f"{hold.name}.",
            caption=capitalised(hold.told) + ".",
            commands=again(campaign, set(hold.records["job"].drop_nulls().unique())),
        )
        for hold in holds
        if hold.figure
    ]
    notes = [
        "Replicas are held at one λ under Langevin noise of temperature T. One has escaped when the flow without noise "
        "leads to another minimum. τ is the mean time by maximum likelihood, with replicas that were still there when "
        "their time was over; bars are 95 % intervals. On the left, exponential times fall on the dashed line; on the "
        "right it is Kramers' law with the exact barrier, where theory knows it.",
    ]
    return Section(
        "escape",
        "Escape",
        "Escape from metastable phases",
        notes,
        pictures=pictures,
        wide=True,
        sheets=[law_sheet(list(holds)), time_sheet(list(holds))],
    )
