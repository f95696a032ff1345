"""What is there is skipped, what was begun is continued, the rest is cut into packs that fit."""

import dataclasses
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spinodal.campaign import Pack, begin, checkpoint_file, read_attempts, write_pack
from spinodal.errors import UserError
from spinodal.planning import (
    Cell,
    check_identities,
    config_loader,
    expand,
    job_id,
    point_id,
    scientific,
    survey,
)
from spinodal.planning.curves import Curve, curves
from spinodal.planning.memory import bytes_per_replica
from spinodal.planning.packing import LARGEST, SMALLEST, Limits, cut, halves
from spinodal.planning.parallelism import GB, bytes_per_job, cores, jobs_at_once
from spinodal.planning.selection import Selection, select
from spinodal.protocols import Trajectory
from spinodal.records import RecordWriter


def asked(*lines: str) -> list[Curve]:
    return curves(expand([*lines, "logger=none"], config_loader()))


def chosen(campaign: Path, lines: list[str], **settings: Any) -> Selection:
    return select(campaign, asked(*lines), survey(campaign), **settings)


def names(packs: Any) -> set[str]:
    return {point for pack in packs for point in pack.points}


# Points


def test_points_are_those_of_each_configuration_by_itself() -> None:
    lines = ["data.complexity=1,2", "seed=range(3)", "l2=[0.1,0.3],0.2", "protocol=up,quench"]
    expected = set()
    for cell in expand(lines, config_loader()):
        paths = (
            [cell.plan["l2"]] if cell.plan["protocol"]["name"] == "up" else [[l2] for l2 in cell.plan["l2"]]
        )
        for path in paths:
            expected.add(point_id(scientific(cell.plan), cell.plan["seed"][0], path))
    found = asked(*lines)
    assert names(found) == expected
    assert len(found) == 4  # two tasks, two protocols


def test_a_point_asked_for_twice_is_one() -> None:
    assert len(names(asked("seed=0,1,0", "l2=0.1,1e-1,0.10"))) == 2
    assert len(asked("model=deep_linear,mlp", "model.activation=linear")) == 1


def test_what_a_curve_shares_is_what_was_typed_for_all_of_it() -> None:
    first, second = asked("data.complexity=1,2", "seed=range(3)", "model.width=4")
    assert first.lines == ("data.complexity=1", "model.width=4", "logger=none")
    assert second.lines == ("data.complexity=2", "model.width=4", "logger=none")


def test_too_many_points_are_refused() -> None:
    (cell,) = expand(["protocol=quench"], config_loader())
    plan = {**cell.plan, "l2": [0.1] * 2000, "seed": list(range(2000))}
    with pytest.raises(UserError, match="at most 1000000"):
        curves([Cell(plan, ())])


# Packs


@given(st.integers(1, 60), st.integers(1, 9), st.integers(1, 30), st.randoms(use_true_random=False))
def test_packs_hold_every_point_once(count: int, jobs: int, most: int, random: Any) -> None:
    points = [(f"{k}", Trajectory(k % 7, (0.1 * k,), ("quench",))) for k in range(count)]
    whole = cut([Curve("c", {}, (), dict(points))], Limits(jobs, most, {}))
    assert sorted(point for pack in whole for point in pack.points) == sorted(point for point, _ in points)
    sizes = [len(pack.points) for pack in whole]
    assert max(sizes) <= most
    assert max(sizes) - min(sizes) <= 1
    random.shuffle(points)
    assert cut([Curve("c", {}, (), dict(points))], Limits(jobs, most, {})) == whole
    assert all(pack.name == job_id(pack.points) for pack in whole)


