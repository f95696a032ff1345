"""What there is to learn in a set of inputs and targets."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

FLOOR = 1e-9  # a strength below this fraction of the largest is rounding error, not a feature


class Features(NamedTuple):
    """The learnable features of a data set, strongest first.

    Attributes:
        strengths: s_k, what descent towards feature k pulls with. Units of target times input.
        variances: σ_k = v_kᵀ Σ_xx v_k, the input variance along the feature. Units of input squared.
        input_directions: v_k, orthonormal rows.
        output_directions: u_k, orthonormal rows.
    """

    strengths: Float64[Tensor, " k"]
    variances: Float64[Tensor, " k"]
    input_directions: Float64[Tensor, "k d"]
    output_directions: Float64[Tensor, "k c"]


def features(
    inputs: Float64[Tensor, "N d"] | Int64[Tensor, "N d"], targets: Float64[Tensor, "N c"]
) -> Features:
    """Measure the features: the singular value decomposition YᵀX/N = Σ_k s_k u_k v_kᵀ.

    Inputs and targets are taken as they are: centred by whoever made them, not whitened here. Strengths below
    `FLOOR` times the largest are left out. Tokens are names and no numbers: of integer inputs there
    are 0 features. That these numbers place the transitions is Ziyin & Ueda,
    arXiv 2205.12510, and Ersoy & Wiesner, arXiv 2505.06597.
    """
    if not inputs.is_floating_point():
        nothing = targets.new_empty(0)
        return Features(
            nothing, nothing, targets.new_empty(0, inputs.shape[1]), targets.new_empty(0, targets.shape[1])
        )
    samples = len(inputs)
    output_vectors, strengths, input_vectors = torch.linalg.svd(
        targets.T @ inputs / samples, full_matrices=False
    )
    learnable = strengths > FLOOR * strengths.max()
    input_directions = input_vectors[learnable]
    variances = (inputs @ input_directions.T).square().mean(0)
    return Features(strengths[learnable], variances, input_directions, output_vectors.T[learnable])
