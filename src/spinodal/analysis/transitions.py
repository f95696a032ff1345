"""From branches with repeated seeds to one row per transition."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Int

from spinodal.analysis.branch import Branch
from spinodal.analysis.branches import Curve, Records, branches_of
from spinodal.analysis.breaks import Break
from spinodal.analysis.curves import CURVE, results
from spinodal.analysis.deviation import scatter, standard_error, stated
from spinodal.analysis.ends import jumped_by
from spinodal.analysis.jumps import SIGNIFICANCE
from spinodal.analysis.pooled import Mean, mean_of, pooled_breaks
from spinodal.analysis.seeds import Bracket, Jump, Kink, Place, around, branch_kinks, match, of_seeds

ALONGSIDE = ("accuracy", "norm", "learned_features", "rank")
"""Order parameters told before and after each transition, where they were measured."""

TAIL = 0.01
"""A slope is seen beside a jump if it makes at least this fraction of the change there, beyond two standard errors."""

STATED = ("location", "kink")
"""Quantities whose errors get the resolution of minima at the end; that of a jump has it from `jumped` on."""

_COLUMNS = (
    *("index", "order", "evidence", "seeds", "seeds_all", "unrelaxed"),
    *("control_low", "control_high", "location", "location_error"),
    *("before", "after", "jump", "jump_error", "kink", "kink_error"),
)
_WORDS = {1: "their mean jumps", 2: "their mean has a kink", None: "their mean: a slope or a jump"}

Beside = Callable[[Mapping[str, Int[np.ndarray, " r"]]], dict[str, float | None]]
"""From the rows before and after a transition to the means of the columns alongside there."""


def find_transitions(
    table: Records, observable: str = "error", alongside: Sequence[str] = ALONGSIDE
) -> pl.DataFrame:
    """Find where an observable jumps or has a kink along each curve, and of which order each transition is.

    Only rows that are `evidence` (stationary, no saddles) are looked at. A transition across rows that
    did not relax is bracketed by the nearest ones that did; `unrelaxed` says how many lie in between.

    Every error of a place, a jump or a kink is `stated`: it holds the resolution of minima.

    First trajectory by trajectory, and the seeds are matched (`find_jumps`, `find_kinks`); then, where trajectories are
    noisy, in their mean (`find_breaks`). A jump of the mean is found for certain from about 6 standard errors of the
    mean at one point on (4 of the difference between two), if the phases on either side are straight lines over ten
    points; below that less and less often, and from 4 (3) on in most cases.

    No grid tells a jump between two neighbouring λ from a slope that begins and ends between them. The rule is: it is
    a jump (order 1) if both phases lead up to the bracket without a trace of it. A slope leaves tails beside the
    bracket, which show down to widths of 0.3 spacings (tanh) on a curve without noise. `protocol.refine` narrows the
    bracket, and with it what could hide there.

    Args:
        table: Records, as `read_records` returns them, or their branches.
        observable: Column to look for transitions in.
        alongside: Further columns to tell before and after; those that are not there are left out.

    Returns:
        One row per transition, sorted by curve and λ: the columns of `CURVE`, and

        - `index`: 1, 2, … along the curve from small to large λ: first the jumps of single trajectories, then kinks
          and what only the mean shows; what few trajectories show is left out if it is within the scatter of all;
        - `order`: 1 for a jump, 2 for a kink (continuous), null if it is not decided whether it is a jump, and
          `evidence`: what this rests on, in words;
        - `control_low`, `control_high`: every seed that shows it jumps between these two λ of the grid; that of a kink,
          and of what the mean shows, lies between them within two standard errors;
        - `location`: geometric mean of the brackets of all seeds, or of where their kinks are; `location_error`: how
          far it is to the end of a bracket, or the error of a kink in one seed, and the standard deviation over seeds,
          added in quadrature;
        - `before`, `after`: the observable on either side of the jump, at the λ at which it happens, in the direction
          of the path (for a quench, of rising λ), mean over seeds (see `extrapolation`); of a kink, at the two ends of
          the bracket. `<column>_before` and `<column>_after` of those alongside, at the two ends of the bracket;
        - `jump`: after − before; `jump_error`: how far following the branches there may be off, and the standard error
          over seeds, in quadrature; both null for a kink;
        - `kink`: by how much the slope over ln λ changes there, for rising λ; `kink_error`: what the bend of the
          branches makes of it, and the standard error over seeds, in quadrature; null for all but kinks;
        - `seeds`: how many seeds show it, or are averaged, of `seeds_all`: one that was taken through λ on several
          grids counts once, and its bracket is where all its own overlap;
        - `unrelaxed`: rows within the brackets that are no evidence, of all seeds together.
    """
    branches = branches_of(table, observable)
    alongside = [name for name in alongside if name in branches.records.columns and name != observable]
    rows = [
        curve.names | row
        for identity, curve in branches.items()
        for row in _of_curve(curve, branches.followed[identity], alongside)
    ]
    sides = (f"{name}_{side}" for name in alongside for side in ("before", "after"))
    found = results(rows, CURVE, (*_COLUMNS, *sides)).sort(*CURVE, "location")
    errors = {f"{name}_error": stated(pl.col(f"{name}_error"), pl.col(name)) for name in STATED}
    return found.with_columns(**errors)


def _of_curve(
    curve: Curve, groups: Sequence[Sequence[Jump]], alongside: Sequence[str]
) -> list[dict[str, Any]]:
    """The transitions of one curve: jumps of single seeds first."""
    branches, mean = curve.branches, mean_of(curve.branches)
    seeds = len({branch.seed for branch in branches})
    columns = branches[0].columns

    def most(group: Sequence[Place]) -> bool:
        return 2 * len(group) >= seeds

    def beside(sides: Mapping[str, Int[np.ndarray, " r"]]) -> dict[str, float | None]:
        return {
            f"{name}_{side}": _mean(columns[name][rows]) for side, rows in sides.items() for name in alongside
        }

    kinks = [
        kink
        for branch, own in zip(branches, curve.found, strict=True)
        for kink in branch_kinks(branch, own, curve.power)
    ]
    shown = [group for group in groups if most(group)]
    continuous = [
        group
        for group in match(of_seeds(kinks))
        if most(group) and not any(_bracket(group).overlaps(_bracket(jumps)) for jumps in groups)
    ]
    known = [_bracket(group) for group in (*shown, *continuous)]
    pooled = [] if mean is None else pooled_breaks(mean, curve.power, known)
    rows: list[dict[str, Any] | None] = []
    for group in groups:
        row: dict[str, Any] | None = _of_jumps(group, most(group), beside)
        if mean is not None and not most(group):
            same = next((each for each in pooled if _same(each, group)), None)
            if same is not None:
                pooled.remove(same)
                row = _of_mean(same, mean, branches, beside)
            elif not _clear(group, branches, mean):
                row = None
        rows.append(row)
    rows += [_of_kinks(group, beside) for group in continuous]
    rows += [_of_mean(each, mean, branches, beside) for each in pooled if mean is not None]
    return [{**row, "index": index, "seeds_all": seeds} for index, row in enumerate(rows, start=1) if row]


def _bracket(group: Sequence[Place]) -> Bracket:
    return around([each.bracket for each in group])


def _same(each: Break, group: Sequence[Jump]) -> bool:
    low, high = _bracket(group)
    return each.order != 2 and each.low <= high and low <= each.high


def _clear(group: Sequence[Jump], branches: Sequence[Branch], mean: Mean) -> bool:
    """Whether a jump that few seeds show is one beside how much the others scatter."""
    jumping = {jump.seed for jump in group}
    others = mean_of([branch for branch in branches if branch.seed not in jumping]) or mean
    noise = math.sqrt(others.trajectories) * np.interp(np.exp(group[0].place), others.control, others.errors)
    changes = [np.diff(jump.branch.values[jump.at : jump.at + 2]) for jump in group]
    return bool(np.abs(np.mean(changes)) > SIGNIFICANCE * math.sqrt(6) * noise)


def _of_jumps(group: Sequence[Jump], most: bool, beside: Beside) -> dict[str, Any]:
    order, words = _order(group) if most else (None, "few trajectories jump")
    row = _of_seeds(group, float(np.mean([jump.bracket.half for jump in group])), beside)
    row |= {"order": order, "evidence": words}
    if order != 2:
        size = jumped_by(group)
        row |= {"before": size.before, "after": size.after}
        row |= {"jump": size.after - size.before, "jump_error": size.error}
    return row


def _order(group: Sequence[Jump]) -> tuple[int | None, str]:
    """Whether the jumps of a group are what they look like, and why: as tested by taking them back, if they were."""
    answers = [_restored(jump) for jump in group]
    restored = next((each for each in (False, True) if 2 * answers.count(each) > len(answers)), None)
    if restored is False:
        followed = all(np.isfinite(jump.branch.column("located")[jump.at + 1]) for jump in group)
        return 1, "followed, the minimum ends" if followed else "taken back, E is not restored"
    if 2 * sum(jump.unrelaxed > 0 for jump in group) > len(group):
        return None, "rows in between did not relax"
    steepening = np.array([jump.steepening for jump in group])
    before, after, _ = steepening.mean(axis=0)
    error = math.sqrt(float(np.sum(steepening[:, 2] ** 2))) / len(group)
    steep = max(before, after) > TAIL + 2 * error
    if restored:
        if steep:
            return 2, "steep beside it and, taken back, E is restored"
        return None, "taken back, E is restored: a slope, or a loop within the bracket"
    if steep:
        return None, "steep beside it: a slope or a jump"
    return 1, "trajectories jump"


def _restored(jump: Jump) -> bool | None:
    """Whether minima taken back restore E all over the bracket of a jump; None where that is not known of all."""
    branch = jump.branch
    answers = branch.columns["reversible"][branch.stages]
    if np.isnan(answers).all():
        return None
    control = branch.path
    order = np.argsort(control, kind="stable")[:: -1 if control[0] > control[-1] else 1]
    control, answers = control[order], answers[order][1:]
    low, high = np.sort([control[:-1], control[1:]], axis=0)
    inside = (low < jump.high) & (jump.low < high)
    if (answers[inside] == 0).any():
        return False
    return True if inside.any() and (answers[inside] == 1).all() else None


def _of_kinks(group: Sequence[Kink], beside: Beside) -> dict[str, Any]:
    slopes, own = [kink.slope for kink in group], float(np.mean([kink.slope_error for kink in group]))
    return {
        **_of_seeds(group, float(np.mean([kink.location_error for kink in group])), beside),
        "order": 2,
        "evidence": "trajectories have a kink",
        "kink": float(np.mean(slopes)),
        "kink_error": math.hypot(own, standard_error(slopes)),
    }


def _of_seeds(group: Sequence[Jump] | Sequence[Kink], error: float, beside: Beside) -> dict[str, Any]:
    """Where seeds have it, with the error of each of them, and what is measured on either side."""
    places = np.array([each.place for each in group])
    low, high = _bracket(group)
    rows = {
        side: np.array([each.branch.rows[each.at + way] for each in group])
        for way, side in enumerate(("before", "after"))
    }
    values = {
        side: _mean(group[0].branch.columns[group[0].branch.observable][at]) for side, at in rows.items()
    }
    return {
        **values,
        **beside(rows),
        "control_low": low,
        "control_high": high,
        "location": float(np.exp(places.mean())),
        "location_error": math.hypot(error, scatter(np.exp(places))),
        "seeds": len(group),
        "unrelaxed": sum(each.unrelaxed for each in group),
    }


def _of_mean(each: Break, mean: Mean, branches: Sequence[Branch], beside: Beside) -> dict[str, Any]:
    ends = {"before": (each.low, each.before), "after": (each.high, each.after)}
    size = each.size
    falling = [len(branch.control) > 1 and branch.control[0] > branch.control[-1] for branch in branches]
    if 2 * sum(falling) > len(branches):
        ends, size = dict(zip(ends, reversed(ends.values()), strict=True)), -size
    rows = {
        side: np.concatenate([branch.rows[branch.control == at] for branch in branches])
        for side, (at, _) in ends.items()
    }
    measured = (
        {"kink": each.size, "kink_error": each.size_error}
        if each.order == 2
        else {"jump": size, "jump_error": stated(each.size_error, each.size)}
    )
    return {
        **measured,
        **beside(rows),
        **{side: value for side, (_, value) in ends.items()},
        "order": each.order,
        "evidence": _WORDS[each.order],
        "control_low": each.low,
        "control_high": each.high,
        "location": each.location,
        "location_error": each.location_error,
        "seeds": mean.trajectories,
        "unrelaxed": sum(branch.unrelaxed(each.low, each.high) for branch in branches),
    }


def _mean(values: Any) -> float | None:
    """Over those that are known."""
    known = values[np.isfinite(values)]
    return float(np.mean(known)) if len(known) else None