@pytest.mark.parametrize(
    ("points", "jobs", "fitting", "packs"),
    [
        (1000, 1, 10**9, 1),
        (LARGEST + 1, 1, 10**9, 2),
        (1000, 4, 10**9, 4),
        (1000, 256, 10**9, -(-1000 // SMALLEST)),
        (5, 8, 10**9, 1),
        (1000, 1, 100, 10),
        (3, 1, 1, 3),
    ],
)
def test_how_many_packs(points: int, jobs: int, fitting: int, packs: int) -> None:
    curve = Curve("c", {}, (), {f"{k}": Trajectory(k, (0.1,), ("up",)) for k in range(points)})
    assert len(cut([curve], Limits(jobs, None, {"c": fitting}))) == packs


def test_a_branch_stays_together() -> None:
    for pack in cut(asked("protocol=loop", "l2=geom:0.1:1:8", "seed=range(10)"), Limits(1, 3, {})):
        assert {len(each.path) for each in pack.points.values()} == {15}


def test_curves_that_differ_in_what_replicas_may_share_their_packs() -> None:
    swept = ("optimizer.lr=0.05,0.1", "model.init_scale=0.5,1", "protocol.perturbation=0,0.1")
    curves = asked(*swept, "data.complexity=1,2", "seed=range(3)")
    packs = cut(curves, Limits(1, None, {}))
    assert [len(pack.points) for pack in packs] == [24, 24]
    assert [len(pack.parts) for pack in packs] == [8, 8]
    for pack in packs:
        check_identities(pack)
        assert len({part.config["data"]["complexity"] for part in pack.parts}) == 1
    assert {curve for pack in packs for curve in pack.curves} == {curve.name for curve in curves}
    assert cut(curves[::-1], Limits(1, None, {})) in (packs, packs[::-1])
    noisy = ("protocol=train", "protocol.noise=langevin", "protocol.temperature=0.01", "optimizer=sgd")
    assert (
        len(cut(asked(*noisy, "optimizer.lr=0.05,0.1", "model.init_scale=0.5,1"), Limits(1, None, {}))) == 2
    )
    smaller = cut(curves, Limits(1, None, {curves[0].name: 5}))
    assert sorted(len(pack.points) for pack in smaller) == [4, 5, 5, 5, 5, 24]
    first, second = halves(packs[0], list(packs[0].points)[:5])
    assert (len(first.points), len(second.points)) == (2, 3)
    assert {*first.points, *second.points} == set(list(packs[0].points)[:5])
    check_identities(second)


def test_complexities_share_a_pack_where_their_data_have_one_shape() -> None:
    def packed(*lines: str) -> int:
        return len(cut(asked(*lines, "data.complexity=1,2,3", "seed=range(3)"), Limits(1, None, {})))

    assert packed("data.input_dim=3", "data.output_dim=4") == 1
    assert packed("data.input_dim=3", "data.output_dim=4", "data.samples=20,40") == 2
    assert packed("data.input_dim=3") == 3
    assert packed("data=digits") == 3
    assert packed("data.input_dim=3", "data.output_dim=4", "data._target_=mine.task") == 3


def test_a_pack_of_another_version_is_refused() -> None:
    (pack,) = cut(asked("seed=0"), Limits(1, None, {}))
    check_identities(pack)
    (part,) = pack.parts
    config = {**part.config, "relaxation": {**part.config["relaxation"], "tolerance": 1e-7}}
    with pytest.raises(UserError, match="version of spinodal with other results"):
        check_identities(dataclasses.replace(pack, parts=(dataclasses.replace(part, config=config),)))


# What is there


def finish(campaign: Path, pack: Pack, points: Any = None) -> None:
    rows = [
        {"point": point, "stage": stage, "stages": len(pack.points[point].path)}
        for point in (pack.points if points is None else points)
        for stage in range(len(pack.points[point].path))
    ]
    RecordWriter(campaign / "records" / f"{pack.name}.parquet").append(rows)


LINES = ["seed=range(4)", "l2=[0.1,0.2]"]


def test_only_what_is_missing_is_run(tmp_path: Path) -> None:
    (pack,) = chosen(tmp_path, LINES).packs
    finish(tmp_path, pack, list(pack.points)[:2])
    selection = chosen(tmp_path, LINES)
    assert names(selection.packs) == set(list(pack.points)[2:])
    finish(tmp_path, pack)
    assert chosen(tmp_path, LINES).packs == []
    wider = chosen(tmp_path, ["seed=range(6)", "l2=[0.1,0.2]"])
    assert [len(each.points) for each in wider.packs] == [2]


def test_what_is_being_computed_is_left_alone(tmp_path: Path) -> None:
    (pack,) = chosen(tmp_path, LINES).packs
    running = begin(tmp_path, pack, list(pack.points)[:3])
    assert running is not None
    selection = chosen(tmp_path, LINES)
    assert names(selection.packs) == set(list(pack.points)[3:])
    assert len(selection.found.running) == 3
    running.end("stopped")
    assert names(chosen(tmp_path, LINES).packs) == set(pack.points)


def test_what_has_failed_is_run_when_asked_for(tmp_path: Path) -> None:
    (pack,) = chosen(tmp_path, LINES).packs
    bad, *others = pack.points
    running = begin(tmp_path, pack, pack.points)
    assert running is not None
    with running:
        running.fail([bad], "NaN", "…")
        finish(tmp_path, pack, others)
    assert chosen(tmp_path, LINES).packs == []
    assert names(chosen(tmp_path, LINES, retry_failed=True).packs) == {bad}
    found = survey(tmp_path)
    assert (set(found.failed), found.attempts[bad]) == ({bad}, 1)


def test_what_was_begun_is_continued_as_it_is(tmp_path: Path) -> None:
    (pack,) = chosen(tmp_path, LINES).packs
    write_pack(tmp_path, pack)
    checkpoint_file(tmp_path, pack.name).parent.mkdir()
    checkpoint_file(tmp_path, pack.name).touch()
    wider = chosen(tmp_path, ["seed=range(9)", "l2=[0.1,0.2]"])
    assert [len(each.points) for each in wider.packs] == [4, 5]
    assert wider.packs[0].name == pack.name
    # With what does not matter to results as it is asked for now.
    other = chosen(tmp_path, [*LINES, "trainer=gpu"])
    assert [(each.name, each.config["trainer"]["accelerator"]) for each in other.packs] == [
        (pack.name, "gpu")
    ]
    # Not if it would compute what is not asked for.
    assert [len(each.points) for each in chosen(tmp_path, ["seed=range(3)", "l2=[0.1,0.2]"]).packs] == [3]


def test_what_is_killed_again_and_again_is_taken_for_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (pack,) = chosen(tmp_path, LINES).packs
    for _ in range(2):
        begin(tmp_path, pack, pack.points)
        monkeypatch.setattr("spinodal.campaign.attempts.runs_here", lambda process: False)
    assert [each.state for each in read_attempts(tmp_path)] == ["running"] * 2  # and nobody is there
    assert [len(each.points) for each in chosen(tmp_path, LINES).packs] == [2, 2]


# Memory and launchers


def test_a_network_too_large_for_the_machine_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"model.width=100000 .*: one network needs about .* GB"):
        chosen(tmp_path, ["model.width=100000"], memory=8 * GB)
    each = bytes_per_replica(asked("model.width=64")[0].config)
    assert each is not None
    packs = chosen(tmp_path, ["model.width=64", "seed=range(30)"], memory=10.5 * each).packs
    assert [len(pack.points) for pack in packs] == [10] * 3


def test_noise_that_is_drawn_ahead_needs_memory() -> None:
    """400 steps of it, once as drawn and once side by side: normal numbers a parameter, or weights a sample."""
    still, langevin, minibatch = (
        bytes_per_replica(asked("model=deep_linear", "data.samples=50", *lines)[0].config)
        for lines in (["protocol=up"], ["protocol=escape"], ["protocol=escape", "protocol.noise=minibatch"])
    )
    assert still is not None
    assert minibatch == still + 8 * 2 * 400 * 50
    assert langevin is not None
    assert langevin > still


def test_a_training_has_a_size() -> None:
    small, large = (
        bytes_per_replica(asked("experiment=grokking", f"data.modulus={p}")[0].config) for p in (7, 23)
    )
    assert small is not None
    assert large is not None
    assert small < large


def test_of_strangers_no_size_is_known() -> None:
    assert bytes_per_replica(asked("model._target_=my.Net")[0].config) is None


@pytest.mark.parametrize(
    ("launcher", "jobs"),
    [
        ({"_target_": "hydra._internal.core_plugins.basic_launcher.BasicLauncher"}, 1),
        ({"_target_": "x.SlurmLauncher", "array_parallelism": 17}, 17),
        ({"_target_": "hydra_plugins.spinodal.plugins.Workers", "workers": 3}, 3),
        ({"_target_": "hydra_plugins.spinodal.plugins.Workers", "workers": None}, cores()),
        ({"_target_": "hydra_plugins.hydra_submitit_launcher.submitit_launcher.LocalLauncher"}, cores()),
        ({"_target_": "somebody.else"}, 1),
    ],
)
def test_how_many_jobs_at_once(launcher: dict[str, Any], jobs: int) -> None:
    assert jobs_at_once(launcher) == jobs


def test_memory_of_a_job() -> None:
    slurm = {"_target_": "x.SlurmLauncher", "array_parallelism": 2}
    assert bytes_per_job(slurm, None) is None
    assert bytes_per_job(slurm, 3) == 3 * GB
    assert bytes_per_job(slurm | {"mem_gb": 5}, None) == 5 * GB
    one = {"_target_": "hydra_plugins.spinodal.plugins.Workers", "workers": 1}
    whole, half = bytes_per_job(one, None), bytes_per_job(one | {"workers": 2}, None)
    assert whole is not None
    assert half is not None
    assert half == pytest.approx(whole / 2, rel=0.2)


def test_a_point_that_only_ever_dies_is_given_up(tmp_path: Path) -> None:
    (pack,) = select(tmp_path, asked("seed=3"), survey(tmp_path)).packs
    for _ in range(3):
        assert not survey(tmp_path).failed
        killed = begin(tmp_path, pack, pack.points)
        assert killed is not None
        file = tmp_path / "attempts" / f"{killed.attempt.number:06d}.json"
        file.write_text(file.read_text().replace(f'"pid": {os.getpid()}', '"pid": 999999999'))
    found = survey(tmp_path)
    assert found.failed.keys() == pack.points.keys()
    assert not found.stopped
    assert found.failed[next(iter(pack.points))].traceback.count("999999999") == 3
    assert not select(tmp_path, asked("seed=3"), found).packs
    assert select(tmp_path, asked("seed=3"), found, retry_failed=True).packs
