"""Modules of a user's own are given what they take; the rest is refused by name, or said to be left out."""

from pathlib import Path
from typing import Any

import pytest

from spinodal.errors import UserError
from spinodal.planning import config_loader, expand
from spinodal.planning.arguments import fitted

NETS = """
class Net:
    def __init__(self, input_dim, output_dim, width=4): pass
class Two(Net):
    def __init__(self, input_dim, heads, inner=None): pass
class Any(Net):
    def __init__(self, heads=1, **more): pass
class Act:
    def __init__(self, slope=1.0): pass
class Same(Act): pass
def rings(complexity=2, samples=90): pass
def walk(l2, seed): pass
number = 3
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "nets_for_arguments.py").write_text(NETS)
    (tmp_path / "broken_for_arguments.py").write_text("raise RuntimeError('not\\nhere')\n")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.yaml").write_text("_target_: nets_for_arguments.Net\nwidth: 8\n")
    (tmp_path / "model" / "based.yaml").write_text(
        "defaults: [mlp, _self_]\n_target_: nets_for_arguments.Net\nwidth: 8\ndepth: 2\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def fit(*lines: str, config_dir: str | None = None) -> tuple[Any, list[str]]:
    own = [
        line.replace("=N.", "=nets_for_arguments.").replace(":N.", ":nets_for_arguments.") for line in lines
    ]
    cells, notes = fitted(expand(own, config_loader(config_dir)))
    assert len(cells) == 1
    return cells[0].plan, notes


def refused(*lines: str, config_dir: str | None = None) -> list[str]:
    with pytest.raises(UserError) as error:
        fit(*lines, config_dir=config_dir)
    return str(error.value).splitlines()


@pytest.mark.parametrize(
    "lines",
    [["model._target_=N.Net"], ["model={_target_:N.Net}"], ["model=deep_linear", "model._target_=N.Net"]],
)
def test_what_nobody_gave_is_left_out_and_said(lines: list[str]) -> None:
    plan, notes = fit(*lines)
    assert plan["model"] == {"_target_": "nets_for_arguments.Net", "width": 16}
    assert notes == ["model=nets_for_arguments.Net: takes no depth, activation, bias, init_scale; not passed"]


def test_data_and_experiments_too() -> None:
    plan, notes = fit("experiment=onset", "data._target_=N.rings", "model._target_=N.Net")
    assert plan["data"] == {"_target_": "nets_for_arguments.rings", "complexity": 3, "samples": 64}
    assert plan["model"] == {"_target_": "nets_for_arguments.Net", "width": 16}
    assert len(notes) == 2


def test_all_that_is_given_to_who_takes_anything() -> None:
    plan, notes = fit("model._target_=N.Any", "+model.whatever=1")
    assert plan["model"]["whatever"] == 1
    assert plan["model"]["depth"] == 3
    assert notes == []


@pytest.mark.parametrize(
    "line", ["model.depth=3", "+model.widht=5", "model.activation=tanh", "++model.x.y=1"]
)
def test_what_was_given_is_refused_by_name(line: str) -> None:
    (said,) = refused("model._target_=N.Net", line)
    key, _, value = line.lstrip("+").partition("=")
    shown = "model.x={y:1}" if "x.y" in key else f"{key}={value}"
    assert said.startswith(f"{shown}: no such argument, nets_for_arguments.Net takes width")
    assert ("did you mean model.width?" in said) == ("widht" in line)


def test_within_braces_and_swept_over_too() -> None:
    (said,) = refused("model={_target_:N.Net,depth:3}")
    assert said.startswith("model.depth=3: no such argument")
    assert len(refused("model._target_=N.Net", "model.depth=3,4")) == 2


def test_what_an_own_file_gives_is_given(folder: Path) -> None:
    assert fit("model=mine", config_dir=str(folder)) == (fit("model=mine", config_dir=str(folder))[0], [])
    (said,) = refused("model=based", config_dir=str(folder))
    assert said.startswith("model.depth=2: no such argument")
    (said,) = refused("model=mine", "+model.heads=2", config_dir=str(folder))
    assert said.startswith("model.heads=2: no such argument")


def test_what_is_missing_is_named() -> None:
    (said,) = refused("model._target_=N.Two")
    assert said == "model.heads is missing: nets_for_arguments.Two has no value for it by default"
    plan, _ = fit("model._target_=N.Two", "+model.heads=2")
    assert plan["model"] == {"_target_": "nets_for_arguments.Two", "heads": 2}
    fit("model._target_=N.Two", "+model._partial_=true")


def test_dimensions_are_the_datas() -> None:
    (said,) = refused("model._target_=N.Net", "+model.input_dim=3")
    assert said == "model.input_dim=3: no such argument, the data determine it"
    assert refused("model._target_=N.Any", "+model.output_dim=3")


def test_within_arguments_too() -> None:
    inner = "+model.inner={_target_:N.Act,slpoe:2}"
    (said,) = refused("model._target_=N.Two", "+model.heads=1", inner)
    assert said.startswith("model.inner.slpoe=2: no such argument, nets_for_arguments.Act takes slope")
    plan, _ = fit("model._target_=N.Two", "+model.heads=1", inner.replace("slpoe", "slope"))
    assert plan["model"]["inner"]["slope"] == 2


def test_callbacks_too() -> None:
    (said,) = refused("+callbacks.mine={_target_:N.Act,slope:1,steep:2}")
    assert said.startswith("callbacks.mine.steep=2: no such argument")
    (said,) = refused("+callbacks.progress.often=2")
    assert said.startswith(
        "callbacks.progress.often=2: no such argument, spinodal.observables.StageProgress takes"
    )
    fit("+callbacks.mine={_target_:N.Same,slope:1}")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("model._target_=nowhere.Net", "cannot be imported: No module named 'nowhere'"),
        ("data._target_=N.Nett", "cannot be imported: module 'nets_for_arguments' has no attribute 'Nett'"),
        ("model._target_=broken_for_arguments.Net", "cannot be imported: RuntimeError: not here"),
        ("optimizer._target_=N.number", "is no class and no function"),
        ("+callbacks.x._target_=nowhere.Look", "cannot be imported: No module named 'nowhere'"),
        (
            "protocol.name=N.wander",
            "cannot be imported: module 'nets_for_arguments' has no attribute 'wander'",
        ),
        ("protocol.name=N.number", "is no class and no function"),
    ],
)
def test_what_cannot_be_imported(line: str, said: str) -> None:
    (mistake,) = refused(line)
    key, _, target = line.lstrip("+").replace("=N.", "=nets_for_arguments.").partition("=")
    if said.startswith("cannot be imported"):
        assert mistake.startswith(f"{key.removesuffix('._target_')}: {target} {said}")
    else:
        assert mistake == f"{key}={target}: {said}"


def test_mistakes_of_all_cells_at_once_and_once_each() -> None:
    with pytest.raises(UserError) as error:
        fitted(expand(["model._target_=nowhere.Net,nets_for_arguments.Two", "seed=0,1"], config_loader()))
    assert len(str(error.value).splitlines()) == 2


def test_plans_of_ours_stay_the_same_objects() -> None:
    cells = expand(["model.depth=2,3", "callbacks=[curvature,spectrum]"], config_loader())
    assert all(new is old for new, old in zip(fitted(cells).cells, cells, strict=True))
