"""`spinodal predict`: the transitions of a task from its measured features, and where theory says nothing."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from spinodal import cli
from spinodal.predict import turning
from spinodal.tasks import Task, digits, linear_teacher
from spinodal.theory import coexistence, spinodal
from spinodal.theory.scope import COMMUTING


@pytest.fixture(autouse=True)
def _somewhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SPINODAL_OUTPUTS", raising=False)
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)


def rows(said: str) -> list[list[str]]:
    """The rows of the table, in words."""
    return [line.split() for line in said.splitlines() if re.match(r" +\d+ ", line)]


def pictures(campaign: str) -> set[str]:
    return {path.name for path in Path("outputs", campaign, "prediction").iterdir()}


def test_the_whitened_teacher_is_exact(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["model=deep_linear", "data.strengths=[1,0.6,0.3]", "campaign=c", "l2=geom:0.05:0.3:8"]
    assert cli.main(["predict", *asked]) == 0
    said = capsys.readouterr().out
    table = rows(said)
    assert [row[0] for row in table] == ["1", "2", "3"]
    assert [row[3:6] for row in table] == [
        ["0.236235", "0.198425", "first"],
        ["0.119549", "0.100415", "first"],
        ["0.0474431", "0.0398497", "first"],
    ]
    assert "exact: Σ_xx commutes" in said
    assert "estimate" not in said
    assert "outside of l2 = 0.05 … 0.3: λ_sp = 0.04744\n" in said
    assert max(len(line) for line in said.splitlines() if line.startswith(" ")) <= 80
    name = "linear_teacher-K3-linear-L3-w16"
    assert f"outputs/c/prediction/{name}.png" in said
    assert pictures("c") == {f"{name}.png", f"{name}.pdf"}
    assert {path.name for path in Path("outputs/c").iterdir()} == {"prediction"}


def test_real_digits_are_an_estimate_from_measured_strengths_and_variances(
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = ["data=digits", "data.complexity=4", "model=deep_linear", "model.depth=4"]
    assert cli.main(["predict", *asked]) == 0
    said = capsys.readouterr().out
    assert "estimate: Σ_xx does not commute" in said
    assert "exact" not in said
    task = digits(4)
    wanted = spinodal(task.strengths.numpy(), 4, task.variances.numpy())
    np.testing.assert_allclose([float(row[3]) for row in rows(said)], wanted, rtol=1e-5)
    wanted = coexistence(task.strengths.numpy(), 4, task.variances.numpy())
    np.testing.assert_allclose([float(row[4]) for row in rows(said)], wanted, rtol=1e-5)


def test_one_hidden_layer_has_second_order_transitions_at_half_the_strength(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["predict", "model=deep_linear", "model.depth=2"]) == 0
    table = rows(capsys.readouterr().out)
    assert [row[3:] for row in table] == [[half, half, "second", "none"] for half in ("0.5", "0.3", "0.18")]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["model.activation=tanh"], "no closed form for tanh networks"),
        (["model.activation=relu"], "no closed form for relu networks"),
        (["model=deep_linear", "model.bias=true"], "no closed form for networks with biases"),
        (["model=deep_linear", "model.width=2"], "no closed form for 3 features in a network of width 2"),
        (["model=deep_linear", "model.depth=1"], "one layer has no transitions"),
        (
            ["data=digits", "data.error=cross_entropy", "model=deep_linear"],
            "no closed form for cross_entropy",
        ),
        (["model._target_=my.Net"], "no closed form for my.Net"),
    ],
)
def test_out_of_reach_is_said_and_is_no_mistake(
    asked: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["predict", *asked]) == 0
    out = capsys.readouterr().out
    assert f"\n{said}; `spinodal report` predicts from soft_mode² measured along the branch" in out
    assert [len(row) for row in rows(out)] == [3, 3, 3]  # the strengths are there all the same
    assert "λ_sp" not in out
    assert not Path("outputs").exists()


def test_cross_entropy_with_one_hidden_layer_still_has_an_exact_onset(
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = ["data=digits", "data.error=cross_entropy", "model=deep_linear", "model.depth=2"]
    assert cli.main(["predict", *asked]) == 0
    half = float(digits(3, error="cross_entropy").strengths[0]) / 2
    assert f"exact all the same: second order, λ = c₁/2 = {half:.6g}" in capsys.readouterr().out


def test_features_of_label_noise_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["model=deep_linear", "data.noise=0.3", "data.input_dim=6", "data.output_dim=5"]
    assert cli.main(["predict", *asked]) == 0
    said = capsys.readouterr().out
    assert len(rows(said)) == 5
    assert "5 features are measured on data of complexity 3" in said


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["model.dpeth=3"], "did you mean model.depth?"),
        (["model.depth=2,3"], "several values"),
        (["data=digts"], "did you mean digits?"),
        (["data=digits", "data.samples=100000"], "data.samples = 100000"),
        (["data._target_=nowhere.data"], "data: nowhere.data cannot be imported"),
        (["--faster"], "--faster"),
        (["-m"], "-m"),
        (["--config-dir", "nowhere"], "no such folder"),
    ],
)
def test_mistakes_are_refused_in_a_line(
    asked: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["predict", *asked]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert said in err
    assert len(err.splitlines()) == 1
    assert not Path("outputs").exists()


def test_a_folder_that_cannot_be_made(capsys: pytest.CaptureFixture[str]) -> None:
    Path("outputs").write_text("a file where the folder should be")
    assert cli.main(["predict", "model=deep_linear"]) == 2
    assert capsys.readouterr().err.startswith("error: outputs")


def task_of(inputs: torch.Tensor, teacher: torch.Tensor) -> Task:
    targets = inputs @ teacher.T
    return Task("mine", inputs, targets, inputs, targets, "squared", False, len(teacher))


def test_turning_is_zero_where_the_covariances_commute() -> None:
    assert turning(linear_teacher(complexity=3, input_dim=5)) < COMMUTING
    assert turning(linear_teacher(complexity=3, input_dim=5, noise=0.5)) < COMMUTING  # part of whitened data
    assert turning(digits(3)) > 0.1
    white = linear_teacher(complexity=3).inputs
    stretched = white * torch.tensor([2.0, 1.0, 0.5], dtype=torch.float64)
    along = task_of(stretched, torch.diag(torch.tensor([1.0, 0.7, 0.5], dtype=torch.float64)))
    assert turning(along) < COMMUTING
    np.testing.assert_allclose(along.variances, [4, 1, 0.25])
    across = task_of(stretched, torch.tensor([[1.0, 0.7, 0.0], [0.0, 1.0, 0.5]], dtype=torch.float64))
    assert turning(across) > 0.1
    for task in (along, across):
        first = task.inputs.T @ task.inputs / len(task.inputs)
        cross = task.inputs.T @ task.targets
        second = cross @ cross.T
        commutator = (first @ second - second @ first).norm() / (first.norm() * second.norm())
        assert (commutator < 1e-12) == (turning(task) < COMMUTING)
