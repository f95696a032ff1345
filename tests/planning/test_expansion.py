"""The planner's grid is Hydra's own: the same configurations, in the same order, without composing each."""

import itertools
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hydra.types import RunMode
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from spinodal.errors import UserError
from spinodal.planning import config_loader, expand, expansion, validate
from spinodal.planning.composition import known_to_hydra, scope


def by_hydra(lines: list[str], config_dir: str | None = None) -> list[tuple[tuple[str, ...], Any]]:
    """What Hydra's sweeper would launch, each composed by Hydra."""
    loader = config_loader(config_dir)
    overrides = OverridesParser.create(config_loader=loader).parse_overrides(lines)
    (batch,) = BasicSweeper.split_arguments(overrides, None)
    found = []
    for job in batch:
        found.append((tuple(job), shown_by_hydra(loader, job)))
    return found


def shown_by_hydra(loader: ConfigLoaderImpl, lines: Sequence[str]) -> Any:
    """What `--cfg job` shows of a single configuration, checked."""
    cfg = loader.load_configuration("config", list(lines), run_mode=RunMode.RUN)
    with known_to_hydra(cfg):
        return OmegaConf.to_container(validate(scope(cfg)))


def each_by_hydra(lines: list[str], config_dir: str | None = None) -> list[Any]:
    """What `--cfg job` shows with every combination of the values typed, none of them left out; distinct."""
    loader = config_loader(config_dir)
    typed = []
    for override in OverridesParser.create(config_loader=loader).parse_overrides(lines):
        key = override.get_key_element()
        swept = override.is_sweep_override()
        values = override.sweep_string_iterator() if swept else ()
        typed.append([f"{key}={value}" for value in values] if swept else [override.input_line])
    return distinct(shown_by_hydra(loader, each) for each in itertools.product(*typed))


def distinct(plans: Iterable[Any]) -> list[Any]:
    return [plan for _, plan in sorted({json.dumps(each, sort_keys=True): each for each in plans}.items())]


def by_planner(lines: list[str], config_dir: str | None = None) -> list[tuple[tuple[str, ...], Any]]:
    return [(cell.lines, dict(cell.plan)) for cell in expand(lines, config_loader(config_dir))]


def lines_of(cells: list[tuple[tuple[str, ...], Any]]) -> list[list[tuple[str, Any]]]:
    """What the overrides of each cell say: Hydra's sweeper escapes what need not be escaped."""
    read = OverridesParser.create().parse_overrides
    return [[(each.get_key_element(), each.value()) for each in read(list(lines))] for lines, _ in cells]


COMMANDS = [
    [],
    ["seed=0,1,2"],
    ["seed=range(3)", "l2=0.1,0.2"],
    ["l2=geom:1e-3:1:4,0.5,[0.1,0.2]"],
    ["model=mlp,deep_linear", "model.depth=2,3"],
    ["model.depth=2,3", "model=mlp,deep_linear", "data=digits,linear_teacher"],
    ["model=glob(*)", "optimizer=glob(*a*)", "optimizer.lr=0.1,1e-2"],
    ["optimizer=adam,sgd", "model.width=8"],
    ["model.width=range(4,17,4)", "model.init_scale=range(0.5,1.5,0.25)"],
    ["model.depth=choice(2,3)", "model.width=range(start=4,stop=6)"],
    ["experiment=onset", "model.width=4,8"],
    ["experiment=onset,onset_tanh", "campaign=c"],
    ["experiment=digits", "data.complexity=1,2", "l2=geom:0.1:1:3"],
    ["+trainer.max_time='00:01','00:02'", "seed=0,1"],
    ["++model.depth=2,3", "++trainer.devices=1"],
    ["~callbacks.progress", "seed=0,1"],
    ["~callbacks", "model.bias=true,false"],
    ["data.strengths=[3,2,1],[1,0.5,0.25]", "data.noise=0,0.1"],
    ["data.strengths=null,[1,0.5,0.25]"],
    ["model={depth:5,width:6},{depth:2}", "model.width=3,4"],
    ["model.depth=2,3", "model={width:6}"],
    ["data.complexity=2,3", "model.width='${data.complexity}'"],
    ["model.width='${data.complexity}','${model.depth}'", "data.complexity=2,3", "model.depth=2,4"],
    ["data.complexity=2,3", "data.input_dim=${.complexity}"],
    ["data.samples=16,32", "data.test_samples=${data.samples}", "l2='${geomspace:0.1,1,3}',0.5"],
    ["seed=0,1", "l2='${linspace:0,1,3}'"],
    ["logger=none,wandb", "logger.project=x"][:1],
    ["trainer=gpu,default", "trainer.accelerator=cpu"],
    ["callbacks=default", "callbacks.order_parameters._target_=my.Callback,your.Callback"],
    ["paths.outputs=elsewhere", "seed=0,1", "logger.project=${paths.outputs}"],
    ["campaign=7", "seed=0,1"],
    ["model._target_=my.Net,your.Net", "+model.heads=1,2", "+model.words=[a,b],[c]"],
    ["model._target_=my.Net", "+model.nested.deep=true,false", "+model.nested.wide=1"],
    ["protocol=up,loop", "protocol.perturbation=0,0.1", "relaxation.tolerance=1e-8,1e-9"],
    ["model.activation=tanh,'relu'", 'campaign="c"'],
]


