"""What a network sits in: a minimum that others undercut, a saddle, or a slope that is merely slow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor, nn

from spinodal.ensemble import Objective
from spinodal.geometry import extreme_eigenvalues, linearise_gradient, soft_mode
from spinodal.geometry.lanczos import Extremes
from spinodal.protocols import JUMP
from spinodal.training.descent import GradientDescent
from spinodal.training.holding import Holding, HoldSettings
from spinodal.training.noise import Langevin
from spinodal.training.randomness import standard_normal
from spinodal.training.relaxation import Relaxation
from spinodal.training.settings import RelaxationSettings

FACTORS = (0.1, 0.5, 2.0, 10.0)
"""λ is moved by these, and back."""

HEAT = (0.01, 0.03, 0.1)
"""Temperatures of the test with noise, in units of E₀/n: E₀ the error of the zero function, n parameters."""

TIME = 20.0
"""For which the noise lasts, in units of the time in which the penalty alone would take θ to 0: 1/λ for L2."""

STEPS = 20_000
"""For which it lasts at most: where E is stiff, steps are short."""

RESTING = 1e-5
"""max |∇𝓛| below which a network rests, in units of E₀."""


def tests() -> list[str]:
    """Name the tests of a minimum, in the order of `Evidence.gain`."""
    return [f"λ × {each:g} and back" for each in FACTORS] + [f"T = {each:g} E₀/n" for each in HEAT]


@dataclass(frozen=True)
class Evidence:
    """What was found of A rows, [A] each."""

    control: Float64[Tensor, " A"]
    error: Float64[Tensor, " A"]
    """E where the network is."""
    grad_max: Float64[Tensor, " A"]
    """max |∇𝓛| there."""
    lowest: Float64[Tensor, " A"]
    """Smallest eigenvalue of ∇²𝓛 there, over the largest."""
    relaxed_error: Float64[Tensor, " A"]
    """E of the minimum to which it relaxes without noise."""
    fall: Float64[Tensor, " A"]
    """How much lower 𝓛 is there."""
    relaxed: Bool[Tensor, " A"]
    """Whether it does within its budget."""
    soft_mode: Float64[Tensor, " A"]
    """Of that minimum; NaN for θ = 0."""
    gain: Float64[Tensor, "A t"]
    """How much lower 𝓛 is, at the same λ, where each test led; one for each factor of λ, then for each temperature."""
    zero_error: Float64[Tensor, " A"]
    """E₀."""

    @property
    def tolerance(self) -> Float64[Tensor, " A"]:
        """Differences of E and 𝓛 that count."""
        return JUMP * self.zero_error

    @property
    def verdicts(self) -> list[str]:
        """Of each row, in words."""
        return [self._verdict(row) for row in range(len(self.control))]

    def _verdict(self, row: int) -> str:
        change = abs(float(self.error[row] - self.relaxed_error[row]))
        if max(change, float(self.fall[row])) > self.tolerance[row]:
            resting = bool(self.grad_max[row] < RESTING * self.zero_error[row])
            return "saddle" if resting and float(self.lowest[row]) < -1e-6 else "slope"
        if not self.relaxed[row]:
            return "undecided"
        return "metastable minimum" if self.gain[row].max() > self.tolerance[row] else "minimum"


@dataclass(frozen=True)
class _Arrival:
    theta: Tensor
    relaxation: Relaxation


def probe(
    objective: Objective,
    theta: Float64[Tensor, "A n"],
    control: Float64[Tensor, " A"],
    seeds: Sequence[int],
    settings: RelaxationSettings,
    show: Callable[[str], None] = lambda step: None,
) -> Evidence:
    """Tests what networks sit in.

    Each relaxes without noise: if E changes, or 𝓛 falls, it was on a slope, or, where the gradient had vanished
    already, on a saddle. The minimum it relaxes to is then tried by tilting, λ moved down or up and back, and by
    shaking, Langevin noise for a while; it is metastable if one of these leads to a lower 𝓛 at the same λ. That none
    does proves nothing: there may be others.

    Args:
        objective: E and 𝓛.
        theta: where the networks are.
        control: their λ > 0.
        seeds: theirs.
        settings: of the relaxations.
        show: takes the name of each step before it begins.
    """
    names = iter(tests())
    show(f"{len(control)} networks relax")
    zero = objective.zero_error(theta).detach()
    gradient, ends = _here(objective, theta, control, seeds)
    home = _relaxed(objective, theta, control, seeds, settings)
    gains = []
    for factor in FACTORS:
        show(f"test {next(names)}")
        there = _relaxed(objective, home.theta, factor * control, seeds, settings)
        back = _relaxed(objective, there.theta, control, seeds, settings)
        gains.append(_gain(objective, home, back, control))
    for heat in HEAT:
        show(f"test {next(names)}")
        temperatures = (heat * zero / theta.shape[-1]).tolist()
        shaken = _shaken(objective, home.theta, control, seeds, settings, temperatures)
        gains.append(_gain(objective, home, shaken, control))
    _, _, product = linearise_gradient(objective.at(control), home.theta)
    return Evidence(
        control=control,
        error=objective.error(theta).detach(),
        grad_max=gradient.abs().amax(-1),
        lowest=ends.smallest / ends.largest,
        relaxed_error=objective.error(home.theta).detach(),
        fall=(objective.loss(theta, control) - objective.loss(home.theta, control)).detach(),
        relaxed=home.relaxation.stationary,
        soft_mode=soft_mode(product, objective.penalty_and_gradient(home.theta)[1]).value,
        gain=torch.stack(gains, -1),
        zero_error=zero,
    )


def _here(
    objective: Objective, theta: Tensor, control: Tensor, seeds: Sequence[int]
) -> tuple[Float[Tensor, "A n"], Extremes]:
    """∇𝓛, and the ends of the spectrum of ∇²𝓛."""
    _, gradient, product = linearise_gradient(objective.at(control), theta)
    start = torch.stack([standard_normal(theta.shape[-1], "probe", seed) for seed in seeds]).to(theta)
    return gradient, extreme_eigenvalues(product, start)


def _relaxed(
    objective: Objective, theta: Tensor, control: Tensor, seeds: Sequence[int], settings: RelaxationSettings
) -> _Arrival:
    parameter = nn.Parameter(theta.detach().clone())
    return _run(Relaxation(parameter, objective, GradientDescent(), seeds, settings), control)


def _shaken(
    objective: Objective,
    theta: Tensor,
    control: Tensor,
    seeds: Sequence[int],
    settings: RelaxationSettings,
    temperatures: Sequence[float],
) -> _Arrival:
    parameter = nn.Parameter(theta.detach().clone())
    _, ends = _here(objective, theta, control, seeds)
    time_step = 0.2 / float(ends.largest.max())
    longest = float((TIME / _decay(objective, theta, control)).max())
    hold = HoldSettings(min(longest, STEPS * time_step), time_step, 100, every_stage=True)
    noise, rule = Langevin(seeds, temperatures, time_step), GradientDescent()
    return _run(Holding(parameter, objective, rule, seeds, settings, hold, noise, 0), control)


def _decay(objective: Objective, theta: Tensor, control: Tensor) -> Float[Tensor, " A"]:
    """Compute c‖∇P‖/2‖θ‖, the rate at which the penalty alone moves θ: c for L2, and at θ = 0."""
    _, gradient = objective.penalty_and_gradient(theta)
    size = theta.norm(dim=-1)
    return torch.where(size > 0, control * gradient.norm(dim=-1) / (2 * size), control)


def _run(relaxation: Relaxation, control: Tensor) -> _Arrival:
    relaxation.begin(control, 0)
    while relaxation.active.any():
        relaxation.step()
    return _Arrival(relaxation.theta.detach(), relaxation)


def _gain(objective: Objective, home: _Arrival, there: _Arrival, control: Tensor) -> Float[Tensor, " A"]:
    """How much lower 𝓛 is there, where both are relaxed."""
    gain = objective.loss(home.theta, control) - objective.loss(there.theta, control)
    both = home.relaxation.stationary & there.relaxation.stationary
    return torch.where(both, gain, 0.0).detach()
