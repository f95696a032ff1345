"""Where the deep linear theory applies: what a network and its data must be, and how exact it is there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64

from spinodal.theory.escape import Escape, escapes
from spinodal.theory.feature import coexistence, spinodal
from spinodal.theory.geometry import Geometry, geometry, soft_mode
from spinodal.theory.phases import State, learned_state

WHITENED = "linear_teacher"
"""The task whose training inputs are whitened exactly."""

COMMUTING = 1e-9
"""Features whose input directions Σ_xx turns by less than this are its eigenvectors."""

NEEDED = ("task", "error_name", "activation", "bias", "depth", "width", "strengths", "variances")
"""Facts without which nothing is known of a network and its data."""

FACTS = (
    *NEEDED,
    "network",
    "noise",
    "control",
    "held",
    "branch",
    "temperature",
    "batch",
    "input_dim",
    "output_dim",
    "parameters",
)
"""All facts that are columns of the records."""


class DeepLinear(NamedTuple):
    """A deep linear network and its data, as far as the theory depends on them."""

    strengths: Float64[np.ndarray, " k"]
    variances: Float64[np.ndarray, " k"]
    depth: int
    sizes: tuple[int, ...] | None = None
    """Of the layers from input to output; None where they are not known."""
    exact: bool = True
    """Or an estimate: the input covariance does not commute with the features."""
    complete: bool = True
    """Whether features are all there is in the targets, so that E is known, and not only where it changes."""

    @property
    def spinodals(self) -> Float64[np.ndarray, " k"]:
        """λ_sp of each feature; for depth 2 the λ at which it reaches zero continuously."""
        return spinodal(self.strengths, self.depth, self.variances)

    @property
    def coexistences(self) -> Float64[np.ndarray, " k"]:
        """λ_co of each feature."""
        return coexistence(self.strengths, self.depth, self.variances)

    def learned_state(self, l2: Float64[np.ndarray, " l"]) -> State:
        """The branch on which every feature is alive that can be."""
        return learned_state(l2, self.strengths, self.depth, self.variances)

    def soft_mode(self, l2: Float64[np.ndarray, " l"]) -> Float64[np.ndarray, " l"]:
        """Least eigenvalue of ∇²𝓛 that moves an amplitude; NaN where nothing is learned."""
        return soft_mode(self.learned_state(l2).amplitudes, self.strengths, self.depth, self.variances)

    def geometry(self, l2: Float64[np.ndarray, " l"]) -> Geometry | None:
        """Of the error surface on that branch, with whitened inputs; None where sizes are not known."""
        if self.sizes is None:
            return None
        return geometry(self.learned_state(l2).amplitudes, self.strengths, self.sizes, self.variances)

    def escapes(self, l2: float, phase: int) -> tuple[Escape, ...] | None:
        """The ways out of phase m at λ; None where they are not known: see `theory.escapes`."""
        if self.sizes is None or self.depth == 2 or not self.complete:
            return None
        return escapes(l2, phase, self.strengths, self.sizes, self.variances)


def scope(facts: Mapping[str, Any]) -> DeepLinear | str:
    """Return what the theory needs to know of a network and its data, or why it does not apply to them.

    It applies to deep linear networks without biases, at least as wide as there are features, with squared error, at T
    = 0, with λ‖θ‖² as the only penalty, on the branches on which every feature is alive that can be. It is exact where
    inputs are whitened, as the linear teacher's are, or where the covariances were found to commute.

    Args:
        facts: as in a row of the records: those of `NEEDED`, and of the other `FACTS` what is known. Without a branch,
            a temperature and a batch size the landscape alone is asked about. `network` is what it is, if it is no
            fully connected network with trainable layers of one width. Beyond the records there are

            - `turning`: max_k ‖Σ_xx v_k − σ_k v_k‖/σ_k over the features' input directions, as measured;
            - `alive`: so many features must have a place in every layer; by default all.

    Returns:
        The network, or all reasons in a line.
    """
    if reasons := "; ".join(_reasons(facts)):
        return reasons
    turning, whitened = facts.get("turning"), facts["task"] == WHITENED
    return DeepLinear(
        np.asarray(facts["strengths"], dtype=np.float64),
        np.asarray(facts["variances"], dtype=np.float64),
        facts["depth"],
        _sizes(facts),
        exact=whitened if turning is None else turning < COMMUTING,
        complete=whitened and facts.get("noise") == 0,
    )


def leaves_quadratically(facts: Mapping[str, Any]) -> bool:
    """Return whether E of a minimum is known to leave its value at c = 0 with c².

    At λ = 0 a minimum of E + λ‖θ‖² has ∇E = 0, and θ* moves with λ. With other penalties held it is their sum with E
    that has no slope there; as another penalty vanishes, θ* may go to infinity.

    Args:
        facts: `control` and `held`, as of `scope`.
    """
    return (facts.get("control") or "l2") == "l2" and not facts.get("held")


def order_parameter(facts: Mapping[str, Any]) -> str:
    """Name the column of the records that counts what a network has learned.

    Features of the data are what is learned, one by one, by deep linear networks with squared error, and those of a
    linear teacher are there to be learned by any network: `learned_features` counts them by their overlaps. Other
    networks learn directions that need not be features of the data, and `rank` counts those of their outputs.

    Args:
        facts: as of `scope`; of these `task`, `error_name` and `activation`, and `network` if it is of another kind.
    """
    deep_linear = facts.get("activation") == "linear" and not facts.get("network")
    features = facts["task"] == WHITENED or (deep_linear and facts["error_name"] == "squared")
    return "learned_features" if features else "rank"


def _reasons(facts: Mapping[str, Any]) -> Iterator[str]:
    if network := facts.get("network"):
        yield f"no closed form for {network}"
        return
    if unknown := [name for name in NEEDED if facts[name] is None]:
        yield f"not known: {', '.join(unknown)}"
        return
    features = facts.get("alive") or len(facts["strengths"])
    if facts["activation"] != "linear":
        yield f"no closed form for {facts['activation']} networks"
    if facts["bias"]:
        yield "no closed form for networks with biases"
    if facts["depth"] < 2:
        yield "one layer has no transitions"
    elif facts["width"] < features:
        yield f"no closed form for {features} features in a network of width {facts['width']}"
    elif not facts["bias"] and _partly_trained(facts):
        yield "no closed form for networks with frozen parameters"
    if facts["error_name"] != "squared":
        yield f"no closed form for {facts['error_name']}"
    if (control := facts.get("control") or "l2") != "l2":
        yield f"no closed form for the control parameter {control}"
    if held := facts.get("held"):
        yield f"no closed form with {held} held"
    if facts.get("branch") not in (None, "up", "quench"):
        yield f"no closed form for the branch {facts['branch']}"
    if facts.get("temperature") is not None:
        yield "no closed form for branches at T > 0"
    if facts.get("batch") is not None:
        yield "no closed form for branches under minibatch noise"


def _partly_trained(facts: Mapping[str, Any]) -> bool:
    """Return whether θ has fewer parameters than the layers have; False where either number is not known."""
    known = [facts.get(name) for name in ("input_dim", "output_dim", "parameters")]
    if None in known:
        return False
    inputs, outputs, parameters = map(int, known)  # type: ignore[arg-type]
    return parameters < _weights(_layers(facts, inputs, outputs))


def _sizes(facts: Mapping[str, Any]) -> tuple[int, ...] | None:
    """Of the layers; where nobody recorded d and c they are K if the number of parameters has it so."""
    ends, parameters = [facts.get(name) for name in ("input_dim", "output_dim")], facts.get("parameters")
    known = None not in ends
    sizes = _layers(facts, *(ends if known else [len(facts["strengths"])] * 2))
    fits = parameters == _weights(sizes)
    return sizes if fits or (known and parameters is None) else None


def _layers(facts: Mapping[str, Any], inputs: int, outputs: int) -> tuple[int, ...]:
    return (inputs, *[facts["width"]] * (facts["depth"] - 1), outputs)


def _weights(sizes: tuple[int, ...]) -> int:
    return sum(n * m for n, m in pairwise(sizes))
