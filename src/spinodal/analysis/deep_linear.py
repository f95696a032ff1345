"""Measured against exact: where deep linear theory applies, and which transition is which spinodal."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl
from jaxtyping import Float64
from scipy.optimize import linear_sum_assignment

from spinodal import theory
from spinodal.analysis.curves import CURVE
from spinodal.analysis.seeds import APART


class DeepLinear(NamedTuple):
    """What the theory needs to know of a curve."""

    strengths: Float64[np.ndarray, " k"]
    variances: Float64[np.ndarray, " k"]
    depth: int

    @property
    def spinodals(self) -> Float64[np.ndarray, " k"]:
        """λ_sp of each feature; for depth 2 the λ at which it reaches zero continuously."""
        return theory.spinodal(self.strengths, self.depth, self.variances)

    def learned_state(self, l2: Float64[np.ndarray, " l"]) -> theory.State:
        """The branch on which every feature is alive that can be."""
        return theory.learned_state(l2, self.strengths, self.depth, self.variances)

    def soft_mode(self, l2: Float64[np.ndarray, " l"]) -> Float64[np.ndarray, " l"]:
        """Least eigenvalue of ∇²𝓛 that moves an amplitude; NaN where nothing is learned."""
        state = self.learned_state(l2)
        return theory.soft_mode(state.amplitudes, self.strengths, self.depth, self.variances)


def deep_linear(curve: pl.DataFrame) -> DeepLinear | None:
    """The exact theory of a curve, if there is one.

    It holds for deep linear networks without biases, at least as wide as there are features, that learn
    a linear teacher without label noise with squared error, and speaks of the branches on which every
    feature may be alive: up and quench. All rows must agree on strengths and variances.

    Args:
        curve: Records of one curve, at least one row.
    """
    rules = (
        pl.col("activation") == "linear",
        pl.col("task") == "linear_teacher",
        pl.col("error_name") == "squared",
        pl.col("noise") == 0,
        pl.col("bias").not_(),
        pl.col("depth") >= 2,
        pl.col("width") >= pl.col("strengths").list.len(),
        pl.col("strengths").list.len() == pl.col("strengths").list.len().first(),
        pl.col("branch").is_in(["up", "quench"]),
    )
    if not curve.select(pl.all_horizontal(*rules).fill_null(False).all()).item():
        return None
    strengths, variances = (np.array(curve[name].to_list()) for name in ("strengths", "variances"))
    if np.ptp(strengths, axis=0).max() > 1e-6 * strengths.max():
        return None
    return DeepLinear(strengths[0], variances[0], int(curve["depth"][0]))


def compare(transitions: pl.DataFrame, table: pl.DataFrame) -> pl.DataFrame:
    """Put each transition of an up branch next to the exact one that it should be: predicted against measured.

    Args:
        transitions: As `find_transitions` returns them for this table.
        table: Records.

    Returns:
        The transitions with

        - `l2_exact` (λ_sp; for depth 2 c/2, where the feature reaches zero) and `order_exact` (2 for depth 2, else 1);
        - `inside`: whether the bracket holds it;
        - `deviation`: location − λ_exact in units of `location_error`; `deviation_percent`: of λ_exact;
        - `status`: "matched", "unexpected" (none predicted within 25 %), "missing" (one predicted within the grid
          where nothing was found: a row of its own, without `index` and measured values), or null where no theory
          says where the transitions are. A transition that is matched may still be of another `order`.
    """
    parts = [
        transitions.with_columns(**{name: pl.lit(None, dtype) for name, dtype in _COMPARED.items()}).clear()
    ]
    for curve in table.partition_by(CURVE, maintain_order=True):
        identity = curve.select(CURVE).head(1)
        found = transitions.join(identity, on=CURVE, how="semi", nulls_equal=True)
        exact = deep_linear(curve)
        if exact is not None and curve["branch"][0] == "up":
            l2, spinodals = curve["l2"].to_numpy(), exact.spinodals
            expected = np.sort(spinodals[(spinodals > l2.min()) & (spinodals < l2.max())])
            order = pl.lit(2 if exact.depth == 2 else 1, pl.Int64)
            parts += [
                part.with_columns(pl.when(pl.col("l2_exact").is_not_null()).then(order).alias("order_exact"))
                for part in _matched(found, identity, expected)
            ]
        else:
            parts.append(found)
    compared = pl.concat(parts, how="diagonal_relaxed")
    off, error = pl.col("location") - pl.col("l2_exact"), pl.col("location_error")
    return compared.with_columns(
        deviation=pl.when(error > 0).then(off / error), deviation_percent=100 * off / pl.col("l2_exact")
    )


_COMPARED = {
    "l2_exact": pl.Float64,
    "order_exact": pl.Int64,
    "inside": pl.Boolean,
    "deviation": pl.Float64,
    "deviation_percent": pl.Float64,
    "status": pl.String,
}


def _matched(
    found: pl.DataFrame, identity: pl.DataFrame, expected: Float64[np.ndarray, " e"]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The transitions of a curve with the exact ones that are theirs, and those that are left."""
    distance = np.abs(np.log(found["location"].to_numpy()[:, None] / expected))
    # The least total distance, where partners too far apart count for more than all others together.
    rows, columns = linear_sum_assignment(np.where(distance > APART, 1e9, distance))
    partner = {i: j for i, j in zip(rows, columns, strict=True) if distance[i, j] <= APART}
    exact = pl.Series("l2_exact", [expected[partner[i]] if i in partner else None for i in range(len(found))])
    matched = found.with_columns(
        exact.cast(pl.Float64),
        exact.cast(pl.Float64).is_between(found["l2_low"], found["l2_high"]).alias("inside"),
        pl.Series("status", ["matched" if i in partner else "unexpected" for i in range(len(found))]),
    )
    left = pl.DataFrame({"l2_exact": np.delete(expected, list(partner.values())), "status": "missing"})
    return matched, identity.join(left, how="cross")
