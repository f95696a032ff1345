"""Measured against exact: the deep linear theory of curves, and which transition is which spinodal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float64
from scipy.optimize import linear_sum_assignment

from spinodal.analysis.curves import CURVE, by_curve, trajectory
from spinodal.analysis.deviation import deviation
from spinodal.analysis.seeds import APART
from spinodal.theory import FACTS, DeepLinear, scope


def deep_linear(curve: pl.DataFrame) -> DeepLinear | None:
    """Return the exact theory of a curve, E included, if there is one: of a linear teacher without label noise."""
    network = expected(curve)
    return network if network is not None and network.complete else None


def expected(curve: pl.DataFrame) -> DeepLinear | None:
    """Return the theory of a curve, exactly or as an estimate, with label noise or without; None outside its scope.

    For the places of transitions the strengths and variances measured on the training data are enough. All rows must
    agree on them.
    """
    facts = curve.select(name for name in FACTS if name in curve.columns).unique(maintain_order=True)
    first, *others = (row | {"branch": row["branch"] or "not named"} for row in facts.iter_rows(named=True))
    network = scope(first)
    return None if isinstance(network, str) or not all(_agree(first, other) for other in others) else network


def landscape(row: Mapping[str, Any]) -> DeepLinear | None:
    """Return the theory of the network of a row, whatever branch and noise the row is of; None outside its scope."""
    network = scope({name: row[name] for name in FACTS if name not in ("branch", "temperature", "batch")})
    return None if isinstance(network, str) else network


def predicted_rows(curve: pl.DataFrame) -> pl.DataFrame | None:
    """Replace E, and whether it is restored, in the rows of a curve by theory's; None where theory does not apply.

    What these do not show, no measurement on the same grid, with the same rows left out, can be expected to show.
    """
    network = expected(curve)
    if network is None:
        return None
    control = np.maximum(curve["control_value"].to_numpy(), 0.0)
    rows = curve.with_columns(error=pl.Series(network.learned_state(control).error))
    if "reversible" not in curve.columns:
        return rows
    jumping = np.sum(control[:, None] < network.spinodals, axis=1, dtype=float) * (network.depth > 2)
    same = pl.col("_jumping").diff().over(trajectory(), order_by="control_value") == 0
    answer = pl.when(pl.col("reversible").is_not_null()).then(same)
    return rows.with_columns(_jumping=jumping).with_columns(reversible=answer).drop("_jumping")


def _agree(first: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether facts are the same, up to rounding of the features."""
    features = ("strengths", "variances")
    if first != {**other, **{name: first[name] for name in features}} or other["strengths"] is None:
        return False
    strengths, others = first["strengths"], other["strengths"]
    return len(strengths) == len(others) and np.allclose(
        strengths, others, rtol=0, atol=1e-6 * max(strengths)
    )


def compare(transitions: pl.DataFrame, table: pl.DataFrame) -> pl.DataFrame:
    """Put each transition of an up branch next to the exact one that it should be: predicted against measured.

    Args:
        transitions: As `find_transitions` returns them for this table.
        table: Records.

    Returns:
        The transitions with

        - `control_exact` (λ_sp; for depth 2 c/2, where the feature reaches zero) and `order_exact` (2 for depth 2, else
          1);
        - `control_estimate`: the same where it is only an estimate (inputs that are not whitened); then `control_exact`
          is null;
        - `inside`: whether the bracket holds λ_exact;
        - `deviation`: location − predicted in units of `location_error`, nothing added; `deviation_percent`: of what is
          predicted;
        - `status`: "matched", "unexpected" (none predicted within 25 %), "missing" (one predicted within the grid
          where nothing was found: a row of its own, without `index` and measured values), or null where no theory
          says where the transitions are. A transition that is matched may still be of another `order`.
    """
    numbered = transitions.with_row_index("_row")
    own = numbered.select(*CURVE, "_row", "location").rows_by_key(CURVE)
    needed = dict.fromkeys((*CURVE, "control_value", *FACTS))
    curves = by_curve(table.select(name for name in needed if name in table.columns))
    told: list[tuple[Any, ...]] = []
    for identity, curve in curves.items():
        found = own.get(identity, [])
        theirs = expected(curve) if curve["branch"][0] == "up" else None
        if theirs is None:
            told += [(*identity, row, None, None, None, None) for row, _ in found]
            continue
        low, high = np.min(curve["control_value"].to_numpy()), np.max(curve["control_value"].to_numpy())
        inside = np.sort(theirs.spinodals[(theirs.spinodals > low) & (theirs.spinodals < high)])
        kind = 2 if theirs.depth == 2 else 1, theirs.exact
        partner = _partners([location for _, location in found], inside)
        for i, (row, _) in enumerate(found):
            predicted = float(inside[partner[i]]) if i in partner else None
            status = "unexpected" if predicted is None else "matched"
            told.append((*identity, row, predicted, *kind, status))
        left = np.delete(inside, list(partner.values())).tolist()
        told += [(*identity, None, predicted, *kind, "missing") for predicted in left]
    schema = {name: transitions.schema[name] for name in CURVE} | {"_row": numbered.schema["_row"]}
    schema |= {
        "_predicted": pl.Float64(),
        "_order": pl.Int64(),
        "_exact": pl.Boolean(),
        "status": pl.String(),
    }
    compared = pl.DataFrame(told, schema, orient="row").join(
        numbered.drop(CURVE), on="_row", how="left", maintain_order="left"
    )
    control, error, exact = pl.col("_predicted"), pl.col("location_error"), pl.col("_exact")
    return compared.select(
        *transitions.columns,
        control_exact=pl.when(exact).then(control),
        control_estimate=pl.when(~exact).then(control),
        inside=pl.when(exact).then(control.is_between("control_low", "control_high")),
        order_exact=pl.when(control.is_not_null()).then("_order"),
        deviation=deviation(pl.col("location"), error, control),
        deviation_percent=100 * (pl.col("location") / control - 1),
        status="status",
    )


def _partners(found: Sequence[float], predicted: Float64[np.ndarray, " e"]) -> dict[int, int]:
    """Which of the predicted places belongs to which of those found, at most one to one."""
    distance = np.abs(np.log(np.array(found)[:, None] / predicted))
    # The least total distance, where partners too far apart count for more than all others together.
    rows, columns = linear_sum_assignment(np.where(distance > APART, 1e9, distance))
    return {i: j for i, j in zip(rows.tolist(), columns.tolist(), strict=True) if distance[i, j] <= APART}
