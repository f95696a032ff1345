"""Where the way down of a deep linear network must learn again, from the noise it was perturbed with."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from spinodal import theory
from spinodal.analysis.deep_linear import deep_linear
from spinodal.analysis.loops import Pair, Run
from spinodal.theory import DeepLinear

PREDICTED = (
    "control_spinodal",
    "control_coexistence",
    "control_reach",
    "control_reach_spread",
    "reach_share",
)


def foretold(pair: Pair, group: Sequence[Run]) -> bool:
    """Return whether theory predicts where the way down of a loop passes its transitions.

    For L = 2 they are those of the way up. Else the noise must be known, and λ fall from stage to stage: bisection has
    tries of its own.
    """
    exact = deep_linear(pair.up.records)
    if exact is None or exact.depth == 2:
        return exact is not None
    known = pair.down.records["perturbation"][0] is not None
    return known and all(bool(np.all(np.diff(run.path) < 0)) for run in group)


def predict_loop(pair: Pair, group: Sequence[Run]) -> Callable[[int], dict[str, float]]:
    """What theory says of a loop, feature by feature.

    Returns:
        A function of m = 1, 2, …, from the strongest, to columns; to none where no theory applies:

        - `control_spinodal`, `control_coexistence`: λ_sp, at which the m-th feature is lost, and λ_co;
        - `control_reach`: where it is learned again, for the noise on every parameter with which each stage of the way
          down starts, written as the measured one is: as geometric mean of the bracket, mean over draws;
          `control_reach_spread`: standard deviation over draws; `reach_share`: the probability that it happens within
          the path. None of them unless the way down is `foretold`.

        For L = 2 there are none: every feature fades and comes back continuously, at one λ.
    """
    exact = deep_linear(pair.up.records)
    if exact is None or exact.depth == 2:
        return lambda m: {}
    order = theory.by_spinodal(exact.strengths, exact.depth, exact.variances)
    ends, coexistences = exact.spinodals[order], exact.coexistences[order]
    noise, width = pair.down.records["perturbation"][0], pair.down.names["width"]
    draws = [_reach(exact, width, noise, run) for run in group] if foretold(pair, group) else []

    def columns(m: int) -> dict[str, float]:
        if m > len(order):
            return {}
        found = {"control_spinodal": float(ends[m - 1]), "control_coexistence": float(coexistences[m - 1])}
        return found | _moments([(places, share[m - 1]) for places, share in draws])

    return columns


def _reach(exact: DeepLinear, width: int, noise: float, run: Run) -> tuple[np.ndarray, np.ndarray]:
    """In ln λ, the bracket's middle if it is learned at a stage; and the probability of that, [K, S]."""
    above = [run.span[1] if run.loop else run.path[0], *run.path[:-1]]
    places = 0.5 * (np.log(above) + np.log(run.path))
    learned = int(np.nan_to_num(run.down.features[0])) if run.loop else 0
    arrival = _relearning(
        run.path, noise, tuple(exact.strengths), exact.depth, width, tuple(exact.variances), learned
    )
    return places, arrival


_relearning = lru_cache(maxsize=64)(theory.relearning)


def _moments(draws: Sequence[tuple[np.ndarray, np.ndarray]]) -> dict[str, float]:
    weights = np.concatenate([share for _, share in draws]) if draws else np.zeros(1)
    total = float(weights.sum())
    if not total > 0:
        return {} if not draws or math.isnan(total) else {"reach_share": 0.0}
    places = np.concatenate([places for places, _ in draws])
    mean = float(weights @ places) / total
    spread = math.sqrt(max(0.0, float(weights @ (places - mean) ** 2) / total))
    control = math.exp(mean)
    return {
        "control_reach": control,
        "control_reach_spread": control * spread,
        "reach_share": min(1.0, total / len(draws)),
    }
