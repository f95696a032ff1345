"""Statistics of holding times: maximum likelihood where some replicas had not left when their time was over.

Replicas are looked at in intervals of length Δ. A replica that leaves at the constant rate 1/τ is gone at a look with
the probability p = 1 − e^{−Δ/τ}, so that n departures in N looks at replicas still there say p = n/N, whenever each
replica was let go: intervals and censoring are both exact in this.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64
from scipy.optimize import brentq
from scipy.special import ndtr

CONFIDENCE = 0.95


class HoldingTime(NamedTuple):
    """The mean time until replicas leave."""

    mean: float
    """τ by maximum likelihood; infinite if none has left."""
    low: float
    """End of the 95 % interval (Clopper & Pearson's for p, so that it holds for any number of departures)."""
    high: float
    """The other end; infinite if none has left."""
    log_error: float
    """Standard error of ln τ; infinite if none has left."""
    left: int
    """How many have."""


def holding_time(
    times: Float64[np.ndarray, " R"], left: Bool[np.ndarray, " R"], resolution: float
) -> HoldingTime:
    """Return the mean holding time.

    Args:
        times: The look that first found a replica gone, or the last that found it there.
        left: Whether it was found gone.
        resolution: Δ between two looks.

    Raises:
        ValueError: If no replica was looked at.
    """
    looks, gone = round(float(times.sum()) / resolution), int(left.sum())
    if looks < 1:
        raise ValueError("no replica was looked at")
    from scipy.stats import binomtest  # takes a while to import, and few reports need it

    interval = binomtest(gone, looks).proportion_ci(CONFIDENCE, method="exact")
    p = gone / looks
    log_error = np.inf if not 0 < gone < looks else np.sqrt(p / (looks * (1 - p))) / -np.log1p(-p)
    mean, low, high = (_mean(each, resolution) for each in (p, interval.high, interval.low))
    return HoldingTime(mean, low, high, float(log_error), gone)


def survival(
    times: Float64[np.ndarray, " R"], left: Bool[np.ndarray, " R"]
) -> tuple[Float64[np.ndarray, " t"], Float64[np.ndarray, " t"]]:
    """Return the fraction of replicas that have not left, by Kaplan & Meier's estimate; arguments as of `holding_time`.

    Returns:
        Times, from 0 on, and the fraction from each of them to the next.
    """
    from scipy.stats import CensoredData, ecdf  # takes a while to import, and few reports need it

    estimate = ecdf(CensoredData(uncensored=times[left], right=times[~left])).sf
    return np.append(0.0, estimate.quantiles), np.append(1.0, estimate.probabilities)


class Shape(NamedTuple):
    """The shape k of a Weibull distribution S = exp(−(t/b)^k): 1 for the exponential one, that of a constant rate."""

    value: float
    error: float
    p_value: float
    """Of an exponential distribution, two-sided, from ln k over its standard error."""


def shape(times: Float64[np.ndarray, " R"], left: Bool[np.ndarray, " R"], resolution: float) -> Shape | None:
    """Return a test of exponentiality: the Weibull shape by maximum likelihood, b eliminated.

    Cox & Oakes, Analysis of Survival Data (1984), section 3.7. A departure counts in the middle of its interval. The
    arguments are those of `holding_time`; None for fewer than ten departures.
    """
    t = np.where(left, times - resolution / 2, times)
    left, t = left[t > 0], t[t > 0]
    n = int(left.sum())
    if n < 10:
        return None
    logs = np.log(t / t.max())
    of_left = float(logs[left].mean())

    def moments(k: float) -> tuple[float, float]:
        weights = np.exp(k * logs)
        mean = float(np.average(logs, weights=weights))
        return mean, float(np.average((logs - mean) ** 2, weights=weights))

    def slope(k: float) -> float:
        return 1 / k + of_left - moments(k)[0]

    if slope(0.01) < 0 or slope(100) > 0:
        return None
    k = float(brentq(slope, 0.01, 100))
    error = (n * (1 / k**2 + moments(k)[1])) ** -0.5
    return Shape(k, error, float(2 * ndtr(-abs(np.log(k)) / (error / k))))


class Arrhenius(NamedTuple):
    """A straight line ln τ = ln τ₀ + q ln T + ΔV/T with a given power q."""

    barrier: float
    """ΔV, the slope."""
    barrier_error: float
    log_prefactor: float
    """ln τ₀."""
    log_prefactor_error: float
    chi_squared: float
    """Of so many points less two."""
    points: int


def arrhenius(
    temperatures: Float64[np.ndarray, " m"],
    means: Float64[np.ndarray, " m"],
    log_errors: Float64[np.ndarray, " m"],
    power: float = 0.0,
) -> Arrhenius | None:
    """Fit the Arrhenius law by weighted least squares of ln τ − q ln T against 1/T.

    Args:
        temperatures: T.
        means: τ.
        log_errors: Standard errors of ln τ; points without a finite one are left out.
        power: q, 0 for the bare law.

    Returns:
        None for fewer than two points.
    """
    known = np.isfinite(log_errors) & np.isfinite(means)
    inverse = 1 / temperatures[known]
    if len(inverse) < 2 or np.ptp(inverse) == 0:
        return None
    y = np.log(means[known]) - power * np.log(temperatures[known])
    line, covariance = np.polyfit(inverse, y, 1, w=1 / log_errors[known], cov="unscaled")
    errors = np.sqrt(np.diag(covariance))
    chi_squared = float((((y - np.polyval(line, inverse)) / log_errors[known]) ** 2).sum())
    (slope, intercept), (slope_error, intercept_error) = line.tolist(), errors.tolist()
    return Arrhenius(slope, slope_error, intercept, intercept_error, chi_squared, len(inverse))


def _mean(p: float, resolution: float) -> float:
    if p <= 0:
        return float(np.inf)
    return 0.0 if p >= 1 else float(-resolution / np.log1p(-p))
