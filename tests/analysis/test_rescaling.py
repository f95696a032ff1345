"""R of cE from the pieces of R of E, against Hessians of cE; the soft mode's zero needs no such care."""

import re
from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
import torch

from spinodal.analysis import before_onset, compare, find_transitions, rescaled, rescaled_curvature
from spinodal.records import COLUMN
from spinodal.theory import learned_state, spinodal

Branch = Callable[..., pl.DataFrame]
STRENGTHS = (1.0, 0.6, 0.3)


def path(table: pl.DataFrame) -> pl.DataFrame:
    return before_onset(table, compare(find_transitions(table), table))


def test_rescaled_curvature_is_that_of_the_rescaled_surface(
    branch: Branch, dense: Callable[..., tuple[torch.Tensor, ...]]
) -> None:
    table = branch(strengths=STRENGTHS)
    for scale in (0.1, 1.0, 7.0):
        values = table.select(rescaled_curvature(scale)).to_series()
        for i in (0, 12, 24):
            u = learned_state(table["l2"][i], STRENGTHS, 3).amplitudes[0]
            _, v, hessian = dense(tuple(u.tolist()), STRENGTHS, 3, 4, scale)
            w = 1 + v @ v
            # tr² A − tr A² with A = g⁻¹H/√w, the definition.
            shape = torch.linalg.solve(torch.eye(len(v)) + torch.outer(v, v), hessian) / w.sqrt()
            assert values[i] == pytest.approx(float(shape.trace() ** 2 - (shape @ shape).trace()))
    np.testing.assert_allclose(
        table.select(rescaled_curvature(1.0)).to_series(), table["scalar_curvature"], atol=1e-7
    )


def test_an_estimated_trace_is_squared_without_bias() -> None:
    """As products of different probes are: mean over pairs i ≠ j of t_i t_j."""
    probes = np.random.default_rng(0).normal(3, 1, size=8)
    names = ("frobenius_hessian", "gradient_hessian_gradient", "hessian_gradient_squared", "gradient_squared")
    table = pl.DataFrame(
        {"trace_hessian": probes.mean(), "trace_hessian_se": probes.std(ddof=1) / 8**0.5}
        | dict.fromkeys(names, 0.0)
    )
    pairs = [a * b for i, a in enumerate(probes) for j, b in enumerate(probes) if i != j]
    assert table.select(rescaled_curvature(1.0)).item() == pytest.approx(np.mean(pairs))


def test_where_curvature_changes_sign_depends_on_width_and_scale(branch: Branch) -> None:
    """At c = 1: λ = 0.2257 with width 4, and 0.206 with 8 (docs: the exact table of this network)."""
    table = pl.concat([branch(seed, STRENGTHS, width=w, points=100) for w in (4, 8) for seed in (0, 1)])
    found = rescaled(path(table))
    assert found.select("width", "scale").rows() == [(w, c) for w in (4, 8) for c in (0.1, 1.0, 10.0)]
    changes = found.filter(scale=1.0)["sign_change"] * spinodal(1.0, 3)
    np.testing.assert_allclose(changes, [0.2257, 0.206], atol=3e-4)
    assert found["sign_change"].n_unique() == 6
    assert (found["seeds_changing"] == 2).all()
    last = table.filter(pl.col("l2") < spinodal(1.0, 3), width=8).sort("l2")["scalar_curvature"][-1]
    assert found.filter(width=8, scale=1.0)["before"][0] == pytest.approx(last, abs=1e-6)


def test_no_sign_change_is_none(branch: Branch) -> None:
    """Two features only: the last jump within the grid is one before which R is positive."""
    table = branch(strengths=(5.0, 0.6), points=60)
    found = rescaled(path(table))
    assert found["sign_change"].to_list() == [None] * 3
    assert found["seeds_changing"].to_list() == [0] * 3
    assert (found["before"] > 0).all()


def test_before_onset(branch: Branch) -> None:
    table = branch(strengths=STRENGTHS)
    rows = path(table)
    assert rows["l2"].to_list() == table.filter(pl.col("l2") < spinodal(1.0, 3))["l2"].to_list()
    assert rows["spinodal"].unique().to_list() == pytest.approx([float(spinodal(1.0, 3))])
    (start,) = rows["phase_from"].unique()
    second = float(spinodal(0.6, 3))
    assert start == table.filter(pl.col("l2") > second)["l2"].min()
    (alone,) = path(branch(strengths=(1.0,)))["phase_from"].unique()
    assert alone == 0
    nothing = branch(depth=2)
    assert path(nothing).is_empty()
    assert rescaled(path(nothing)).is_empty()


@pytest.mark.parametrize("name", ["trace_hessian", "frobenius_hessian", "gradient_squared",
                                  "gradient_hessian_gradient", "hessian_gradient_squared"])  # fmt: skip
@pytest.mark.parametrize(("error", "parameter"), [(3.0, 1.0), (1.0, 0.5)])
def test_units_of_geometry_are_those_of_the_schema(
    dense: Callable[..., tuple[torch.Tensor, ...]], name: str, error: float, parameter: float
) -> None:
    """E in another unit is a multiple, θ in another unit a change of variables: v → v/p, H → H/p²."""
    unit = COLUMN[name].unit
    powers = {
        sign: int("⁰¹²³⁴⁵⁶".index((re.search(f"{sign}([²³⁴⁶])", unit) or ["", "¹"])[1])) for sign in "Eθ"
    }
    _, v, hessian = dense((0.9, 0.5), (1.0, 0.6), 3, 3)

    def pieces(v: torch.Tensor, hessian: torch.Tensor) -> dict[str, torch.Tensor]:
        return {
            "trace_hessian": hessian.trace(),
            "frobenius_hessian": (hessian**2).sum(),
            "gradient_squared": v @ v,
            "gradient_hessian_gradient": v @ hessian @ v,
            "hessian_gradient_squared": (hessian @ v) @ (hessian @ v),
        }

    changed = pieces(error * v / parameter, error * hessian / parameter**2)[name]
    factor = error ** powers["E"] / parameter ** powers["θ"]
    assert float(changed) == pytest.approx(factor * float(pieces(v, hessian)[name]))
