"""From branches with repeated seeds to one row per transition."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float64

from spinodal.analysis.curves import CURVE
from spinodal.analysis.deviation import stated
from spinodal.analysis.ends import jumped_by, with_ends
from spinodal.analysis.jumps import SIGNIFICANCE
from spinodal.analysis.paths import Path, paths_of
from spinodal.analysis.pooled import Mean, PooledBreak, mean_of, pooled_breaks
from spinodal.analysis.reversibility import restored_in
from spinodal.analysis.seeds import Jump, Kink, match, of_seeds, path_jumps, path_kinks, starts_as
from spinodal.records import SCHEMA

ALONGSIDE = ("accuracy", "norm", "learned_features")
"""Order parameters told before and after each transition, where they were measured."""

TAIL = 0.01
"""A slope is seen beside a jump if it makes at least this fraction of the change there, beyond two standard errors."""

_MEASURED = ("l2_low", "l2_high", "location", "location_error", "before", "after", "jump", "jump_error")
_KINK = ("kink", "kink_error")
STATED = ("location", "kink")
"""Quantities whose errors get the resolution of minima at the end; that of a jump has it from `jumped` on."""

_COUNTED = ("seeds", "seeds_all", "unrelaxed")


def find_transitions(
    table: pl.DataFrame, observable: str = "error", alongside: Sequence[str] = ALONGSIDE
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
    bracket, which show down to widths of 0.3 spacings (tanh) on a curve without noise. With `protocol.refine` each
    minimum was taken back to the λ before: if most seeds do not restore E there, it is a jump, whatever it looks like;
    if they do, it is continuous where there are tails, and else there may be a whole loop within the bracket.

    Args:
        table: Records, as `read_records` returns them.
        observable: Column to look for transitions in.
        alongside: Further columns to tell before and after; those that are not there are left out.

    Returns:
        One row per transition, sorted by curve and λ: the columns of `CURVE`, and

        - `index`: 1, 2, … along the curve from small to large λ: first the jumps of single trajectories, then kinks
          and what only the mean shows; what few trajectories show is left out if it is within the scatter of all;
        - `order`: 1 for a jump, 2 for a kink and for a slope that, taken back, restores E (continuous), null if it is
          not decided whether it is a jump, and `evidence`: what this rests on, in words;
        - `l2_low`, `l2_high`: every seed that shows it jumps between these two λ of the grid; that of a kink, and of
          what the mean shows, lies between them within two standard errors;
        - `location`: geometric mean of the brackets of all seeds, or of where their kinks are; `location_error`: how
          far it is to the end of a bracket, or the error of a kink in one seed, and the standard deviation over seeds,
          added in quadrature;
        - `before`, `after`: the observable on either side of the jump, at the λ at which it happens, in the direction
          of the path (for a quench, of rising λ), mean over seeds (see `extrapolation`); of a kink, at the two ends of
          the bracket. `<column>_before` and `<column>_after` of those alongside, at the two ends of the bracket;
        - `jump`: after − before; `jump_error`: how far following the branches there may be off, and the standard error
          over seeds, in quadrature; both null where it is continuous;
        - `kink`: by how much the slope over ln λ changes there, for rising λ; `kink_error`: what the bend of the
          branches makes of it, and the standard error over seeds, in quadrature; null for all but kinks;
        - `seeds`: how many seeds show it, or are averaged, of `seeds_all`: one that was taken through λ on several
          grids counts once, and its bracket is where all its own overlap;
        - `unrelaxed`: rows within the brackets that are no evidence, of all seeds together.
    """
    alongside = [name for name in alongside if name in table.columns and name != observable]
    curves = paths_of(table, CURVE, observable, alongside)
    found = [[path_jumps(path, observable, alongside) for path in curve] for curve in curves.values()]
    restored = restored_in(table)
    rows = []
    for (identity, curve), jumps, own in zip(
        curves.items(), found, _followed(list(curves.values()), found, observable), strict=True
    ):
        names = dict(zip(CURVE, identity, strict=True))
        rows += [
            names | row
            for row in _curve(curve, jumps, own, observable, alongside, partial(restored, names["branch"]))
        ]
    sides = [f"{name}_{side}" for name in alongside for side in ("before", "after")]
    schema = [(name, SCHEMA[name]) for name in CURVE]
    schema += [("index", pl.Int64()), ("order", pl.Int64()), ("evidence", pl.String())]
    schema += [(name, pl.Int64()) for name in _COUNTED]
    schema += [(name, pl.Float64()) for name in (*_MEASURED, *_KINK, *sides)]
    table = pl.DataFrame(rows, schema=schema).sort(*CURVE, "location")
    errors = {f"{name}_error": stated(pl.col(f"{name}_error"), pl.col(name)) for name in STATED}
    return table.with_columns(**errors)


