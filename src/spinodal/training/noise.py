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
from spinodal.geometry import value_and_gradient
from spinodal.training.descent import Evaluate
from spinodal.training.randomness import stream

Loss = Callable[[Tensor], Tensor]

WHOLE = 64
"""Samples of which all are evaluated for a batch of any size: that costs no more than a choice of them."""


class Noise(ABC):
    """A noisy descent of rows, each with a strength of its own.

    Attributes:
        time_step: η, the length of a step.
    """

    time_step: float

    def drawn(
        self, rows: Sequence[int], steps: int, like: Float[Tensor, "R n"], *key: int
    ) -> Shaped[Tensor, "steps A m"]:
        """Return the random numbers of several rows, those that are no counts in the precision of θ.

        Args:
            rows: which.
            steps: how many.
            like: θ.
            key: of the stage and the look.
        """
        made = [self.draw(row, steps, like.shape[-1], *key) for row in rows]
        drawn = torch.from_numpy(np.stack(made, axis=1)).to(like.device)
        return drawn.to(like.dtype) if drawn.is_floating_point() else drawn

    @abstractmethod
    def draw(self, row: int, steps: int, size: int, *key: int) -> Shaped[np.ndarray, "steps m"]:
        """The random numbers of one row, from its own seed and strength alone: neighbours may come and go.

        Args:
            row: which.
            steps: how many.
            size: n, of parameters.
            key: of the stage and the look.
        """

    @abstractmethod
    def evaluations(
        self,
        loss: Loss,
        rows: Sequence[int],
        control: Float[Tensor, " A"],
        drawn: Shaped[Tensor, "steps A m"],
    ) -> Iterator[Evaluate]:
        """What each step takes for 𝓛 and ∇𝓛, with these random numbers.

        Args:
            loss: 𝓛 of the rows.
            rows: which they are.
            control: their λ.
            drawn: as `drawn` returns them.
        """

    def walk(
        self,
        loss: Loss,
        theta: Float[Tensor, "A n"],
        rows: Sequence[int],
        control: Float[Tensor, " A"],
        drawn: Shaped[Tensor, "steps A m"],
    ) -> Float[Tensor, "A n"]:
        """Where steps θ − ηg lead, as of `evaluations`, from θ."""
        for evaluate in self.evaluations(loss, rows, control, drawn):
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
        control: Float[Tensor, " A"],
        drawn: Float[Tensor, "steps A n"],
    ) -> Iterator[Evaluate]:
        """The gradient half a kick ahead, less what makes a step of length η end with the kick."""
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
    Only the samples drawn are evaluated, unless all of them, weighted by how often they are drawn, cost no more.

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
        self._longest = max(self.samples if self._whole(each) else each for each in set(batches))

    def _whole(self, batch: int) -> bool:
        """Whether all samples are evaluated for a batch of this size."""
        return self.samples <= max(2 * batch, WHOLE)

    def draw(self, row: int, steps: int, size: int, *key: int) -> Int64[np.ndarray, "steps m"]:
        """The numbers of a step's samples [B], or how often each of all is drawn [N]; −1 after them to the longest."""
        batch, own = self.batches[row], stream("minibatch", self.seeds[row], self.batches[row], *key)
        if self._whole(batch):
            often = np.full(self.samples, 1 / self.samples)
            numbers = own.multinomial(batch, often, size=steps).astype(np.int64)
        else:
            numbers = own.integers(self.samples, size=(steps, batch))
        return np.pad(numbers, ((0, 0), (0, self._longest - numbers.shape[-1])), constant_values=-1)

    def evaluations(
        self,
        loss: Loss,
        rows: Sequence[int],
        control: Float[Tensor, " A"],
        drawn: Int64[Tensor, "steps A m"],
    ) -> Iterator[Evaluate]:
        """𝓛 on a batch."""
        batches = [self.batches[row] for row in rows]
        places = {batch: [i for i, each in enumerate(batches) if each == batch] for batch in set(batches)}
        objectives = {batch: self.objective.of([rows[i] for i in places[batch]]) for batch in places}

        def evaluate(samples: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
            value, gradient = theta.new_empty(len(theta)), torch.empty_like(theta)
            for batch, some in places.items():
                if self._whole(batch):
                    weights = (samples[some, : self.samples].double() / batch).to(theta)
                    of_batch = objectives[batch].weighted(weights, control[some])
                else:
                    of_batch = objectives[batch].drawn(samples[some, :batch]).at(control[some])
                value[some], gradient[some] = value_and_gradient(of_batch, theta[some])
            return value, gradient

        for samples in drawn:
            yield partial(evaluate, samples)

    def columns(self) -> dict[str, Any]:
        """B and η."""
        return {"batch": list(self.batches), "time_step": self.time_step}
