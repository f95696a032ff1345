"""Phase diagrams: of every network that was run at more than one complexity."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from spinodal.report.drawing import Drawings
from spinodal.report.groups import FAMILY, CurveReport, spread
from spinodal.report.phases_figure import draw_phases

NETWORK = ("task", "activation", "bias", "depth", "width", "branch")
"""Curves that share these differ in the complexity of their data."""

DIAGRAMS, EXAMPLES = 6, 3
"""So many are all drawn; of more, so many examples."""


@dataclass(frozen=True, eq=False)
class PhaseDiagram:
    """One of them."""

    curves: list[CurveReport]
    """Sorted by complexity."""
    figure: Path | None = None
    """Without suffix; None if it is not among those drawn."""

    @property
    def title(self) -> str:
        """What its curves share."""
        name = self.curves[0].name
        task = name.data.partition(",")[0]
        return "; ".join(filter(None, (task, name.model, name.branch)))


def make_phase_diagrams(
    curves: Sequence[CurveReport], folder: Path, drawings: Drawings
) -> list[PhaseDiagram]:
    """Draw the phase diagrams of a campaign.

    Args:
        curves: All of them.
        folder: For the files.
        drawings: To draw in.

    Returns:
        All there are: a network whose complexity varies, and whose learned features were counted.

    Raises:
        OSError: If the folder cannot be written to.
    """
    networks: dict[tuple[object, ...], list[CurveReport]] = {}
    for curve in curves:
        if _complexity(curve) is not None and curve.records["learned_features"].is_not_null().any():
            networks.setdefault(curve.records.select(NETWORK).row(0), []).append(curve)
    diagrams = [
        PhaseDiagram(sorted(each, key=lambda curve: _complexity(curve) or 0))
        for each in networks.values()
        if len({_complexity(curve) for curve in each}) > 1
    ]
    few = len(diagrams) <= DIAGRAMS
    families = [diagram.curves[0].records.select(FAMILY).row(0) for diagram in diagrams]
    for place in range(len(diagrams)) if few else spread(families, EXAMPLES):
        diagram = diagrams[place]
        figure = folder / f"phases-{re.sub(r'-K[0-9]+', '', diagram.curves[0].name.file, count=1)}"
        drawings.add(figure, draw_phases, diagram.curves, diagram.title)
        diagrams[place] = replace(diagram, figure=figure)
    return diagrams


def _complexity(curve: CurveReport) -> int | None:
    value: int | None = curve.records["complexity"][0]
    return value
