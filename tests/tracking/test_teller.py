"""Which runs are opened, logged to and closed, as the records grow."""

import os

import polars as pl
import pytest

from spinodal.records import SCHEMA, with_control
from spinodal.tracking import session, teller
from spinodal.tracking.folders import closed_runs
from spinodal.tracking.session import Session


def rows(points, stages, of):
    table = pl.DataFrame(
        [
            {"point": point, "campaign": "c", "branch": "up", "seed": seed, "stage": stage, "stages": of}
            | {"l2": 0.1 * (stage + 1), "error": float(stage), "steps": 1, "stationary": True}
            for seed, point in enumerate(points)
            for stage in range(stages)
        ],
        schema=SCHEMA,
    )
    return with_control(table)


@pytest.fixture
def tell(outputs):
    return teller.Teller(Session(outputs, "p"), {}, "replica", pytest.fail)


def test_stages_are_told_once_and_complete_runs_are_closed(outputs, tell, inspect):
    tell.tell(rows("ab", 1, 3))
    tell.tell(rows("ab", 2, 3))
    assert len(tell._open) == 2
    tell.tell(pl.concat([rows("a", 3, 3), rows("b", 2, 3)]))
    assert len(tell._open) == 1
    tell.tell(rows("ab", 3, 3), "failed")
    assert [[row["error"] for row in run.stages()] for run in inspect()] == [[0.0, 1.0, 2.0]] * 2
    assert {each.outcome for each in closed_runs(outputs)} == {"finished"}


def test_those_that_are_not_complete_end_as_they_are_told(outputs, tell):
    tell.tell(pl.concat([rows("a", 2, 2), rows("b", 1, 2)]), "failed")
    assert {(each.outcome, each.complete, each.rows) for each in closed_runs(outputs)} == {
        ("finished", True, 2),
        ("failed", False, 1),
    }


def test_what_a_folder_tells_of_already_is_not_told_again(outputs, tell):
    tell.tell(rows("ab", 2, 2), "failed")
    another = teller.Teller(Session(outputs, "p"), {}, "replica", pytest.fail)
    another.told_before(rows("ab", 2, 2))
    another.tell(rows("abc", 2, 2), "failed")
    assert len(list(closed_runs(outputs))) == 3


def test_never_more_runs_are_open_than_a_few(outputs, tell, monkeypatch):
    monkeypatch.setattr(teller, "CLOSING", 3)
    seen, follow = [], teller.Teller._follow

    def watched(self, run, end):
        found = follow(self, run, end)
        seen.append((len(self._open), len(os.listdir("/proc/self/fd"))))
        return found

    monkeypatch.setattr(teller.Teller, "_follow", watched)
    tell.tell(rows("abcdefghij", 2, 2), "failed")
    opened, files = zip(*seen, strict=True)
    assert max(opened) == 3
    assert max(files[3:]) <= max(files[:3])
    assert len(list(closed_runs(outputs))) == 10


def test_a_disk_that_is_full_is_said_once(outputs, monkeypatch):
    said = []
    told = teller.Teller(Session(outputs, "p"), {}, "replica", said.append)

    def broken(self, run):
        raise OSError("no space left")

    monkeypatch.setattr(Session, "open", broken)
    told.tell(rows("a", 1, 2))
    told.tell(rows("a", 2, 2), "failed")
    told.session.conclude()
    (line,) = said
    assert "no space left" in line
    assert "--rebuild" in line


def test_what_is_not_on_disk_is_said_and_not_counted(outputs, monkeypatch):
    said = []
    told = teller.Teller(Session(outputs, "p", say=said.append), {}, "replica", pytest.fail)
    monkeypatch.setattr(session, "_written", lambda folder: "a-up" not in folder.name)
    settle = Session.settle
    monkeypatch.setattr(Session, "settle", lambda self: settle(self, patience=0.1))
    told.tell(rows("ab", 2, 2), "failed")
    told.session.conclude()
    assert len(list(closed_runs(outputs))) == 1
    lost, there = said
    assert "runs not on disk: 1;" in lost
    assert "--rebuild" in lost
    assert "W&B: 1 run: " in there
