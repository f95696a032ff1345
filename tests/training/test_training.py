"""Training that is not relaxed: the same steps however often somebody looks, and what is found along the way."""

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from spinodal.cli import main
from spinodal.job import run
from spinodal.planning import plan
from spinodal.protocols import looks
from spinodal.records import read_records

SMALL = [
    "protocol=train",
    "optimizer=adam",
    "data=modular_addition",
    "data.modulus=5",
    "model.depth=2",
    "model.width=8",
    "l2=[1e-4,1e-3]",
    "logger=none",
]


@pytest.fixture(autouse=True)
def outputs(tmp_path, monkeypatch):
    monkeypatch.setenv("SPINODAL_OUTPUTS", str(tmp_path))
    return tmp_path


def go(campaign, *overrides):
    run(plan([*SMALL, f"campaign={campaign}", *overrides]))


def test_looks_are_geometric_from_the_first_step_to_the_last() -> None:
    assert looks(10000, 5) == [1, 10, 100, 1000, 10000]
    assert looks(5, 20) == [1, 2, 3, 4, 5]


NOISE = {
    "none": [],
    "minibatch": ["protocol.noise=minibatch", "protocol.batch=[4,8]"],
    "langevin": ["protocol.noise=langevin", "protocol.temperature=[0,1e-3]", "optimizer=sgd"],
}


@pytest.mark.parametrize("noise", NOISE)
def test_training_is_the_same_however_often_somebody_looks(outputs, noise: str) -> None:
    """The rule goes on with its moments through all stages, and so does the noise: Adam forgets nothing at a look."""
    go("often", "protocol.steps=300", "protocol.records=12", "seed=[0,1]", *NOISE[noise])
    go("rarely", "protocol.steps=300", "protocol.records=2", "seed=0", *NOISE[noise])
    by = ("l2", "temperature", "batch")
    often, rarely = (
        read_records(outputs / name)
        .filter(pl.col("trained_steps") == 300, pl.col("seed") == 0)
        .sort(by)
        .select("seed", *by, "error", "test_error", "norm")
        for name in ("often", "rarely")
    )
    assert_frame_equal(often, rarely, rel_tol=1e-9)
    strengths = 1 if noise == "none" else 2
    assert often["error"].n_unique() == len(often) == 2 * strengths
    table = read_records(outputs / "often").filter(pl.col("seed") == 0).sort(*by, "stage")
    assert table["trained_steps"].to_list() == looks(300, 12) * 2 * strengths
    assert not table["stationary"].any()
    assert table["steps"].sum() == 2 * strengths * 300


def test_without_temperature_langevin_noise_is_none(outputs) -> None:
    descent = ["protocol.steps=100", "protocol.records=2", "optimizer=sgd"]
    go("still", *descent)
    go("cold", *descent, "protocol.noise=langevin", "protocol.temperature=0")
    still, cold = (read_records(outputs / name).sort("l2", "stage") for name in ("still", "cold"))
    assert_frame_equal(still.select("l2", "error", "norm"), cold.select("l2", "error", "norm"), rel_tol=1e-9)


def test_langevin_noise_has_the_temperature_it_is_given(outputs) -> None:
    """Where λ is all there is, ⟨θ²⟩ = T/2λ; the steps see it half a kick ahead, which makes it η/2·T less."""
    temperature, l2, lr = 1e-4, 2.0, 0.05
    noise = ["protocol.noise=langevin", f"protocol.temperature={temperature}", "optimizer=sgd"]
    go(
        "warm",
        *noise,
        f"optimizer.lr={lr}",
        f"l2={l2}",
        "seed=lin:0:99:100",
        "protocol.steps=200",
        "protocol.records=2",
        "model.depth=3",
    )
    table = read_records(outputs / "warm").filter(trained_steps=200)
    per_parameter = (table["norm"] ** 2 / table["parameters"]).to_numpy()
    expected = temperature / (2 * l2) - temperature * lr / 2
    error = per_parameter.std(ddof=1) / len(per_parameter) ** 0.5
    assert error < 0.02 * expected
    assert per_parameter.mean() == pytest.approx(expected, abs=4 * error)


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        (["protocol.noise=langevin"], "optimizer=sgd and optimizer.momentum=0"),
        (["protocol.noise=langevin", "optimizer=sgd", "optimizer.momentum=0.9"], "optimizer.momentum=0"),
        (["protocol.noise=minibatch", "optimizer=gradient_descent"], "optimizer=adam or sgd"),
    ],
)
def test_noise_that_a_rule_of_descent_cannot_have_is_refused(capsys, overrides, reason) -> None:
    assert main(["run", *SMALL, "campaign=refused", *overrides]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: protocol.noise=")
    assert reason in line
