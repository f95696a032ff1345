"""Packs and launches come back as they were written."""

import json
import os
import shlex
from pathlib import Path
from typing import Any

import pytest

import spinodal
from spinodal.campaign import (
    Pack,
    Part,
    pack_file,
    read_launches,
    read_pack,
    read_packs,
    with_values,
    write_launch,
    write_pack,
)
from spinodal.errors import UserError
from spinodal.protocols import PROTOCOLS, UNDER_NOISE, Trajectory, planned, trajectories


def pack(protocol: str, name: str = "a" * 12) -> Pack:
    paths = trajectories(protocol, [0.2, 0.1 + 0.2, 1e-3], [7, 0])
    return packed({"protocol": {"name": protocol}}, paths, name)


def packed(config: dict[str, Any], paths: list[Trajectory], name: str = "a" * 12) -> Pack:
    return Pack(name, (Part("c" * 12, config, {f"p{k}": each for k, each in enumerate(paths)}),))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_pack_comes_back(protocol: str, tmp_path: Path) -> None:
    written = pack(protocol)
    write_pack(tmp_path, written)
    assert read_pack(pack_file(tmp_path, written.name)) == written
    assert written.plan["l2"] == [1e-3, 0.2, 0.1 + 0.2]
    assert written.plan["seed"] == [0, 7]


def test_values_of_a_pack_stand_under_the_key_of_its_control_parameter(tmp_path: Path) -> None:
    config = {"protocol": {"name": "up"}, "control": "own", "l2": 0.5}
    written = packed(config, trajectories("up", [0.2, 0.1], [0]))
    write_pack(tmp_path, written)
    read = read_pack(pack_file(tmp_path, written.name))
    assert read.plan == config | {"own": [0.1, 0.2], "seed": [0]}


@pytest.mark.parametrize("name", UNDER_NOISE)
@pytest.mark.parametrize(("noise", "axis"), [("langevin", "temperature"), ("minibatch", "batch")])
@pytest.mark.parametrize("phase", [0, None])
def test_a_pack_comes_back_with_its_noise(
    name: str, noise: str, axis: str, phase: int | None, tmp_path: Path
) -> None:
    """Also where the configuration it was planned with has other strengths: points of a curve differ in them."""
    strengths = {"temperature": [0.1 + 0.2, 1e-3], "batch": [16, 4]}
    protocol = {"name": name, "phase": phase, "noise": noise, "temperature": [0.7], "batch": [2]}
    paths = planned(protocol | {axis: strengths[axis]}, [0.2, 0.1], [7, 0])
    written = packed({"protocol": protocol}, paths)
    write_pack(tmp_path, written)
    read = read_pack(pack_file(tmp_path, written.name))
    assert read == written
    assert read.plan["protocol"] == protocol | {axis: sorted(strengths[axis])}


def test_a_training_comes_back(tmp_path: Path) -> None:
    protocol = {"name": "train", "steps": 100, "records": 5}
    paths = planned(protocol, [0.2, 0.1], [7, 0])
    written = packed({"protocol": protocol}, paths)
    write_pack(tmp_path, written)
    assert read_pack(pack_file(tmp_path, written.name)) == written


def test_curves_that_differ_in_what_replicas_may_come_back(tmp_path: Path) -> None:
    config = {
        "protocol": {"name": "down", "perturbation": 0.0},
        "optimizer": {"lr": 0.1},
        "model": {"width": 4},
    }
    path, other = trajectories("down", [0.2, 0.1], [7, 8])
    noisy = with_values(config, {"protocol.perturbation": 0.1 + 0.2})
    assert config["protocol"] == {"name": "down", "perturbation": 0.0}
    written = Pack("a" * 12, (Part("c", config, {"p": path}), Part("d", noisy, {"q": path, "r": other})))
    write_pack(tmp_path, written)
    read = read_pack(pack_file(tmp_path, written.name))
    assert read == written
    assert list(read.points) == ["p", "q", "r"]
    assert [read.part_of[point].curve for point in read.points] == ["c", "d", "d"]
    assert read.plan["seed"] == [7, 8]


@pytest.mark.parametrize(
    "content", ["", "{}", '{"config": 1}', "[]", '{"config": {"protocol": {}}, "paths": []}']
)
def test_what_is_no_pack_is_told(content: str, tmp_path: Path) -> None:
    write_pack(tmp_path, pack("up"))
    broken = pack_file(tmp_path, "b" * 12)
    broken.write_text(content)
    with pytest.raises(UserError, match=r"b\.json: cannot be read as a pack"):
        read_pack(broken)
    with pytest.raises(UserError, match="no such pack"):
        read_pack(pack_file(tmp_path, "nothing"))
    assert [each.name for each in read_packs(tmp_path)] == ["a" * 12]


def test_a_path_that_the_protocol_does_not_make_is_no_pack(tmp_path: Path) -> None:
    write_pack(tmp_path, pack("up"))
    path = pack_file(tmp_path, "a" * 12)
    path.write_text(path.read_text().replace('"up"', '"down"'))
    with pytest.raises(UserError, match="no path of down"):
        read_pack(path)


def test_a_launch_says_what_reproduces_it_and_no_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "a secret")
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    path = write_launch(tmp_path, ["seed=[0, 1]", "l2=0.1"], 1, {}, ["seed", "l2"])
    write_launch(tmp_path, ["seed=2"], 1, {}, [], packs=["p"])
    first, second = read_launches(tmp_path)
    assert shlex.split(first["command"]) == ["spinodal", "run", "seed=[0, 1]", "l2=0.1"]
    assert first["versions"]["spinodal"] == spinodal.__version__
    assert {"python", "torch", "hydra-core"} <= set(first["versions"])
    assert first["environment"]["SLURM_JOB_ID"] == "17"
    assert "secret" not in path.read_text()
    assert first["folder"] == os.getcwd()
    assert first["commit"] is None or len(first["commit"]) == 12
    assert isinstance(first["uncommitted"], list)
    assert (second["overrides"], second["packs"]) == (["seed=2"], ["p"])
    json.loads(path.read_text())
