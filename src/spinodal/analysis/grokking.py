"""Grokking: when networks that are trained fit, when they leave their plateau, and when they generalise."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float64

from spinodal.analysis.curves import CURVE
from spinodal.analysis.plateau import PACE, PLATEAU, SCHEMA, on_the_plateau

FITTED = 0.99
"""Accuracy on the training set from which on it is fitted."""

GENERALISED = 0.9
"""Accuracy on the test set from which on a network has generalised."""

BEGUN = 0.1
"""Part of the way from the plateau to `GENERALISED` at which the test accuracy has begun to rise."""

NETWORK = (*CURVE, "control_value", "batch")
"""Columns that are the same for all seeds of one network at one λ, under one noise."""

TIMES = {"fit": "fitted", "leave": "left", "generalise": "generalised"}
"""What happens to a network, one after the other, and the column with how many seeds it happened to."""

_TURNS = tuple(f"{name}_turn" for name in PACE)
_RESULT: dict[str, Any] = dict.fromkeys(
    (
        "seeds",
        *(name for time, did in TIMES.items() for name in (did, f"{time}_steps", f"{time}_factor")),
        *("delay", "delay_factor", *PLATEAU),
        *(f"{name}{error}" for name in _TURNS for error in ("", "_error")),
    ),
    pl.Float64,
) | dict.fromkeys(("seeds", *TIMES.values()), pl.Int64)

_TRAJECTORY = (*NETWORK, "seed", "point")
_STEPS = ("fit_steps", "begin_steps", "leave_steps", "generalise_steps")


def trained(records: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of networks that were trained for a number of steps."""
    return records.filter(pl.col("trained_steps").is_not_null())


def milestones(records: pl.DataFrame) -> pl.DataFrame:
    """Find when each trajectory fitted, and when it generalised, if it did, and its geometry in between.

    Between two looks accuracies are taken to change evenly in the logarithm of steps.

    Args:
        records: Of any campaign; rows of networks that were not trained are left out.

    Returns:
        The columns of `NETWORK`, `seed`, `point`; `fit_steps` at which the training set was fitted; `begin_steps` and
        `leave_steps` at which the test accuracy had come the fraction `BEGUN`, and half the way, from what it was
        then to `GENERALISED`; `generalise_steps` at which it came there; `last_steps` of all. Null for what did not
        happen. `<time>_look` of each of `TIMES`: half the distance, in ln(steps), of the looks between which that was.
        And what `on_the_plateau` returns.
    """
    rows = []
    parts = trained(records).partition_by(_TRAJECTORY, as_dict=True, maintain_order=True)
    for identity, part in parts.items():
        own = part.sort("trained_steps")
        mark = _milestones(own)
        rows.append(dict(zip(_TRAJECTORY, identity, strict=True)) | mark | on_the_plateau(own, mark))
    schema: dict[str, Any] = {name: records.schema[name] for name in _TRAJECTORY}
    schema |= dict.fromkeys((*_STEPS, *(f"{name}_look" for name in TIMES), "last_steps"), pl.Float64)
    return pl.DataFrame(rows, schema=schema | SCHEMA)


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
    """Find where values first reach a level; None if they do not.

    Args:
        steps: Rising.
        values: At these.
        level: To be reached.
        after: So many steps, before which nothing counts.
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


def grokking(marks: pl.DataFrame) -> pl.DataFrame:
    """Find when networks fit and when they generalise, over seeds, and their geometry on the plateau and at the end.

    Args:
        marks: As `milestones` returns them.

    Returns:
        The columns of `NETWORK`; `seeds`, how many of them `fitted`, `left` the plateau and `generalised`; geometric
        means of `fit_steps`, `leave_steps`, `generalise_steps` and of the `delay`, their ratio of the last to the
        first, each with the `_factor` of `geometric`. Over the seeds that did both also means of the geometry of
        `on_the_plateau`, with the standard errors of turns.
    """
    rows = []
    for identity, part in marks.partition_by(NETWORK, as_dict=True, maintain_order=True).items():
        row = dict(zip(NETWORK, identity, strict=True)) | {"seeds": len(part)}
        for time, did in TIMES.items():
            steps = part[f"{time}_steps"]
            row[did] = len(steps.drop_nulls())
            row[f"{time}_steps"], row[f"{time}_factor"] = geometric(steps, part[f"{time}_look"])
        ratio = part["generalise_steps"] / part["fit_steps"]
        row["delay"], row["delay_factor"] = geometric(ratio, part["fit_look"], part["generalise_look"])
        rows.append(
            row
            | {name: mean_and_error(part[name])[0] for name in (*PLATEAU, *_TURNS)}
            | {f"{name}_error": mean_and_error(part[name])[1] for name in _TURNS}
        )
    return pl.DataFrame(rows, schema={name: marks.schema[name] for name in NETWORK} | _RESULT)


def mean_and_error(values: pl.Series) -> tuple[float | None, float | None]:
    """Return the mean of those values that are there, and its standard error; None for too few."""
    known = values.drop_nulls().to_numpy()
    mean = float(known.mean()) if len(known) else None
    return mean, float(known.std(ddof=1) / len(known) ** 0.5) if len(known) > 1 else None


def geometric(values: pl.Series, *looks: pl.Series) -> tuple[float | None, float | None]:
    """Return the geometric mean over seeds, and the factor that its error multiplies or divides it by.

    The error of the logarithm is the standard error over the seeds and half the distance of two looks, in quadrature.

    Args:
        values: Of each seed; null where there is none.
        looks: Half the distance of the looks between which each thing happened that the values are made of.

    Returns:
        Both None without values, the factor also for one seed alone.
    """
    known = values.is_not_null()
    mean, error = mean_and_error(pl.Series(np.log(values.filter(known).to_numpy())))
    if error is not None:
        distances = [each.filter(known).to_numpy().mean() for each in looks]
        error = float(np.exp(np.hypot(error, np.hypot.reduce(distances))))
    return None if mean is None else float(np.exp(mean)), error
