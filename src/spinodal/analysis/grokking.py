"""Grokking: when networks that are trained fit, when they leave their plateau, and when they generalise."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float64

from spinodal.analysis.curves import CURVE, curve_but, per_group
from spinodal.analysis.deviation import standard_error
from spinodal.analysis.plateau import FOUND, PACE, PLATEAU, on_the_plateau

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

_ALIKE = tuple(name for name in NETWORK if name != "control_value")
_QUIET = (*curve_but("temperature"), "control_value")
_STEPS = ("fit_steps", "begin_steps", "leave_steps", "generalise_steps")
_TURNS = tuple(f"{name}_turn" for name in PACE)


def trained(records: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of networks that were trained for a number of steps."""
    return records.filter(pl.col("trained_steps").is_not_null())


def milestones(records: pl.DataFrame) -> pl.DataFrame:
    """Find when each trajectory fitted, and when it generalised, if it did, and its geometry in between.

    Between two looks accuracies are taken to change evenly in the logarithm of steps.

    Returns:
        The columns of `NETWORK`, `seed`, `point`; `fit_steps` at which the training set was fitted; `begin_steps` and
        `leave_steps` at which the test accuracy had come the fraction `BEGUN`, and half the way, from what it was
        then to `GENERALISED`; `generalise_steps` at which it came there; `last_steps` of all. Null for what did not
        happen. `<time>_look` of each of `TIMES`: half the distance, in ln(steps), of the looks between which that was.
        And what `on_the_plateau` returns.
    """

    def find(part: pl.DataFrame) -> dict[str, Any]:
        own = part.sort("trained_steps")
        mark = _milestones(own)
        return mark | on_the_plateau(own, mark)

    columns = (*_STEPS, *(f"{name}_look" for name in TIMES), "last_steps", *FOUND)
    return per_group(trained(records), (*NETWORK, "seed", "point"), columns, find)


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
    times = [name for time, did in TIMES.items() for name in (did, f"{time}_steps", f"{time}_factor")]
    turns = [f"{name}{error}" for name in _TURNS for error in ("", "_error")]
    return per_group(
        marks, NETWORK, ("seeds", *times, "delay", "delay_factor", *PLATEAU, *turns), _over_seeds
    )


def _over_seeds(part: pl.DataFrame) -> dict[str, Any]:
    row: dict[str, Any] = {"seeds": len(part)}
    for time, did in TIMES.items():
        steps = part[f"{time}_steps"]
        row[did] = len(steps.drop_nulls())
        row[f"{time}_steps"], row[f"{time}_factor"] = geometric(steps, part[f"{time}_look"])
    ratio = part["generalise_steps"] / part["fit_steps"]
    row["delay"], row["delay_factor"] = geometric(ratio, part["fit_look"], part["generalise_look"])
    for name in (*PLATEAU, *_TURNS):
        row[name], row[f"{name}_error"] = mean_and_error(part[name])
    return row


def mean_and_error(values: pl.Series) -> tuple[float | None, float | None]:
    """Return the mean of those values that are there, and its standard error; None for too few."""
    known = values.drop_nulls().to_numpy()
    return float(known.mean()) if len(known) else None, standard_error(known) if len(known) > 1 else None


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


def control_exponents(marks: pl.DataFrame) -> pl.DataFrame:
    """Find how times fall with λ: the slope of ln(steps) against ln λ, −1 for a drift at the pace of the L2 term.

    Args:
        marks: As `milestones` returns them.

    Returns:
        The columns of `NETWORK` but λ, for networks trained at two λ > 0 or more; for each of `TIMES` its `_exponent`
        by least squares over all seeds, with standard error, null where it did not happen to all of the so many
        `trajectories`.
    """

    def find(part: pl.DataFrame) -> dict[str, Any] | None:
        if part["control_value"].n_unique() < 2:
            return None
        row: dict[str, Any] = {"trajectories": len(part)}
        x = part["control_value"].log().to_numpy()
        for name in TIMES:
            y = part[f"{name}_steps"].log().to_numpy()
            if len(x) > 2 and np.isfinite(y).all():
                (slope, _), covariance = np.polyfit(x, y, 1, cov=True)
                row |= {f"{name}_exponent": slope, f"{name}_exponent_error": covariance[0, 0] ** 0.5}
        return row

    exponents = [f"{name}_exponent{error}" for name in TIMES for error in ("", "_error")]
    return per_group(marks.filter(pl.col("control_value") > 0), _ALIKE, ("trajectories", *exponents), find)


def noise_ratios(marks: pl.DataFrame) -> pl.DataFrame:
    """Find how much longer networks take under noise than the same seeds do under the least of it.

    Args:
        marks: As `milestones` returns them.

    Returns:
        The columns of `NETWORK`, for networks trained under two strengths of noise or more, but the least: the lowest
        T, or the largest B. For each of `TIMES` its `_ratio`, a geometric mean, with its `_factor` (as of `geometric`),
        over so many seeds (`_pairs`) for which it happened both times.
    """
    noise = pl.coalesce("temperature", 1 / pl.col("batch")).fill_null(0.0)
    least = pl.col("noise") == pl.col("noise").min().over(_QUIET)
    order = pl.int_range(pl.len()).min().over(_QUIET)
    marks = marks.with_columns(noise=noise).with_columns(least=least, order=order).sort("order", "noise")
    pairs = marks.filter(~pl.col("least")).join(
        marks.filter("least"),
        on=(*_QUIET, "seed"),
        how="left",
        nulls_equal=True,
        suffix="_quiet",
        maintain_order="left",
    )

    def find(part: pl.DataFrame) -> dict[str, Any]:
        row: dict[str, Any] = {}
        for name in TIMES:
            ratio = part[f"{name}_steps"] / part[f"{name}_steps_quiet"]
            looks = part[f"{name}_look"], part[f"{name}_look_quiet"]
            row[f"{name}_pairs"] = len(ratio.drop_nulls())
            row[f"{name}_ratio"], row[f"{name}_factor"] = geometric(ratio, *looks)
        return row

    columns = [f"{name}_{what}" for name in TIMES for what in ("pairs", "ratio", "factor")]
    return per_group(pairs, NETWORK, columns, find)
