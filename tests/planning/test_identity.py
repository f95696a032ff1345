import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from spinodal.planning import curve_id, job_id, plan, point_id, scientific
from spinodal.planning.curves import curves
from spinodal.planning.expansion import Cell

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
sciences = st.recursive(
    st.dictionaries(st.text(), scalars, max_size=4),
    lambda inner: st.dictionaries(st.text(), inner | st.lists(scalars, max_size=3), max_size=4),
    max_leaves=12,
)
seeds = st.integers(0, 2**32 - 1)
paths = st.lists(st.floats(0, 10), min_size=1, max_size=5)


def identity(*overrides: str) -> str:
    planned = plan(overrides)
    return point_id(scientific(planned), planned.seed[0], planned.l2)


def shuffled(value: Any, random: Any) -> Any:
    if not isinstance(value, dict):
        return value
    items = [(key, shuffled(item, random)) for key, item in value.items()]
    random.shuffle(items)
    return dict(items)


@given(sciences, seeds, paths, st.randoms(use_true_random=False))
def test_order_of_keys_does_not_matter(science: Any, seed: int, path: list[float], random: Any) -> None:
    assert point_id(science, seed, path) == point_id(shuffled(science, random), seed, path)


@given(sciences, seeds, paths)
def test_survives_a_journey_through_json(science: Any, seed: int, path: list[float]) -> None:
    there = json.loads(json.dumps([science, seed, path]))
    assert point_id(science, seed, path) == point_id(*there)


@given(seeds, seeds, paths, paths)
def test_seed_and_path_tell_points_apart(a: int, b: int, here: list[float], there: list[float]) -> None:
    same = (a, [x + 0.0 for x in here]) == (b, [x + 0.0 for x in there])
    assert (point_id({}, a, here) == point_id({}, b, there)) == same


OTHER = ("+penalties.other._target_=my.other", "+penalties.other.width=0.1")


def test_only_penalties_in_the_loss_tell_points_apart() -> None:
    today = identity("l2=[0.1]")
    unused = [("+other=0",), ("+other=0.0",), (), ("+other=0", "penalties.other.width=7")]
    assert {identity("l2=[0.1]", *OTHER, *more) for more in unused} == {today}
    held = [("+other=1",), ("+other=2",), ("+other=2", "penalties.other.width=7")]
    assert len({today, *(identity("l2=[0.1]", *OTHER, *more) for more in held)}) == 4
    science = scientific(plan(["l2=[0.1]", *OTHER, "+other=2"]))
    assert (science["control"], science["held"]) == ("l2", {"other": 2.0})
    assert science["penalties"]["other"] == {"_target_": "my.other", "width": 0.1}
    assert "l2" not in science


def test_values_of_the_control_parameter_are_of_the_path_alone(tmp_path: Path) -> None:
    (tmp_path / "control").mkdir()
    head = "# @package _global_\ncontrol: other\npenalties: {other: {_target_: my.other}}\n"
    (tmp_path / "control" / "other.yaml").write_text(f"{head}other: [0.1, 0.2]\n")

    def science(*overrides: str) -> dict[str, Any]:
        return scientific(plan(["control=other", *overrides], config_dir=str(tmp_path)))

    assert science() == science("other=geom:0.1:1:3") == science("l2=0")
    assert science() == scientific(plan()) | {
        "control": "other",
        "held": {},
        "penalties": {"other": {"_target_": "my.other"}},
    }
    assert science("l2=1e-3")["held"] == {"l2": 1e-3}
    assert set(science("l2=1e-3")["penalties"]) == {"l2", "other"}


def leaves(science: dict[str, Any]) -> list[tuple[str, str]]:
    return [(section, key) for section, values in science.items() for key in values]


def test_every_scientific_value_tells_points_apart() -> None:
    science = scientific(plan())
    identities = {point_id(science, 0, [0.1])}
    for section, key in leaves(science):
        other = copy.deepcopy(science)
        other[section][key] = "something else"
        identities.add(point_id(other, 0, [0.1]))
    assert len(identities) == 1 + len(leaves(science))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["l2=0.1"], ["l2=1e-1"]),
        (["l2=1"], ["l2=[1.0]"]),
        (["l2=geom:1e-3:1:4"], ["l2=[0.001,0.01,0.1,1]"]),
        (["model.init_scale=1"], ["model.init_scale=1.0"]),
        (["data.strengths=[3,2,1]"], ["data.strengths=[3.0,2e0,10e-1]"]),
        (["data.noise=-0.0"], ["data.noise=0"]),
        (["model=deep_linear"], ["model=mlp", "model.activation=linear"]),
        ([], ["campaign=elsewhere"]),
        ([], ["trainer=gpu"]),
        ([], ["logger=none"]),
        ([], ["paths.outputs=/tmp/elsewhere"]),
        ([], ["~callbacks.progress"]),
        ([], ["hydra/launcher=submitit_local"]),
    ],
)
def test_same_point(one: list[str], other: list[str]) -> None:
    assert identity(*one) == identity(*other)


@pytest.mark.parametrize(
    "override",
    [
        "l2=0.1",
        "seed=1",
        "data.seed=1",
        "data=digits",
        "model.width=17",
        "optimizer=adam",
        "optimizer.lr=0.2",
        "protocol=quench",
        "relaxation.tolerance=1e-9",
    ],
)
def test_another_point(override: str) -> None:
    assert identity() != identity(override)


def test_stays_what_it_is() -> None:
    """Recorded points keep their names: a change here must be meant, and comes with a new SCHEMA."""
    assert point_id({"data": {"complexity": 3, "ratio": 0.6}}, 1, [0.1, 0.2]) == "fcda580a7136"
    assert job_id(["b", "a"]) == job_id(iter(["a", "b"])) == "0473ef2dc0d3"


def test_strengths_of_noise_are_points_of_one_curve() -> None:
    cold, both = (
        plan(["protocol=escape", "model.depth=3", f"protocol.temperature={given}", "seed=0", "l2=0.1"])
        for given in ("0.1", "[0.2,0.1]")
    )
    assert curve_id(scientific(cold)) == curve_id(scientific(both))
    asked = [curves([Cell(OmegaConf.to_container(each), ())])[0].points for each in (cold, both)]
    assert [len(points) for points in asked] == [1, 2]
    assert asked[0].items() <= asked[1].items()
    identity = point_id(scientific(cold), 0, [0.1], 0.1)
    assert [*asked[0]] == [identity] != [point_id(scientific(cold), 0, [0.1])]


def test_another_process_finds_the_same() -> None:
    code = "from spinodal.planning import *; p = plan(['experiment=onset']); "
    code += "print(point_id(scientific(p), 3, p.l2))"
    planned = plan(["experiment=onset"])
    printed = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONHASHSEED": "7"}, capture_output=True, text=True, check=True
    )
    assert printed.stdout.strip() == point_id(scientific(planned), 3, planned.l2)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_refuses_what_is_no_number(number: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        point_id({}, 0, [number])
