"""Claim: R jumps where the accuracy does, and says so before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl

from spinodal.analysis.agreement import agreement
from spinodal.analysis.branch import joined
from spinodal.analysis.branches import branches_of
from spinodal.analysis.curves import CURVE
from spinodal.analysis.foresight import foresight
from spinodal.analysis.jumps import RESOLUTION
from spinodal.analysis.verdicts.verdict import FINER, NONE, Quantity, Ruling, Verdict

KNOWN = 0.95
"""Predictions know the phase up to this fraction of the λ at which it jumps."""

FEWEST = 3
"""Transitions without which nothing is decided."""

NAMES = {
    "scalar_curvature": "R",
    "soft_mode": "soft mode",
    "trace_hessian": "tr ∇²E",
    "norm": "‖θ‖",
    "error": "E",
}
"""What foresees, and what is called so."""

COMPARED = ("accuracy", "scalar_curvature")
"""What must jump together."""

BESIDE = 2
"""So many rows on either side of a jump show it."""

STEEPER = 1.5
"""Where an observable is moves so many times as much per interval as around, a jump may hide."""

CONTROLS = ("trace_hessian", "norm", "error")
"""At a jump every function of θ* jumps: what is claimed of R must be more than these say."""


def curvature_verdicts(table: pl.DataFrame, transitions: pl.DataFrame) -> Iterator[Verdict]:
    """Three verdicts for each kind of network with R: on its jumps, and on what R and the soft mode foresee.

    - Every jump that the accuracy alone shows must be where R alone shows one, and the other way round, within one
      spacing of the grid. If most are not, though the grid would show it, that is not confirmed.
    - What predicts λ_sp from the phase up to `KNOWN` λ_jump must be nearer than tr ∇²E, ‖θ‖ and E, each by itself,
      at every transition, by more than the scatter over seeds and the brackets of the jumps. If one of these is nearer
      at most transitions, that is not confirmed. An observable that predicts nothing is farthest, if it had rows
      enough. Transitions with fewer, or of a single seed, do not count.

    Args:
        table: Records of branches.
        transitions: Those in E, as `compare` returns them.
    """
    measured = table.filter(pl.col("scalar_curvature").is_not_null().any().over(CURVE))
    if measured.is_empty():
        return
    for kind in measured.partition_by("task", "activation", maintain_order=True):
        first = kind.row(0, named=True)
        network = "deep linear" if first["activation"] == "linear" else first["activation"]
        name = f"{str(first['task']).replace('_', ' ')}, {network}"
        curve = kind.sort("complexity", maintain_order=True).select(CURVE).row(-1)
        yield _jumps(kind, name, curve)
        foreseen = foresight(kind, transitions, (KNOWN,))
        for observable in ("scalar_curvature", "soft_mode"):
            if (foreseen["observable"] == observable).any():
                yield _foreseen(foreseen, observable, name, curve)


def _jumps(kind: pl.DataFrame, name: str, curve: tuple[object, ...]) -> Verdict:
    kind = _with_error(kind)
    found = agreement(kind, *COMPARED)
    agreed = int(found["agrees"].sum())
    in_accuracy, in_curvature = (found[f"location_{name}"].count() for name in COMPARED)
    alone = found.filter(~pl.col("agrees"))
    hidden = sum(_hidden(kind, row) for row in alone.iter_rows(named=True))
    if len(found) < FEWEST:
        ruling = Ruling("not decided", f"only {len(found)} jumps: more seeds, or complexities, decide")
    elif agreed == len(found):
        ruling = Ruling("confirmed", "so does every function of θ*: it is the foresight that tells")
    elif 2 * (len(alone) - hidden) >= len(found):
        ruling = Ruling("not confirmed", f"{len(alone)} are not shared")
    else:
        steep = f", where the other moves steeply at {hidden}" if hidden else ""
        ruling = Ruling("not decided", f"{len(alone)} are not shared{steep}: {FINER}")
    predicted = (Quantity("jumps of accuracy", in_accuracy),)
    measured = (Quantity("of R", in_curvature), Quantity("shared", agreed))
    return Verdict(
        "curvature", f"{name}: jumps", predicted, measured, *ruling, figure="curvature", curve=curve
    )


def _hidden(kind: pl.DataFrame, jump: dict[str, Any]) -> bool:
    """Whether the observable that shows no jump where the other does may have one that the grid hides.

    It has too few rows on either side, or is steeper there, and in the intervals next to it, than beyond these.
    """
    silent = next((each for each in COMPARED if jump[f"location_{each}"] is None), None)
    if silent is None:
        return False
    loud = next(each for each in COMPARED if each != silent)
    curve = branches_of(kind, silent)[tuple(jump[each] for each in CURVE)]
    branch = joined([each for each in curve.branches if each.seed == jump["seed"]])
    l2, values = branch.l2, branch.values
    first = int(np.searchsorted(l2, jump[f"l2_low_{loud}"], side="right")) - 1
    last = int(np.searchsorted(l2, jump[f"l2_high_{loud}"]))
    if first < BESIDE or last > len(l2) - 1 - BESIDE:
        return True
    # A jump that is spread over neighbouring intervals looks like a slope, steeper than what comes before and after.
    before, there, after = np.abs(np.diff(values[[first - 2, first - 1, last + 1, last + 2]]))
    steepness = there / (last - first + 2)
    return bool(there > RESOLUTION * np.ptp(values) and steepness > STEEPER * 0.5 * (before + after))


def _with_error(kind: pl.DataFrame) -> pl.DataFrame:
    """An accuracy that counts samples is a frequency, with a frequency's standard error."""
    right = pl.col("accuracy") * pl.col("samples")
    counts = kind.select(((right - right.round()).abs() < 1e-6).all()).item()
    frequency = (pl.col("accuracy") * (1 - pl.col("accuracy")) / pl.col("samples")).sqrt()
    return kind.with_columns(accuracy_se=frequency) if counts else kind


