"""Hysteresis: where the branches of one network jump on the way up and down, and the area between them.

The area of a loop is ∮‖θ‖² dλ, of the up branch minus the down branch. Along any branch of minima d𝓛/dλ = ‖θ‖², and
over a closed loop 𝓛 comes back to where it was: the area is what 𝓛 loses in the jumps, all of them together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from spinodal.analysis.branch import Branch
from spinodal.analysis.branches import Records
from spinodal.analysis.curves import CURVE, grouped, results
from spinodal.analysis.deviation import deviation, scatter, standard_error
from spinodal.analysis.loops import loop_area, pairs, runs
from spinodal.analysis.relearning import PREDICTED, foretold, predict_loop
from spinodal.analysis.seeds import Bracket, common

_COLUMNS = (
    *("curve_up", "control_low", "control_high", "feature", "lost", "relearned", "runs", "unrelaxed"),
    *("foretold", "area", "area_error", "area_up", "control_up", "control_up_error"),
    *("control_down", "control_down_error", "control_down_spread", "control_width", "control_width_error"),
    *(*PREDICTED, "control_reach_error", "reach_deviation"),
)
Way = dict[int, Bracket]
"""Where the number of learned features first reaches each m, coming from large λ."""


def hysteresis(table: Records) -> pl.DataFrame:
    """Set the way down of every network against its way up, transition by transition, run by run.

    Only `evidence` is looked at. A run is a trajectory down with its own way up (of a loop), or with that of the same
    seed. Runs over the same range of λ are repetitions; those of one seed, on several grids, count as one, and its
    brackets are where all of its own overlap.

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
        for group in grouped(runs(pair), "span").values():
            seeds = grouped(group).values()
            loop = identity | loop_area(group)
            loop |= dict(zip(("control_low", "control_high"), group[0].span, strict=True))
            loop |= {"runs": len(seeds), "foretold": foretold(pair, group)}
            predicted = predict_loop(pair, group)
            ups = [_joined([run.up.take(np.s_[::-1]) for run in own]) for own in seeds]
            downs = [_joined([run.down for run in own]) for own in seeds]
            rows += [
                loop | _deviated(_transition(m, ups, downs) | predicted(m), loop["runs"])
                for m in sorted({m for way in (*ups, *downs) for m in way})
            ] or [loop]
    found = results(rows, (*CURVE, "perturbation"), _COLUMNS)
    return found.sort(*CURVE, "curve_up", "control_low", "control_high", "feature")


def _joined(falling: Sequence[Branch]) -> Way:
    """Of one seed: where the brackets of each m overlap; where they do not, all there is between them."""
    ways = [_passed(branch) for branch in falling]
    return {m: common([way[m] for way in ways if m in way]) for m in {m for way in ways for m in way}}


def _passed(falling: Branch) -> Way:
    counted = falling.of(falling.counted)
    control, counts = counted.control.tolist(), counted.values.astype(int).tolist()
    found: Way = {}
    most = counts[0] if counts else 0
    for i in range(1, len(counts)):
        found |= {m: Bracket(control[i], control[i - 1]) for m in range(most + 1, counts[i] + 1)}
        most = max(most, counts[i])
    return found


def _transition(m: int, ups: Sequence[Way], downs: Sequence[Way]) -> dict[str, Any]:
    up, down = ([way[m] for way in ways if m in way] for ways in (ups, downs))
    both = [(high[m], low[m]) for high, low in zip(ups, downs, strict=True) if m in high and m in low]
    found: dict[str, Any] = {"feature": m, "lost": len(up), "relearned": len(down)}
    for name, brackets in (("control_up", up), ("control_down", down)):
        if brackets:
            places = np.exp([bracket.place for bracket in brackets])
            found[name] = float(np.exp(np.mean(np.log(places))))
            found[f"{name}_error"] = math.hypot(_half(brackets), standard_error(places))
    if len(down) > 1:
        found["control_down_spread"] = scatter(np.exp([bracket.place for bracket in down]))
    if both:
        widths = np.array([math.exp(high.place) - math.exp(low.place) for high, low in both])
        halves = map(_half, zip(*both, strict=True))
        found["control_width"] = float(widths.mean())
        found["control_width_error"] = math.hypot(*halves, standard_error(widths))
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


def _half(brackets: Sequence[Bracket]) -> float:
    return float(np.mean([bracket.half for bracket in brackets]))
