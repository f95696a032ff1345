"""Escape from the phases of a network: how long it takes at each temperature, next to the exact barriers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from spinodal import theory
from spinodal.analysis.curves import CURVE, curve_but, per_group, results
from spinodal.analysis.deep_linear import landscape
from spinodal.analysis.holding_times import arrhenius, holding_time, shape

HOLD = (*curve_but("temperature"), "start_phase", "control_value", "time_step")
"""Columns that are the same for all replicas of one phase at one λ, held at different temperatures."""

SLOW = 5.0
"""Looks a mean escape must last to have a rate: what leaves faster has not come to rest before."""

ENOUGH = 10
"""Departures without which a mean escape time is no evidence."""

_TIMES = (
    *("temperature", "temperature_error", "replicas", "escaped"),
    *("mean_time", "mean_time_low", "mean_time_high", "log_error"),
    *("weibull_shape", "weibull_shape_error", "exponential_p", "mean_time_exact", "evidence"),
)
_LAWS = (
    *("slope", "slope_error", "power", "barrier", "barrier_error", "barrier_exact"),
    *("prefactor", "prefactor_error", "prefactor_exact", "kramers_ratio", "kramers_ratio_error"),
    *("chi_squared", "temperatures"),
)


def held(records: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of stages that were held under noise, and came to an end that could be judged."""
    return records.filter(pl.col("escaped").is_not_null(), pl.col("escape_time") > 0)


def start_of(hold: Mapping[str, Any]) -> str:
    """Return the name of the phase that replicas were held in."""
    return "relaxed minimum" if hold["start_phase"] is None else f"phase {hold['start_phase']}"


def curve_of(hold: Mapping[str, Any]) -> tuple[object, ...]:
    """Return the columns of `CURVE` of a hold, which has no single temperature."""
    return tuple(None if name == "temperature" else hold[name] for name in CURVE)


def escape_times(records: pl.DataFrame) -> pl.DataFrame:
    """Find mean escape times, phase by phase and strength by strength of the noise.

    Returns:
        The columns of `HOLD`, `batch`, and: `temperature` T, of minibatches as measured at the start, with
        `temperature_error`; `replicas` and how many `escaped`; `mean_time` τ by maximum
        likelihood with its 95 % interval and the standard error `log_error` of ln τ; `weibull_shape` with its
        error, 1 for exponential times, and their p-value `exponential_p`; `mean_time_exact`, Kramers' τ where
        theory knows it, else null; `evidence`, whether enough escaped, and not too fast to have been at rest.
    """
    keys = (*HOLD, "batch")
    groups = held(records).partition_by((*keys, "temperature"), maintain_order=True)
    rows = [part.select(keys).row(0, named=True) | _time(part) for part in groups]
    return results(rows, keys, _TIMES, evidence=pl.Boolean).sort((*HOLD, "temperature"), nulls_last=True)


def _time(part: pl.DataFrame) -> dict[str, Any]:
    """Of one phase at one temperature."""
    times, left = part["escape_time"].to_numpy(), part["escaped"].to_numpy()
    resolution = float(part["escape_resolution"][0])
    mean, weibull = holding_time(times, left, resolution), shape(times, left, resolution)
    ways, (temperature, error) = ways_out(part), _temperature(part)
    row: dict[str, Any] = {
        "temperature": temperature,
        "temperature_error": error,
        "replicas": len(part),
        "escaped": mean.left,
        "mean_time": mean.mean,
        "mean_time_low": mean.low,
        "mean_time_high": mean.high,
        "log_error": mean.log_error,
        "evidence": mean.left >= ENOUGH and SLOW * resolution < mean.mean,
    }
    row |= zip(("weibull_shape", "weibull_shape_error", "exponential_p"), weibull or (), strict=False)
    if ways and temperature:
        row["mean_time_exact"] = float(theory.escape_time(ways, temperature))
    return row


def arrhenius_laws(records: pl.DataFrame, times: pl.DataFrame) -> pl.DataFrame:
    """Find the Arrhenius law of every phase that was held at two temperatures or more.

    Args:
        records: As of `escape_times`.
        times: As `escape_times` returns them.

    Returns:
        The columns of `HOLD`, and: `slope` of ln τ against 1/T, with error; `power` q = d/2 that the saddle's orbit
        gives to T, 0 where there is no theory; `barrier`, the slope of ln τ − q ln T, next to `barrier_exact`;
        `prefactor` τ₀ of τ = τ₀ T^q e^{ΔV/T} next to `prefactor_exact`; `kramers_ratio`, mean of τ over Kramers' τ;
        `chi_squared` of the fit, over so many `temperatures`. Errors hold that of a measured T, and are larger where
        points scatter about the line by more than theirs.
    """
    holds = held(records).partition_by(HOLD, as_dict=True)

    def find(part: pl.DataFrame) -> dict[str, Any] | None:
        temperature, mean, log_error = (
            part[name].to_numpy() for name in ("temperature", "mean_time", "log_error")
        )
        if (first := arrhenius(temperature, mean, log_error)) is None:
            return None
        # An error of T is one of ln τ, too: ΔV δT/T².
        off = first.barrier * part["temperature_error"].to_numpy() / temperature**2
        # By several ways out the lowest decides.
        way = min(ways_out(holds[part.select(HOLD).row(0)]), key=lambda each: each.barrier, default=None)
        power = way.orbit_dimension / 2 if way else 0.0
        bare, law = (arrhenius(temperature, mean, np.hypot(log_error, off), q) for q in (0.0, power))
        assert bare
        assert law
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
        } | (_exact(way, part) if way else {})

    return per_group(times.filter("evidence").drop_nulls("temperature"), HOLD, _LAWS, find)


def ways_out(hold: pl.DataFrame) -> Sequence[theory.Escape]:
    """Return the ways out of a phase at λ, as far as theory knows any."""
    row = hold.row(0, named=True)
    network = landscape(row)
    if network is None or row["start_phase"] is None:
        return ()
    return network.escapes(row["control_value"], row["start_phase"]) or ()


def _temperature(part: pl.DataFrame) -> tuple[float | None, float | None]:
    """T of the noise, or as measured where it is not known, with its error: none in a phase without parameters."""
    if part["temperature"][0] is not None:
        return float(part["temperature"][0]), 0.0
    measured = part["effective_temperature"].fill_nan(None).drop_nulls().to_numpy()
    if len(measured) < 2:
        return None, None
    return float(measured.mean()), float(measured.std(ddof=1) / len(measured) ** 0.5)


def _exact(way: theory.Escape, used: pl.DataFrame) -> dict[str, float]:
    ratios = np.log(used["mean_time"].to_numpy() / used["mean_time_exact"].to_numpy())
    weights = used["log_error"].to_numpy() ** -2.0
    ratio = float(np.exp(np.average(ratios, weights=weights)))
    return {
        "barrier_exact": way.barrier,
        "prefactor_exact": way.prefactor,
        "kramers_ratio": ratio,
        "kramers_ratio_error": ratio * float(weights.sum() ** -0.5),
    }
