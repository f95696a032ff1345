"""What an ensemble needs of memory: an estimate, meant to be right within a factor of two."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

KRYLOV = 120
"""Dimensions of the Krylov space in which a point is inspected: that many vectors of all parameters."""

BASIS = 2**32
"""Bytes that such a space has at most, of all replicas that are inspected together."""

DRAWN = 400
"""Steps of which noise is drawn at once."""

BLOCK = 2000
"""Samples that are evaluated at once."""

WHOLE = 64
"""Samples of which all are weighted in a minibatch, whatever its size."""


def bytes_per_replica(config: Mapping[str, Any]) -> float | None:
    """Memory each replica of an ensemble adds; None for tasks or networks of somebody's own.

    Args:
        config: of a curve.
    """
    data, model = config["data"], config["model"]
    shapes = sizes(data)
    if shapes is None or model["_target_"] != "spinodal.networks.MLP":
        return None
    inputs, outputs, samples = shapes
    widths = [inputs, *[model["width"]] * (model["depth"] - 1), outputs]
    parameters = sum(here * there for here, there in pairwise(widths))
    parameters += sum(widths[1:]) if model["bias"] else 0
    # What each layer keeps for derivatives of second order.
    return bytes_with(config, parameters, samples, 8 * 10 * min(samples, BLOCK) * sum(widths[1:]))


def bytes_with(config: Mapping[str, Any], parameters: int, samples: int, derivatives: float) -> float:
    """Memory each replica adds, where that for its derivatives is known.

    Args:
        config: of a curve.
        parameters: n.
        samples: N, in the training set.
        derivatives: bytes of one gradient and one product with the Hessian, on one block of samples.
    """
    # The inspection's basis and the state of descent.
    numbers = parameters * 40 + min(1.5 * parameters * min(KRYLOV, parameters), BASIS / 8)
    protocol = config["protocol"]
    noise = protocol.get("noise", "none")
    if noise != "none":
        drawn = _drawn(samples, protocol.get("batch")) if noise == "minibatch" else parameters
        numbers += 2 * max(DRAWN, protocol.get("check", 0)) * drawn
    spectrum = (config["callbacks"] or {}).get("spectrum")
    if spectrum and parameters <= spectrum.get("full_up_to", 0):
        numbers += 4 * parameters**2
    return float(8 * numbers + derivatives)


def _drawn(samples: int, batches: Any) -> int:
    """Numbers that a step of minibatch noise takes: of the samples in it, or of all."""
    largest = max(batches) if isinstance(batches, list | tuple) else int(batches)
    return samples if samples <= max(2 * largest, WHOLE) else largest


def sizes(data: Mapping[str, Any]) -> tuple[int, int, int] | None:
    """Dimensions of input and output, training samples; None for tasks of somebody's own.

    Args:
        data: the configuration of a task.
    """
    match data.get("_target_"):
        case "spinodal.tasks.linear_teacher":
            features = data["complexity"]
            return data["input_dim"] or features, data["output_dim"] or features, data["samples"]
        case "spinodal.tasks.digits":
            classes = data["complexity"] + 1
            return 64, classes, data["samples"] or 180 * classes
        case "spinodal.tasks.mnist":
            classes = data["complexity"] + 1
            return data["axes"] or 784, classes, data["samples"] or 6000 * classes
        case "spinodal.tasks.modular_addition":
            modulus = data["modulus"]
            return 2 * modulus, modulus, round(data["fraction"] * modulus**2)
    return None
