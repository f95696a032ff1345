"""Replicas under noise: what the noise samples, when a replica counts as gone, and what its time depends on."""

from functools import partial

import numpy as np
import polars as pl
import pytest
import torch
from polars.testing import assert_frame_equal

from spinodal import cli, theory
from spinodal.ensemble import Ensemble, Objective
from spinodal.errors import UserError
from spinodal.geometry import value_and_gradient
from spinodal.job import run
from spinodal.networks import MLP
from spinodal.planning import plan
from spinodal.protocols import Hold, escape
from spinodal.records import read_records
from spinodal.tasks import linear_teacher, stacked
from spinodal.training.holding import Holding
from spinodal.training.noise import Langevin, Minibatch
from spinodal.training.start import phase_parameters, put_in_phase

SMALL = [
    "protocol=escape",
    "data.complexity=1",
    "data.samples=2",
    "data.test_samples=2",
    "model=deep_linear",
    "model.width=1",
    "optimizer.lr=1.0",
    "relaxation.handoff=1e-3",
    "protocol.time_step=0.25",
    "protocol.check=40",
    "l2=0.15",
    "logger=none",
]
HOT = ["protocol.temperature=[0.003,0.006]", "protocol.longest=400"]


@pytest.fixture(autouse=True)
def outputs(tmp_path, monkeypatch):
    monkeypatch.setenv("SPINODAL_OUTPUTS", str(tmp_path))
    return tmp_path


def go(campaign, *overrides):
    run(plan([*SMALL, f"campaign={campaign}", *overrides]))


def drawn(noise, rows, steps, size, *key):
    return torch.from_numpy(np.stack([noise.draw(row, steps, size, *key) for row in range(rows)], axis=1))


# What the noise samples


@pytest.mark.parametrize("time_step", [0.5, 0.25])
def test_langevin_noise_samples_a_harmonic_well_exactly_at_any_time_step(time_step: float) -> None:
    """Half a kick ahead, where the gradient is taken, ⟨x²⟩ = T/H: that is the point of the scheme."""
    curvature = torch.tensor([0.3, 1.0, 2.0], dtype=torch.float64)
    rows, temperature = 2000, 0.04
    noise = Langevin(range(rows), [temperature] * rows, time_step)

    def loss(theta):
        return 0.5 * (curvature * theta**2).sum(-1)

    theta, l2 = torch.zeros(rows, 3, dtype=torch.float64), torch.zeros(rows, dtype=torch.float64)
    theta = noise.walk(loss, theta, range(rows), l2, drawn(noise, rows, round(30 / time_step), 3, 0))
    ahead = (2 * temperature * time_step) ** 0.5 / 2
    x = theta + ahead * drawn(noise, rows, 1, 3, 1)[0]
    expected = temperature / curvature
    assert ((x.square().mean(0) / expected - 1).abs() < 4 * (2 / rows) ** 0.5).all()


def test_noise_of_a_replica_is_its_own_and_that_of_no_other() -> None:
    alike = Langevin([7, 7, 8], [0.1, 0.2, 0.1], 0.1)
    numbers = drawn(alike, 3, 500, 4, 0)
    correlation = torch.corrcoef(numbers.permute(1, 0, 2).reshape(3, -1)).fill_diagonal_(0)
    assert correlation.abs().max() < 0.1
    alone = Langevin([8], [0.1], 0.1)
    assert torch.equal(drawn(alone, 1, 500, 4, 0)[:, 0], numbers[:, 2])
    assert not torch.equal(drawn(alone, 1, 500, 4, 1)[:, 0], numbers[:, 2])


@pytest.mark.parametrize(("samples", "columns"), [(12, 12), (70, 3)], ids=["weighted", "drawn"])
def test_minibatch_gradients_have_the_samples_mean_and_covariance(samples: int, columns: int) -> None:
    """C/B is the covariance of draws with replacement, whether all samples are weighted or those drawn are taken."""
    task = linear_teacher(complexity=2, samples=samples)
    ensemble = Ensemble(lambda: MLP(2, 2, width=3, activation="linear"), [0])
    objective, theta = Objective(ensemble, task), ensemble.theta.detach()
    of_samples = objective.drawn(torch.arange(samples)[:, None]).error  # a row for each
    errors, per_sample = value_and_gradient(of_samples, theta.expand(samples, -1))
    assert errors.mean() == pytest.approx(objective.error(theta).item(), rel=1e-12)
    batch, steps, step = 3, 20000, 1e-3
    noise = Minibatch(range(steps), [batch] * steps, step, objective)
    assert noise.draw(0, 1, theta.shape[-1], 0).shape == (1, columns)
    walked = noise.walk(
        objective.error,
        theta.expand(steps, -1),
        range(steps),
        torch.zeros(steps, dtype=torch.float64),
        drawn(noise, steps, 1, theta.shape[-1], 0),
    )
    gradients = (theta - walked) / step
    spread = per_sample.T.cov(correction=0) / batch
    error = (spread.diagonal() / steps).sqrt()
    assert ((gradients.mean(0) - per_sample.mean(0)).abs() < 5 * error + 1e-12).all()
    assert (gradients.T.cov() - spread).norm() < 0.05 * spread.norm()


