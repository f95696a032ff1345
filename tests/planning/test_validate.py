import subprocess
import sys
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from spinodal.errors import UserError
from spinodal.planning import conf_dir, plan, validate


def composed(*overrides: str) -> DictConfig:
    """By Hydra itself."""
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        return compose("config", overrides=list(overrides))


def mistakes(*overrides: str) -> list[str]:
    with pytest.raises(UserError) as refused:
        plan(overrides)
    return str(refused.value).splitlines()


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["experiment=onset_tanh", "model.width=4", "l2=[0.1]"],
        [
            "data=digits",
            "data.error=cross_entropy",
            "optimizer=adam",
            "optimizer.betas=[0.5,0.9]",
            "logger=none",
        ],
        ["data.strengths=[3,2,1]", "model.init_scale=2", "protocol=quench", "seed=[0,1]"],
        ["+trainer.max_time='00:01'", "~callbacks.progress", "++model.depth=4", "campaign=7"],
        ["model={depth:5,width:6}", "~callbacks"],
    ],
)
def test_plans_what_hydra_composes(overrides: list[str]) -> None:
    planned = plan(overrides)
    assert planned == validate(composed(*overrides))
    assert planned == validate(planned)


def test_plain_typed_and_resolved() -> None:
    planned = OmegaConf.to_container(plan(["l2=geom:0.001:1:4", "seed=2", "data.noise=1", "campaign=c"]))
    assert isinstance(planned, dict)
    assert planned["l2"] == [0.001, 0.01, 0.1, 1.0]
    assert planned["seed"] == [2]
    assert type(planned["data"]["noise"]) is float
    assert planned["paths"] == {"outputs": "outputs", "campaign": "outputs/c"}
    assert plan(["logger=none"]).logger is None


def test_all_mistakes_at_once() -> None:
    lines = mistakes(
        *["modle=mlp", "foo", "model.dpeth=4", "model.depth=0", "model.bias=2", "data.complexity=abc"],
        *[
            "l2=-1",
            "seed=[1,1]",
            "campaign=a/b",
            "trainer.devics=1",
            "optimizer.lr=nan",
            "relaxation.handoff=0",
        ],
    )
    told = ["foo", "modle", "trainer.devics", "data.complexity", "model.depth", "model.bias", "model.dpeth"]
    told += ["optimizer.lr", "relaxation.handoff", "campaign", "l2", "seed"]
    assert sorted(line.split("=")[0].split(":")[0] for line in lines) == sorted(told)


@pytest.mark.parametrize(
    ("overrides", "key"),
    [
        (["data.strengths=[2,1]"], "data.strengths=[2.0,1.0]: must have data.complexity=3 entries"),
        (["data.strengths=[1,1,0.5]"], "data.strengths=[1.0,1.0,0.5]: must fall"),
        (["data.strengths=[1,2,3]"], "data.strengths=[1.0,2.0,3.0]: must fall"),
        (["data.strengths=[3,2,-1]"], "data.strengths=[3,2,-1]: must be a list of finite numbers above 0"),
        (["data.input_dim=2"], "data.input_dim=2: must be at least data.complexity=3"),
        (["data.output_dim=2"], "data.output_dim=2: must be at least data.complexity=3"),
        (["data.samples=3"], "data.samples=3: must be more than the 3 dimensions"),
        (["data.samples=8", "data.input_dim=8"], "data.samples=8: must be more than the 8 dimensions"),
        (["data=digits", "data.complexity=9", "data.samples=9"], "data.samples=9: must be at least 10"),
        (["relaxation.tolerance=1e-3"], "relaxation.handoff=0.0001: must be at least relaxation.tolerance"),
    ],
)
def test_rules_between_keys(overrides: list[str], key: str) -> None:
    (line,) = mistakes(*overrides)
    assert line.startswith(key)