def _foreseen(foreseen: pl.DataFrame, observable: str, name: str, curve: tuple[object, ...]) -> Verdict:
    controls = [each for each in CONTROLS if (foreseen["observable"] == each).any()]
    compared = foreseen.filter(pl.col("observable").is_in([observable, *controls]))
    # One seed has no scatter; with rows too few before a jump nothing could have foreseen it.
    usable = (pl.col("enough").all() & (pl.col("seeds_all").min() > 1)).over(*CURVE, "index")
    known = compared.filter(usable)
    off = {each: _off(known, each) for each in (observable, *controls)}
    ruling = _nearer(off, observable, compared.filter(observable=observable).height)
    off = {each: _off(compared, each) for each in off} if known.is_empty() else off
    medians = {each: float(np.median(distance)) for each, (distance, _) in off.items()}
    own, *others = [
        Quantity(NAMES[each], at, unit=" %")
        if np.isfinite(at)
        else Quantity(f"{NAMES[each]} mostly predicts none", np.nan)
        for each, at in medians.items()
    ]
    controlled = [each._replace(name=f"nearer than {each.name}") for each in others[:1]]
    return Verdict(
        "curvature",
        f"{name}: {NAMES[observable]} foresees λ_sp (median off by, known up to {KNOWN:g} λ_jump)",
        (*controlled, *others[1:]),
        (own,),
        *ruling,
        figure="foresight",
        curve=curve,
    )


def _off(foreseen: pl.DataFrame, observable: str) -> tuple[np.ndarray, np.ndarray]:
    """How far each transition's prediction is off, in per cent, and its error; infinite where there is none."""
    rows = foreseen.filter(pl.col("observable") == observable).sort(*CURVE, "index")
    distance = rows["deviation"].abs().fill_null(np.inf).to_numpy()
    # The error holds the bracket of the jump; where nothing is predicted, the bracket is all there is.
    return distance, rows["deviation_error"].fill_null(rows["l2_error"]).to_numpy()


def _nearer(off: dict[str, tuple[np.ndarray, np.ndarray]], observable: str, all_: int) -> Ruling:
    own, own_error = off[observable]
    if len(off) == 1:
        return Ruling("not decided", f"no control was measured: {', '.join(CONTROLS)}")
    if len(own) < FEWEST:
        told = f"of {all_} transitions {len(own)} with two seeds, and rows enough before them"
        return Ruling("not decided", f"{told}: more seeds, or a finer grid of λ, decide")
    behind, ahead = {}, {}
    for control, (distance, error) in off.items():
        if control == observable:
            continue
        scatter = NONE * np.hypot(own_error, error)
        behind[control] = int(np.count_nonzero(distance + scatter < own))
        ahead[control] = int(np.count_nonzero(own + scatter < distance))
    if min(ahead.values()) == len(own):
        return Ruling("confirmed", f"nearer than each control at all {len(own)} transitions")
    better = {control: count for control, count in behind.items() if 2 * count > len(own)}
    told = ", ".join(f"{NAMES[control]} at {count}" for control, count in (better or behind).items())
    nearer = f"of {len(own)} transitions nearer: {told}"
    return Ruling("not confirmed" if better else "not decided", nearer)
