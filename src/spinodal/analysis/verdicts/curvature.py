"""Claim: R jumps where the accuracy does, and says so before."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from spinodal.analysis.agreement import agreement
from spinodal.analysis.curves import CURVE
from spinodal.analysis.foresight import foresight
from spinodal.analysis.verdicts.verdict import NONE, Quantity, Ruling, Verdict

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

CONTROLS = ("trace_hessian", "norm", "error")
"""At a jump every function of θ* jumps: what is claimed of R must be more than these say."""


def curvature_verdicts(table: pl.DataFrame, transitions: pl.DataFrame) -> Iterator[Verdict]:
    """Three verdicts for each kind of network with R: on its jumps, and on what R and the soft mode foresee.

    - Every jump that the accuracy alone shows must be where R alone shows one, and the other way round, within one
      spacing of the grid. If most are not, that is not confirmed.
    - What predicts λ_sp from the phase up to `KNOWN` λ_jump must be nearer than tr ∇²E, ‖θ‖ and E, each by itself,
      at every transition, by more than the scatter over seeds. If one of these is nearer at most transitions, that is
      not confirmed. An observable that predicts nothing is farthest.

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
    found = agreement(_with_error(kind), "accuracy", "scalar_curvature")
    agreed = int(found["agrees"].sum())
    in_accuracy, in_curvature = (
        found[f"location_{name}"].count() for name in ("accuracy", "scalar_curvature")
    )
    if len(found) < FEWEST:
        ruling = Ruling("not decided", f"only {len(found)} jumps")
    elif agreed == len(found):
        ruling = Ruling("confirmed", "so does every function of θ*: it is the foresight that tells")
    else:
        few = 2 * agreed <= len(found)
        ruling = Ruling("not confirmed" if few else "not decided", f"{len(found) - agreed} are not shared")
    predicted = (Quantity("jumps of accuracy", in_accuracy),)
    measured = (Quantity("of R", in_curvature), Quantity("shared", agreed))
    return Verdict(
        "curvature", f"{name}: jumps", predicted, measured, *ruling, figure="curvature", curve=curve
    )


def _with_error(kind: pl.DataFrame) -> pl.DataFrame:
    """An accuracy that counts samples is a frequency, with a frequency's standard error."""
    right = pl.col("accuracy") * pl.col("samples")
    counts = kind.select(((right - right.round()).abs() < 1e-6).all()).item()
    frequency = (pl.col("accuracy") * (1 - pl.col("accuracy")) / pl.col("samples")).sqrt()
    return kind.with_columns(accuracy_se=frequency) if counts else kind


def _foreseen(foreseen: pl.DataFrame, observable: str, name: str, curve: tuple[object, ...]) -> Verdict:
    controls = [each for each in CONTROLS if (foreseen["observable"] == each).any()]
    off = {each: _off(foreseen, each) for each in (observable, *controls)}
    ruling = _nearer(off, observable)
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
    return distance, rows["deviation_error"].fill_null(0.0).to_numpy()


def _nearer(off: dict[str, tuple[np.ndarray, np.ndarray]], observable: str) -> Ruling:
    own, own_error = off[observable]
    if len(own) < FEWEST or len(off) == 1:
        return Ruling("not decided", f"{len(own)} transitions, {len(off) - 1} controls")
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
