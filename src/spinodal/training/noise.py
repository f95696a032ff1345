"""Noise that moves replicas while their λ is held."""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64, Shaped
from torch import Tensor

from spinodal.ensemble import Objective
from spinodal.geometry import Summed, value_and_gradient
from spinodal.training.descent import Evaluate
from spinodal.training.randomness import stream

Loss = Callable[[Tensor], Tensor]

WHOLE = 64
"""Samples of which all are evaluated and weighted for a batch of any size: that costs no more than a choice of them."""


class Noise(ABC):
    """A noisy descent of rows, each with a strength of its own.

    Attributes:
        time_step: η, the length of a step.
    """

    time_step: float

    @abstractmethod
    def draw(self, row: int, steps: int, size: int, *key: int) -> Shaped[np.ndarray, "steps m"]:
        """The random numbers of one row, from its own seed and strength alone: neighbours may come and go.

        Args:
            row: which.
            steps: how many.
            size: n, of parameters.
            key: of the stage and the look.
        """

    def drawn(self, rows: Sequence[int], steps: int, size: int, *key: int) -> Shaped[Tensor, "steps A m"]:
        """What `draw` gives of several rows, with 0 where one has fewer numbers than another."""
        draws = [self.draw(row, steps, size, *key) for row in rows]
        longest = max(each.shape[-1] for each in draws)
        if any(each.shape[-1] < longest for each in draws):
            draws = [np.pad(each, ((0, 0), (0, longest - each.shape[-1]))) for each in draws]
        return torch.from_numpy(np.stack(draws, axis=1))

    @abstractmethod
    def evaluations(
        self,
        loss: Loss,
        rows: Sequence[int],
        l2: Float[Tensor, " A"],
        drawn: Shaped[Tensor, "steps A m"],
    ) -> Iterator[Evaluate]:
        """What each step takes for 𝓛 and ∇𝓛, with these random numbers.

        Args:
            loss: 𝓛 of the rows.
            rows: which they are.
            l2: their λ.
            drawn: as of `drawn`.
        """

    def walk(
        self,
        loss: Loss,
        theta: Float[Tensor, "A n"],
        rows: Sequence[int],
        l2: Float[Tensor, " A"],
        drawn: Shaped[Tensor, "steps A m"],
    ) -> Float[Tensor, "A n"]:
        """Where steps θ − ηg lead, as of `evaluations`, from θ."""
        for evaluate in self.evaluations(loss, rows, l2, drawn):
            theta = theta - self.time_step * evaluate(theta)[1]
        return theta

    @abstractmethod
    def columns(self) -> dict[str, Any]:
        """What the records say of it."""


class Langevin(Noise):
    """Overdamped Langevin dynamics dθ = −∇𝓛 dt + √(2T) dW.

    Leimkuhler & Matthews, Appl. Math. Res. Express 2013, 34, eq. 1.7, in the form of Vilmart, SIAM J. Sci. Comput.
    37, A201 (2015): the gradient is taken half a kick ahead. It costs what Euler and Maruyama's scheme costs, and
    what it samples is off e^{−𝓛/T} by the square of the time step only, on harmonic wells by nothing.

    Args:
        seeds: one per row.
        temperatures: T, one per row. Rows that share their seed are independent all the same.
        time_step: η.
    """

    def __init__(self, seeds: Sequence[int], temperatures: Sequence[float], time_step: float) -> None:
        self.seeds, self.temperatures, self.time_step = seeds, temperatures, time_step

    def draw(self, row: int, steps: int, size: int, *key: int) -> Float64[np.ndarray, "steps n"]:
        """Standard normal numbers."""
        temperature = struct.unpack("<Q", struct.pack("<d", self.temperatures[row]))
        return stream("langevin", self.seeds[row], *temperature, *key).standard_normal((steps, size))

    def evaluations(
        self,
        loss: Loss,
        rows: Sequence[int],
        l2: Float[Tensor, " A"],
        drawn: Float[Tensor, "steps A n"],
    ) -> Iterator[Evaluate]:
        """The gradient half a kick ahead, less what makes a step of length η end with the kick."""
        drawn = drawn.to(l2)
        temperatures = torch.tensor([self.temperatures[row] for row in rows], dtype=torch.float64)
        kick = (2 * self.time_step * temperatures).sqrt()[:, None].to(drawn)
        for xi in drawn:
            kicked = kick * xi

            def evaluate(theta: Tensor, kicked: Tensor = kicked) -> tuple[Tensor, Tensor]:
                value, gradient = value_and_gradient(loss, theta + 0.5 * kicked)
                return value, gradient - kicked / self.time_step

            yield evaluate

    def columns(self) -> dict[str, Any]:
        """T and η."""
        return {"temperature": list(self.temperatures), "time_step": self.time_step}