@pytest.mark.parametrize("lines", COMMANDS, ids=" ".join)
def test_same_cells_as_hydras_own_sweeper(lines: list[str]) -> None:
    ours, hydras = by_planner(lines), by_hydra(lines)
    assert lines_of(ours) == lines_of(hydras)
    assert [plan for _, plan in ours] == [plan for _, plan in hydras]


# What Hydra's own sweeper takes for one override, though its composition does not: keys that are given twice.
TWICE = [
    ["seed=0,1", "seed=2,3"],
    ["seed=0,1", "model.depth=2", "seed=5"],
    ["seed=5", "seed=0,1"],
    ["data=digits", "data={complexity:1,samples:100},{complexity:3,samples:200}"],
    ["data={complexity:1,samples:100},{complexity:3,samples:200}", "data=digits"],
    ["data=digits", "data={complexity:1,samples:100}"],
    ["data={complexity:1,samples:100}", "data=digits", "data.samples=50"],
    ["data=digits,linear_teacher", "data={complexity:1},{complexity:3}", "data.samples=100,200"],
    ["model={depth:5}", "model.depth=2", "model={width:6}"],
    ["protocol={perturbation:0.1},{refine:0}", "protocol={perturbation:0.1},{refine:0}"],
    ["model={depth:5},{depth:4}", "model.depth=2", "model={depth:3}"],
    ["model={depth:5}", "model=deep_linear,mlp", "model={width:6},{width:7}", "seed=0,1"],
    ["experiment=onset", "experiment=onset_tanh", "model={depth:2},{width:8}", "model=mlp"],
    ["optimizer={lr:0.2}", "optimizer=adam,gradient_descent", "+optimizer={lr:0.3}"],
    ["optimizer=sgd", "optimizer={lr:0.2,momentum:0.5},{lr:0.3,momentum:0}"],
    ["protocol=up", "protocol={refine:1},{refine:2}", "protocol.refine=3"],
    ["callbacks=[curvature,spectrum]", "callbacks={curvature:{probes:10}},{spectrum:null}"],
    ["callbacks=default", "+callbacks={mine:{_target_:my.Own,a:1}},{mine:{_target_:my.Own,b:2}}"],
    ["logger=wandb", "logger={project:x}", "logger={mode:online}"],
    ["trainer=gpu", "trainer={devices:1}", "+trainer={max_epochs:3},{max_epochs:4}"],
    ["paths={outputs:elsewhere}", "paths=default", "seed=0,1"],
    ["data=digits", "+data={seed:1},{seed:2}", "++data={seed:3}"],
    ["data.strengths=[3,2,1]", "data={strengths:[5,4,3]},{noise:0.1}"],
    ["relaxation={tolerance:1e-8},{tolerance:1e-9,max_steps:100}", "relaxation.max_steps=10,20"],
    ["model._target_=my.Net", "+model={inner:{a:1}},{inner:{a:2}}", "model.inner={a:3,b:4}"][:2],
    ["model._target_=my.Net", "+model.inner={a:1,b:2}", "model.inner={a:3},{b:4}"],
    ["~callbacks.progress", "callbacks=default", "callbacks={order_parameters:null}"],
    [
        "case={K:1,l2:geom:0.1:1:4},{K:3,l2:[0.05,0.2]}",
        "data.complexity=${case.K}",
        "l2=${case.l2}",
        "seed=0,1",
    ],
    ["hydra/launcher=slurm", "hydra.launcher={timeout_min:5}", "hydra.launcher={wait:true}", "seed=0,1"],
]


