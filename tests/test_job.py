"""A job from plan to records, as a command line starts it."""

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from spinodal.job import run
from spinodal.planning import plan
from spinodal.records import TRAINING, read_records

SMALL = ("data.complexity=2", "data.samples=12", "model.width=4", "l2=[0.03,0.07,0.2]", "campaign=c")

OF_OTHERS = {
    *("held", "network"),
    *("start_phase", "temperature", "batch", "effective_temperature", "time_step", "hold_time"),
    *("escaped", "escape_time", "escape_resolution", "trained_steps", "reversible"),
    *("located", "located_error", "located_kind", "located_E", "pitchforks", "not_followed"),
}


@pytest.fixture(autouse=True)
def outputs(tmp_path, monkeypatch):
    monkeypatch.setenv("SPINODAL_OUTPUTS", str(tmp_path))
    return tmp_path / "c"


def go(*overrides):
    run(plan([*SMALL, "logger=none", *overrides]))


def without_times(table):
    return table.drop("wall_time", "job").sort("point", "stage")


def test_an_up_branch_is_recorded_row_by_row(outputs):
    go("seed=[0,1]", "model=deep_linear", "model.width=4")
    table = read_records(outputs).sort("seed", "stage")
    assert table["l2"].to_list() == [0.03, 0.07, 0.2] * 2
    assert table["seed"].to_list() == [0] * 3 + [1] * 3
    assert table["stationary"].all()
    assert table["minimum"].all()
    # Strengths 1 and 0.6, spinodals 0.236 and 0.1195: two features alive, two, one.
    assert table["learned_features"].to_list() == [2, 2, 1] * 2
    consistent = table["loss"] - (table["error"] + table["l2"] * table["norm"] ** 2)
    assert consistent.abs().max() < 1e-14
    # 1 − E/E₀ with E₀ = ½Σs² of a whitened teacher.
    assert (table["accuracy"] - (1 - table["error"] / (0.5 * 1.36))).abs().max() < 1e-12
    # The labels are noiseless: at the same map, fresh data shows the same error within sampling.
    assert table["test_error"].is_finite().all()


def test_every_column_of_the_schema_that_a_job_can_know_is_filled(outputs):
    go("l2=[0.03,0.07]", "callbacks=[curvature,spectrum]")
    table = read_records(outputs)
    empty = {name for name in table.columns if table[name].null_count()}
    assert empty == OF_OTHERS


def test_a_quench_is_one_point_per_l2(outputs):
    go("protocol=quench", "seed=[0,1]")
    table = read_records(outputs)
    assert table["point"].n_unique() == 6
    assert set(table["branch"]) == {"quench"}


def test_what_is_finished_is_neither_computed_again_nor_overwritten(outputs):
    go("seed=0")
    (first,) = (outputs / "records").glob("*.parquet")
    content, time = first.read_bytes(), first.stat().st_mtime_ns
    go("seed=0")
    go("seed=[0,1]")
    assert (first.read_bytes(), first.stat().st_mtime_ns) == (content, time)
    table = read_records(outputs)
    assert len(table) == 6
    assert table["job"].n_unique() == 2


@pytest.mark.parametrize(
    "protocol",
    [
        ["protocol=up"],
        ["protocol=quench"],
        ["protocol=down", "protocol.perturbation=0.05"],
        ["protocol=loop", "protocol.perturbation=0.05"],
        ["protocol=up", "protocol.refine=2"],
    ],
    ids=" ".join,
)
def test_a_point_is_the_same_alone_and_in_company(outputs, protocol):
    """Also next to replicas that finish earlier, or meet other jumps."""
    go("seed=[0,1,2]", "campaign=c", *protocol)
    go("seed=1", "campaign=alone", *protocol)
    together = read_records(outputs).filter(pl.col("seed") == 1)
    alone = read_records(outputs.parent / "alone")
    about_the_way = ("campaign", "steps", "grad_max", *TRAINING)
    assert_frame_equal(
        without_times(together).drop(about_the_way),
        without_times(alone).drop(about_the_way),
        rel_tol=1e-6,
        abs_tol=1e-7,
    )


def test_the_same_job_twice_is_the_same_to_the_bit(outputs):
    go("seed=[0,1]", "campaign=c")
    go("seed=[0,1]", "campaign=again")
    first, second = read_records(outputs), read_records(outputs.parent / "again")
    assert_frame_equal(
        without_times(first).drop("campaign"), without_times(second).drop("campaign"), check_exact=True
    )


def test_a_network_of_ones_own_runs(outputs, monkeypatch, tmp_path):
    (tmp_path / "own_networks.py").write_text(
        "import torch\n"
        "class Gated(torch.nn.Module):\n"
        "    def __init__(self, input_dim, output_dim, hidden):\n"
        "        super().__init__()\n"
        "        self.a = torch.nn.Linear(input_dim, hidden)\n"
        "        self.b = torch.nn.Linear(hidden, output_dim)\n"
        "    def forward(self, x):\n"
        "        h = self.a(x)\n"
        "        return self.b(h * torch.sigmoid(h))\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    own = ("model._target_=own_networks.Gated", "+model.hidden=5")
    without = [f"~model.{key}" for key in ("depth", "activation", "bias", "init_scale")]
    run(
        plan(
            [*(each for each in SMALL if "width" not in each), "logger=none", *own, *without, "~model.width"]
        )
    )
    table = read_records(outputs)
    assert table["stationary"].all()
    assert table["depth"].null_count() == len(table) == 3
