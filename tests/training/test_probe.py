"""What networks sit in, where theory knows it."""

import re

import pytest
import torch

from spinodal import cli, waiting
from spinodal.ensemble import Ensemble, Objective
from spinodal.job import run
from spinodal.networks import MLP
from spinodal.planning import plan
from spinodal.tasks import linear_teacher
from spinodal.theory import amplitude, amplitude_mode, barriers, saddle_amplitude
from spinodal.training import RelaxationSettings
from spinodal.training.probe import probe
from spinodal.training.start import phase_parameters

L2 = 0.15


@pytest.fixture(scope="module")
def found():
    """Of depth 3, width 1 at λ = 0.15: the learned state is the lower one."""
    task = linear_teacher(complexity=1, samples=2, test_samples=2)
    ensemble = Ensemble(lambda: MLP(1, 1, width=1, activation="linear"), [0])
    unlearned, learned = (phase_parameters(ensemble, task, phase, L2) for phase in (0, 1))
    scale = float(saddle_amplitude(L2, 1.0, 3)) ** (1 / 3) / float(learned.abs()[0])
    unbalanced = learned * torch.tensor([1.5, 1.0, 1 / 1.5], dtype=torch.float64)  # the same function
    theta = torch.stack([unlearned, learned, scale * learned, 0.6 * learned, unbalanced])
    l2 = torch.full((5,), L2, dtype=torch.float64)
    settings = RelaxationSettings()
    return probe(Objective(ensemble, task), theta, l2, [0, 1, 2, 3, 4], settings)


def test_every_kind_is_told_from_the_others(found) -> None:
    assert found.verdicts == ["metastable minimum", "minimum", "saddle", "slope", "slope"]


def test_a_slope_on_which_the_error_stays_is_one_by_its_loss(found) -> None:
    """As on a plateau that the L2 term alone leads away from."""
    assert abs(float(found.relaxed_error[4] - found.error[4])) < found.tolerance[4]
    assert float(found.fall[4]) > found.tolerance[4]


def test_the_evidence_is_what_theory_says(found) -> None:
    assert found.grad_max[:3].max() < 1e-9
    assert found.lowest[2] < -0.1
    assert found.error[0] == pytest.approx(0.5)
    assert found.soft_mode[0].isnan()  # θ = 0 does not answer to λ
    learned = barriers(L2, 1.0, 3)
    expected = float(learned.from_learned - learned.from_unlearned)
    assert float(found.gain[0].max()) == pytest.approx(expected, rel=1e-6)
    u = float(amplitude(L2, 1.0, 3))
    assert found.soft_mode[1] == pytest.approx(float(amplitude_mode(u, 1.0, 3)))
    assert found.relaxed.all()


def test_a_checkpoint_is_probed_from_the_command_line(tmp_path, monkeypatch, capfd) -> None:
    monkeypatch.setenv("SPINODAL_OUTPUTS", str(tmp_path))
    small = [
        "data.complexity=1",
        "data.samples=2",
        "model=deep_linear",
        "model.width=1",
        "l2=0.15",
        "logger=none",
    ]
    held = ["protocol=escape", "protocol.temperature=1e-6", "protocol.longest=100", "checkpoint.keep=true"]
    run(plan([*small, *held, "campaign=c"]))
    (checkpoint,) = (
        each for each in (tmp_path / "c" / "checkpoints").glob("*.ckpt") if "previous" not in each.name
    )
    monkeypatch.setattr(waiting, "EVERY", 1e-3)
    assert cli.main(["probe", str(checkpoint)]) == 0
    said = capfd.readouterr()
    assert "metastable minimum: without noise E and 𝓛 stay" in said.out
    # A log shows which of its tests it is at.
    for step in ("1 networks relax", "test λ × 10 and back", "test T = 0.1 E₀/n"):
        assert re.search(rf"^probing: {step} \(\d+ s\)$", said.err, re.MULTILINE)


@pytest.mark.parametrize("content", [None, b"no checkpoint"])
def test_what_is_no_checkpoint_is_refused_in_a_line(tmp_path, capsys, content) -> None:
    path = tmp_path / "a.ckpt"
    if content is not None:
        path.write_bytes(content)
    assert cli.main(["probe", str(path)]) == 2
    assert "no checkpoint" in capsys.readouterr().err
