import itertools
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from spinodal.planning import conf_dir, plan

ROOT = Path(__file__).parents[2]


def choices(group: str) -> list[str]:
    return sorted(path.stem for path in (conf_dir() / group).glob("*.yaml"))


GROUPS = ["data", "model", "protocol", "optimizer"]
COMBINATIONS = list(itertools.product(*(choices(group) for group in GROUPS)))


@pytest.mark.parametrize("combination", COMBINATIONS, ids="-".join)
def test_every_combination_composes(combination: tuple[str, ...]) -> None:
    plan([f"{group}={choice}" for group, choice in zip(GROUPS, combination, strict=True)])


@pytest.mark.parametrize("experiment", choices("experiment"))
def test_every_experiment_composes(experiment: str) -> None:
    planned = plan([f"experiment={experiment}"])
    assert planned.campaign == experiment
    assert len(planned.seed) > 1 or planned.relaxation.flow  # what is no evidence needs no second seed


@pytest.mark.parametrize(
    ("group", "choice"), [(g, c) for g in ("callbacks", "trainer", "logger", "paths") for c in choices(g)]
)
def test_every_other_choice_composes(group: str, choice: str) -> None:
    plan([f"{group}={choice}"])


@pytest.mark.parametrize("launcher", ["basic", "local", "slurm", "slurm_cpu", "submitit_local"])
def test_every_launcher_composes(launcher: str) -> None:
    plan([f"hydra/launcher={launcher}"])


def test_onset_has_its_exact_spinodals_well_inside_its_grid() -> None:
    planned = plan(["experiment=onset"])
    # Depth 3: u = s/4 at the spinodal, λ = ½(s − u)u^{1/3} (physics.md).
    exact = [0.5 * (0.75 * s) * (0.25 * s) ** (1 / 3) for s in (1, 0.6, 0.36)]
    assert exact == pytest.approx([0.236235, 0.119549, 0.060499], abs=1e-6)
    assert planned.data.ratio == 0.6
    assert all(planned.l2[2] < spinodal < planned.l2[-3] for spinodal in exact)


def test_an_experiment_wins_over_the_defaults_and_the_command_line_over_both() -> None:
    assert plan(["experiment=digits"]).model.width == 32
    assert plan(["experiment=digits", "model.width=8"]).model.width == 8
    assert plan(["model.width=8", "experiment=digits"]).model.width == 8


def test_outputs_can_be_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPINODAL_OUTPUTS", "/elsewhere")
    assert plan(["campaign=c"]).paths.campaign == "/elsewhere/c"


def test_wheel_carries_conf(tmp_path: Path) -> None:
    """As an installed package finds it: nothing of the repository on the path."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert {
            f"spinodal/conf/{path.relative_to(conf_dir())}" for path in conf_dir().rglob("*.yaml")
        } <= set(archive.namelist())
        archive.extractall(tmp_path / "site")
    code = "import spinodal.planning as p; print(p.conf_dir(), p.plan(['experiment=onset']).campaign)"
    printed = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert printed.stdout.split() == [str(tmp_path / "site" / "spinodal" / "conf"), "onset"]
