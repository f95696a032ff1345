"""Branches that belong together: up and down of one network, the loops that its runs make of them, and their area."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from spinodal.analysis.branch import Branch, joined
from spinodal.analysis.branches import Curve, Records, branches_of
from spinodal.analysis.curves import curve_but, grouped
from spinodal.analysis.deviation import standard_error

NETWORK = (*curve_but("branch", "curve"), "error_name", "noise", "parameters")
"""Columns in which an up and a down branch agree if they are of one network and its data."""


class Pair(NamedTuple):
    """An up and a down branch of one network: of a loop, or of two curves."""

    up: Curve
    down: Curve


class Run(NamedTuple):
    """One trajectory down, and the one up that it is to be compared with."""

    seed: Hashable
    up: Branch
    """From small to large λ."""
    down: Branch
    """From large to small λ. The turning point of a loop belongs to both."""
    path: tuple[float, ...]
    """λ of the stages of the way down, in their order, whatever they came to."""
    span: tuple[float, float]
    """The least and the largest λ that both ways were asked to go to."""
    loop: bool
    """Whether the way down starts where the way up has ended, and not at θ = 0."""


def pairs(table: Records) -> Iterator[Pair]:
    """Every down branch of a table with the up branch it goes with.

    That is the other half of its loop, or else every up branch of the same network on data of the same strengths.
    """
    curves = branches_of(table)
    downs = [curve for curve in curves.values() if curve.names["branch"] == "down"]
    if not downs:
        return
    networks: dict[tuple[object, ...], list[Curve]] = {}
    for curve in curves.values():
        if curve.names["branch"] == "up":
            networks.setdefault(_network(curve), []).append(curve)
    for down in downs:
        loop = curves.get(tuple((down.names | {"branch": "up"}).values()))
        for up in [loop] if loop else networks.get(_network(down), []):
            yield Pair(up, down)


def runs(pair: Pair) -> list[Run]:
    """The runs of a pair: each trajectory down with its own way up, or else with that of the same seed."""
    loops = {branch.name: branch for branch in pair.up.branches}
    seeds = {seed: joined(own) for seed, own in grouped(pair.up.branches).items()}
    found = []
    for down in sorted(pair.down.branches, key=lambda branch: branch.name):
        loop = down.name in loops
        up = loops[down.name] if loop else seeds.get(down.seed)
        if up is None:
            continue
        path, way = down.path, up.path
        low, high = max(way.min(), path.min()), min(way.max(), path.max())
        if loop:
            high = way.max()
            down = joined([up.take(up.control == high), down])
        up, down = joined([up]), joined([down]).take(np.s_[::-1])
        if len(up.control) and len(down.control):
            span = float(low), float(high)
            found.append(Run(down.seed, up, down, tuple(path.tolist()), span, loop))
    return found


def _network(curve: Curve) -> tuple[object, ...]:
    """Network and data, with the strengths that were measured on these."""
    measured = curve.records["strengths"].drop_nulls()
    strengths = [] if measured.is_empty() else [float(f"{strength:.5g}") for strength in measured[0]]
    return (*curve.records.select(NETWORK).row(0), *strengths)


def loop_area(group: Sequence[Run]) -> dict[str, float]:
    """Compute ∮P dc of repetitions of one loop, up minus down, over the values that both branches have.

    Returns:
        `area`, a mean over seeds (∮‖θ‖² dλ if P is ‖θ‖²), with its `area_error`, and `area_up`, ∫P dc of the way up;
        none if no run has two λ in common.
    """
    measured = [[each for run in own if (each := _area(run)) is not None] for own in grouped(group).values()]
    # Of several runs of one seed, on different grids, the one that leaves the least open.
    best = [min(own, key=lambda each: each[1]) for own in measured if own]
    if not best:
        return {}
    areas, gaps, residuals, ups = np.array(best).T
    # Runs share their grid, and so what it leaves open: that does not average out.
    error = math.hypot(standard_error(areas), math.sqrt(np.mean(gaps**2)), residuals.mean())
    return {"area": float(areas.mean()), "area_error": float(error), "area_up": float(ups.mean())}


def _area(run: Run) -> tuple[float, float, float, float] | None:
    """The area of one run, its errors from the gaps between λ and from residual gradients, and the area below it."""
    control, above, below = np.intersect1d(
        run.up.control, run.down.control, assume_unique=True, return_indices=True
    )
    if len(control) < 2:
        return None
    up, down = run.up.take(above), run.down.take(below)
    apart = up.penalty - down.penalty
    # A change of the distance may have come anywhere between two λ.
    gaps = math.sqrt(np.sum((np.diff(control) * np.diff(apart)) ** 2) / 12)
    below_up = float(np.trapezoid(up.penalty, control))
    return float(np.trapezoid(apart, control)), gaps, math.hypot(_residual(up), _residual(down)), below_up


def _residual(way: Branch) -> float:
    """How much ∫P dc may be off because ∇𝓛 is not quite zero.

    A residual along ∇P is a minimum at another c: ∇E + c∇P = g vanishes at c − g/‖∇P‖. A P that is nothing but a
    residual is not off by more than itself.
    """
    parameters = np.nan_to_num(way.column("parameters"), nan=1.0)
    residual = np.nan_to_num(way.column("grad_max")) * np.sqrt(parameters)
    slope, push = np.abs(np.gradient(way.penalty, way.control)), way.column("penalty_gradient")
    off = np.fmin(slope * residual / np.maximum(push, np.finfo(float).tiny), np.abs(way.penalty))
    return float(np.trapezoid(off, way.control))
