"""Records of deep linear networks: exact loops, and branches with exact curvature from dense Hessians."""

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from jaxtyping import Float64

from spinodal.records import SCHEMA, with_control
from spinodal.theory import learned_state, phases, spinodal

sys.path.insert(0, str(Path(__file__).parent))  # for synthetic.py

CURVATURE = (
    "scalar_curvature",
    "trace_hessian",
    "trace_hessian_se",
    "frobenius_hessian",
    "gradient_hessian_gradient",
    "hessian_gradient_squared",
    "gradient_squared",
    "soft_mode",
)


def surface(
    amplitudes: tuple[float, ...], strengths: tuple[float, ...], depth: int, width: int, scale: float = 1.0
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """θ of the balanced, diagonal network with these u_k, and ∇E and ∇²E of c·½‖S − W_L ⋯ W_1‖² there."""
    k = len(strengths)
    dims = [k, *[width] * (depth - 1), k]
    shapes = list(zip(dims[1:], dims[:-1], strict=True))

    def error(theta: torch.Tensor) -> torch.Tensor:
        product = torch.eye(k, dtype=torch.float64)
        for weight, shape in zip(theta.split([a * b for a, b in shapes]), shapes, strict=True):
            product = weight.view(shape) @ product
        return 0.5 * scale * ((torch.diag(torch.tensor(strengths, dtype=torch.float64)) - product) ** 2).sum()

    layers = []
    for shape in shapes:
        layer = torch.zeros(shape, dtype=torch.float64)
        for i, u in enumerate(amplitudes):
            layer[i, i] = u ** (1 / depth)
        layers.append(layer.flatten())
    theta = torch.cat(layers)
    return theta, torch.func.grad(error)(theta), torch.func.hessian(error)(theta)


@cache
def pieces(*case: Any) -> dict[str, float | None]:
    """All pieces of R and R itself, for the arguments of `surface`."""
    _, v, hessian = surface(*case)
    product = hessian @ v
    t, f, q, s, g = (
        float(x) for x in (hessian.trace(), (hessian**2).sum(), v @ product, product @ product, v @ v)
    )
    w = 1 + g
    curvature = (t * t - f - 2 / w * (t * q - s)) / w
    return dict(zip(CURVATURE, (curvature, t, None, f, q, s, g, None), strict=True))


def curvature_branch(
    seed: int = 0,
    strengths: tuple[float, ...] = (1.0, 0.6, 0.36),
    depth: int = 3,
    width: int = 4,
    points: int = 32,
    digits: float | None = None,
    **columns: object,
) -> pl.DataFrame:
    """An up branch of the exact theory with its exact curvature; jumps bisected to a relative width `digits`."""
    l2 = np.geomspace(0.02, 0.4, points)
    if digits is not None:
        l2 = bisected(l2, spinodal(strengths, depth), digits)
    state = learned_state(l2, strengths, depth)
    noise = 1e-9 * np.random.default_rng(seed).normal(size=(len(l2), 3))
    s, u = np.array(strengths), state.amplitudes
    modes = u ** ((depth - 2) / depth) * ((2 * depth - 2) * u - (depth - 2) * s)
    soft = np.where(state.alive, modes, np.inf).min(axis=1) + noise[:, 2]
    rows = [pieces(tuple(row.tolist()), strengths, depth, width) for row in u]
    table = pl.DataFrame(rows, schema=dict.fromkeys(CURVATURE, pl.Float64)).with_columns(
        pl.Series("scalar_curvature", [row["scalar_curvature"] for row in rows]) + pl.Series(noise[:, 0]),
        soft_mode=pl.Series(soft).replace(np.inf, None),
        l2=pl.Series(l2),
        stage=pl.Series(range(len(l2))),
        error=pl.Series(np.abs(state.error + noise[:, 1])),
        norm=pl.Series(np.sqrt(state.norm_squared)),
        strengths=pl.Series([list(strengths)] * len(l2)),
        variances=pl.Series([[1.0] * len(strengths)] * len(l2)),
    )
    constant = {
        "point": f"{seed}-{width}-{depth}-{len(l2)}",
        "task": "linear_teacher",
        "error_name": "squared",
        "noise": 0.0,
        "activation": "linear",
        "bias": False,
        "depth": depth,
        "width": width,
        "branch": "up",
        "seed": seed,
        "stages": len(l2),
        "stationary": True,
        **columns,
    }
    table = table.with_columns(**{name: pl.lit(value) for name, value in constant.items()})
    missing = [pl.lit(None, dtype).alias(name) for name, dtype in SCHEMA.items() if name not in table.columns]
    table = table.with_columns(*missing)
    table = with_control(table)
    return table.select(*SCHEMA, *(name for name in CURVATURE if name not in SCHEMA)).cast(dict(SCHEMA))


def bisected(
    l2: Float64[np.ndarray, " l"], places: Float64[np.ndarray, " k"], digits: float
) -> Float64[np.ndarray, " l"]:
    """A grid and the points that bisecting the jumps at these places adds to it."""
    added = []
    for place in places[(places > l2[0]) & (places < l2[-1])]:
        i = int(np.searchsorted(l2, place))
        low, high = l2[i - 1], l2[i]
        while high / low - 1 > digits:
            middle = np.sqrt(low * high)
            added.append(middle)
            low, high = (middle, high) if middle < place else (low, middle)
    return np.unique([*l2, *added])


@pytest.fixture
def branch() -> Callable[..., pl.DataFrame]:
    """Makes one up branch."""
    return curvature_branch


@pytest.fixture
def dense() -> Callable[..., tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """θ, ∇E and ∇²E of a deep linear network at a minimum."""
    return surface


def exact_way(
    l2: Float64[np.ndarray, " l"], features: list[int], strengths: tuple[float, ...], depth: int
) -> pl.DataFrame:
    """Stages of the exact theory with as many features learned as asked for, or as there can be."""
    states = phases(l2, strengths, depth)
    there = [min(m, int((spinodal(strengths, depth) > at).sum())) for m, at in zip(features, l2, strict=True)]
    of = [(states[m], i) for i, m in enumerate(there)]
    return pl.DataFrame(
        {
            "l2": l2,
            "error": [float(state.error[i]) for state, i in of],
            "norm": [float(np.sqrt(state.norm_squared[i])) for state, i in of],
            "learned_features": there,
        }
    )


def exact_loop(
    down: tuple[float, ...] = (),
    seed: int = 0,
    strengths: tuple[float, ...] = (1.0, 0.5),
    depth: int = 3,
    l2: Float64[np.ndarray, " l"] | None = None,
    residual: float = 0.0,
    **columns: object,
) -> pl.DataFrame:
    """A loop of the exact theory: the m-th feature is learned again below the m-th of the λ in `down`.

    `residual` is how far every row is from where ∇𝓛 = 0: as much as a minimum at λ ± residual/2‖θ‖.
    """
    path = np.geomspace(0.01, 0.6, 80) if l2 is None else l2
    back = path[-2::-1]
    turned = int((spinodal(strengths, depth) > path[-1]).sum())
    if depth == 2:
        down = tuple(spinodal(strengths, 2))
    again = [max(turned, sum(each > at for each in down)) for at in back]
    random = np.random.default_rng(seed)
    ways = []
    for way, features in ((path, [len(strengths)] * len(path)), (back, again)):
        norm = exact_way(way, features, strengths, depth)["norm"].to_numpy()
        moved = way + residual * random.uniform(-1, 1, len(way)) / (2 * np.maximum(norm, 1e-3))
        ways.append(exact_way(moved, features, strengths, depth).with_columns(l2=pl.Series(way)))
    table = pl.concat(ways).with_columns(
        stage=pl.Series(range(len(path) + len(back))),
        branch=pl.Series(["up"] * len(path) + ["down"] * len(back)),
        strengths=pl.Series([list(strengths)] * (len(path) + len(back))),
        variances=pl.Series([[1.0] * len(strengths)] * (len(path) + len(back))),
    )
    constant = {
        "point": f"loop-{seed}-{strengths}-{depth}-{path[-1]}",
        "curve": f"loop-{strengths}-{depth}",
        "task": "linear_teacher",
        "error_name": "squared",
        "noise": 0.0,
        "activation": "linear",
        "bias": False,
        "depth": depth,
        "width": 8,
        "parameters": 100,
        "perturbation": 0.0,
        "seed": seed,
        "stages": len(table),
        "stationary": True,
        "minimum": True,
        "grad_max": residual / 10,
        **columns,
    }
    table = table.with_columns(**{name: pl.lit(value) for name, value in constant.items()})
    missing = [pl.lit(None, dtype).alias(name) for name, dtype in SCHEMA.items() if name not in table.columns]
    return with_control(table.with_columns(*missing)).select(*SCHEMA).cast(dict(SCHEMA))


@pytest.fixture
def loop() -> Callable[..., pl.DataFrame]:
    """Makes one loop."""
    return exact_loop
