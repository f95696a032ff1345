"""What is uploaded, what is not and why; of the server, only its answers are played."""

import json
import sys

import pytest

from spinodal import cli
from spinodal.campaign import Origin
from spinodal.tracking import commands, session

BRANCH = "l2=[0.03,0.07,0.2]"


SYNC = """
import os, pathlib, sys
folders = [pathlib.Path(each) for each in sys.argv[2:] if "/" in each]
print("wandb: Syncing", len(folders), "run(s):")
if os.path.exists("broken"):  # one of them aborts all, with exit code 0
    print("wandb: ERROR Error reading run: bad checksum")
    sys.exit()
with open("got", "a") as got:
    for folder in folders:
        (file,) = folder.glob("*.wandb")
        assert file.stat().st_size > 7
        file.with_suffix(".wandb.synced").touch()
        print(file.stem.removeprefix("run-"), file=got)
"""


@pytest.fixture
def uploads(tmp_path, monkeypatch):
    """The ids of the runs that a server has got, by W&B's command: played by a script that behaves like it."""
    (tmp_path / "fake_wandb.py").write_text(SYNC)
    (tmp_path / "got").touch()
    monkeypatch.setattr(commands, "WANDB", (sys.executable, str(tmp_path / "fake_wandb.py")))
    monkeypatch.setattr(session, "unreachable", lambda: "")
    return lambda: (tmp_path / "got").read_text().split()


def test_each_run_goes_once_and_the_same_command_again_finds_nothing_to_do(outputs, go, uploads, capsys):
    go(BRANCH, "seed=[0,1,2]")
    assert cli.main(["sync", str(outputs)]) == 0
    assert capsys.readouterr().out.strip() == f"{outputs}: 3 uploaded"
    assert len({*uploads()}) == len(uploads()) == 3
    assert cli.main(["sync", str(outputs)]) == 0
    assert capsys.readouterr().out.strip() == f"{outputs}: 0 uploaded; 3 uploaded before"
    go(BRANCH, "seed=3")
    assert cli.main(["sync", str(outputs), "--parallel", "2"]) == 0
    assert capsys.readouterr().out.strip().endswith("1 uploaded; 3 uploaded before")
    assert len(uploads()) == 4
    # Another project has none of them.
    assert cli.main(["sync", str(outputs), "--project", "another"]) == 0
    assert "4 uploaded" in capsys.readouterr().out


def test_every_campaign_below_a_folder_goes_that_logs(outputs, go, uploads, capsys):
    go(BRANCH)
    go(BRANCH, "campaign=deep", f"paths.campaign={outputs.parent}/some/where/deep")
    go(BRANCH, "campaign=none", "logger=none")
    assert cli.main(["sync", str(outputs.parent)]) == 0
    first, second, third = capsys.readouterr().out.splitlines()
    assert first == f"{outputs}: 1 uploaded"
    assert second.endswith("none: 0 uploaded")
    assert third == f"{outputs.parent}/some/where/deep: 1 uploaded"
    assert len(uploads()) == 2


def test_what_a_job_could_not_tell_is_made_from_its_records(outputs, go, uploads, inspect, closed, capsys):
    """As after a kill: the folder of W&B's is not there, or has nothing in it."""
    go(BRANCH, "seed=[0,1]")
    before = {run.id: run.history for run in inspect()}
    for path in (outputs / "wandb").glob("*run-*/*.wandb"):
        path.write_bytes(b"0" * 7)
    for path in (outputs / "wandb" / "closed").iterdir():
        path.unlink()
    assert cli.main(["sync", str(outputs)]) == 0
    assert "2 uploaded" in capsys.readouterr().out
    assert {*uploads()} == {*closed()} == {*before}
    assert cli.main(["sync", str(outputs), "--rebuild", "--dry-run"]) == 0
    assert {run.id: run.history for run in inspect("rebuilt/wandb")} == before


def test_what_is_running_is_left_and_said(outputs, go, uploads, monkeypatch, capsys):
    go(BRANCH, "seed=[0,1]")
    monkeypatch.setattr(Origin, "running", lambda self, pack, points: True)
    assert cli.main(["sync", str(outputs)]) == 0
    assert capsys.readouterr().out.strip() == f"{outputs}: 0 uploaded; 2 still running"
    assert not uploads()


def test_what_does_not_go_is_said_and_goes_later(outputs, go, uploads, monkeypatch, capsys):
    monkeypatch.setattr(commands, "BATCH", 2)
    go(BRANCH, "seed=[0,1,2]")
    (outputs.parent / "broken").touch()
    assert cli.main(["sync", str(outputs)]) == 1
    assert "0 uploaded; 3 failed: Error reading run: bad checksum" in capsys.readouterr().out
    (outputs.parent / "broken").unlink()
    assert cli.main(["sync", str(outputs)]) == 0
    assert len(uploads()) == 3


def test_a_dry_run_uploads_nothing(outputs, go, uploads, capsys):
    go(BRANCH)
    assert cli.main(["sync", str(outputs), "--dry-run"]) == 0
    assert "1 to upload" in capsys.readouterr().out
    assert not uploads()


def test_without_a_key_or_a_server_it_says_so_in_one_line(outputs, go, capfd, monkeypatch):
    go(BRANCH)
    capfd.readouterr()
    assert cli.main(["sync", str(outputs)]) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert line == f"error: sync {outputs}: 1 runs are waiting, but no API key (`wandb login` asks for one)"
    monkeypatch.setenv("WANDB_API_KEY", "local" + "0" * 40)
    import wandb

    wandb.teardown()  # it reads its settings once in a process
    assert cli.main(["sync", str(outputs)]) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert "127.0.0.1:9 does not answer" in line


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "no such folder"),
        (["--parallel", "0", "."], "at least 1"),
        ([], "folder"),
        (["."], "no records"),
    ],
)
def test_mistakes_are_told(outputs, arguments, said, capsys):
    assert cli.main(["sync", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_a_word_that_cannot_be_read_is_none(outputs, go, uploads, closed, capsys):
    go(BRANCH)
    (word,) = (outputs / "wandb" / "closed").iterdir()
    for content in ("", "[]", json.dumps({"rows": 3})):
        word.write_text(content)
        assert cli.main(["sync", str(outputs), "--dry-run"]) == 0
        assert "1 to upload" in capsys.readouterr().out
