"""What an ensemble needs of memory: an estimate, meant to be right within a factor of two."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

KRYLOV = 120
"""Dimensions of the Krylov space in which a point is inspected: that many vectors of all parameters."""

DRAWN = 400
"""Steps of which noise is drawn at once."""


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
    # The inspection's basis and the state of descent; what each layer keeps for derivatives of second order.
    numbers = parameters * (1.5 * min(KRYLOV, parameters) + 40) + 10 * samples * sum(widths[1:])
    noise = config["protocol"].get("noise", "none")
    if noise != "none":
        drawn = samples if noise == "minibatch" else parameters
        numbers += 2 * max(DRAWN, config["protocol"].get("check", 0)) * drawn
    spectrum = (config["callbacks"] or {}).get("spectrum")
    if spectrum and parameters <= spectrum.get("full_up_to", 0):
        numbers += 4 * parameters**2
    return float(8 * numbers)


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
