"""Escape from the phases of a network: how long it takes at each temperature, next to the exact barriers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from jaxtyping import Float64

from spinodal import theory
from spinodal.analysis.curves import CURVE
from spinodal.analysis.deep_linear import landscape
from spinodal.analysis.holding_times import Arrhenius, arrhenius, holding_time, shape

HOLD = (*(name for name in CURVE if name != "temperature"), "start_phase", "l2", "time_step")
"""Columns that are the same for all replicas of one phase at one λ, held at different temperatures."""

SLOW = 5.0
"""Looks a mean escape must last to have a rate: what leaves faster has not come to rest before."""

ENOUGH = 10
"""Departures without which a mean escape time is no evidence."""

_STRENGTH = ("temperature", "batch")
"""What noise is given by: T, or B."""

_TIMES = {
    "temperature": pl.Float64,
    "temperature_error": pl.Float64,
    "replicas": pl.Int64,
    "escaped": pl.Int64,
    "mean_time": pl.Float64,
    "mean_time_low": pl.Float64,
    "mean_time_high": pl.Float64,
    "log_error": pl.Float64,
    "weibull_shape": pl.Float64,
    "weibull_shape_error": pl.Float64,
    "exponential_p": pl.Float64,
    "mean_time_exact": pl.Float64,
    "evidence": pl.Boolean,
}

_POINT = ("temperature", "mean_time", "log_error")

_LAWS = {
    "slope": pl.Float64,
    "slope_error": pl.Float64,
    "power": pl.Float64,
    "barrier": pl.Float64,
    "barrier_error": pl.Float64,
    "barrier_exact": pl.Float64,
    "prefactor": pl.Float64,
    "prefactor_error": pl.Float64,
    "prefactor_exact": pl.Float64,
    "kramers_ratio": pl.Float64,
    "kramers_ratio_error": pl.Float64,
    "chi_squared": pl.Float64,
    "temperatures": pl.Int64,
}


def held(records: pl.DataFrame) -> pl.DataFrame:
    """The rows of stages that were held under noise, and came to an end that could be judged."""
    return records.filter(pl.col("escaped").is_not_null(), pl.col("escape_time") > 0)


def escape_times(records: pl.DataFrame) -> pl.DataFrame:
    """Mean escape times, phase by phase and strength by strength of the noise.

    Args:
        records: of any campaign; rows that were not held are left out.

    Returns:
        The columns of `HOLD`, `batch`, and: `temperature` T, of minibatches as measured at the start, with
        `temperature_error`; `replicas` and how many `escaped`; `mean_time` τ by maximum
        likelihood with its 95 % interval and the standard error `log_error` of ln τ; `weibull_shape` with its
        error, 1 for exponential times, and their p-value `exponential_p`; `mean_time_exact`, Kramers' τ where
        theory knows it, else null; `evidence`, whether enough escaped, and not too fast to have been at rest.
    """
    keys = (*HOLD, "batch")
    rows = []
    for part in held(records).partition_by((*HOLD, *_STRENGTH), maintain_order=True):
        times, left = part["escape_time"].to_numpy(), part["escaped"].to_numpy()
        resolution = float(part["escape_resolution"][0])
        mean = holding_time(times, left, resolution)
        weibull = shape(times, left, resolution)
        ways = ways_out(part)
        temperature, error = _temperature(part)
        rows.append(
            part.select(keys).row(0, named=True)
            | {
                "temperature": temperature,
                "temperature_error": error,
                "replicas": len(part),
                "escaped": mean.left,
                "mean_time": mean.mean,
                "mean_time_low": mean.low,
                "mean_time_high": mean.high,
                "log_error": mean.log_error,
                "weibull_shape": weibull and weibull.value,
                "weibull_shape_error": weibull and weibull.error,
                "exponential_p": weibull and weibull.p_value,
                "mean_time_exact": float(theory.escape_time(ways, temperature))
                if ways and temperature
                else None,
                "evidence": mean.left >= ENOUGH and SLOW * resolution < mean.mean,
            }
        )
    schema = {name: records.schema[name] for name in keys} | _TIMES
    return pl.DataFrame(rows, schema=schema).sort((*HOLD, "temperature"), nulls_last=True)


def arrhenius_laws(records: pl.DataFrame, times: pl.DataFrame) -> pl.DataFrame:
    """The Arrhenius law of every phase that was held at two temperatures or more.

    Args:
        records: as of `escape_times`.
        times: what that returns.

    Returns:
        The columns of `HOLD`, and: `slope` of ln τ against 1/T, with error; `power` q = d/2 that the saddle's orbit
        gives to T, 0 where theory says nothing; `barrier`, the slope of ln τ − q ln T, next to `barrier_exact`;
        `prefactor` τ₀ of τ = τ₀ T^q e^{ΔV/T} next to `prefactor_exact`; `kramers_ratio`, mean of τ over Kramers' τ;
        `chi_squared` of the fit, over so many `temperatures`. Errors hold that of a measured T, and are larger where
        points scatter about the line by more than theirs.
    """
    rows = []
    for part in times.partition_by(HOLD, maintain_order=True):
        identity = part.select(HOLD).head(1)
        used = part.filter(pl.col("evidence"), pl.col("temperature").is_not_null())
        temperature, mean, log_error = (used[name].to_numpy() for name in _POINT)
        log_error = _with_temperature(temperature, mean, log_error, used["temperature_error"].to_numpy())
        ways = ways_out(held(records).join(identity, on=HOLD, how="semi", nulls_equal=True))
        # By several ways out the lowest decides.
        way = min(ways, key=lambda each: each.barrier, default=None)
        power = way.orbit_dimension / 2 if way else 0.0
        bare, law = (arrhenius(temperature, mean, log_error, q) for q in (0.0, power))
        if bare is None or law is None:
            continue
        rows.append(identity.row(0, named=True) | _law(bare, law, power) | _exact(way, used))
    schema = {name: records.schema[name] for name in HOLD} | _LAWS
    return pl.DataFrame(rows, schema=schema)


def ways_out(hold: pl.DataFrame) -> Sequence[theory.Escape]:
    """Return the ways out of a phase at λ, as far as theory knows any.

    Args:
        hold: records of one phase at one λ.
    """
    row = hold.row(0, named=True)
    network = landscape(row)
    if network is None or row["start_phase"] is None:
        return ()
    return network.escapes(row["l2"], row["start_phase"]) or ()


def _temperature(part: pl.DataFrame) -> tuple[float | None, float | None]:
    """T of the noise, or as measured where it is not known: nowhere in a phase without parameters."""
    if part["temperature"][0] is not None:
        return float(part["temperature"][0]), 0.0
    measured = part["effective_temperature"].fill_nan(None).drop_nulls().to_numpy()
    if len(measured) < 2:
        return None, None
    return float(measured.mean()), float(measured.std(ddof=1) / len(measured) ** 0.5)


def _with_temperature(
    temperature: Float64[np.ndarray, " m"],
    mean: Float64[np.ndarray, " m"],
    log_error: Float64[np.ndarray, " m"],
    off: Float64[np.ndarray, " m"],
) -> Float64[np.ndarray, " m"]:
    """Errors of ln τ with what those of a measured T make of it: ΔV δT/T²."""
    first = arrhenius(temperature, mean, log_error)
    return log_error if first is None else np.hypot(log_error, first.barrier * off / temperature**2)


def _law(bare: Arrhenius, law: Arrhenius, power: float) -> dict[str, float | int]:
    prefactor = float(np.exp(law.log_prefactor))
    wide = max(1.0, law.chi_squared / max(1, law.points - 2)) ** 0.5
    return {
        "slope": bare.barrier,
        "slope_error": bare.barrier_error,
        "power": power,
        "barrier": law.barrier,
        "barrier_error": wide * law.barrier_error,
        "prefactor": prefactor,
        "prefactor_error": prefactor * wide * law.log_prefactor_error,
        "chi_squared": law.chi_squared,
        "temperatures": law.points,
    }


def _exact(way: theory.Escape | None, used: pl.DataFrame) -> dict[str, float]:
    if way is None:
        return {}
    ratios = np.log(used["mean_time"].to_numpy() / used["mean_time_exact"].to_numpy())
    weights = used["log_error"].to_numpy() ** -2.0
    ratio = float(np.exp(np.average(ratios, weights=weights)))
    return {
        "barrier_exact": way.barrier,
        "prefactor_exact": way.prefactor,
        "kramers_ratio": ratio,
        "kramers_ratio_error": ratio * float(weights.sum() ** -0.5),
    }