@pytest.mark.parametrize("own", [False, True], ids=["shared task", "own tasks"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_batches_of_several_sizes_are_each_those_of_their_row_alone(own: bool, dtype: torch.dtype) -> None:
    tasks = [linear_teacher(complexity=k, input_dim=3, output_dim=3, samples=80) for k in (1, 2, 3)]
    task = stacked(tasks) if own else tasks[0]
    ensemble = Ensemble(lambda: MLP(3, 3, width=3, activation="tanh"), range(3))
    objective, theta = Objective(ensemble, task), ensemble.theta.detach().to(dtype)
    batches, l2 = [5, 60, 7], torch.full((3,), 0.1, dtype=dtype)  # 60 of 80 are weighted, the others drawn
    noise = Minibatch(range(3), batches, 0.1, objective)
    numbers = drawn(noise, 3, 4, theta.shape[-1], 1)
    together = noise.walk(objective.error, theta, range(3), l2, numbers)
    for row, batch in enumerate(batches):
        alone = noise.walk(objective.error, theta[[row]], [row], l2[[row]], numbers[:, [row]])
        assert torch.equal(alone[0], together[row])
        walked, mine = theta[row], tasks[row] if own else task
        for step in range(4):
            chosen = numbers[step, row, :batch] if batch < 40 else None
            times = torch.bincount(chosen, minlength=80) if chosen is not None else numbers[step, row]
            assert times.sum() == batch

            def loss(rows, times=times, mine=mine, batch=batch):
                errors = (ensemble.outputs(rows, mine.inputs.to(dtype)) - mine.targets).square().sum(-1) / 2
                return (times * errors).sum(-1) / batch + 0.1 * rows.square().sum(-1)

            walked = walked - 0.1 * value_and_gradient(loss, walked[None])[1][0]
        torch.testing.assert_close(
            walked, together[row], rtol=1e-5 if dtype == torch.float32 else 1e-12, atol=0
        )


# Where replicas start


@pytest.mark.parametrize("phase", [0, 1, 2, 3])
@pytest.mark.parametrize("depth", [3, 4])
def test_a_phase_is_put_together_exactly(phase: int, depth: int) -> None:
    task = linear_teacher(complexity=3, input_dim=4, output_dim=5, samples=32)
    ensemble = Ensemble(lambda: MLP(4, 5, depth=depth, width=4, activation="linear"), [0, 1])
    put_in_phase(ensemble, [task] * 2, escape([0.03], [0, 1], [Hold(phase, 0.1)]))
    objective = Objective(ensemble, task)
    loss = partial(objective.loss, control=torch.full((2,), 0.03, dtype=torch.float64))
    value, gradient = value_and_gradient(loss, ensemble.theta)
    exact = theory.phases(0.03, task.strengths.numpy(), depth)[phase]
    assert gradient.abs().max() < 1e-12
    assert value.tolist() == pytest.approx([exact.loss[0]] * 2, rel=1e-12)


def test_a_phase_that_is_not_there_is_refused() -> None:
    task = linear_teacher(complexity=2, samples=8)
    tanh, linear = (Ensemble(lambda a=a: MLP(2, 2, width=2, activation=a), [0]) for a in ("tanh", "linear"))
    with pytest.raises(UserError, match=r"no such phase at l2=0\.2"):
        phase_parameters(linear, task, 2, 0.2)
    with pytest.raises(UserError, match="at most the 2 features"):
        phase_parameters(linear, task, 3, 0.01)
    with pytest.raises(UserError, match="must be 0, or null"):
        phase_parameters(tanh, task, 1, 0.1)
    assert not phase_parameters(tanh, task, 0, 0.1).any()


# Holding times


def test_an_escape_is_recorded_with_its_time_and_where_it_led(outputs) -> None:
    go("c", "seed=lin:0:19:20", *HOT)
    table = read_records(outputs / "c")
    assert len(table) == 40
    assert set(table["branch"]) == {"escape"}
    assert table["curve"].n_unique() == 1
    gone, still = table.filter("escaped"), table.filter(~pl.col("escaped"))
    assert (gone["learned_features"] == 1).all()
    assert len(still) > 0
    assert (still["escape_time"] >= 390).all()
    assert (table["escape_time"] % 10 == 0).all()
    assert table["stationary"].all()
    assert table["minimum"].all()
    by_temperature = dict(gone.group_by("temperature").len().iter_rows())
    assert by_temperature[0.006] > by_temperature[0.003] > 0


def test_a_replica_leaves_at_the_same_time_alone_and_in_company(outputs) -> None:
    go("c", "seed=lin:0:9:10", *HOT)
    go("alone", "seed=3", *HOT[1:], "protocol.temperature=0.006")
    key = ["seed", "temperature", "escaped", "escape_time", "point"]
    alone = read_records(outputs / "alone").select(key)
    together = read_records(outputs / "c").filter(seed=3, temperature=0.006).select(key)
    assert_frame_equal(alone, together)


def test_a_hold_goes_on_from_its_checkpoint_to_the_bit(outputs, monkeypatch) -> None:
    go("c", "seed=lin:0:9:10", *HOT)

    class Stop(BaseException):
        pass

    blocks = iter(range(2))

    plain = Holding.step

    def stopping(self, closure=None):
        if next(blocks, None) is None:
            raise Stop
        return plain(self, closure)

    monkeypatch.setattr(Holding, "step", stopping)
    with pytest.raises(Stop):
        go("again", "seed=lin:0:9:10", *HOT, "checkpoint.every_seconds=1e-9")
    monkeypatch.setattr(Holding, "step", plain)
    assert list((outputs / "again" / "checkpoints").glob("*.ckpt"))
    go("again", "seed=lin:0:9:10", *HOT, "checkpoint.every_seconds=1e-9")
    first, second = (
        read_records(outputs / name).sort("point").drop("campaign", "wall_time") for name in ("c", "again")
    )
    assert_frame_equal(first, second, check_exact=True)


def test_minibatches_never_leave_the_unlearned_phase(outputs) -> None:
    """Every sample's gradient vanishes there, however small the batch and whatever the labels."""
    go(
        "c",
        "protocol.noise=minibatch",
        "protocol.batch=[1,2]",
        "seed=[0,1]",
        "data.samples=8",
        "data.noise=0.5",
        "protocol.longest=500",
    )
    table = read_records(outputs / "c")
    assert len(table) == 4
    assert not table["escaped"].any()
    assert (table["norm"] == 0).all()
    assert table["effective_temperature"].is_nan().all()


def test_the_measured_temperature_is_that_of_the_noise(outputs) -> None:
    cold = ["protocol.phase=1", "seed=lin:0:249:250", "protocol.longest=400", "protocol.time_step=0.05"]
    go("c", *cold, "protocol.temperature=0.002", "protocol.check=400")
    table = read_records(outputs / "c")
    measured = table["effective_temperature"]
    error = float(measured.std()) / len(measured) ** 0.5
    # To first order in the time step: η times half the curvature along the way, some 2 % here.
    assert abs(float(measured.mean()) - 0.002) < 4 * error + 0.03 * 0.002
    assert not table["escaped"].any()


def test_a_network_of_another_kind_relaxes_before_it_is_held(outputs) -> None:
    go(
        "c",
        "model=mlp",
        "model.width=3",
        "protocol.phase=null",
        "seed=[0,1]",
        "l2=0.05",
        "protocol.longest=50",
    )
    table = read_records(outputs / "c").sort("seed", "stage")
    assert table["branch"].to_list() == ["quench", "escape"] * 2
    assert table["escaped"].to_list() == [None, False] * 2
    assert table["learned_features"].to_list() == [1] * 4
    assert (table["stages"] == 2).all()


def test_a_phase_is_reached_by_way_of_another_l2(outputs) -> None:
    """Relaxed where only feature 1 lives, and lowered to where both could: phase 1, of any network."""
    run(
        plan(
            [
                "protocol=escape",
                "protocol.phase=null",
                "protocol.start_l2=0.15",
                "protocol.temperature=1e-6",
                "protocol.longest=50",
                "protocol.check=50",
                "data.complexity=2",
                "data.samples=8",
                "model=mlp",
                "model.width=4",
                "model.init_scale=1.5",
                "l2=0.05",
                "campaign=way",
                "logger=none",
            ]
        )
    )
    table = read_records(outputs / "way").sort("stage")
    assert table["branch"].to_list() == ["quench", "down", "escape"]
    assert table["l2"].to_list() == [0.15, 0.05, 0.05]
    assert table["learned_features"].to_list() == [1, 1, 1]
    assert table["start_phase"].to_list() == [None, None, 1]
    assert table["escaped"].to_list() == [None, None, False]


def test_where_to_come_from_is_nothing_for_who_is_put_into_a_phase(capsys) -> None:
    assert cli.main(["run", *SMALL, "campaign=refused", "protocol.start_l2=0.2"]) == 2
    assert "protocol.start_l2=0.2: must go with" in capsys.readouterr().err
