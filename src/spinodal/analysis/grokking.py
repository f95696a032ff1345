"""Grokking: when networks that are trained fit, when they leave their plateau, and when they generalise."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float64

from spinodal.analysis.curves import CURVE
from spinodal.analysis.plateau import PLATEAU, on_the_plateau

FITTED = 0.99
"""Accuracy on the training set from which on it is fitted."""

GENERALISED = 0.9
"""Accuracy on the test set from which on a network has generalised."""

BEGUN = 0.1
"""Part of the way from the plateau to `GENERALISED` at which the test accuracy has begun to rise."""

NETWORK = (*CURVE, "l2", "batch")
"""Columns that are the same for all seeds of one network at one λ, under one noise."""

_STEPS = ("fit_steps", "begin_steps", "leave_steps", "generalise_steps")

TIMES = ("fit", "leave", "generalise")
"""What happens to a network, one after the other."""

_RESULT: dict[str, pl.DataType | type[pl.DataType]] = {
    "seeds": pl.Int64,
    "fitted": pl.Int64,
    "fit_steps": pl.Float64,
    "fit_factor": pl.Float64,
    "left": pl.Int64,
    "leave_steps": pl.Float64,
    "leave_factor": pl.Float64,
    "generalised": pl.Int64,
    "generalise_steps": pl.Float64,
    "generalise_factor": pl.Float64,
    "delay": pl.Float64,
    "delay_factor": pl.Float64,
    **PLATEAU,
}


def trained(records: pl.DataFrame) -> pl.DataFrame:
    """The rows of networks that were trained for a number of steps."""
    return records.filter(pl.col("trained_steps").is_not_null())


def milestones(records: pl.DataFrame) -> pl.DataFrame:
    """Of every trajectory when it fitted, and when it generalised, if it did.

    Between two looks accuracies are taken to change evenly in the logarithm of steps.

    Args:
        records: of any campaign; other rows are left out.

    Returns:
        The columns of `NETWORK`, `seed`, `point`; `fit_steps` at which the training set was fitted; `begin_steps` and
        `leave_steps` at which the test accuracy had come the fraction `BEGUN`, and half the way, from what it was
        then to `GENERALISED`; `generalise_steps` at which it came there; `last_steps` of all. Null for what did not
        happen. `<time>_look` of each of `TIMES`: half the distance, in ln(steps), of the looks between which that was.
    """
    rows = []
    for part in trained(records).partition_by((*NETWORK, "seed", "point"), maintain_order=True):
        identity = part.select(*NETWORK, "seed", "point").row(0, named=True)
        rows.append(identity | _milestones(part.sort("trained_steps")))
    schema = {name: records.schema[name] for name in (*NETWORK, "seed", "point")}
    looks = [f"{name}_look" for name in TIMES]
    return pl.DataFrame(rows, schema=schema | dict.fromkeys((*_STEPS, *looks, "last_steps"), pl.Float64))


def _milestones(part: pl.DataFrame) -> dict[str, Any]:
    steps, accuracy, test = (
        part[name].to_numpy().astype(float) for name in ("trained_steps", "accuracy", "test_accuracy")
    )
    fit, generalised = crossing(steps, accuracy, FITTED), crossing(steps, test, GENERALISED)
    begin = leave = None
    if fit is not None:
        plateau = float(np.interp(np.log(fit), np.log(steps), test))
        if plateau < GENERALISED:
            begin, leave = (
                crossing(steps, test, plateau + way * (GENERALISED - plateau), after=fit)
                for way in (BEGUN, 0.5)
            )
    found: dict[str, Any] = dict(zip(_STEPS, (fit, begin, leave, generalised), strict=True))
    looks = {f"{name}_look": _look(steps, found[f"{name}_steps"]) for name in TIMES}
    return found | looks | {"last_steps": float(steps[-1])}


def _look(steps: Float64[np.ndarray, " s"], at: float | None) -> float | None:
    """Half the distance, in ln(steps), of the two looks between which something happened."""
    if at is None:
        return None
    after = int(np.searchsorted(steps, at))
    return float(0.5 * np.log(steps[after] / steps[after - 1])) if after else 0.0


def crossing(
    steps: Float64[np.ndarray, " s"], values: Float64[np.ndarray, " s"], level: float, after: float = 0.0
) -> float | None:
    """Where values first reach a level; None if they do not.

    Args:
        steps: rising.
        values: at these.
        level: to be reached.
        after: so many steps, before which nothing counts.
    """
    steps, values = steps[steps >= after], values[steps >= after]
    above = np.flatnonzero(values >= level)
    if not len(above):
        return None
    there = int(above[0])
    if there == 0:
        return float(steps[0])
    part = (level - values[there - 1]) / (values[there] - values[there - 1])
    return float(steps[there - 1] * (steps[there] / steps[there - 1]) ** part)


def grokking(records: pl.DataFrame) -> pl.DataFrame:
    """When networks fit and when they generalise, over seeds, and their geometry on the plateau and at the end.

    Args:
        records: of any campaign.

    Returns:
        The columns of `NETWORK`; `seeds`, how many of them `fitted`, `left` the plateau and `generalised`; geometric
        means of `fit_steps`, `leave_steps`, `generalise_steps` and of the `delay`, their ratio of the last to the
        first, each with the `_factor` that its error multiplies or divides it by: the standard error over the seeds
        that did, and half the distance of two looks, in quadrature.

        Over the seeds that did both also what `on_the_plateau` finds.
    """
    rows = []
    for part in milestones(records).partition_by(NETWORK, maintain_order=True):
        both = part.drop_nulls(["fit_steps", "generalise_steps"])
        row = part.select(NETWORK).row(0, named=True) | {"seeds": len(part)}
        for name, count in zip(TIMES, ("fitted", "left", "generalised"), strict=True):
            steps = part[f"{name}_steps"].drop_nulls().to_numpy()
            row[count] = len(steps)
            row[f"{name}_steps"], row[f"{name}_factor"] = geometric(steps, _mean(part[f"{name}_look"]))
        looks = np.hypot(_mean(both["fit_look"]), _mean(both["generalise_look"]))
        row["delay"], row["delay_factor"] = geometric(
            (both["generalise_steps"] / both["fit_steps"]).to_numpy(), float(looks)
        )
        rows.append(row | on_the_plateau(records, both))
    schema = {name: records.schema[name] for name in NETWORK} | _RESULT
    return pl.DataFrame(rows, schema=schema)


def _mean(looks: pl.Series) -> float:
    known = looks.drop_nulls().to_numpy()
    return float(known.mean()) if len(known) else 0.0


def geometric(
    values: Float64[np.ndarray, " s"], resolution: float = 0.0
) -> tuple[float | None, float | None]:
    """The geometric mean, and the factor that its error multiplies or divides it by; None for too few.

    Args:
        values: of each seed.
        resolution: of ln(values), the same for all of them, added to the standard error in quadrature.
    """
    if not len(values):
        return None, None
    logs = np.log(values)
    error = logs.std(ddof=1) / len(logs) ** 0.5 if len(logs) > 1 else None
    return float(np.exp(logs.mean())), None if error is None else float(np.exp(np.hypot(error, resolution)))
