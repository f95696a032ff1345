"""Trained networks, up and down: first-order transitions have hysteresis, second-order ones have none."""

import math

import numpy as np
import polars as pl
import pytest

from spinodal.analysis import coexistence, hysteresis
from spinodal.job import run
from spinodal.planning import plan
from spinodal.records import read_records
from spinodal.theory import coexistence as exact_coexistence
from spinodal.theory import relearning

TASK = ("data.complexity=2", "model=deep_linear", "model.width=4", "protocol=loop", "campaign=c")


def trained(tmp_path, monkeypatch, *overrides):
    monkeypatch.setenv("SPINODAL_OUTPUTS", str(tmp_path))
    run(plan([*TASK, "logger=none", "callbacks.progress=null", *overrides]))
    table = read_records(tmp_path / "c")
    assert table["stationary"].all()
    assert table["minimum"].all()
    return table


@pytest.mark.parametrize("depth", [2, 3])
def test_depth_decides_whether_there_is_a_loop(tmp_path, monkeypatch, depth):
    noisy = ("protocol.perturbation=0.1", f"model.depth={depth}", "seed=[0,1,2]", "l2=geom:0.02:0.6:20")
    table = trained(tmp_path, monkeypatch, "data.strengths=[1,0.5]", *noisy)
    found = hysteresis(table)
    assert found["feature"].to_list() == [1, 2]
    assert found["lost"].to_list() == found["relearned"].to_list() == [3, 3]
    area, error = found.select("area", "area_error").row(0)
    if depth == 2:
        assert abs(area) <= 2 * error
        assert error < 1e-6
        assert found["control_width"].to_list() == [0, 0]
        return
    assert area > 5 * error
    assert (found["control_width"] > 5 * found["control_width_error"]).all()
    for row in found.iter_rows(named=True):
        assert abs(math.log(row["control_up"] / row["control_spinodal"])) < math.log(0.6 / 0.02) / 19
        assert abs(row["reach_deviation"]) < 3.5


def test_nearly_equal_features_coexist_where_theory_has_it(tmp_path, monkeypatch):
    """The first loop turns round in phase 1, the second in phase 0."""
    for turn in ("0.228", "0.25"):
        near = ("data.strengths=[1,0.95]", "seed=[0,1]", f"l2=geom:0.17:{turn}:14")
        table = trained(tmp_path, monkeypatch, *near)
    found = coexistence(table)
    assert found.select("features", "seeds").rows() == [(1, 2), (2, 2)]
    np.testing.assert_allclose(found["control_exact"], exact_coexistence([1, 0.95], 3))
    np.testing.assert_allclose(found["control_coexistence"], found["control_exact"], rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(("depth", "noise"), [(3, 0.02), (4, 0.08)])
def test_noise_reaches_as_far_as_predicted(tmp_path, monkeypatch, depth, noise):
    """Over sixty seeds, and without a free parameter: where they learn again, and how far they scatter."""
    ends = {3: "geom:0.006:0.035:24", 4: "geom:0.0025:0.03:30"}
    down = ("protocol=down", f"protocol.perturbation={noise}", f"model.depth={depth}", f"l2={ends[depth]}")
    seeds = ",".join(map(str, range(60)))
    table = trained(
        tmp_path, monkeypatch, "data.strengths=[1,0.5]", "model.width=8", *down, f"seed=[{seeds}]"
    )
    path = table["l2"].unique().sort(descending=True).to_numpy()
    arrival = relearning(path, noise, [1, 0.5], depth, 8)
    for m, share in enumerate(arrival, start=1):
        back = table.filter(pl.col("learned_features") >= m).group_by("seed").agg(pl.col("l2").max())
        measured, mean = np.log(back["l2"].to_numpy()), share @ np.log(path)
        spread = math.sqrt(share @ (np.log(path) - mean) ** 2)
        assert len(measured) == 60
        assert abs(measured.mean() - mean) < 0.02 + 3 * spread / math.sqrt(60)
        assert measured.std(ddof=1) == pytest.approx(spread, rel=0.35)
