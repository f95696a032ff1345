"""What a command shows where sbatch refuses its jobs, or takes them: with a program in place of SLURM's."""

from pathlib import Path

import pytest

from spinodal import cli

COMMAND = ("run", "hydra/launcher=slurm", "campaign=c", "logger=none", "l2=[0.1]", "model.width=4")


def commands_of_slurm(folder: Path, sbatch: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir()
    texts = {"sbatch": sbatch, "squeue": "exit 0", "scontrol": "echo MaxArraySize = 1001"}
    for name, text in texts.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.chdir(folder)
    monkeypatch.delenv("SPINODAL_OUTPUTS", raising=False)
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)


def test_jobs_that_do_not_exist_are_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    commands_of_slurm(tmp_path / "bin", "echo 'sbatch: error: Invalid account' >&2; exit 1", monkeypatch)
    assert cli.main(list(COMMAND)) == 2
    shown = capsys.readouterr().err
    assert shown.splitlines()[-1] == "error: SLURM refuses the jobs: Invalid account"
    assert "spinodal status" not in shown
    assert "spinodal cancel" not in shown


def test_jobs_that_exist_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    commands_of_slurm(tmp_path / "bin", "echo 17", monkeypatch)
    assert cli.main(list(COMMAND)) == 0
    shown = capsys.readouterr().err
    assert "submitted array 17 with 1 job" in shown
    assert "spinodal cancel outputs/c ends them" in shown


def test_jobs_that_exist_are_when_further_ones_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "bin"
    refuse = f"[ -e {folder}/one ] && {{ echo 'error: QOSMaxSubmitJobPerUserLimit' >&2; exit 1; }}"
    commands_of_slurm(folder, f"{refuse}; touch {folder}/one; echo 17", monkeypatch)
    (folder / "scontrol").write_text("#!/bin/sh\necho MaxArraySize = 1\n")
    assert cli.main([*COMMAND, "data.complexity=1,2"]) == 2
    shown = capsys.readouterr().err
    assert "1 of 2 packs were submitted" in shown
    assert "spinodal cancel outputs/c ends them" in shown
