"""What is uploaded, what is not and why; W&B's own command is played by a script that behaves like it."""

import json
import sys

import pytest

from spinodal import cli
from spinodal.tracking import session, sync
from spinodal.tracking.folders import MARKER
from spinodal.tracking.sync import take_inventory

SYNC = """
import os, pathlib, sys
folders = [pathlib.Path(each) for each in sys.argv[2:] if "/" in each]
with open(os.environ["CALLS"], "a") as calls:
    print(*sys.argv[1:], file=calls)
print("wandb: Syncing", len(folders), "run(s):")
for folder in folders:
    (file,) = folder.glob("*.wandb")
    if "broken" in file.read_text():  # one of them aborts all, with exit code 0
        print("wandb: ERROR Error reading run: bad checksum")
        sys.exit()
for folder in folders:
    (file,) = folder.glob("*.wandb")
    file.with_suffix(".wandb.synced").touch()
"""


@pytest.fixture
def calls(tmp_path, monkeypatch):
    """What W&B's command was asked for."""
    (tmp_path / "fake_wandb.py").write_text(SYNC)
    monkeypatch.setattr(sync, "WANDB", (sys.executable, str(tmp_path / "fake_wandb.py")))
    monkeypatch.setattr(session, "unreachable", lambda: "")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    return lambda: (tmp_path / "calls").read_text().splitlines() if (tmp_path / "calls").exists() else []


@pytest.fixture
def leave(outputs):
    """A folder as a run leaves it."""

    def make(time, run, content="much to tell", *, closed=True, place="wandb", **marker):
        folder = outputs / place / f"offline-run-20260101_{time:06d}-{run}"
        folder.mkdir(parents=True)
        (folder / f"run-{run}.wandb").write_text(content)
        word = {"id": run, "project": "p", "entity": None, "outcome": "finished"}
        word |= {"complete": True, "rows": 3, "uploaded": False} | marker
        if closed:
            (folder / MARKER).write_text(json.dumps(word))
        return folder

    return make


def test_each_run_goes_once_and_the_same_command_again_finds_nothing_to_do(outputs, leave, calls, capsys):
    for time, run in enumerate("abc"):
        leave(time, run)
    assert cli.main(["sync", str(outputs)]) == 0
    assert "3 uploaded" in capsys.readouterr().out
    (call,) = calls()
    assert call.count("offline-run") == 3
    assert "-n 5" in call
    assert cli.main(["sync", str(outputs)]) == 0
    assert capsys.readouterr().out.strip().endswith("0 uploaded; 3 uploaded before")
    assert len(calls()) == 1


def test_a_broken_file_keeps_nobody_else_from_going(outputs, leave, calls, capsys):
    leave(1, "a")
    broken = leave(2, "b", "broken in the middle")
    leave(3, "c", "")
    leave(4, "d")
    assert cli.main(["sync", str(outputs)]) == 1
    said = capsys.readouterr().out
    assert "2 uploaded" in said
    assert "2 failed" in said
    assert f"{broken.name}: Error reading run: bad checksum" in said
    assert "its run file is empty" in said
    assert cli.main(["sync", str(outputs)]) == 1
    assert "0 uploaded; 2 uploaded before; 2 failed" in capsys.readouterr().out


def test_what_runs_or_was_killed_is_left_and_said(outputs, leave, calls, capsys):
    leave(1, "a")
    leave(2, "b", closed=False)
    (outputs / "wandb" / "latest-run").symlink_to(".")
    assert cli.main(["sync", str(outputs)]) == 0
    said = capsys.readouterr().out
    assert "1 uploaded" in said
    assert "1 still running or killed (--rebuild" in said
    assert "b" not in "".join(calls()).rpartition("/")[2]


def test_of_several_folders_of_a_run_the_one_that_tells_most_goes(outputs, leave):
    leave(1, "a", complete=False, rows=2, outcome="interrupted")
    whole = leave(2, "a")
    leave(3, "a", complete=False, rows=1, outcome="interrupted")
    leave(4, "a", closed=False)
    leave(5, "a", project="another")
    found = take_inventory(outputs)
    first, second = found.waiting
    assert (first.path, first.project, second.project) == (whole, "p", "another")
    assert found.superseded == 3
    assert not found.unclosed
    again = leave(6, "a", place="rebuilt/wandb")
    assert take_inventory(outputs).waiting[0].path == again


def test_what_a_run_has_uploaded_itself_is_there(outputs, leave):
    leave(1, "a", uploaded=True)
    found = take_inventory(outputs)
    assert (found.uploaded, found.waiting) == (1, [])


def test_a_run_with_a_number_of_its_own_belongs_to_the_others(outputs, leave):
    """W&B numbers folders that are made within a second."""
    leave(1, "0123-up-abcdef")
    folder = leave(2, "0123-up-abcdef", closed=False)
    folder.rename(folder.with_name(folder.name + "-1"))
    assert not take_inventory(outputs).unclosed


def test_many_go_in_batches(outputs, leave, calls, monkeypatch):
    monkeypatch.setattr(sync, "BATCH", 2)
    for time in range(5):
        leave(time, f"r{time}")
    assert cli.main(["sync", str(outputs), "--parallel", "3", "--project", "p", "--entity", "e"]) == 0
    assert [call.count("offline-run") for call in calls()] == [2, 2, 1]
    assert all("-n 3 -p p -e e" in call for call in calls())


def test_a_dry_run_uploads_nothing(outputs, leave, calls, capsys):
    leave(1, "a")
    assert cli.main(["sync", str(outputs), "--dry-run"]) == 0
    assert "1 to upload" in capsys.readouterr().out
    assert not calls()


def test_without_a_key_or_a_server_it_says_so(outputs, leave, capsys, monkeypatch):
    leave(1, "a")
    assert cli.main(["sync", str(outputs)]) == 2
    assert "no API key" in capsys.readouterr().err
    monkeypatch.setenv("WANDB_API_KEY", "local" + "0" * 40)
    assert cli.main(["sync", str(outputs)]) == 2
    assert "127.0.0.1:9 does not answer" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["nowhere"], "no such folder"), (["--parallel", "0", "."], "at least 1"), ([], "campaign")],
)
def test_mistakes_are_told(outputs, arguments, said, capsys):
    assert cli.main(["sync", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_a_campaign_without_records_cannot_be_rebuilt(outputs, capsys):
    outputs.mkdir()
    assert cli.main(["sync", str(outputs), "--rebuild"]) == 2
    assert "no records" in capsys.readouterr().err