def _followed(
    curves: Sequence[Sequence[Path]], found: Sequence[Sequence[Sequence[Jump]]], observable: str
) -> Iterator[list[Jump]]:
    """The jumps of the seeds of each curve, all followed into their brackets at once."""
    merged = [of_seeds([jump for own in jumps for jump in own]) for jumps in found]
    paths = [{path.name: path for path in curve} for curve in curves]
    followed = iter(
        with_ends(
            [
                (own[jump.trajectory], jump)
                for own, jumps in zip(paths, merged, strict=True)
                for jump in jumps
            ],
            observable,
        )
    )
    for jumps in merged:
        yield [next(followed) for _ in jumps]


def _curve(
    curve: Sequence[Path],
    jumps: Sequence[Sequence[Jump]],
    own: Sequence[Jump],
    observable: str,
    alongside: Sequence[str],
    restored: Callable[[Sequence[Jump]], bool | None],
) -> list[dict[str, Any]]:
    """The transitions of one curve: jumps of single seeds first."""
    kinks = [
        kink
        for path, known in zip(curve, jumps, strict=True)
        for kink in path_kinks(path, known, observable, alongside)
    ]
    seeds = len({path.seed for path in curve})
    groups = match(own)
    continuous = [
        group for group in match(of_seeds(kinks)) if _most(group, seeds) and not _within(group, groups)
    ]
    known = [_bracket(group) for group in groups if _most(group, seeds)] + [
        _bracket(group) for group in continuous
    ]
    mean = mean_of(curve)
    pooled = [] if mean is None else pooled_breaks(mean, starts_as(observable), known)
    rows: list[dict[str, Any] | None] = []
    for group in groups:
        row: dict[str, Any] | None = _of_jumps(group, seeds, observable, alongside, restored(group))
        same = [each for each in pooled if not _most(group, seeds) and _same(each, group)]
        if mean is not None and same:
            pooled.remove(same[0])
            row = _of_mean(same[0], mean, curve, observable, alongside)
        elif mean is not None and not _most(group, seeds) and not _clear(group, curve, mean, observable):
            row = None
        rows.append(row)
    rows += [_of_kinks(group, observable, alongside) for group in continuous]
    if mean is not None:
        rows += [_of_mean(each, mean, curve, observable, alongside) for each in pooled]
    return [{**row, "index": index, "seeds_all": seeds} for index, row in enumerate(rows, start=1) if row]


def _most(group: Sequence[Jump] | Sequence[Kink], seeds: int) -> bool:
    return 2 * len(group) >= seeds


def _bracket(group: Sequence[Jump] | Sequence[Kink]) -> tuple[float, float]:
    return min(each.low for each in group), max(each.high for each in group)


def _within(kinks: Sequence[Kink], groups: Sequence[Sequence[Jump]]) -> bool:
    """Whether other seeds jump where these have a kink."""
    low, high = _bracket(kinks)
    return any(low < end and start < high for start, end in map(_bracket, groups))


def _same(each: PooledBreak, group: Sequence[Jump]) -> bool:
    low, high = _bracket(group)
    return each.order != 2 and each.low <= high and low <= each.high


def _clear(group: Sequence[Jump], curve: Sequence[Path], mean: Mean, observable: str) -> bool:
    """Whether a jump that few seeds show is one beside how much the others scatter."""
    jumping = {jump.seed for jump in group}
    others = mean_of([path for path in curve if path.seed not in jumping]) or mean
    noise = math.sqrt(others.trajectories) * np.interp(np.exp(group[0].place), others.l2, others.errors)
    changes = [(jump.after[observable] or 0.0) - (jump.before[observable] or 0.0) for jump in group]
    return bool(np.abs(np.mean(changes)) > SIGNIFICANCE * math.sqrt(6) * noise)


