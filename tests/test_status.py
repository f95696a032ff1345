"""What `spinodal status` says of a campaign in every state."""

import json
import re
from pathlib import Path

import pytest

from spinodal import cli, points, status
from spinodal.campaign import Pack, begin, this_process, write_launch, write_pack
from spinodal.cluster import Waiting
from spinodal.planning import config_loader, expand, survey
from spinodal.planning.curves import curves
from spinodal.planning.selection import select
from spinodal.records import RecordWriter


@pytest.fixture
def packs(tmp_path: Path) -> list[Pack]:
    """Two tasks, four seeds each, nothing run."""
    lines = ["data.complexity=1,2", "seed=range(4)", "l2=[0.1,0.2,0.4]", "logger=none"]
    found = select(tmp_path, curves(expand(lines, config_loader())), survey(tmp_path)).packs
    for pack in found:
        write_pack(tmp_path, pack)
    return list(found)


def finish(campaign: Path, pack: Pack, points: list[str]) -> None:
    rows = [{"point": point, "stage": stage, "stages": 3} for point in points for stage in range(3)]
    RecordWriter(campaign / "records" / f"{pack.name}.parquet").append(rows)


def said(campaign: Path, capsys: pytest.CaptureFixture[str], *flags: str) -> str:
    assert cli.main(["status", str(campaign), *flags]) == 0
    return capsys.readouterr().out


def test_point_by_point_and_in_sum(
    tmp_path: Path, packs: list[Pack], capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = packs
    assert "8 points: 8 never started" in said(tmp_path, capsys)
    done, failing, stopping, waiting = first.points
    before = begin(tmp_path, first, [done, failing, stopping])
    assert before is not None
    before.progress(2, [0.2], 5)
    before.fail([failing], "RuntimeError: a line", "Traceback (most recent call last):\n  all of it")
    finish(tmp_path, first, [done])
    before.end("stopped")
    now = begin(tmp_path, second, second.points)
    assert now is not None
    now.progress(1, [0.1, 0.2], 4)
    with now:
        text = said(tmp_path, capsys)
        assert "8 points: 1 done, 4 running, 1 failed, 1 stopped, 1 never started" in text
        assert re.search(r"complexity=1 +4 +1 +0 +1 +1 +1\n", text)
        assert re.search(r"complexity=2 +4 +0 +4 +0 +0 +0\n", text)
        assert re.search(rf"{second.name} +4 +\d of 3 done .* 20\d\d-", text)
        assert re.search(rf"{failing} +1 +0\.1 … 0\.4 +complexity=1 +1 +RuntimeError: a line", text)
        assert "all of it" not in text
        assert "all of it" in said(tmp_path, capsys, "--failed")
        each = said(tmp_path, capsys, "--points")
        for point, state in ((done, "done"), (stopping, "stopped"), (waiting, "never started")):
            assert re.search(rf"{point} .* {state} *(ended by a signal *)?\n", each)
        assert len(re.findall(r"[0-9a-f]{12} .* running ", each)) == 4


def test_watch_ends_when_nothing_runs(
    tmp_path: Path,
    packs: list[Pack],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    running = begin(tmp_path, packs[0], packs[0].points)
    assert running is not None
    looks: list[float] = []

    def sleep(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 2:
            assert running is not None
            running.end()

    monkeypatch.setattr(status.time, "sleep", sleep)
    text = said(tmp_path, capsys, "--watch")
    assert len(looks) == 2
    assert "4 stopped, 4 never started" in text  # it has ended, and left nothing in the records


def test_records_without_the_planner(
    tmp_path: Path, packs: list[Pack], capsys: pytest.CaptureFixture[str]
) -> None:
    campaign = tmp_path / "old"
    finish(campaign, packs[0], ["a", "b"])
    assert "2 points: 2 done" in said(campaign, capsys)


def test_where_nothing_was_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["status", str(tmp_path)]) == 2
    assert "nothing has been run there" in capsys.readouterr().err


def test_what_was_stopped_says_how_and_what_to_do(
    tmp_path: Path, packs: list[Pack], capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = packs
    killed, ended, *_ = first.points
    assert begin(tmp_path, first, [killed]) is not None  # and nobody is alive who would end it
    gone(tmp_path, 1)
    by_signal = begin(tmp_path, first, [ended])
    assert by_signal is not None
    by_signal.end("stopped")
    refused = begin(tmp_path, second, [next(iter(second.points))])
    assert refused is not None
    refused.end("refused")
    text = said(tmp_path, capsys)
    assert (
        "stopped: 1 killed without a trace, 1 ended by a signal, 1 refused; the same command continues"
        in text
    )
    each = said(tmp_path, capsys, "--points")
    assert re.search(rf"{killed} .* stopped +killed without a trace", each)


def gone(campaign: Path, number: int) -> None:
    """As if the process of an attempt had been killed."""
    path = campaign / "attempts" / f"{number:06d}.json"
    content = json.loads(path.read_text())
    content["process"]["pid"] = 2**22 + 1  # more than there can be
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(("jobs", "told"), [(2, "8 starting"), (1, "4 starting, 4 queued")])
def test_what_a_command_here_is_about_to_compute_is_starting_or_queued(
    jobs: int, told: str, tmp_path: Path, packs: list[Pack], capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = packs
    launch(tmp_path, packs, jobs)
    assert f"8 points: {told}" in said(tmp_path, capsys)
    running = begin(tmp_path, first, first.points)
    assert running is not None
    with running:
        rest = "4 starting" if jobs == 2 else "4 queued"
        assert f"8 points: 4 running, {rest}" in said(tmp_path, capsys)
        assert re.search(rf"{next(iter(second.points))} .* {rest[2:]}", said(tmp_path, capsys, "--points"))


def launch(campaign: Path, packs: list[Pack], jobs: int) -> None:
    process = this_process()._asdict()
    write_launch(campaign, [], 1, {}, [], packs=[pack.name for pack in packs], process=process, jobs=jobs)


@pytest.mark.parametrize(("state", "told"), [("RUNNING", "starting"), ("PENDING", "queued")])
def test_a_job_that_slurm_runs_and_that_has_not_begun_is_starting(
    state: str,
    told: str,
    tmp_path: Path,
    packs: list[Pack],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    first, _ = packs
    there = {first.name: Waiting("7_0", "7", state, "None", tmp_path / "log")}
    monkeypatch.setattr(points, "queued", lambda campaign: there)
    assert f"8 points: 4 {told}, 4 never started" in said(tmp_path, capsys)


def test_packs_that_cannot_be_read_are_not_left_out_in_silence(
    tmp_path: Path, packs: list[Pack], capsys: pytest.CaptureFixture[str]
) -> None:
    """As an earlier version has written those of a user's own protocol: without the branches of their paths."""
    old, _ = packs
    path = tmp_path / "packs" / f"{old.name}.json"
    content = json.loads(path.read_bytes())
    content["config"]["protocol"]["name"] = "somebody.walk"
    path.write_text(json.dumps(content))
    finish(tmp_path, old, list(old.points)[:1])
    text = said(tmp_path, capsys)
    assert "5 points: 1 done, 4 never started" in text
    assert "1 pack of another version cannot be read: only those of their points are counted" in text
    write_pack(tmp_path, old)
    assert "another version" not in said(tmp_path, capsys)