def test_edges_of_the_rules_are_allowed() -> None:
    plan(["data.samples=4", "data.input_dim=3", "data.output_dim=3", "data.strengths=[3,2,1]"])
    plan(["data=digits", "data.complexity=9", "data.samples=10"])
    plan(["relaxation.handoff=1e-8", "l2=0", "model.depth=1", "model.width=1", "data.complexity=1"])


def test_module_of_ones_own() -> None:
    planned = plan(
        ["model._target_=my.Net", "model.foo=[1,x]", "~model.activation", "+model.nested.deep=true"]
    )
    assert planned.model._target_ == "my.Net"
    assert planned.model.foo == [1, "x"]
    assert planned.model.nested.deep is True
    assert "activation" not in planned.model


def test_arguments_of_a_module_of_ones_own_are_of_any_type() -> None:
    assert plan(["model._target_=my.Net", "model.width=[8,4]", "model.bias=no"]).model.width == [8, 4]


def test_file_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.yaml").write_text("_target_: my.Net\nheads: 4\n")
    (tmp_path / "model" / "wide.yaml").write_text("defaults: [mlp]\nwidth: 64\n")
    (tmp_path / "model" / "part.yaml").write_text("_target_: spinodal.networks.MLP\ndepth: '3'\nwitdh: 4\n")
    (tmp_path / "model" / "word.yaml").write_text("defaults: [mlp]\nwidth: wide\n")
    folder = str(tmp_path)
    assert plan(["model=mine", "model.heads=8"], config_dir=folder).model == {
        "_target_": "my.Net",
        "heads": 8,
    }
    assert plan(["model=wide"], config_dir=folder).model.width == 64
    assert plan(["model=wide", f"hydra.searchpath=[file://{folder}]"]).model.width == 64
    with pytest.raises(UserError) as refused:
        plan(["model=part"], config_dir=folder)
    text = str(refused.value)
    assert "model.depth='3': must be an integer" in text
    assert "model.witdh=4: no such key; did you mean model.width?" in text
    assert "model.activation is missing: must be one of tanh" in text
    with pytest.raises(UserError, match=r"model\.width=wide: must be an integer"):
        plan(["model=word"], config_dir=folder)


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("Net", "dotted path"),
        ("my..Net", "dotted path"),
        ("my.Net()", "dotted path"),
        ("3", "dotted path"),
        ("spinodal.networks.MPL", "did you mean spinodal.networks.MLP"),
    ],
)
def test_target_is_a_dotted_path(target: str, said: str) -> None:
    (line,) = mistakes(f"model._target_='{target}'")
    assert "model._target_=" in line
    assert said in line


def test_a_sweep_is_no_single_configuration() -> None:
    sweep = ["model=deep_linear,mlp", "seed=range(3,6)", "optimizer=glob(a*)"]
    assert [line.split(":")[0] for line in mistakes(*sweep)] == sweep[:2]  # one optimizer begins with an a


def test_hydras_own_resolvers_work() -> None:
    planned = plan(["+trainer.default_root_dir=${hydra:runtime.output_dir}", "campaign=here"])
    assert planned.trainer.default_root_dir == "outputs/here/jobs"


def test_planning_imports_nothing_heavy() -> None:
    code = (
        "import sys; from spinodal.planning import plan; plan(['experiment=digits', 'data.complexity=2']); "
    )
    code += "print({'torch', 'pytorch_lightning', 'wandb', 'polars', 'sklearn', 'numpy'} & set(sys.modules))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == "set()"


def test_values_of_a_callback_that_is_not_chosen_are_refused() -> None:
    """As when callbacks=default leaves out what an experiment sets values of."""
    curvature, spectrum = mistakes("experiment=grokking", "callbacks=default")
    assert curvature.startswith("callbacks.curvature={probes:40}: has no _target_")
    assert "~callbacks.spectrum" in spectrum
    left_out = ["~callbacks.curvature", "callbacks.spectrum=null"]
    assert "progress" in plan(["experiment=grokking", "callbacks=default", *left_out]).callbacks
