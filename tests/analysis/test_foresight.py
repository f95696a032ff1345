"""Folds are foreseen from before, by what is known before; what foresees nothing says so."""

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
import torch
from polars.testing import assert_frame_equal

from spinodal.analysis import compare, find_transitions, foresight
from spinodal.analysis.foresight import predict
from spinodal.theory import DeepLinear, amplitude, spinodal

Branch = Callable[..., pl.DataFrame]
STRENGTHS = (1.0, 0.6, 0.36)


def foresee(table: pl.DataFrame) -> pl.DataFrame:
    return foresight(table, compare(find_transitions(table), table))


@pytest.mark.parametrize("power", [0.0, 1.0])
def test_a_pure_fold_is_foreseen_exactly(power: float) -> None:
    """Q = Q₀ + C√(λ_sp − λ): the squared soft mode is a line, slopes are one as far as differences are."""
    l2 = np.geomspace(0.5, 0.8, 60)
    root = np.sqrt(1 - l2)
    assert predict(l2, 3 * root, "soft_mode") == pytest.approx(1, rel=1e-9)
    for sign in (-2.0, 5.0):
        assert predict(l2, 7 + sign * root, "error") == pytest.approx(1, rel=1e-3)


@pytest.mark.parametrize(
    ("values", "observable"),
    [
        (np.linspace(1, 2, 9), "error"),  # no fold in a straight line
        (np.linspace(0, 1, 9) ** 0.5, "error"),  # one behind
        (np.ones(9), "norm"),
        (np.linspace(1, 2, 9), "soft_mode"),  # hardens
        (np.array([1.0, 0.5]), "soft_mode"),  # too few
        (np.array([1.0, 0.5, 0.0]), "error"),
        (np.array([]), "error"),
    ],
)
def test_what_foresees_nothing(values: np.ndarray, observable: str) -> None:
    assert predict(np.linspace(0.1, 0.2, len(values)), values, observable) is None


def test_deep_linear_network(branch: Branch) -> None:
    """The soft mode comes closer the more is known; R, smooth over most of the phase, is far off."""
    table = pl.concat([branch(seed, points=100, digits=1e-4) for seed in range(2)])
    found = foresee(table)
    assert len(found) == 3 * 5 * 4
    assert (found["seeds_all"] == 2).all()
    np.testing.assert_allclose(
        found["control_exact"].unique(maintain_order=True), sorted(spinodal(STRENGTHS, 3)), rtol=1e-12
    )
    soft = found.filter(observable="soft_mode")
    for index in (1, 2, 3):
        off = soft.filter(index=index)["deviation_exact"].abs()
        assert off.is_sorted(descending=True)
        assert off[0] < 7
        assert off[-1] < 2
    assert (soft["deviation"] - soft["deviation_exact"]).abs().max() < 0.02
    early = found.filter(cut_off=0.9, index=2)
    assert early.filter(observable="scalar_curvature")["seeds"].to_list() == [0]
    assert early.filter(observable="scalar_curvature")["predicted"].to_list() == [None]
    assert early.filter(observable="trace_hessian")["deviation"][0] > 10


def test_only_the_phase_before_the_cut_off_counts(branch: Branch) -> None:
    """Garbage elsewhere changes nothing: after the cut-off, or before the previous jump."""
    table = branch(points=100)
    edges = sorted(spinodal(STRENGTHS, 3))
    elsewhere = ~pl.col("l2").is_between(edges[1], 0.9 * edges[2])
    spoiled = table.with_columns(
        pl.when(elsewhere).then(pl.col(name) * pl.col("stage")).otherwise(name).alias(name)
        for name in ("soft_mode", "scalar_curvature", "trace_hessian", "norm")
    )
    sane = (pl.col("index") == 3) & (pl.col("cut_off") <= 0.8)
    first, second = foresee(table), foresee(spoiled)
    assert_frame_equal(first.filter(sane), second.filter(sane))
    assert not first.equals(second)


def test_means_over_seeds(branch: Branch) -> None:
    """Each seed is off from its own jump; those that predict nothing count."""
    table = branch(points=100)
    moved = table.with_columns(
        pl.col("control_value") * 1.03, point=pl.lit("moved"), seed=pl.lit(1, pl.Int64)
    )
    silent = table.with_columns(point=pl.lit("silent"), seed=pl.lit(2, pl.Int64), soft_mode=pl.lit(1.0))
    (alone,) = foresee(table).filter(index=3, observable="soft_mode", cut_off=0.9).rows(named=True)
    (both,) = (
        foresee(pl.concat([table, moved, silent]))
        .filter(index=3, observable="soft_mode", cut_off=0.9)
        .rows(named=True)
    )
    assert (both["seeds"], both["seeds_all"]) == (2, 3)
    assert both["predicted"] == pytest.approx(1.015 * alone["predicted"])
    assert both["deviation"] == pytest.approx(alone["deviation"])
    # They do not scatter, and jump somewhere between two λ of the grid.
    half = 100 * ((0.4 / 0.02) ** (0.5 / 99) - 1)
    for row in (alone, both):
        assert row["deviation_error"] == pytest.approx(half * (1 + row["deviation"] / 100), rel=1e-6)


def test_no_rows_where_there_is_nothing_to_foresee(branch: Branch) -> None:
    assert foresee(branch(depth=2)).is_empty()
    table = branch(points=100)
    assert foresee(table.with_columns(branch=pl.lit("quench"))).is_empty()
    unmeasured = foresee(table.with_columns(soft_mode=pl.lit(None, pl.Float64)).drop("trace_hessian"))
    assert set(unmeasured["observable"]) == {"scalar_curvature", "norm", "error"}
    assert unmeasured.schema == foresee(branch(depth=2)).schema


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_exact_soft_mode(dense: Callable[..., tuple[torch.Tensor, ...]], depth: int) -> None:
    """It is an eigenvalue of ∇²𝓛, and that of the mode along which θ* moves with λ."""
    exact = DeepLinear(np.array(STRENGTHS), np.ones(3), depth)
    edge = float(spinodal(0.6, depth))
    for at in (0.7 * edge, 0.99 * edge):
        u = amplitude(at, STRENGTHS, depth)
        theta, _, hessian = dense(tuple(u.tolist()), STRENGTHS, depth, 4)
        values, vectors = torch.linalg.eigh(hessian + 2 * at * torch.eye(len(theta), dtype=torch.float64))
        later = dense(tuple(amplitude(at * (1 + 1e-7), STRENGTHS, depth).tolist()), STRENGTHS, depth, 4)[0]
        overlap = (vectors.T @ (later - theta)).abs()
        (soft,) = exact.soft_mode(np.array([at]))
        assert soft == pytest.approx(float(values[overlap.argmax()]), abs=1e-8)
    assert exact.soft_mode(spinodal(1.0, depth) * np.array([1 - 1e-12]))[0] == pytest.approx(0, abs=1e-5)
    assert np.isnan(exact.soft_mode(np.array([0.6]))).all()
