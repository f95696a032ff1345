"""Hysteresis: where the branches of one network jump on the way up and down, and the area between them.

The area of a loop is ∮‖θ‖² dλ, of the up branch minus the down branch. Along any branch of minima d𝓛/dλ = ‖θ‖², and
over a closed loop 𝓛 comes back to where it was: the area is what 𝓛 loses in the jumps, all of them together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from jaxtyping import Float64

from spinodal.analysis.area import loop_area
from spinodal.analysis.branch import Branch
from spinodal.analysis.branches import Records
from spinodal.analysis.curves import CURVE, by_seed, results
from spinodal.analysis.deviation import deviation
from spinodal.analysis.loops import Run, pairs, runs
from spinodal.analysis.relearning import PREDICTED, foretold, predict_loop
from spinodal.analysis.seeds import common

_COLUMNS = {"curve_up": pl.String, "control_low": pl.Float64, "control_high": pl.Float64}
_COLUMNS |= dict.fromkeys(("feature", "lost", "relearned", "runs", "unrelaxed"), pl.Int64)
_COLUMNS |= {"foretold": pl.Boolean}
_COLUMNS |= dict.fromkeys(("area", "area_error", "area_up", "control_up", "control_up_error"), pl.Float64)
_COLUMNS |= dict.fromkeys(
    ("control_down", "control_down_error", "control_down_spread", "control_width", "control_width_error"),
    pl.Float64,
)
_COLUMNS |= dict.fromkeys((*PREDICTED, "control_reach_error", "reach_deviation"), pl.Float64)


class _Bracket(NamedTuple):
    """Between two λ the number of learned features passes one more."""

    low: float
    high: float

    @property
    def place(self) -> float:
        """In ln λ."""
        return 0.5 * (math.log(self.low) + math.log(self.high))


def hysteresis(table: Records) -> pl.DataFrame:
    """Set the way down of every network against its way up, transition by transition, run by run.

    Only `evidence` is looked at. A run is a trajectory down with its own way up (of a loop), or with that of the same
    seed. Runs over the same range of λ are repetitions; those of one seed, on several grids, count as one, and its
    brackets are where all of its own overlap.

    Args:
        table: Records, or their branches for E.

    Returns:
        One row per loop and feature that is lost or learned again in it, one with `feature` null where there is
        none; empty without down branches. The columns of `CURVE` (those of the down branch), and

        - `curve_up`; `perturbation` of the way down; `control_low`, `control_high`: the range of λ; `runs`;
          `unrelaxed` rows of the way down, which are no evidence;
        - `area`: ∮‖θ‖² dλ, up minus down, mean over runs; null where the branches have no two λ in common.
          `area_error`: the standard error over runs, what the gap between two λ leaves open, and what the residual
          gradients amount to, in quadrature; `area_up`: ∫‖θ‖² dλ of the way up alone;
        - `feature`: m, from the strongest; the m-th is lost where the number of learned features falls below m;
        - `control_up`, `control_down`: where it is lost, and where it is learned again: geometric mean of the brackets
          of the seeds where it is, `lost` and `relearned` of them; errors: how far the end of a bracket is and the
          standard error over seeds, in quadrature; `control_down_spread`: standard deviation over runs;
        - `control_width`: control_up − control_down of the runs that show both, with its error, made likewise;
        - `foretold`: whether theory predicts where the way down passes its transitions;
        - what `predict_loop` returns for a deep linear network; `control_reach_error`: the standard deviation over
          draws of a mean over as many of them as there are runs that learned it again, or runs, and `reach_deviation`:
          how far control_down is from control_reach, in both errors in quadrature.
    """
    rows = []
    for pair in pairs(table):
        identity = pair.down.names | {
            "perturbation": pair.down.records["perturbation"][0],
            "curve_up": pair.up.names["curve"],
            "unrelaxed": sum(len(branch.left_out) for branch in pair.down.branches),
        }
        alike: dict[tuple[float, float], list[Run]] = {}
        for run in runs(pair):
            alike.setdefault(run.span, []).append(run)
        for (low, high), group in alike.items():
            loop = identity | {
                "control_low": low,
                "control_high": high,
                "runs": len({run.seed for run in group}),
            }
            loop |= loop_area(group)
            loop["foretold"] = foretold(pair, group)
            predicted = predict_loop(pair, group)
            ways = _of_seeds(group)
            features = sorted({m for way in ways for side in way for m in side})
            rows += [
                loop | _deviated(_transition(m, ways) | predicted(m), loop["runs"]) for m in features
            ] or [loop]
    found = results(rows, (*CURVE, "perturbation"), _COLUMNS)
    return found.sort(*CURVE, "curve_up", "control_low", "control_high", "feature")


def _of_seeds(group: Sequence[Run]) -> list[tuple[dict[int, _Bracket], dict[int, _Bracket]]]:
    """Which features each seed loses on its ways up, and learns on those down, between which λ."""
    return [
        (
            _joined([_passed(run.up.take(np.s_[::-1])) for run in own]),
            _joined([_passed(run.down) for run in own]),
        )
        for own in by_seed(group).values()
    ]


def _joined(ways: Sequence[dict[int, _Bracket]]) -> dict[int, _Bracket]:
    """Where the brackets of each m overlap; where they do not, all there is between them."""
    features = {m for way in ways for m in way}
    return {m: _Bracket(*common([way[m] for way in ways if m in way])) for m in features}


def _passed(falling: Branch) -> dict[int, _Bracket]:
    """Where the number of learned features first reaches each m, coming from large λ."""
    counted = falling.of(falling.counted)
    control, counts = counted.control.tolist(), counted.values.astype(int).tolist()
    found: dict[int, _Bracket] = {}
    most = counts[0] if counts else 0
    for i in range(1, len(counts)):
        found |= {m: _Bracket(control[i], control[i - 1]) for m in range(most + 1, counts[i] + 1)}
        most = max(most, counts[i])
    return found


def _transition(m: int, ways: Sequence[tuple[dict[int, _Bracket], dict[int, _Bracket]]]) -> dict[str, Any]:
    up, down = ([way[side][m] for way in ways if m in way[side]] for side in (0, 1))
    both = [(way[0][m], way[1][m]) for way in ways if m in way[0] and m in way[1]]
    found: dict[str, Any] = {"feature": m, "lost": len(up), "relearned": len(down)}
    for name, brackets in (("control_up", up), ("control_down", down)):
        if brackets:
            places = np.exp([bracket.place for bracket in brackets])
            found[name] = float(np.exp(np.mean(np.log(places))))
            found[f"{name}_error"] = math.hypot(_half(brackets), _standard_error(places))
    if len(down) > 1:
        found["control_down_spread"] = float(np.exp([bracket.place for bracket in down]).std(ddof=1))
    if both:
        widths = np.array([math.exp(high.place) - math.exp(low.place) for high, low in both])
        halves = [_half([pair[side] for pair in both]) for side in (0, 1)]
        error = math.hypot(*halves, _standard_error(widths))
        found |= {"control_width": float(widths.mean()), "control_width_error": error}
    return found


def _deviated(row: dict[str, Any], runs: int) -> dict[str, Any]:
    """With the error of what the noise reaches, a mean over as many draws as there are runs, and the deviation."""
    spread = row.get("control_reach_spread")
    if spread is None:
        return row
    row["control_reach_error"] = spread / math.sqrt(row["relearned"] or runs)
    if row["relearned"]:
        row["reach_deviation"] = deviation(
            row["control_down"], row["control_down_error"], row["control_reach"], row["control_reach_error"]
        )
    return row


def _half(brackets: Sequence[_Bracket]) -> float:
    """How far it is to the farther end of a bracket, from where it is said to be."""
    return float(np.mean([bracket.high - math.exp(bracket.place) for bracket in brackets]))


def _standard_error(values: Float64[np.ndarray, " n"]) -> float:
    return float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else 0.0
