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
    a linear teacher without label noise with squared error, at T = 0, and speaks of the branches on which every
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
        pl.col("temperature").is_null(),
    )
    if not curve.select(pl.all_horizontal(*rules).fill_null(False).all()).item():
        return None
    strengths, variances = (np.array(curve[name].to_list()) for name in ("strengths", "variances"))
    if np.ptp(strengths, axis=0).max() > 1e-6 * strengths.max():
        return None
    return DeepLinear(strengths[0], variances[0], int(curve["depth"][0]))


def compare(transitions: pl.DataFrame, table: pl.DataFrame) -> pl.DataFrame:
    """Put each transition of an up branch next to the exact spinodal that it should be at.

    Args:
        transitions: As `find_transitions` returns them for this table.
        table: Records.

    Returns:
        The transitions with `l2_exact` (λ_sp), `inside` (whether the bracket holds it) and `status`:
        "matched", "unexpected" (no spinodal within 25 %), "missing" (a spinodal within the grid where
        no jump was found: a row of its own, without `index` and measured values), or null where no
        theory says where the jumps are. Depth 2 has none: there every jump is unexpected.
    """
    parts = [
        transitions.with_columns(
            pl.lit(None, pl.Float64).alias("l2_exact"),
            pl.lit(None, pl.Boolean).alias("inside"),
            pl.lit(None, pl.String).alias("status"),
        ).clear()
    ]
    for curve in table.partition_by(CURVE, maintain_order=True):
        identity = curve.select(CURVE).head(1)
        found = transitions.join(identity, on=CURVE, how="semi", nulls_equal=True)
        exact = deep_linear(curve)
        if exact is not None and curve["branch"][0] == "up":
            spinodals = exact.spinodals if exact.depth > 2 else np.empty(0)
            l2 = curve["l2"].to_numpy()
            expected = np.sort(spinodals[(spinodals > l2.min()) & (spinodals < l2.max())])
            parts.extend(_matched(found, identity, expected))
        else:
            parts.append(found)
    return pl.concat(parts, how="diagonal_relaxed")


def _matched(
    found: pl.DataFrame, identity: pl.DataFrame, expected: Float64[np.ndarray, " e"]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The transitions of a curve with their spinodals, and the spinodals that are left."""
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
