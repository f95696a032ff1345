"""Packs and launches come back as they were written."""

import json
import os
import shlex
from pathlib import Path

import pytest

import spinodal
from spinodal.campaign import Pack, pack_file, read_launches, read_pack, read_packs, write_launch, write_pack
from spinodal.errors import UserError
from spinodal.protocols import PROTOCOLS, trajectories


def pack(protocol: str, name: str = "a" * 12) -> Pack:
    paths = trajectories(protocol, [0.2, 0.1 + 0.2, 1e-3], [7, 0])
    return Pack(
        name, "c" * 12, {"protocol": {"name": protocol}}, {f"p{k}": each for k, each in enumerate(paths)}
    )


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_pack_comes_back(protocol: str, tmp_path: Path) -> None:
    written = pack(protocol)
    write_pack(tmp_path, written)
    assert read_pack(pack_file(tmp_path, written.name)) == written
    assert written.plan["l2"] == [1e-3, 0.2, 0.1 + 0.2]
    assert written.plan["seed"] == [0, 7]


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
