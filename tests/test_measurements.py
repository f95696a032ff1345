"""Curvature and spectrum along a branch, as a command line asks for them."""

import math
import signal

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from spinodal.errors import UserError
from spinodal.geometry import pieces
from spinodal.job import run
from spinodal.planning import plan
from spinodal.records import read_records
from spinodal.theory import amplitude
from spinodal.training import Interrupted

SMALL = (
    "data.complexity=2",
    "data.samples=12",
    "model=deep_linear",
    "model.width=4",
    "l2=[0.03,0.07,0.2]",
    "campaign=c",
    "logger=none",
)
MEASURED = "callbacks=[curvature,spectrum]"
STOCHASTIC = (
    "callbacks.curvature.method=stochastic",
    "callbacks.curvature.probes=20",
    "callbacks.spectrum.full_up_to=0",
)
GEOMETRY = [
    "scalar_curvature",
    "scalar_curvature_se",
    "trace_hessian",
    "trace_hessian_se",
    "frobenius_hessian",
    "frobenius_hessian_se",
    "gradient_squared",
    "gradient_hessian_gradient",
    "hessian_gradient_squared",
    "curvature_method",
    "hessian_min",
    "hessian_max",
    "soft_mode",
    "soft_mode_residual",
    "zero_modes",
    "negative_modes",
]


@pytest.fixture(autouse=True)
def outputs(tmp_path, monkeypatch):
    monkeypatch.setenv("SPINODAL_OUTPUTS", str(tmp_path))
    return tmp_path / "c"


def go(*overrides):
    run(plan([*SMALL, MEASURED, *overrides]))


