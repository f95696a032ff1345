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

WHITENED = "linear_teacher"
"""The task whose training inputs are whitened exactly."""


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


class Expected(NamedTuple):
    """Where the transitions of a curve should be."""

    l2: Float64[np.ndarray, " k"]
    """λ_sp of each feature, rising; for depth 2 c/2."""
    order: int
    exact: bool
    """Or an estimate: the input covariance does not commute with the features."""


def deep_linear(curve: pl.DataFrame) -> DeepLinear | None:
    """The exact theory of a curve, if there is one.

    It holds for deep linear networks without biases, at least as wide as there are features, that learn
    a linear teacher without label noise with squared error, and speaks of the branches on which every
    feature may be alive: up and quench. All rows must agree on strengths and variances.

    Args:
        curve: Records of one curve, at least one row.
    """
    known = curve.select(
        ((pl.col("task") == WHITENED) & (pl.col("noise") == 0)).fill_null(False).all()
    ).item()
    return _covered(curve) if known else None


def expected(curve: pl.DataFrame) -> Expected | None:
    """Where theory says that the transitions of a curve are, exactly or as an estimate; None where it says nothing.

    For the places of transitions the strengths and variances measured on the training data are enough, label noise
    or not: exact where inputs are whitened, as the linear teacher's are, and else an estimate (see `theory.feature`).

    Args:
        curve: Records of one curve, at least one row.
    """
    network = _covered(curve)
    if network is None:
        return None
    whitened = curve.select((pl.col("task") == WHITENED).fill_null(False).all()).item()
    return Expected(np.sort(network.spinodals), 2 if network.depth == 2 else 1, whitened)


def _covered(curve: pl.DataFrame) -> DeepLinear | None:
    """What theory needs to know, if the network is one that it speaks of."""
    rules = (
        pl.col("activation") == "linear",
        pl.col("error_name") == "squared",
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
        - `l2_estimate`: the same where it is only an estimate (inputs that are not whitened); then `l2_exact` is null;
        - `inside`: whether the bracket holds λ_exact;
        - `deviation`: location − predicted in units of `location_error`; `deviation_percent`: of what is predicted;
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
        theirs = expected(curve)
        if theirs is not None and curve["branch"][0] == "up":
            l2 = curve["l2"].to_numpy()
            inside = theirs.l2[(theirs.l2 > l2.min()) & (theirs.l2 < l2.max())]
            parts += [_told(part, theirs) for part in _matched(found, identity, inside)]
        else:
            parts.append(found)
    compared = pl.concat(parts, how="diagonal_relaxed")
    predicted, error = pl.coalesce("l2_exact", "l2_estimate"), pl.col("location_error")
    off = pl.col("location") - predicted
    return compared.with_columns(
        deviation=pl.when(error > 0).then(off / error), deviation_percent=100 * off / predicted
    )


def _told(part: pl.DataFrame, theirs: Expected) -> pl.DataFrame:
    """An estimate has a column of its own, and no bracket has to hold it."""
    part = part.with_columns(
        order_exact=pl.when(pl.col("l2_exact").is_not_null()).then(pl.lit(theirs.order, pl.Int64))
    )
    if theirs.exact:
        return part
    moved = part.with_columns(l2_estimate=pl.col("l2_exact"), l2_exact=pl.lit(None, pl.Float64))
    return moved.with_columns(inside=pl.lit(None, pl.Boolean)) if "inside" in moved.columns else moved


_COMPARED = {
    "l2_exact": pl.Float64,
    "l2_estimate": pl.Float64,
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
