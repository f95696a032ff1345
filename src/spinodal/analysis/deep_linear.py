"""Measured against exact: where deep linear theory applies, and which transition is which spinodal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from jaxtyping import Float64
from scipy.optimize import linear_sum_assignment

from spinodal import theory
from spinodal.analysis.curves import CURVE
from spinodal.analysis.deviation import deviation
from spinodal.analysis.reversibility import predict_restored
from spinodal.analysis.seeds import APART

WHITENED = "linear_teacher"
"""The task whose training inputs are whitened exactly."""


class DeepLinear(NamedTuple):
    """What the theory needs to know of a curve."""

    strengths: Float64[np.ndarray, " k"]
    variances: Float64[np.ndarray, " k"]
    depth: int
    sizes: tuple[int, ...] | None = None
    """Of the layers from input to output; None where the records do not tell."""

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

    def geometry(self, l2: Float64[np.ndarray, " l"]) -> theory.Geometry | None:
        """Of the error surface on that branch, with whitened inputs; None where sizes are not known."""
        if self.sizes is None:
            return None
        amplitudes = self.learned_state(l2).amplitudes
        return theory.geometry(amplitudes, self.strengths, self.sizes, self.variances)


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
    a linear teacher without label noise with squared error, at T = 0, and speaks of the branches on which every
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


def predicted_rows(curve: pl.DataFrame) -> pl.DataFrame | None:
    """Replace E, and whether it is restored, in the rows of a curve by theory's; None where theory does not apply.

    What these do not show, no measurement on the same grid, with the same rows left out, can be expected to show.

    Args:
        curve: Records of one curve, at least one row.
    """
    network = _covered(curve)
    if network is None:
        return None
    l2 = np.maximum(curve["l2"].to_numpy(), 0.0)
    rows = curve.with_columns(error=pl.Series(network.learned_state(l2).error))
    jumping = np.sum(l2[:, None] < network.spinodals, axis=1, dtype=float) * (network.depth > 2)
    return predict_restored(rows, jumping)


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
        pl.col("temperature").is_null(),
    )
    if not curve.select(pl.all_horizontal(*rules).fill_null(False).all()).item():
        return None
    strengths, variances = (np.array(curve[name].to_list()) for name in ("strengths", "variances"))
    if np.ptp(strengths, axis=0).max() > 1e-6 * strengths.max():
        return None
    return DeepLinear(strengths[0], variances[0], int(curve["depth"][0]), _sizes(curve))


def _sizes(curve: pl.DataFrame) -> tuple[int, ...] | None:
    names = ("depth", "width", "input_dim", "output_dim")
    told = [curve[name][0] for name in names if name in curve.columns]
    if len(told) < len(names) or None in told:
        return None
    depth, width, inputs, outputs = map(int, told)
    return inputs, *[width] * (depth - 1), outputs


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
        - `deviation`: location − predicted in units of `location_error`, nothing added; `deviation_percent`: of what is
          predicted;
        - `status`: "matched", "unexpected" (none predicted within 25 %), "missing" (one predicted within the grid
          where nothing was found: a row of its own, without `index` and measured values), or null where no theory
          says where the transitions are. A transition that is matched may still be of another `order`.
    """
    numbered = transitions.with_row_index("_row")
    own = numbered.select(*CURVE, "_row", "location").rows_by_key(CURVE)
    columns = [name for name in (*CURVE, *_NEEDED) if name in table.columns]
    curves = table.select(columns).partition_by(CURVE, maintain_order=True, as_dict=True)
    told: list[tuple[Any, ...]] = []
    missing: list[tuple[Any, ...]] = []
    for place, (identity, curve) in enumerate(curves.items()):
        found = own.get(identity, [])
        theirs = expected(curve) if curve["branch"][0] == "up" else None
        if theirs is None:
            told += [(place, row, None, None, None, None) for row, _ in found]
            continue
        low, high = np.min(curve["l2"].to_numpy()), np.max(curve["l2"].to_numpy())
        inside = theirs.l2[(theirs.l2 > low) & (theirs.l2 < high)]
        partner = _partners([location for _, location in found], inside)
        for i, (row, _) in enumerate(found):
            predicted = float(inside[partner[i]]) if i in partner else None
            told.append(
                (place, row, predicted, *theirs[1:], "unexpected" if predicted is None else "matched")
            )
        left = np.delete(inside, list(partner.values())).tolist()
        missing += [(*identity, place, predicted, *theirs[1:], "missing") for predicted in left]
    added = {
        "_curve": pl.Int64(),
        "_predicted": pl.Float64(),
        "_order": pl.Int64(),
        "_exact": pl.Boolean(),
        "status": pl.String(),
    }
    schema = [(name, transitions.schema[name]) for name in CURVE]
    compared = pl.concat(
        [
            numbered.join(
                pl.DataFrame(
                    told, {"_curve": added["_curve"], "_row": numbered.schema["_row"], **added}, orient="row"
                ),
                on="_row",
            ),
            pl.DataFrame(missing, [*schema, *added.items()], orient="row"),
        ],
        how="diagonal",
    ).sort("_curve", "_row", nulls_last=True)
    l2, error, exact = pl.col("_predicted"), pl.col("location_error"), pl.col("_exact")
    return compared.select(
        *transitions.columns,
        l2_exact=pl.when(exact).then(l2),
        l2_estimate=pl.when(~exact).then(l2),
        inside=pl.when(exact).then(l2.is_between("l2_low", "l2_high")),
        order_exact=pl.when(l2.is_not_null()).then("_order"),
        deviation=deviation(pl.col("location"), error, l2),
        deviation_percent=100 * (pl.col("location") / l2 - 1),
        status="status",
    )


_NEEDED = ("l2", "noise", "error_name", "input_dim", "output_dim", "strengths", "variances")
"""Columns that `expected` looks at, beside those of `CURVE`."""


def _partners(found: Sequence[float], predicted: Float64[np.ndarray, " e"]) -> dict[int, int]:
    """Which of the predicted places belongs to which of those found, at most one to one."""
    distance = np.abs(np.log(np.array(found)[:, None] / predicted))
    # The least total distance, where partners too far apart count for more than all others together.
    rows, columns = linear_sum_assignment(np.where(distance > APART, 1e9, distance))
    return {i: j for i, j in zip(rows.tolist(), columns.tolist(), strict=True) if distance[i, j] <= APART}
