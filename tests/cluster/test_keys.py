"""What `hydra/launcher=slurm` refuses by itself, without a cluster."""

from pathlib import Path

import pytest

from spinodal import cli

COMMAND = ["run", "hydra/launcher=slurm", "logger=none", "l2=[0.1]", "dry_run=true", "preflight=false"]


@pytest.fixture(autouse=True)
def _somewhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SPINODAL_OUTPUTS", raising=False)


@pytest.mark.parametrize(
    ("minutes", "seconds", "most"), [(2, 120, 60), (1, 60, 30), (3, 91, 90), (5, 100000, 150)]
)
def test_a_warning_at_birth_is_refused(
    minutes: int, seconds: int, most: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = [f"hydra.launcher.timeout_min={minutes}", f"hydra.launcher.signal_delay_s={seconds}"]
    assert cli.main([*COMMAND, *keys]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: hydra.launcher.signal_delay_s={seconds}: must be at most {most}, half of")
    assert f"hydra.launcher.timeout_min={minutes}" in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("minutes", "seconds"), [(60, 120), (4, 120), (1, 10)])
def test_a_warning_in_time_is_not(minutes: int, seconds: int) -> None:
    keys = [f"hydra.launcher.timeout_min={minutes}", f"hydra.launcher.signal_delay_s={seconds}"]
    assert cli.main([*COMMAND, *keys]) == 0