@pytest.mark.parametrize("lines", TWICE, ids=" ".join)
def test_what_is_shown_of_a_configuration_is_what_runs(lines: list[str]) -> None:
    ours = by_planner(lines)
    assert distinct(plan for _, plan in ours) == each_by_hydra(lines)
    loader = config_loader()
    assert [shown_by_hydra(loader, lines) for lines, _ in ours] == [plan for _, plan in ours]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["data=digits,{complexity:1}"], "must be choices or dictionaries, not both"),
        (["data@model={complexity:1}"], "belongs to a key, as in data={…}"),
        (["hydra/launcher={timeout_min:1}"], "belongs to a key, as in hydra.launcher={…}"),
        (["experiment={l2:0.1}"], "experiment={l2:0.1}: is chosen by name"),
        (["~data", "data={complexity:1}"], "data"),
        (["+model.x=1", "+model.x=2"], "already at 'model.x'"),
        (["data={complexity:1},{complexety:2}"], "data.complexety=2: no such key"),
        (["seed=[range(0,2)]"], "range(0,2) is a sweep and stands alone, as in seed=range(0,2)"),
        (["seed=[0,1],range(3)"], "as in seed=range(0,3)"),
        (["data={noise:choice(1,2)}"], "as in data.noise=choice(…)"),
        (["case={K:1,l2:0.1}", "l2=${case.l2}"], "case.K=1: is taken by no key"),
        (["case=1"], "case=1: must be a dictionary"),
        (["case={K:'${now:%S}'}", "seed=${case.K}"], "must not depend on the time"),
        (["seed=0,'${now:%S}'"], "must not depend on the time"),
    ],
)
def test_what_cannot_be_reconciled_is_refused(lines: list[str], said: str) -> None:
    assert said in "\n".join(mistakes(*lines))


