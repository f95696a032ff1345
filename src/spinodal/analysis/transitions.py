"""From branches with repeated seeds to one row per transition."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from spinodal.analysis.branch import Branch
from spinodal.analysis.branches import Curve, Records, branches_of
from spinodal.analysis.curves import CURVE, results
from spinodal.analysis.deviation import stated
from spinodal.analysis.ends import jumped_by
from spinodal.analysis.jumps import SIGNIFICANCE
from spinodal.analysis.pooled import Mean, PooledBreak, mean_of, pooled_breaks
from spinodal.analysis.reversibility import taken_back
from spinodal.analysis.seeds import Jump, Kink, Place, branch_kinks, match, of_seeds, starts_as

ALONGSIDE = ("accuracy", "norm", "learned_features", "rank")
"""Order parameters told before and after each transition, where they were measured."""

TAIL = 0.01
"""A slope is seen beside a jump if it makes at least this fraction of the change there, beyond two standard errors."""

STATED = ("location", "kink")
"""Quantities whose errors get the resolution of minima at the end; that of a jump has it from `jumped` on."""

_COLUMNS = {"index": pl.Int64, "order": pl.Int64, "evidence": pl.String}
_COLUMNS |= dict.fromkeys(("seeds", "seeds_all", "unrelaxed"), pl.Int64)
_COLUMNS |= dict.fromkeys(("control_low", "control_high", "location", "location_error"), pl.Float64)
_COLUMNS |= dict.fromkeys(("before", "after", "jump", "jump_error", "kink", "kink_error"), pl.Float64)


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
        for row in _of_curve(curve, branches.followed[identity], observable, alongside)
    ]
    sides = [f"{name}_{side}" for name in alongside for side in ("before", "after")]
    found = results(rows, CURVE, _COLUMNS | dict.fromkeys(sides, pl.Float64)).sort(*CURVE, "location")
    errors = {f"{name}_error": stated(pl.col(f"{name}_error"), pl.col(name)) for name in STATED}
    return found.with_columns(**errors)


def _of_curve(
    curve: Curve, groups: Sequence[Sequence[Jump]], observable: str, alongside: Sequence[str]
) -> list[dict[str, Any]]:
    """The transitions of one curve: jumps of single seeds first."""
    branches = curve.branches
    seeds = len({branch.seed for branch in branches})
    kinks = [
        kink for branch, own in zip(branches, curve.found, strict=True) for kink in branch_kinks(branch, own)
    ]
    shown = [group for group in groups if _most(group, seeds)]
    continuous = [
        group for group in match(of_seeds(kinks)) if _most(group, seeds) and not _within(group, groups)
    ]
    mean = mean_of(branches)
    known = [_bracket(group) for group in (*shown, *continuous)]
    pooled = [] if mean is None else pooled_breaks(mean, starts_as(observable), known)
    rows: list[dict[str, Any] | None] = []
    for group in groups:
        row: dict[str, Any] | None = _of_jumps(group, seeds, observable, alongside)
        if mean is not None and group not in shown:
            same = next((each for each in pooled if _same(each, group)), None)
            if same is not None:
                pooled.remove(same)
                row = _of_mean(same, mean, branches, alongside)
            elif not _clear(group, branches, mean, observable):
                row = None
        rows.append(row)
    rows += [_of_kinks(group, observable, alongside) for group in continuous]
    rows += [_of_mean(each, mean, branches, alongside) for each in pooled if mean is not None]
    return [{**row, "index": index, "seeds_all": seeds} for index, row in enumerate(rows, start=1) if row]


def _most(group: Sequence[Place], seeds: int) -> bool:
    return 2 * len(group) >= seeds


def _bracket(group: Sequence[Place]) -> tuple[float, float]:
    return min(each.low for each in group), max(each.high for each in group)


def _within(kinks: Sequence[Kink], groups: Sequence[Sequence[Jump]]) -> bool:
    """Whether other seeds jump where these have a kink."""
    low, high = _bracket(kinks)
    return any(low < end and start < high for start, end in map(_bracket, groups))


def _same(each: PooledBreak, group: Sequence[Jump]) -> bool:
    low, high = _bracket(group)
    return each.order != 2 and each.low <= high and low <= each.high


def _clear(group: Sequence[Jump], branches: Sequence[Branch], mean: Mean, observable: str) -> bool:
    """Whether a jump that few seeds show is one beside how much the others scatter."""
    jumping = {jump.seed for jump in group}
    others = mean_of([branch for branch in branches if branch.seed not in jumping]) or mean
    noise = math.sqrt(others.trajectories) * np.interp(np.exp(group[0].place), others.control, others.errors)
    changes = [np.diff(jump.branch.values[jump.at : jump.at + 2]) for jump in group]
    return bool(np.abs(np.mean(changes)) > SIGNIFICANCE * math.sqrt(6) * noise)


def _of_jumps(group: Sequence[Jump], seeds: int, observable: str, alongside: Sequence[str]) -> dict[str, Any]:
    # The geometric mean is nearer to the lower end.
    half_bracket = float(np.mean([jump.high - math.exp(jump.place) for jump in group]))
    order, words = _order(group, seeds)
    size = jumped_by(group)
    sides = {"before": size.before, "after": size.after}
    return {
        "order": order,
        "evidence": words,
        **_of_seeds(group, observable, alongside),
        **_located(group, half_bracket),
        **({} if order == 2 else sides | {"jump": size.after - size.before, "jump_error": size.error}),
    }


def _located(group: Sequence[Jump] | Sequence[Kink], error: float) -> dict[str, float]:
    """Where seeds have it, with the error of each of them."""
    places = np.array([each.place for each in group])
    return {
        "location": float(np.exp(places.mean())),
        "location_error": math.hypot(error, _scatter(np.exp(places))),
    }


def _order(group: Sequence[Jump], seeds: int) -> tuple[int | None, str]:
    """Whether the jumps of a group are what they look like, and why: as tested by taking them back, if they were."""
    if not _most(group, seeds):
        return None, "few trajectories jump"
    restored = taken_back(group)
    if restored is False:
        return 1, "taken back, E is not restored"
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


def _of_kinks(group: Sequence[Kink], observable: str, alongside: Sequence[str]) -> dict[str, Any]:
    slopes = [kink.slope for kink in group]
    own = float(np.mean([kink.slope_error for kink in group]))
    slope = float(np.mean(slopes))
    return {
        "order": 2,
        "evidence": "trajectories have a kink",
        **_of_seeds(group, observable, alongside),
        **_located(group, float(np.mean([kink.location_error for kink in group]))),
        "kink": slope,
        "kink_error": math.hypot(own, _scatter(slopes) / math.sqrt(len(group))),
    }


def _of_seeds(group: Sequence[Place], observable: str, alongside: Sequence[str]) -> dict[str, Any]:
    def sides(name: str, column: str) -> dict[str, float | None]:
        """The means over seeds, before and after."""
        return {
            f"{column}{side}": _mean([each.side(name, after) for each in group])
            for side, after in (("before", False), ("after", True))
        }

    low, high = _bracket(group)
    found = {"control_low": low, "control_high": high, **sides(observable, "")}
    found |= {"seeds": len(group), "unrelaxed": sum(each.unrelaxed for each in group)}
    for name in alongside:
        found |= sides(name, f"{name}_")
    return found


_WORDS = {1: "their mean jumps", 2: "their mean has a kink", None: "their mean: a slope or a jump"}


def _of_mean(
    each: PooledBreak, mean: Mean, branches: Sequence[Branch], alongside: Sequence[str]
) -> dict[str, Any]:
    falls = sum(
        len(branch.control) > 1 and branch.control[0] > branch.control[-1] for branch in branches
    ) * 2 > len(branches)
    before, after = (each.high, each.low) if falls else (each.low, each.high)
    beside = {
        f"{name}_{side}": _mean(
            [value for branch in branches for value in branch.column(name)[branch.control == end]]
        )
        for name in alongside
        for side, end in (("before", before), ("after", after))
    }
    kink = each.order == 2
    return {
        "order": each.order,
        "evidence": _WORDS[each.order],
        "control_low": each.low,
        "control_high": each.high,
        "location": each.location,
        "location_error": each.location_error,
        "before": each.after if falls else each.before,
        "after": each.before if falls else each.after,
        "jump": None if kink else -each.size if falls else each.size,
        "jump_error": None if kink else stated(each.size_error, each.size),
        "kink": each.size if kink else None,
        "kink_error": each.size_error if kink else None,
        "seeds": mean.trajectories,
        "unrelaxed": sum(branch.unrelaxed(each.low, each.high) for branch in branches),
        **beside,
    }


def _mean(values: Sequence[float | None]) -> float | None:
    """Over those that are known."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    return float(np.mean(known)) if known else None


def _scatter(values: Any) -> float:
    """Standard deviation over seeds; 0 of a single one."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
