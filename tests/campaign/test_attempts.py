"""Claims: nobody computes what somebody alive is computing, and whoever is dead is taken over from."""

import dataclasses
import errno
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from spinodal.campaign import Pack, Part, alive, attempts, begin, machine, read_attempts, tidy
from spinodal.campaign.attempts import HEARTBEAT, SILENCE
from spinodal.errors import UserError

HANGING = 3600
"""Seconds for which processes stay that a test kills."""

PACK = Pack("0" * 12, (Part("c" * 12, {}, {}),))


def claimed(campaign: Path, points: list[str]) -> tuple[str, ...]:
    running = begin(campaign, PACK, points)
    return () if running is None else running.points


def test_the_second_gets_what_the_first_has_not(tmp_path: Path) -> None:
    assert claimed(tmp_path, ["a", "b"]) == ("a", "b")
    assert claimed(tmp_path, ["b", "c"]) == ("c",)
    assert claimed(tmp_path, ["c", "a"]) == ()
    assert [each.number for each in read_attempts(tmp_path)] == [1, 2]


@pytest.mark.parametrize("state", ["done", "stopped", "failed", "too large", "refused"])
def test_what_has_ended_is_free(tmp_path: Path, state: attempts.State) -> None:
    running = begin(tmp_path, PACK, ["a"])
    assert running is not None
    running.end(state)
    (ended,) = read_attempts(tmp_path)
    assert ended == running.attempt
    assert ended.state == state
    assert alive(tmp_path, [ended]) == []
    assert claimed(tmp_path, ["a"]) == ("a",)


def test_an_attempt_says_how_it_goes_and_how_it_ended(tmp_path: Path) -> None:
    running = begin(tmp_path, PACK, ["a", "b"], where="17_3")
    assert running is not None
    with running:
        running.progress(3, [0.1, 0.2], 6)
        running.fail(["a"], "MemoryError: no", "Traceback …")
        (seen,) = read_attempts(tmp_path)
        assert (seen.stage, seen.control, seen.rows, seen.where, seen.state) == (
            *(3, (0.1, 0.2), 6),
            *("17_3", "running"),
        )
        assert seen.failed["a"].traceback == "Traceback …"
        assert alive(tmp_path, [seen]) == [seen]
    (ended,) = read_attempts(tmp_path)
    assert (ended.state, set(ended.failed)) == ("done", {"a"})


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, RuntimeError])
def test_left_by_an_exception_it_was_stopped(tmp_path: Path, error: type[BaseException]) -> None:
    running = begin(tmp_path, PACK, ["a"])
    assert running is not None
    with pytest.raises(error), running:
        raise error
    assert read_attempts(tmp_path)[0].state == "stopped"


def claim_all(campaign: Path, points: list[str], together: float) -> None:
    while time.time() < together:
        pass
    for point in points:
        begin(campaign, PACK, [point])
    time.sleep(HANGING)  # alive, until it is killed


def test_many_at_the_same_moment_get_each_point_once(tmp_path: Path, wait_until: Callable[..., None]) -> None:
    """Processes that race for overlapping points; all of them stay alive."""
    context = multiprocessing.get_context("fork")
    points = [f"{k}" for k in range(12)]
    together = time.time() + 0.5
    racers = [
        context.Process(target=claim_all, args=(tmp_path, points[k:] + points[:k], together))
        for k in range(6)
    ]
    for each in racers:
        each.start()
    try:
        wait_until(lambda: len(read_attempts(tmp_path)) >= len(points), "an attempt at each point")
        time.sleep(0.3)
        counted = Counter(point for each in read_attempts(tmp_path) for point in each.points)
    finally:
        for each in racers:
            each.kill()
            each.join()
    assert counted == dict.fromkeys(points, 1)