def test_many_dictionaries_by_many_seeds_are_few_compositions(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    combination = expansion.Combination
    monkeypatch.setattr(expansion, "Combination", lambda *given: made.append(1) or combination(*given))
    cells = expand(["data={complexity:1},{complexity:2}", "seed=range(500)", "l2=0.1,0.2"], config_loader())
    assert len(cells) == 2000
    assert len(made) == 2


OPTIONS = {
    "model": ["mlp", "deep_linear"],
    "data": ["linear_teacher", "digits"],
    "optimizer": ["adam", "sgd", "gradient_descent"],
    "protocol": ["up", "down", "quench"],
    "experiment": ["onset", "digits"],
    "seed": ["0", "[1,2]", "range(2)"],
    "l2": ["0.1", "1e-1", "geom:0.1:1:3", "[0.1,0.3]", "'${linspace:1,2,3}'"],
    "model.depth": ["2", "3", "4"],
    "model.width": ["8", "'${model.depth}'", "'${data.complexity}'"],
    "model.bias": ["true", "False"],
    "++model.init_scale": ["1", "0.5", "1.0"],
    "data.complexity": ["2", "3"],
    "data.samples": ["16", "64"],
    "+trainer.max_epochs": ["1", "null"],
    "relaxation.max_steps": ["10", "1000"],
    "callbacks": ["default", "curvature", "[curvature,spectrum]"],
}
# May come beside a choice of the same group, and more than once.
DICTIONARIES = [
    *("data={complexity:1}", "data={complexity:2,samples:40},{complexity:3,samples:30}", "+data={seed:1}"),
    *(
        "model={depth:2}",
        "model={width:4},{depth:4,width:6}",
        "++model={bias:true}",
        "model={width:'${model.depth}'}",
    ),
    *("optimizer={lr:0.2}", "optimizer={lr:0.2},{lr:0.3}", "relaxation={max_steps:10},{polish:false}"),
    *("protocol={refine:1}", "protocol={perturbation:0.1},{refine:0}", "callbacks={progress:null}"),
    *(
        "+trainer={max_epochs:1},{max_time:x}",
        "seed=3,4",
        "model.depth=2",
        "l2=0.7",
        "~callbacks",
        "data=digits",
    ),
]


@st.composite
def commands(draw: Any) -> list[str]:
    keys = draw(st.lists(st.sampled_from(sorted(OPTIONS)), min_size=1, max_size=6, unique=True))
    lines, cells = ["campaign=c"], 1
    for key in keys:
        values = draw(st.lists(st.sampled_from(OPTIONS[key]), min_size=1, max_size=3, unique=True))
        if cells * len(values) > 6 or any("range" in value for value in values):
            values = values[:1]
        cells *= len(values) * (2 if "range" in values[0] else 1)
        lines.append(f"{key}={','.join(values)}")
    for line in draw(st.lists(st.sampled_from(DICTIONARIES), max_size=4)):
        cells *= 1 + ("},{" in line or "," in line.partition("{")[0])
        lines += [line] if cells <= 6 else []
    return draw(st.permutations(lines))


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(commands())
def test_same_cells_whatever_is_swept(lines: list[str]) -> None:
    try:
        hydras = each_by_hydra(lines)
    except (UserError, HydraException):  # one of the cells cannot be
        assert mistakes(*lines)
        return
    ours = by_planner(lines)
    assert distinct(plan for _, plan in ours) == hydras
    loader = config_loader()
    assert [shown_by_hydra(loader, lines) for lines, _ in ours] == [plan for _, plan in ours]


def test_own_groups_are_swept_too(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.yaml").write_text("_target_: my.Net\nheads: ${data.complexity}\n")
    lines = ["model=mine,mlp", "data.complexity=2,3"]
    folder = str(tmp_path)
    assert by_planner(lines, folder) == by_hydra(lines, folder)
    assert [cell.plan["model"].get("heads") for cell in expand(lines, config_loader(folder))] == [
        *(2, 3),
        *(None, None),
    ]


def test_shuffled_choices_are_all_there() -> None:
    cells = expand(["seed=shuffle(0,1,2,3)", "model.depth=shuffle(range(2,6))"], config_loader())
    found = [(cell.plan["seed"][0], cell.plan["model"]["depth"]) for cell in cells]
    assert sorted(found) == list(itertools.product(range(4), range(2, 6)))


def mistakes(*lines: str) -> list[str]:
    with pytest.raises(UserError) as refused:
        expand(lines, config_loader())
    return str(refused.value).splitlines()


def test_every_mistake_of_every_cell_at_once() -> None:
    told = mistakes(
        "model.depth=2,0,deep", "data.complexity=0,3", "l2=-1,0.1", "modle=x", "data=digits,digts"
    )
    given = {"modle=x", "l2=-1", "model.depth=0", "model.depth=deep", "data.complexity=0", "data=digts"}
    assert {line.partition(":")[0] for line in told} == given
    assert len(told) == len(given)


def test_mistakes_that_only_cells_have() -> None:
    (line,) = mistakes("data.complexity=2,3", "data.samples=3,16")
    assert line.startswith("data.samples=3: must be more than the 3 dimensions")


def test_many_mistakes_are_not_all_told() -> None:
    told = mistakes(f"model.width={','.join(map(str, range(-50, 0)))}")
    assert len(told) == 21
    assert told[-1] == "and 30 more like these"


@pytest.mark.parametrize(
    "lines",
    [
        ["seed=range(10000)", "model.width=range(1,10000)"],
        ["seed=range(0,1e9)"],
        ["model.init_scale=range(0,1,1e-9)"],
        ["seed=range(2,99)", "l2=" + ",".join(f"{k / 7}" for k in range(99)), "model.width=range(1,99)"],
    ],
)
def test_enormous_grids_are_refused_at_once(lines: list[str]) -> None:
    (line,) = mistakes(*lines)
    assert "at most" in line


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("model.width='${now:%S}'", "must not depend on the time"),
        ("seed='${hydra:job.num}'", "must not depend on the time"),
        ("data.samples='${nothing}'", "nothing"),
        ("data.samples='???'", "Missing mandatory value"),
    ],
)
def test_what_cannot_be_resolved_to_a_result(line: str, said: str) -> None:
    (told,) = mistakes(line)
    assert said in told
