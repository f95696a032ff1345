"""The tables of the page about R: what foresees a jump, and what depends on the unit of E."""

from __future__ import annotations

from collections.abc import Sequence

from spinodal.report.curvature import SHOWN, CurveCurvature
from spinodal.report.sheet import Row, Sheet
from spinodal.report.table import FORESEEN, off


def foresight_sheet(curves: Sequence[CurveCurvature]) -> Sheet:
    """How far each observable's prediction is off, jump by jump.

    Args:
        curves: Those with R.
    """
    bodies: list[tuple[str, list[Row]]] = []
    for curve in curves:
        foreseen = curve.foresight.filter(cut_off=SHOWN)
        rows: list[Row] = []
        for index in foreseen["index"].unique().sort():
            here = {row["observable"]: row for row in foreseen.filter(index=index).iter_rows(named=True)}
            rows.append((str(index), *(off(here.get(observable)) for observable in FORESEEN)))
        if rows:
            bodies.append((str(curve.name), rows))
    caption = f"Predicted from the phase up to {SHOWN} λ_jump: off by, in % of λ_jump"
    return Sheet(caption, ("jump", *FORESEEN.values()), bodies)


def rescaling_sheet(curves: Sequence[CurveCurvature]) -> Sheet:
    """R before the onset of learning and where it changes sign, for each unit of E.

    Args:
        curves: Those with R.
    """
    told = [curve for curve in curves if len(curve.rescaled)]
    if not told:
        return Sheet("", ())
    rows: list[Row] = []
    for curve in told:
        cells = [
            f"{row['before']:.3g}; " + ("no" if row["sign_change"] is None else f"{row['sign_change']:.3f}")
            for row in curve.rescaled.iter_rows(named=True)
        ]
        rows.append((str(curve.name), *cells))
    header = ("curve", *(f"c = {scale:g}" for scale in told[0].rescaled["scale"]))
    caption = "R of the surface z = cE(θ) just before the last jump; λ/λ_sp at which it changes sign"
    return Sheet(caption, header, [("", rows)], words=1)