def test_what_is_measured_is_what_theory_says(outputs):
    go("seed=[0,1]")
    table = read_records(outputs)
    for row in table.iter_rows(named=True):
        l2 = row["l2"]
        u = [float(amplitude(l2, s, 3)) for s in (1, 0.6)]
        alive = [(s, u_k) for s, u_k in zip((1, 0.6), u, strict=True) if u_k > 0]
        # A feature of strength s has a mode a^{L−2}[(2L−2)u − (L−2)s], and answers to λ as √L·a over it.
        modes = {u_k ** (1 / 3) * (4 * u_k - s): u_k ** (1 / 3) for s, u_k in alive}
        softest = max(modes, key=lambda mode: modes[mode] / mode)
        assert row["soft_mode"] == pytest.approx(softest, rel=1e-6)
        assert row["soft_mode_residual"] < 1e-9
        r = len(alive)
        assert row["zero_modes"] == 2 * (4 * r - r * (r + 1) // 2)
        assert row["negative_modes"] == 0
        assert row["hessian_min"] == pytest.approx(-2 * l2, rel=1e-6)
        assert row["gradient_squared"] == pytest.approx((2 * l2 * row["norm"]) ** 2, rel=1e-6)
        w = 1 + row["gradient_squared"]
        cross = row["trace_hessian"] * row["gradient_hessian_gradient"] - row["hessian_gradient_squared"]
        pieces = (row["trace_hessian"] ** 2 - row["frobenius_hessian"] - 2 / w * cross) / w
        assert row["scalar_curvature"] == pytest.approx(pieces, rel=1e-12)
    assert set(table["curvature_method"]) == {"exact"}
    # Both seeds sit on the same orbit of minima, which the surface does not tell apart.
    by_seed = [table.filter(seed=seed).sort("stage")["scalar_curvature"].to_list() for seed in (0, 1)]
    assert by_seed[0] == pytest.approx(by_seed[1], rel=1e-5)


def test_the_unlearned_phase_is_flat_and_has_no_soft_mode(outputs):
    go("l2=[0.2,0.3]")
    flat = read_records(outputs).filter(l2=0.3).row(0, named=True)
    assert flat["scalar_curvature"] == pytest.approx(0, abs=1e-12)
    assert flat["soft_mode"] is None
    assert flat["zero_modes"] == 0


def test_stochastic_results_depend_on_the_replica_alone(outputs):
    go("seed=[0,1,2]", *STOCHASTIC)
    together = read_records(outputs)
    go("seed=[2,1]", "campaign=d", *STOCHASTIC)
    apart = read_records(outputs.parent / "d")
    assert set(together["curvature_method"]) == {"stochastic"}
    assert together["scalar_curvature_se"].min() > 0
    assert together["zero_modes"].null_count() == len(together)
    columns = ["seed", "stage", *GEOMETRY]
    assert_frame_equal(
        together.filter(pl.col("seed") > 0).sort("seed", "stage").select(columns),
        apart.sort("seed", "stage").select(columns),
        rel_tol=1e-6,
        abs_tol=1e-8,
    )
    go("campaign=e", "seed=[0,1,2]")
    exact = read_records(outputs.parent / "e")
    both = together.join(exact, on=["seed", "stage"], suffix="_exact")
    away = (pl.col("scalar_curvature") - pl.col("scalar_curvature_exact")).abs()
    assert both.filter(away > 4 * pl.col("scalar_curvature_se")).is_empty()
    assert (both["hessian_max"] - both["hessian_max_exact"]).abs().max() < 1e-8


def test_the_surface_of_the_loss_is_steeper(outputs):
    go("callbacks.curvature.surface=loss")
    go("campaign=d")
    loss, error = (read_records(outputs.parent / name).sort("stage") for name in "cd")
    assert set(loss["curvature_method"]) == {"exact, surface of 𝓛"}
    parameters = error["parameters"][0]
    shifted = error["trace_hessian"] + 2 * error["l2"] * parameters
    assert (loss["trace_hessian"] - shifted).abs().max() < 1e-6
    assert loss["gradient_squared"].max() < 1e-14  # stationary: R = (tr H)² − ‖H‖²
    flat = loss["trace_hessian"] ** 2 - loss["frobenius_hessian"]
    assert (loss["scalar_curvature"] - flat).abs().max() < 1e-6


def test_every_other_stage(outputs):
    go("callbacks.curvature.every=2")
    table = read_records(outputs).sort("stage")
    assert table["scalar_curvature"].is_null().to_list() == [False, True, False]
    assert table["hessian_max"].null_count() == 0


def test_refined_stages_are_measured_too(outputs):
    go("l2=[0.2,0.3]", "protocol.refine=1")
    table = read_records(outputs)
    assert len(table) > 2
    assert table["scalar_curvature"].null_count() == 0
    assert math.isclose(table["soft_mode"].min(), 0, abs_tol=0.6)


def test_kinks_are_told(outputs):
    go("model=mlp", "model.activation=relu", "relaxation.max_steps=300", "l2=[0.03]", "protocol=quench")
    assert set(read_records(outputs)["curvature_method"]) == {"exact, on a smooth piece"}


def test_its_share_of_the_time_is_told(capsys):
    go()
    said = capsys.readouterr().err
    assert "of the job's time" in next(line for line in said.splitlines() if line.startswith("curvature: "))
    assert "of the job's time" in next(line for line in said.splitlines() if line.startswith("spectrum: "))


def test_a_measurement_cannot_be_added_to_what_is_finished(outputs):
    run(plan(SMALL))
    with pytest.raises(UserError, match=r"campaign=c: 1 of the points .* without scalar_curvature; choose"):
        go()
    go("campaign=d")
    go("campaign=d")


def test_a_signal_ends_a_measurement_and_costs_nothing(outputs, monkeypatch):
    go("campaign=undisturbed")
    columns = pieces.hessian_columns
    made = []

    def signalled(product, theta, max_bytes):
        for first, column in columns(product, theta, 0):
            if first == 5:
                signal.raise_signal(signal.SIGTERM)
            made.append(first)
            yield first, column

    with monkeypatch.context() as patch:
        patch.setattr(pieces, "hessian_columns", signalled)
        with pytest.raises(Interrupted):
            go()
    assert made[-1] == 5
    go()
    kept = pl.exclude("wall_time", "job", "campaign")
    assert_frame_equal(
        read_records(outputs).sort("stage").select(kept),
        read_records(outputs.parent / "undisturbed").sort("stage").select(kept),
        check_exact=True,
    )


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("callbacks.curvature.probes=2", "callbacks.curvature.probes=2: must be an integer ≥ 5"),
        ("callbacks.curvature.surface=E", "callbacks.curvature.surface=E: must be one of error, loss"),
        ("callbacks.spectrum.every=0", "callbacks.spectrum.every=0: must be an integer ≥ 1"),
        ("++callbacks.spectrum.evry=1", "did you mean callbacks.spectrum.every?"),
        ("callbacks.curvature.probes=abc", "callbacks.curvature.probes=abc: must be an integer ≥ 5"),
    ],
)
def test_mistakes_are_refused(override, said):
    with pytest.raises(UserError) as refused:
        plan([*SMALL, MEASURED, override])
    assert said in str(refused.value)
