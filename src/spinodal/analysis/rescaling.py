"""How the curvature of the surface z = E(θ) depends on the unit of E, and what does not.

E → cE with λ → cλ leaves the minimisers of 𝓛 where they are: transitions move to cλ, the eigenvalues of ∇²𝓛
are c times what they were, and a soft mode vanishes where it did. R is no such multiple: with v = ∇E → cv and
H = ∇²E → cH,

    R_c = [ c² ((tr H)² − ‖H‖_F²) − (2c⁴/w_c) (tr H · vᵀHv − ‖Hv‖²) ] / w_c,   w_c = 1 + c²‖v‖².
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from spinodal.analysis.branches import Records, branches_of
from spinodal.analysis.curves import CURVE, of_curves, results, trajectory

SCALES = (0.1, 1.0, 10.0)
"""Units of E in which R is found."""


def rescaled_curvature(scale: float) -> pl.Expr:
    """R of the surface z = cE(θ), from the recorded pieces of R.

    Where tr H is a mean over random probes, its square is less by the squared standard error: this is the
    mean over products of different probes, and unbiased.

    Args:
        scale: c > 0; R as recorded for 1.
    """
    w = 1 + scale**2 * pl.col("gradient_squared")
    trace = pl.col("trace_hessian")
    intrinsic = trace**2 - pl.col("trace_hessian_se").fill_null(0) ** 2 - pl.col("frobenius_hessian")
    tilt = trace * pl.col("gradient_hessian_gradient") - pl.col("hessian_gradient_squared")
    return (scale**2 * intrinsic - 2 * scale**4 / w * tilt) / w


def before_onset(table: Records, transitions: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of the up branches that precede the last jump of E, the onset of learning.

    Returns:
        Those rows, seed by seed in the order of λ, with two columns more: `spinodal`, the λ_sp that ends the last
        phase, exact where it is known, else as measured, and `phase_from`, the λ from which on all seeds are in that
        phase, 0 if it is the first. Seeds that do not show the last jump have no rows.
    """
    branches = branches_of(table)
    ends = {"spinodal": pl.lit(None, pl.Float64), "phase_from": pl.lit(None, pl.Float64)}
    parts = [branches.records.clear().with_columns(**ends)]
    for curve in branches.values():
        if curve.names["branch"] != "up" or not curve.groups:
            continue
        known = of_curves(transitions, curve.records.head(1))
        for row in known.filter(index=len(curve.groups)).iter_rows(named=True):
            earlier = known.filter(pl.col("location") < row["location"]).sort("location")["control_high"]
            ends = {
                "spinodal": pl.lit(row["control_exact"] or row["location"]),
                "phase_from": pl.lit(earlier[-1] if len(earlier) else 0.0),
            }
            for jump in curve.groups[-1]:
                rows = jump.branch.rows[jump.branch.control <= jump.low]
                parts.append(branches.records[rows].with_columns(**ends))
    return pl.concat(parts)


def rescaled(path: pl.DataFrame, scales: Sequence[float] = SCALES) -> pl.DataFrame:
    """Find R before the onset of learning, and where it changes sign, for several units of E.

    Args:
        path: As `before_onset` returns it.
        scales: c.

    Returns:
        One row per up branch with a transition and scale: the columns of `CURVE`, `scale`, and

        - `before`: R_c at the last λ before the last jump, mean over seeds;
        - `sign_change`: the last λ before that jump at which R_c changes sign, in units of λ_sp, mean over the
          seeds in which it does; null if in none;
        - `seeds_changing`: how many these are, of `seeds_all` that show the transition and have R.
    """
    rows = []
    for curve in path.partition_by(CURVE, maintain_order=True):
        for scale in scales:
            measured = curve.with_columns(_R=rescaled_curvature(scale), _name=trajectory()).drop_nulls("_R")
            seeds = measured.partition_by("_name", maintain_order=True)
            if not seeds:
                continue
            changes = [at for at in map(_sign_change, seeds) if at is not None]
            row = {
                "scale": scale,
                "before": float(np.mean([seed["_R"][-1] for seed in seeds])),
                "sign_change": float(np.mean(changes)) if changes else None,
                "seeds_changing": len(changes),
                "seeds_all": len(seeds),
            }
            rows.append(curve.row(0, named=True) | row)
    return results(rows, CURVE, ("scale", "before", "sign_change", "seeds_changing", "seeds_all"))


def _sign_change(seed: pl.DataFrame) -> float | None:
    """The last λ/λ_sp at which R changes sign, on the line between its neighbours."""
    share, values = (seed["control_value"] / seed["spinodal"]).to_numpy(), seed["_R"].to_numpy()
    changes = np.flatnonzero(np.diff(np.sign(values)))
    if not len(changes):
        return None
    i = changes[-1]
    weight = values[i] / (values[i] - values[i + 1])
    return float(share[i] + weight * (share[i + 1] - share[i]))