class Minibatch(Noise):
    """Stochastic gradient descent: each step of length η sees B samples, drawn with replacement.

    So its noise has the covariance ηC/B per unit of time, C that of the samples' gradients, and where these vanish
    it has none: at θ = 0 of any network with two layers or more and without output bias, whatever the labels.
    Only the samples drawn are evaluated, unless their weighted sum over the whole training set costs no more.

    Args:
        seeds: one per row.
        batches: B, one per row.
        time_step: η.
        objective: whose samples are drawn.
    """

    def __init__(
        self,
        seeds: Sequence[int],
        batches: Sequence[int],
        time_step: float,
        objective: Objective,
    ) -> None:
        self.seeds, self.batches, self.time_step = seeds, batches, time_step
        self.objective, self.samples = objective, objective.task.samples

    def _whole(self, batch: int) -> bool:
        """Whether the whole training set is evaluated for a batch of this size."""
        return self.samples <= max(2 * batch, WHOLE)

    def draw(self, row: int, steps: int, size: int, *key: int) -> Int64[np.ndarray, "steps m"]:
        """The numbers of the samples in each step [steps, B], or how often each of all of them is drawn [steps, N]."""
        batch = self.batches[row]
        own = stream("minibatch", self.seeds[row], batch, *key)
        if self._whole(batch):
            often = np.full(self.samples, 1 / self.samples)
            return own.multinomial(batch, often, size=steps).astype(np.int64)
        return own.integers(self.samples, size=(steps, batch))

    def evaluations(
        self,
        loss: Loss,
        rows: Sequence[int],
        l2: Float[Tensor, " A"],
        drawn: Int64[Tensor, "steps A m"],
    ) -> Iterator[Evaluate]:
        """𝓛 on a batch: rows with batches of one size together, so that none feels those of another."""
        sizes = [self.batches[row] for row in rows]
        groups = []
        for batch in dict.fromkeys(sizes):
            places = [place for place, size in enumerate(sizes) if size == batch]
            objective = self.objective.of([rows[place] for place in places])
            groups.append((places, partial(self._loss_on, objective, l2[places], batch)))
        for numbers in drawn:
            if len(groups) == 1:
                yield partial(value_and_gradient, groups[0][1](numbers))
                continue

            def evaluate(theta: Tensor, numbers: Tensor = numbers) -> tuple[Tensor, Tensor]:
                value, gradient = torch.empty_like(theta[:, 0]), torch.empty_like(theta)
                for places, loss_on in groups:
                    found = value_and_gradient(loss_on(numbers[places]), theta[places])
                    value[places], gradient[places] = found
                return value, gradient

            yield evaluate

    def _loss_on(
        self, objective: Objective, l2: Float[Tensor, " A"], batch: int, numbers: Int64[Tensor, "A m"]
    ) -> Summed:
        """𝓛 on one batch of each row."""
        if self._whole(batch):
            error = objective.weighted_error((numbers.double() / batch).to(l2))
        else:
            error = objective.error_of_drawn(numbers[:, :batch])
        return error.plus(lambda theta: objective.cost(theta, l2))

    def columns(self) -> dict[str, Any]:
        """B and η."""
        return {"batch": list(self.batches), "time_step": self.time_step}