def _of_jumps(
    group: Sequence[Jump], seeds: int, observable: str, alongside: Sequence[str], restored: bool | None
) -> dict[str, Any]:
    places = np.array([jump.place for jump in group])
    # The geometric mean is nearer to the lower end.
    half_bracket = float(np.mean([jump.high - math.exp(jump.place) for jump in group]))
    order, words = _order(group, seeds, restored)
    size = jumped_by(group)
    sides = {"before": size.before, "after": size.after}
    return {
        "order": order,
        "evidence": words,
        **_of_seeds(group, observable, alongside),
        **_located(places, half_bracket),
        **({} if order == 2 else sides | {"jump": size.after - size.before, "jump_error": size.error}),
    }


def _located(places: Float64[np.ndarray, " s"], error: float) -> dict[str, float]:
    """Where seeds have it, in ln λ, with the error of each of them."""
    at = float(np.exp(places.mean()))
    off = math.hypot(error, _scatter(np.exp(places)))
    return {"location": at, "location_error": off}


def _order(group: Sequence[Jump], seeds: int, restored: bool | None) -> tuple[int | None, str]:
    """Whether the jumps of a group are what they look like, and why: as tested by taking them back, if they were."""
    if not _most(group, seeds):
        return None, "few trajectories jump"
    if restored is False:
        return 1, "taken back, E is not restored"
    if 2 * sum(jump.unrelaxed > 0 for jump in group) > len(group):
        return None, "rows in between did not relax"
    told = np.array([jump.steepening for jump in group])
    before, after, error = told.mean(axis=0)
    error = math.sqrt(float(np.sum(told[:, 2] ** 2))) / len(group)
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
        **_located(
            np.array([kink.place for kink in group]), float(np.mean([kink.location_error for kink in group]))
        ),
        "kink": slope,
        "kink_error": math.hypot(own, _scatter(slopes) / math.sqrt(len(group))),
    }


def _of_seeds(
    group: Sequence[Jump] | Sequence[Kink], observable: str, alongside: Sequence[str]
) -> dict[str, Any]:
    low, high = _bracket(group)
    before = {name: _mean([each.before[name] for each in group]) for name in (observable, *alongside)}
    after = {name: _mean([each.after[name] for each in group]) for name in (observable, *alongside)}
    return {
        "l2_low": low,
        "l2_high": high,
        "before": before[observable],
        "after": after[observable],
        "seeds": len(group),
        "unrelaxed": sum(each.unrelaxed for each in group),
        **{f"{name}_before": before[name] for name in alongside},
        **{f"{name}_after": after[name] for name in alongside},
    }


_WORDS = {1: "their mean jumps", 2: "their mean has a kink", None: "their mean: a slope or a jump"}


def _of_mean(
    each: PooledBreak, mean: Mean, curve: Sequence[Path], observable: str, alongside: Sequence[str]
) -> dict[str, Any]:
    falls = sum(len(path.l2) > 1 and path.l2[0] > path.l2[-1] for path in curve) * 2 > len(curve)
    ends = (each.high, each.low) if falls else (each.low, each.high)
    columns = [
        np.array([path.alongside[:, path.l2 == end].mean(axis=1) for path in curve if end in path.l2])
        for end in ends
    ]
    before, after = (
        {name: _mean([float(v) for v in column[:, i] if np.isfinite(v)]) for i, name in enumerate(alongside)}
        for column in columns
    )
    kink = each.order == 2
    return {
        "order": each.order,
        "evidence": _WORDS[each.order],
        "l2_low": each.low,
        "l2_high": each.high,
        "location": each.location,
        "location_error": each.location_error,
        "before": each.after if falls else each.before,
        "after": each.before if falls else each.after,
        "jump": None if kink else -each.size if falls else each.size,
        "jump_error": None if kink else stated(each.size_error, each.size),
        "kink": each.size if kink else None,
        "kink_error": each.size_error if kink else None,
        "seeds": mean.trajectories,
        "unrelaxed": sum(path.unrelaxed(each.low, each.high) for path in curve),
        **{f"{name}_before": before[name] for name in alongside},
        **{f"{name}_after": after[name] for name in alongside},
    }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _scatter(values: Any) -> float:
    """Standard deviation over seeds; 0 of a single one."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
