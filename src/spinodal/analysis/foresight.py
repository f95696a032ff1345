"""What each observable says about λ_sp before the jump, when nothing but the phase before it is known.

Near its end at a fold, λ is a parabola in every observable Q of a minimum: Q ≈ Q_sp + C √(λ_sp − λ). So
(dQ/dλ)⁻² falls to zero at λ_sp, linearly, and the square of the soft mode does so without a derivative. One
rule for all: the line of least squares through the last `POINTS` such values, followed to where it is zero.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import polars as pl
from jaxtyping import Float64

from spinodal.analysis.branches import Records, branches_of
from spinodal.analysis.curves import CURVE, results
from spinodal.analysis.deviation import standard_error
from spinodal.analysis.seeds import Jump

OBSERVABLES = ("soft_mode", "scalar_curvature", "trace_hessian", "norm", "error")
"""Columns that predictions are made from."""

CUT_OFFS = (0.8, 0.9, 0.95, 0.98)
"""Predictions know the phase up to these fractions of the λ at which it jumps."""

KNOWN = 0.95
"""The one of them by which observables are compared with each other."""

POINTS = 3
"""Values that a line is laid through: more would average noise, and reach back to where nothing is linear."""

HORIZON = 10.0
"""A line that has not reached zero at this many times the last λ predicts nothing."""

_COLUMNS = (
    *("index", "observable", "cut_off", "predicted", "deviation", "deviation_error"),
    *("seeds", "seeds_all", "enough", "control_error"),
)


def foresight(
    table: Records, transitions: pl.DataFrame, cut_offs: Sequence[float] = CUT_OFFS
) -> pl.DataFrame:
    """Predict every transition of the up branches from what precedes it, with one observable at a time.

    Args:
        table: Records, or their branches for E.
        transitions: Those in E, as `compare` returns them for this table.
        cut_offs: Fractions x: only rows with λ ≤ x·λ_jump of the phase before a jump are used, seed by seed.

    Returns:
        One row per transition, observable and cut-off: the columns of `CURVE`, `index`, `observable`,
        `cut_off`, and

        - `predicted`: λ_sp, mean over the seeds that predict it, null if none does;
        - `deviation`: from where the same seed jumps, in per cent, mean over seeds, and `deviation_error`: its
          standard error and how far the end of a bracket is, in quadrature;
        - `control_exact` and `deviation_exact`: the exact λ_sp where it is known, and the deviation from that;
        - `seeds`: how many predict it, of the `seeds_all` that show the transition. The others have too few
          points or a line that does not reach zero ahead of them;
        - `enough`: whether every seed has as many points as a prediction takes; `control_error`: half the bracket of
          the jump, in per cent of λ, which every deviation leaves open.

        An observable that is nowhere measured on a curve has no rows.
    """
    rows = []
    for curve in branches_of(table).values():
        if curve.names["branch"] != "up":
            continue
        for index, group in enumerate(curve.groups, start=1):
            half = 100 * float(np.mean([0.5 * (jump.high / jump.low - 1) for jump in group]))
            for observable in OBSERVABLES:
                if not any(len(branch.of(observable).control) for branch in curve.branches):
                    continue
                phases = [_phase(jump, curve.jumps, observable) for jump in group]
                for x in cut_offs:
                    predictions, rest = [], []
                    for (control, values), jump in zip(phases, group, strict=True):
                        at = math.exp(jump.place)
                        known = control <= x * at
                        rest.append(np.count_nonzero(known))
                        predicted = predict(control[known], values[known], observable)
                        predictions.append((predicted, at, jump.high / at - 1))
                    row = {"index": index, "observable": observable, "cut_off": x, "seeds_all": len(group)}
                    row |= {"enough": min(rest) >= needed(observable), "control_error": half}
                    rows.append(curve.names | row | _mean(predictions))
    exact = transitions.drop_nulls("index").select(*CURVE, "index", "control_exact")
    deviation = 100 * (pl.col("predicted") / pl.col("control_exact") - 1)
    return (
        results(rows, CURVE, _COLUMNS)
        .join(exact, on=[*CURVE, "index"], how="left", nulls_equal=True, maintain_order="left")
        .with_columns(deviation_exact=deviation)
    )


def predict(
    control: Float64[np.ndarray, " l"], values: Float64[np.ndarray, " l"], observable: str
) -> float | None:
    """Predict where a phase ends from one observable along it, for rising λ.

    Args:
        control: λ, rising.
        values: The observable there.
        observable: Its name: "soft_mode" is squared, of all others the slope is taken.

    Returns:
        λ_sp, or None if there are too few points or the line has no zero between the last one and `HORIZON`.
    """
    places, vanishing = control, values**2
    if observable != "soft_mode":
        places = 0.5 * (control[1:] + control[:-1])
        with np.errstate(divide="ignore"):
            vanishing = (np.diff(values) / np.diff(control)) ** -2.0
    places, vanishing = places[-POINTS:], vanishing[-POINTS:]
    if len(places) < POINTS or not np.isfinite(vanishing).all():
        return None
    centre = places.mean()
    slope, level = np.polyfit(places - centre, vanishing, 1)
    zero = centre - level / slope if slope < 0 else math.inf
    return float(zero) if control[-1] < zero < HORIZON * control[-1] else None


def needed(observable: str) -> int:
    """How many rows of a phase a prediction takes: of a slope one more than of a value."""
    return POINTS if observable == "soft_mode" else POINTS + 1


def _phase(
    jump: Jump, jumps: Sequence[Jump], observable: str
) -> tuple[Float64[np.ndarray, " l"], Float64[np.ndarray, " l"]]:
    """λ and an observable of a trajectory before one of its jumps, from the preceding one of its seed on."""
    ends = [other.high for other in jumps if other.seed == jump.seed and other.high <= jump.low]
    branch = jump.branch.of(observable)
    phase = (branch.control >= max(ends, default=0.0)) & (branch.control <= jump.low)
    return branch.control[phase], branch.values[phase]


def _mean(predictions: Sequence[tuple[float | None, float, float]]) -> dict[str, float | int | None]:
    """Over seeds: what each predicts, where it jumps, and how far the end of its bracket is, as a part of that."""
    made = np.array([each for each in predictions if each[0] is not None], dtype=float)
    if not len(made):
        return {"seeds": 0}
    predicted, at, half = made.T
    deviation, bracket = 100 * (predicted / at - 1), 100 * half * predicted / at
    return {
        "predicted": float(predicted.mean()),
        "deviation": float(deviation.mean()),
        "deviation_error": math.hypot(standard_error(deviation), bracket.mean()),
        "seeds": len(made),
    }
