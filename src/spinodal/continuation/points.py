"""Points on the way of one row: where they are, and whether they are stationary."""

from __future__ import annotations

from dataclasses import dataclass, replace

from jaxtyping import Float
from torch import Tensor

from spinodal.continuation.computations import evaluate, evaluate_on_level
from spinodal.continuation.family import unit
from spinodal.continuation.rows import Request, Row

TIGHT = 1e-12
"""‖∇𝓛‖ at events, as a fraction of ‖c∇P‖."""

LOOSE = 1e-8
"""The same on the way."""


@dataclass(frozen=True)
class Point:
    """A stationary point of one row.

    Attributes:
        theta: θ [n].
        control: c.
        error: E.
        penalty: P.
        force: ∇𝓛 [n].
        push: ∇P [n].
        tangent: dθ/ds [n], of length one, once known.
        slope: dc/ds, once the tangent is known.
        mode: the lowest mode of ∇²𝓛 as last looked for [n].
    """

    theta: Float[Tensor, " n"]
    control: float
    error: float
    penalty: float
    force: Float[Tensor, " n"]
    push: Float[Tensor, " n"]
    tangent: Float[Tensor, " n"] | None = None
    slope: float = float("nan")
    mode: Float[Tensor, " n"] | None = None

    @property
    def t(self) -> Float[Tensor, " n"]:
        """The tangent, which must be known."""
        assert self.tangent is not None
        return self.tangent

    @property
    def scale(self) -> float:
        """‖c∇P‖, against which ∇𝓛 is small; of E's own size where P has no gradient."""
        return abs(self.control) * float(self.push.norm())

    @property
    def loss(self) -> float:
        """𝓛."""
        return self.error + self.control * self.penalty

    @property
    def steepness(self) -> float:
        """|cos| of the angle between the branch and ∇P."""
        return abs(float(unit(self.push) @ self.t))

    @property
    def floor(self) -> float:
        """Residuals of linear equations that mean nothing: A·v of zero modes is ∇𝓛 turned, and rounding."""
        size = max(float(self.theta.norm()), 1e-300)
        return 10 * float(self.force.norm()) / size + 1e-13 * self.scale / size

    def converged(self, tolerance: float) -> bool:
        """Whether ∇𝓛 is a small enough fraction of ‖c∇P‖, or rounding.

        Args:
            tolerance: The fraction.
        """
        rounding = 1e-15 * float(len(self.theta)) ** 0.5
        return bool(float(self.force.norm()) <= max(tolerance * self.scale, rounding))

    def along(self, direction: Float[Tensor, " n"], slope: float) -> Point:
        """Return the point with a tangent.

        Args:
            direction: dθ/dx, x any coordinate.
            slope: dc/dx.
        """
        length = float(direction.norm())
        return replace(self, tangent=direction / length, slope=slope / length)

    def reversed(self) -> Point:
        """Return the point with its tangent turned round."""
        return replace(self, tangent=-self.t, slope=-self.slope)


def scalar(value: float, like: Tensor) -> Tensor:
    """Return a number as a tensor of no dimensions."""
    return like.new_tensor(value)


def no_borders(theta: Float[Tensor, " n"]) -> Float[Tensor, "0 n"]:
    """Return borders of which there are none."""
    return theta.new_zeros(0, len(theta))


def point_at(theta: Float[Tensor, " n"], control: float) -> Row[Point]:
    """Compute a point where θ and c are given."""
    error, penalty, gradient, push = yield Request(evaluate, (theta,))
    return Point(theta, control, float(error), float(penalty), gradient + control * push, push)


def point_on_level(theta: Float[Tensor, " n"], level: float) -> Row[Point]:
    """Compute a point where P is given: θ is brought there along ∇P, and c is the Lagrange multiplier."""
    theta, error, penalty, gradient, push = yield Request(evaluate_on_level, (theta, scalar(level, theta)))
    control = -float(gradient @ push / push.square().sum())
    return Point(theta, control, float(error), float(penalty), gradient + control * push, push)