def test_the_killed_are_taken_over_from_at_once(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from spinodal.campaign import *\n"
        "r = begin(Path(sys.argv[1]), Pack('p', (Part('c', {}, {}),)), ['a']); r.__enter__(); print('on', flush=True)\n"
        f"time.sleep({HANGING})"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"on\n"
    assert claimed(tmp_path, ["a"]) == ()
    process.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # a zombie: nobody has buried it yet
    assert claimed(tmp_path, ["a"]) == ("a",)
    process.wait()


def test_another_process_of_the_same_number_is_another_one() -> None:
    me = machine.this_process()
    assert machine.runs_here(me) is True
    assert machine.runs_here(me._replace(started="1")) is False
    assert machine.runs_here(me._replace(pid=2**22 + 1)) is False
    assert machine.runs_here(me._replace(machine="elsewhere")) is None


def elsewhere(campaign: Path, silent_for: float) -> None:
    """Makes the first attempt one of another machine, last heard of some time ago."""
    (attempt,) = read_attempts(campaign)
    foreign = dataclasses.replace(attempt, process=attempt.process._replace(machine="elsewhere"))
    path = campaign / "attempts" / "000001.json"
    path.write_bytes(attempts._encoded(foreign))
    then = time.time() - silent_for
    os.utime(path, (then, then))


def test_elsewhere_alive_is_who_shows_it(tmp_path: Path) -> None:
    begin(tmp_path, PACK, ["a"])
    elsewhere(tmp_path, SILENCE / 3)
    assert claimed(tmp_path, ["a"]) == ()
    elsewhere(tmp_path, SILENCE + 10)
    assert claimed(tmp_path, ["a"]) == ("a",)
    assert not list(tmp_path.rglob("*.tmp"))
    assert SILENCE >= 3 * 60 > 3 * HEARTBEAT  # a network file system may show a change a minute late


def test_heartbeats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wait_until: Callable[..., None]) -> None:
    monkeypatch.setattr(attempts, "HEARTBEAT", 0.02)
    running = begin(tmp_path, PACK, ["a"])
    assert running is not None
    with running:
        running.progress(1, [0.5], 1)
        wait_until(lambda: read_attempts(tmp_path)[0].stage, "a heartbeat with the stage")
        assert read_attempts(tmp_path)[0].seen > running.attempt.began
    assert read_attempts(tmp_path)[0].state == "done"


def test_a_broken_file_blocks_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "attempts").mkdir()
    (tmp_path / "attempts" / "000001.json").write_text("{")
    (tmp_path / "attempts" / "notes.json").write_text("somebody's own")
    assert read_attempts(tmp_path) == []
    assert claimed(tmp_path, ["a"]) == ("a",)
    assert [each.number for each in read_attempts(tmp_path)] == [2]


def test_a_listing_that_is_old_is_made_up_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a network file system: the newest files cannot be seen yet, but are found by name."""
    for point in "abc":
        begin(tmp_path, PACK, [point])
    monkeypatch.setattr(attempts, "_numbers", lambda campaign: [1])
    assert [each.points for each in read_attempts(tmp_path)] == [("a",), ("b",), ("c",)]
    assert claimed(tmp_path, ["c", "d"]) == ("d",)


def test_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*arguments: object) -> None:
        raise OSError(errno.EPERM, "no such thing here")

    monkeypatch.setattr(os, "link", link)
    assert claimed(tmp_path, ["a"]) == ("a",)
    assert claimed(tmp_path, ["a", "b"]) == ("b",)
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "attempts").write_text("a file where the folder should be")
    with pytest.raises(UserError, match="attempts"):
        begin(tmp_path, PACK, ["a"])


def test_what_killed_writers_leave_is_tidied_away(tmp_path: Path) -> None:
    running = begin(tmp_path, PACK, ["a"])
    assert running is not None
    mine, dead = (tmp_path / "attempts" / f".00000{k}.json.5.6.tmp" for k in (1, 2))
    mine.touch()
    dead.touch()
    tidy(tmp_path, frozenset(), {1})
    assert mine.exists()
    assert not dead.exists()


def test_attempts_are_plain_json(tmp_path: Path) -> None:
    begin(tmp_path, PACK, ["a"])
    content = json.loads((tmp_path / "attempts" / "000001.json").read_text())
    assert content["points"] == ["a"]
    assert content["process"]["pid"] == os.getpid()
