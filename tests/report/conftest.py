"""A campaign made of exact branches: what a training run would leave, without the training."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from jaxtyping import Float64

from spinodal.analysis import deep_linear
from spinodal.records import SCHEMA, RecordWriter
from spinodal.report.style import STYLE
from spinodal.theory import learned_state

STRENGTHS = [1.0, 0.6, 0.36]
L2 = np.geomspace(0.02, 0.4, 30)
Rows = Callable[..., list[dict[str, Any]]]


def exact_rows(
    seed: int,
    l2: Float64[np.ndarray, " l"] = L2,
    strengths: list[float] = STRENGTHS,
    shift: float = 1.0,
    jitter: float = 0.0,
    quench: bool = False,
    **columns: Any,
) -> list[dict[str, Any]]:
    """One trajectory of a deep linear network, or of another one that is the same but moved and noisy."""
    random = np.random.default_rng(seed)
    depth = columns.get("depth", 3)
    state = learned_state(l2 / shift, strengths, depth)
    error = np.abs(state.error + jitter * random.normal(size=len(l2)))
    norm = np.sqrt(state.norm_squared)
    constant = {
        "task": "linear_teacher",
        "error_name": "squared",
        "complexity": len(strengths),
        "noise": 0.0,
        "samples": 64,
        "activation": "linear",
        "bias": False,
        "depth": depth,
        "width": 16,
        "temperature": None,
        "branch": "quench" if quench else "up",
        "seed": seed,
        "stages": 1 if quench else len(l2),
        "strengths": strengths,
        "variances": [1.0] * len(strengths),
        "stationary": True,
        "minimum": True,
        **columns,
    }
    name = "-".join(str(value) for value in constant.values())
    return [
        {
            "point": f"{name}-{i}" if quench else name,
            "stage": 0 if quench else i,
            "l2": float(l2[i]),
            "error": float(error[i]),
            "accuracy": float(1 - error[i] / (0.5 * np.sum(np.square(strengths)))),
            "test_accuracy": float(0.95 * (1 - error[i] / (0.5 * np.sum(np.square(strengths))))),
            "norm": float(norm[i]),
            "learned_features": int(state.alive[i].sum()),
            **constant,
        }
        for i in range(len(l2))
    ]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Images are small, and so quicker: nobody looks at them."""
    monkeypatch.setitem(STYLE, "savefig.dpi", 50)


@pytest.fixture(scope="session")
def rows() -> Callable[..., list[dict[str, Any]]]:
    """Makes one trajectory."""
    return exact_rows


@pytest.fixture
def campaign(tmp_path: Path) -> Callable[..., Path]:
    """Writes trajectories into a campaign, a file each, and returns its folder."""

    def make(*trajectories: list[dict[str, Any]]) -> Path:
        folder = tmp_path / "made"
        for number, trajectory in enumerate(trajectories):
            RecordWriter(folder / "records" / f"{number}.parquet").append(trajectory)
        return folder

    return make


@pytest.fixture(scope="session")
def measured(rows: Rows) -> Rows:
    """Makes one trajectory with numbers for all pieces of R, of the right kind though not the right size."""

    def make(seed: int, error: float | None = None, **columns: Any) -> list[dict[str, Any]]:
        trajectory = rows(seed, l2=np.geomspace(0.02, 0.4, 60), **columns)
        exact = deep_linear(pl.DataFrame(trajectory))
        soft = np.full(60, 0.5) if exact is None else exact.soft_mode(np.geomspace(0.02, 0.4, 60))
        for row, mode in zip(trajectory, soft, strict=True):
            trace = row["norm"] ** 2
            row |= {
                "scalar_curvature": 3 * trace**2 - 14 * (trace > 0),
                "trace_hessian": trace,
                "frobenius_hessian": trace,
                "gradient_hessian_gradient": trace,
                "hessian_gradient_squared": trace,
                "gradient_squared": trace,
                "scalar_curvature_se": error,
                "trace_hessian_se": error,
                "soft_mode": None if np.isnan(mode) else float(mode),
            }
        return trajectory

    return make


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """Writes trajectories into a campaign and returns its folder."""

    def make(*trajectories: list[dict[str, Any]]) -> Path:
        records = tmp_path / "made" / "records"
        records.mkdir(parents=True)
        for number, trajectory in enumerate(trajectories):
            known = {name: dtype for name, dtype in SCHEMA.items() if name in trajectory[0]}
            pl.DataFrame(trajectory, infer_schema_length=None, schema_overrides=known).write_parquet(
                records / f"{number}.parquet"
            )
        return tmp_path / "made"

    return make
