"""Claim: R jumps where the accuracy does, and foresees where that will be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from jaxtyping import Float64

from spinodal.analysis.claims.rules import (
    FINER,
    NONE,
    Quantity,
    Ruling,
    Verdict,
    claim,
    confirmed,
    refuted,
    undecided,
)
from spinodal.analysis.curves import CURVE, QUIET, described, of_curves
from spinodal.analysis.foresight import KNOWN
from spinodal.records import COLUMN

if TYPE_CHECKING:
    from spinodal.analysis.findings import Findings

Distances = tuple[Float64[np.ndarray, " t"], Float64[np.ndarray, " t"]]
"""How far predictions of transitions are off, in per cent, and their errors."""

FEWEST = 3
"""Transitions without which nothing is decided."""

CONTROLS = ("trace_hessian", "norm", "error")
"""At a jump every function of θ* jumps: what is claimed of R must be more than these show."""


@claim("curvature", "The curvature of the error landscape marks it", place=2)
def curvature_verdicts(found: Findings) -> Iterator[Verdict]:
    """Judge each kind of network with R: its jumps, and what R and the soft mode foresee, a verdict each.

    - Every jump that the accuracy alone shows must be where R alone shows one, and the other way round, within one
      spacing of the grid. If most are not, though the grid would show it, that is not confirmed.
    - What predicts λ_sp from the phase up to `KNOWN` λ_jump must be nearer than tr ∇²E, ‖θ‖ and E, each by itself,
      at every transition, by more than the scatter over seeds and the brackets of the jumps. If one of these is nearer
      at most transitions, that is not confirmed. An observable that predicts nothing is farthest, if it had rows
      enough. Transitions with fewer, or of a single seed, do not count.
    """
    kinds = found.curved.filter(QUIET).partition_by("task", "network", "activation", maintain_order=True)
    for kind in kinds:
        name = described(kind.row(0, named=True))
        curves = kind.sort("complexity", maintain_order=True).select(CURVE)
        jumps, foreseen = (
            of_curves(table, curves)
            for table in (found.accuracy_agreement, found.foresight.filter(cut_off=KNOWN))
        )
        yield _jumps(jumps, name, curves.row(-1))
        for observable in ("scalar_curvature", "soft_mode"):
            if (foreseen["observable"] == observable).any():
                yield _foreseen(foreseen, observable, name, curves.row(-1))


def _jumps(found: pl.DataFrame, name: str, curve: tuple[object, ...]) -> Verdict:
    agreed = int(found["agrees"].sum())
    alone, hidden = len(found) - agreed, int(found["hidden"].sum())
    if len(found) < FEWEST:
        ruling = undecided(f"only {len(found)} jumps: more seeds, or complexities, decide")
    elif not alone:
        ruling = confirmed("so does every function of θ*: it is the foresight that tells")
    elif 2 * (alone - hidden) >= len(found):
        ruling = refuted(f"{alone} are not shared")
    else:
        steep = f", where the other moves steeply at {hidden}" if hidden else ""
        ruling = undecided(f"{alone} are not shared{steep}: {FINER}")
    predicted = (Quantity("jumps of accuracy", found["location_accuracy"].count()),)
    measured = (Quantity("of R", found["location_scalar_curvature"].count()), Quantity("shared", agreed))
    return Verdict("curvature", f"{name}: jumps", predicted, measured, *ruling, "curvature", curve)


def _foreseen(foreseen: pl.DataFrame, observable: str, name: str, curve: tuple[object, ...]) -> Verdict:
    shown = [observable, *(each for each in CONTROLS if (foreseen["observable"] == each).any())]
    compared = foreseen.filter(pl.col("observable").is_in(shown))
    # One seed has no scatter; with rows too few before a jump, or none of an observable, there is nothing to compare.
    enough = pl.col("enough").all() & (pl.len() == len(shown))
    usable = (enough & (pl.col("seeds_all").min() > 1)).over(*CURVE, "index")
    known = compared.filter(usable)
    off = {each: _off(known, each) for each in shown}
    ruling = _nearer(off, observable, compared.filter(observable=observable).height)
    off = {each: _off(compared, each) for each in shown} if known.is_empty() else off
    own, *others = (_median(COLUMN[each].symbol, distance) for each, (distance, _) in off.items())
    controlled = [each._replace(name=f"nearer than {each.name}") for each in others[:1]]
    known_to = f"(median off by, known up to {KNOWN:g} λ_jump)"
    case = f"{name}: {COLUMN[observable].symbol} foresees λ_sp {known_to}"
    return Verdict("curvature", case, (*controlled, *others[1:]), (own,), *ruling, "foresight", curve)


def _median(symbol: str, distance: Float64[np.ndarray, " t"]) -> Quantity:
    at = float(np.median(distance))
    none = Quantity(f"{symbol} mostly predicts none", np.nan)
    return Quantity(symbol, at, unit=" %") if np.isfinite(at) else none


def _off(foreseen: pl.DataFrame, observable: str) -> Distances:
    """How far each transition's prediction is off, in per cent, and its error; infinite where there is none."""
    rows = foreseen.filter(pl.col("observable") == observable).sort(*CURVE, "index")
    distance = rows["deviation"].abs().fill_null(np.inf).to_numpy()
    # The error holds the bracket of the jump; where nothing is predicted, the bracket is all there is.
    return distance, rows["deviation_error"].fill_null(rows["control_error"]).to_numpy()


def _nearer(off: dict[str, Distances], observable: str, all_: int) -> Ruling:
    own, own_error = off[observable]
    controls = {name: each for name, each in off.items() if name != observable}
    if not controls:
        return undecided(f"no control was measured: {', '.join(CONTROLS)}")
    if len(own) < FEWEST:
        usable = f"of {all_} transitions {len(own)} with two seeds, and rows enough before them"
        return undecided(f"{usable}: more seeds, or a finer grid of λ, decide")
    behind, ahead = {}, {}
    for control, (distance, error) in controls.items():
        scatter = NONE * np.hypot(own_error, error)
        behind[control] = int(np.count_nonzero(distance + scatter < own))
        ahead[control] = int(np.count_nonzero(own + scatter < distance))
    if min(ahead.values()) == len(own):
        return confirmed(f"nearer than each control at all {len(own)} transitions")
    better = {control: count for control, count in behind.items() if 2 * count > len(own)}
    counts = ", ".join(
        f"{COLUMN[control].symbol} at {count}" for control, count in (better or behind).items()
    )
    nearer = f"of {len(own)} transitions nearer: {counts}"
    return refuted(nearer) if better else undecided(nearer)
