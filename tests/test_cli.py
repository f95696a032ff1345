import os
import re
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import DictConfig, OmegaConf

import spinodal
from spinodal import cli
from spinodal.campaign import pack_file, read_pack
from spinodal.errors import UserError

Job = Callable[[DictConfig], None]


@pytest.fixture(autouse=True)
def _somewhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SPINODAL_OUTPUTS", raising=False)
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> list[DictConfig]:
    """What the jobs were asked for, in place of the jobs."""
    asked: list[DictConfig] = []
    put_in_place_of_the_job(asked.append, monkeypatch)
    return asked


def put_in_place_of_the_job(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    def run_pack(campaign: Path, name: str, where: str) -> None:
        job(OmegaConf.create(read_pack(pack_file(campaign, name)).plan))

    module = types.ModuleType("spinodal.job")
    module.run, module.run_pack = job, run_pack  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "spinodal.job", module)


def hydra_folders(campaign: Path) -> set[Path]:
    return {path.parent for path in campaign.rglob(".hydra")}


# One wrong word or value each: what is typed, and what must be named in the answer.
BAD: list[tuple[str, list[str]]] = [
    ("model.dpeth=4", ["model.dpeth=4", "did you mean model.depth?"]),
    ("model.depth=0", ["model.depth=0", "integer ≥ 1"]),
    ("model.depth=2.5", ["model.depth=2.5", "integer ≥ 1"]),
    ("model.depth='3'", ["model.depth='3'", "integer ≥ 1"]),
    ("model.depth=true", ["model.depth=true", "integer ≥ 1"]),
    ("model.depth=null", ["model.depth=null", "integer ≥ 1"]),
    ("model.width=-3", ["model.width=-3", "integer ≥ 1"]),
    ("model.width=wide", ["model.width=wide", "integer ≥ 1"]),
    ("model.activation=tahn", ["model.activation=tahn", "tanh", "relu", "did you mean tanh?"]),
    ("model.bias=2", ["model.bias=2", "true or false"]),
    ("model.init_scale=0", ["model.init_scale=0", "above 0"]),
    ("model.init_scale=inf", ["model.init_scale=inf", "finite"]),
    ("model._target_=Net", ["model._target_=Net", "dotted path"]),
    ("l2=-1", ["l2=-1", "not negative"]),
    ("l2=nan", ["l2=nan", "finite"]),
    ("l2=", ["l2=", "quote"]),
    ("l2=much", ["l2=much", "geom:first:last:count"]),
    ("l2=geom:0:1:8", ["l2=geom:0:1:8", "above 0"]),
    ("l2=geom:1e-3:1:1000000000", ["l2=geom:1e-3:1:1000000000", "from 2 to"]),
    ("l2=[0.1,0.1]", ["l2=[0.1,0.1]", "repeat 0.1"]),
    ("l2=[0.1", ["l2=[0.1", "brackets"]),
    ("l2.first=1", ["l2.first=1", "no such key"]),
    ("seed=-1", ["seed=-1", "integer from 0"]),
    ("seed=[1,1]", ["seed=[1,1]", "repeat 1"]),
    ("seed=range(5,5)", ["seed=range(5,5)", "nothing to choose from"]),
    ("seed=range(0,1000000000)", ["seed=range(0,1000000000)", "at most"]),
    ("seed=range(0,1,0)", ["seed=range(0,1,0)", "step other than 0"]),
    ("campaign=a,b", ["campaign=a,b", "one value"]),
    ("packing.max_replicas=0", ["packing.max_replicas=0", "integer ≥ 1"]),
    ("retry_failed=yes", ["retry_failed=yes", "true or false"]),
    ("dry_run=2", ["dry_run=2", "true or false"]),
    ("pack=abc", ["pack=abc", "planner's own"]),
    ("experiment=onset,onset_tanh", ["onset, onset_tanh, scratch", "campaign=NAME"]),
    ("callbacks=default,curvature", ["callbacks=", "each point once"]),
    ("model.width='${now:%d}'", ["model.width=${now:%d}", "time"]),
    ("data.complexity=0", ["data.complexity=0", "integer ≥ 1"]),
    ("data.strengths=[1,2,3]", ["data.strengths=[1.0,2.0,3.0]", "strongest"]),
    ("data.ratio=1", ["data.ratio=1", "between 0 and 1"]),
    ("data.samples=2", ["data.samples=2", "3 dimensions"]),
    ("data.noise=-0.1", ["data.noise=-0.1", "≥ 0"]),
    ("data=digts", ["data=digts", "linear_teacher", "did you mean digits?"]),
    ("model=null", ["model=null", "deep_linear, mlp"]),
    ("modle=mlp", ["modle=mlp", "did you mean model?"]),
    ("experiment=onst", ["experiment=onst", "did you mean onset?"]),
    ("+experiment=onset", ["experiment", "without +"]),
    ("+colour=red", ["colour=red", "no such key"]),
    ("~data", ["data", "missing"]),
    ("campaign=../up", ["campaign=../up", "plain folder name"]),
    ("protocol=sideways", ["protocol=sideways", "quench, train, up"]),
    ("optimizer.momentum=0.9", ["optimizer.momentum=0.9", "no such key"]),
    ("optimizer.lr=0", ["optimizer.lr=0", "above 0"]),
    ("relaxation.tolerance=0.1", ["relaxation.handoff=0.0001", "relaxation.tolerance=0.1"]),
    ("trainer.devics=2", ["trainer.devics=2", "did you mean trainer.devices?"]),
    ("hydra/launcher=submitit", ["hydra/launcher=submitit", "submitit_local"]),
    ("l2=${nowhere}", ["l2", "nowhere"]),
    ("experiment", ["experiment", "group=choice"]),
    ("lambda=0.1", ["lambda=0.1", "is l2"]),
    ("weight_decay=0.1", ["weight_decay=0.1", "l2 = w/2"]),
    ("optimizer.weight_decay=0.1", ["optimizer.weight_decay=0.1", "l2 = w/2"]),
    ("lr=0.1", ["lr=0.1", "optimizer.lr"]),
    ("epochs=10", ["epochs=10", "protocol.steps", "relaxation.max_steps"]),
    ("depth=4", ["depth=4", "did you mean model.depth?"]),
    ("protocol.steps=9", ["protocol.steps=9", "no such key in protocol=up, only in protocol=train"]),
    ("data.strengths='[1,0.5]'", ["data.strengths='[1,0.5]': must be a list"]),
    ("seed=[range(0,2)]", ["seed=[range(0,2)]", "stands alone, as in seed=range(0,2)"]),
    ("data={complexity:choice(1,2)}", ["as in data.complexity=choice"]),
    ("data=complexity:1", ["data=complexity:1", "unless in quotes"]),
    ("experiment={l2:0.1}", ["experiment={l2:0.1}", "chosen by name"]),
    ("hydra.launcher=slurm", ["hydra.launcher=slurm", "hydra/launcher="]),
    ("hydra.launcher=3", ["hydra.launcher=3", "hydra/launcher="]),
    ("hydra.launcher.timeout_min=3", ["hydra.launcher.timeout_min=3", "hydra/launcher=slurm has it"]),
    ("hydra.jub.name=x", ["hydra.jub.name=x", "did you mean hydra.job.name?"]),
    ("hydra/launcher=slrum", ["hydra/launcher=slrum", "did you mean slurm?"]),
    (
        "hydra.job.name=${data.complexity}-${nosuch}",
        ["hydra.job.name=${data.complexity}-${nosuch}", "nosuch"],
    ),
    ("hydra.sweep.subdir=${nosuch}", ["hydra.sweep.subdir=${nosuch}", "nosuch"]),
    ("hydra.sweep.dir=${hydra.sweep.dir}", ["hydra.sweep.dir", "Recursive"]),
    ("hydra.verbose=${nosuch}", ["hydra.verbose=${nosuch}", "nosuch"]),
    ("+hydra.job.env_set.X=${nosuch}", ["hydra.job.env_set.X=${nosuch}", "nosuch"]),
    ("+model.x=inf", ["model.x=inf", "no such key", "model.width"]),
    ("+trainer.max_time=inf", ["trainer.max_time=inf", "finite"]),
    ("+callbacks.x={_target_:my.C,y:[1,nan]}", ["callbacks.x.y[1]=nan", "finite"]),
    ("case={K:1}", ["case.K=1", "taken by no key"]),
    ("--faster", ["--faster", "--help"]),
    ("--config-dir=nowhere", ["--config-dir nowhere", "no such folder"]),
    ("--config-name=nothing", ["nothing", "config"]),
]


@pytest.mark.parametrize(("argument", "named"), BAD, ids=[argument for argument, _ in BAD])
def test_bad_input_is_refused_in_a_line(
    argument: str, named: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert cli.main(["run", argument]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert "Traceback" not in err
    assert len(err.splitlines()) == 1
    assert all(word in err for word in named), err
    assert list(tmp_path.iterdir()) == []


# The same, where it takes more words.
BAD_TOGETHER: list[tuple[list[str], list[str]]] = [
    (
        ["optimizer=sgd,adam", "optimizer.momentum=0.5"],
        ["optimizer.momentum=0.5", "optimizer=adam", "optimizer=sgd"],
    ),
    (["hydra/launcher=slurm", "hydra.launcher.timeout_mins=4"], ["did you mean hydra.launcher.timeout_min?"]),
    (["hydra/launcher=slurm", "hydra.launcher.timeout_min=abc"], ["timeout_min=abc: must be an integer"]),
    (
        ["hydra/launcher=slurm", "hydra.launcher.name=${data.complexity}-${nosuch}"],
        ["launcher.name", "nosuch"],
    ),
    (["hydra/launcher=slurm", "hydra.launcher.name=${oc.env:NO_SUCH_VARIABLE}"], ["NO_SUCH_VARIABLE"]),
    (["hydra/launcher=local", "hydra.launcher.workers=two"], ["hydra.launcher.workers=two", "integer ≥ 1"]),
    (["model._target_=my.Net", "+model.x=inf"], ["model.x=inf: must be a finite number"]),
    (["model._target_=my.Net", "+model.x=1,-inf"], ["model.x=-inf: must be a finite number"]),
    (["model._target_=my.Net", "+model.x=[1,{a:nan}]"], ["model.x[1].a=nan: must be a finite number"]),
    (
        ["hydra/sweeper=basic", "data=digits", "data={complexity:1}"],
        ["data: is given twice", "hydra/sweeper=basic"],
    ),
    (["data=digits,{complexity:1}"], ["data=digits,{complexity:1}", "not both"]),
]


@pytest.mark.parametrize(
    ("arguments", "named"), BAD_TOGETHER, ids=[" ".join(each) for each, _ in BAD_TOGETHER]
)
def test_bad_combinations_are_refused_in_a_line(
    arguments: list[str], named: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert cli.main(["run", *arguments]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert len(err.splitlines()) == 1
    assert all(word in err for word in named), err
    assert list(tmp_path.iterdir()) == []


def test_bytes_are_no_value(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "extra" / "model").mkdir(parents=True)
    (tmp_path / "extra" / "model" / "mine.yaml").write_text("_target_: my.Net\nblob: !!binary aGVsbG8=\n")
    assert cli.main(["run", "--config-dir", "extra", "model=mine"]) == 2
    assert "error: model.blob=b'hello': must be a number, text" in capsys.readouterr().err


PAIRS = "data={complexity:1,samples:100},{complexity:3,samples:200}"


@pytest.mark.parametrize("lines", [["data=digits", PAIRS], [PAIRS, "data=digits"]], ids=["before", "after"])
def test_dictionaries_pair_values_of_the_choice_beside_them(
    lines: list[str], plans: list[DictConfig]
) -> None:
    assert cli.main(["run", *lines, "logger=none"]) == 0
    asked = {(plan.data._target_, plan.data.complexity, plan.data.samples) for plan in plans}
    assert asked == {("spinodal.tasks.digits", 1, 100), ("spinodal.tasks.digits", 3, 200)}
    assert len(plans) == 2


def test_dictionaries_pair_values_of_the_default_choice(plans: list[DictConfig]) -> None:
    assert cli.main(["run", PAIRS]) == 0
    asked = {(plan.data._target_, plan.data.complexity, plan.data.samples) for plan in plans}
    assert asked == {("spinodal.tasks.linear_teacher", 1, 100), ("spinodal.tasks.linear_teacher", 3, 200)}


def test_a_case_pairs_values_of_different_groups(plans: list[DictConfig]) -> None:
    case = "case={K:1,l2:geom:0.1:0.4:3},{K:3,l2:[0.02,0.2]}"
    assert cli.main(["run", case, "data.complexity=${case.K}", "l2=${case.l2}"]) == 0
    assert sorted((plan.data.complexity, plan.l2) for plan in plans) == [
        (1, [0.1, 0.2, 0.4]),
        (3, [0.02, 0.2]),
    ]
    assert all("case" not in plan for plan in plans)


@pytest.mark.parametrize(
    "lines",
    [
        ["data=digits", "data={complexity:1,samples:100}"],
        ["model={depth:5}", "model.depth=2", "model={width:6}", "model=deep_linear"],
        ["optimizer={lr:0.3}", "optimizer=sgd", "protocol={refine:2}", "protocol=down"],
        [
            "callbacks={progress:null}",
            "callbacks=[curvature,spectrum]",
            "trainer={devices:1}",
            "trainer=gpu",
            "preflight=false",
        ],
        ["logger={project:x}", "logger=wandb", "experiment=onset", "model={width:5}"],
        ["hydra.launcher={gpus_per_node:1}", "hydra/launcher=slurm"],
    ],
    ids=" ".join,
)
def test_what_is_shown_is_what_runs(
    lines: list[str],
    plans: list[DictConfig],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as end:
        sys.exit(cli.main(["run", "--cfg", "job", "--resolve", *lines]))
    assert not end.value.code
    shown = OmegaConf.create(capsys.readouterr().out)
    monkeypatch.setattr("spinodal.cluster.launcher.launch", _in_this_process)
    assert cli.main(["run", *lines]) == 0
    (plan,) = plans
    for group in ("data", "model", "optimizer", "protocol", "callbacks", "trainer", "logger", "paths"):
        assert plan[group] == shown[group], group


def _in_this_process(
    config: DictConfig, parameters: object, jobs: list[list[str]], wait: bool
) -> list[object]:
    for *_, last in jobs:
        sys.modules["spinodal.job"].run_pack(Path(config.paths.campaign), last.split("'")[1], where="")
    return []


@pytest.mark.parametrize(
    "command", [["run", "dry_run=true"], ["predict", "l2=[0.1]"]], ids=["run", "predict"]
)
def test_flags_stand_anywhere(command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "extra" / "model").mkdir(parents=True)
    (tmp_path / "extra" / "model" / "mine.yaml").write_text("defaults: [deep_linear]\nwidth: 5\n")
    arguments = ["data.complexity=2", "--config-dir", "extra", "model=mine", "-cn", "config", "data.seed=1"]
    assert cli.main([*command, *arguments]) == 0
    assert cli.main([*command, *arguments, "model.width=wide"]) == 2
    assert capsys.readouterr().err.endswith("error: model.width=wide: must be an integer ≥ 1 (≥ data.complexity for "
    "the exact phase diagram)\n")  # fmt: skip


def test_an_output_folder_that_cannot_be_made(
    plans: list[DictConfig], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "outputs").write_text("a file where the folder should be")
    assert cli.main(["run"]) == 2
    building, line = capsys.readouterr().err.splitlines()
    assert building == "building 1 configuration"
    assert line.startswith("error: outputs")
    assert plans == []


def test_several_mistakes_are_told_together(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", "data=digits", "data.complexity=12", "model.depth=0", "l2=-1"]) == 2
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 3
    for word in ("data.complexity=12: must be an integer from 1 to 9", "model.depth=0", "l2=-1"):
        assert word in err


def test_a_run_gets_its_plan_and_a_folder_of_its_own(plans: list[DictConfig], tmp_path: Path) -> None:
    assert cli.main(["run", "experiment=onset", "seed=1"]) == 0
    first = hydra_folders(tmp_path / "outputs" / "onset" / "jobs")
    before = {path: path.read_bytes() for folder in first for path in folder.rglob("*.yaml")}
    assert cli.main(["run", "experiment=onset", "seed=2"]) == 0
    assert len(first) == 1
    assert first < hydra_folders(tmp_path / "outputs" / "onset" / "jobs")
    assert len(list((tmp_path / "outputs" / "onset" / "launches").iterdir())) == 2
    assert all(path.read_bytes() == text for path, text in before.items())
    assert [plan.seed for plan in plans] == [[1], [2]]
    assert plans[0].l2[-1] == 0.4
    assert not list(tmp_path.rglob("*.log"))
    assert os.environ.get("HYDRA_FULL_ERROR") is None


def test_multirun(plans: list[DictConfig], tmp_path: Path) -> None:
    assert cli.main(["run", "-m", "data.complexity=1,2", "model=deep_linear,mlp", "campaign=sweep"]) == 0
    asked = [(plan.data.complexity, plan.model.activation) for plan in plans]
    assert asked == [(1, "linear"), (1, "tanh"), (2, "linear"), (2, "tanh")]
    folders = hydra_folders(tmp_path / "outputs" / "sweep" / "jobs")
    assert {folder.name for folder in folders} == {
        path.stem for path in (tmp_path / "outputs" / "sweep" / "packs").iterdir()
    }
    assert len(folders) == 4


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        (["model.depth=2,0"], "model.depth=0: must be an integer"),
        (["model.depth=0,2"], "model.depth=0: must be an integer"),
        (["model.depth=2,deep"], "model.depth=deep: must be an integer"),
        (["model=mlp,mpl"], "model=mpl: must be one of deep_linear, mlp"),
        (["data=linear_teacher,digits", "data.ratio=0.5"], "data.ratio=0.5: no such key"),
        (["hydra.job.name=a,b"], "hydra.job.name=a,b: keys of Hydra's own"),
        (["model.init_scale=interval(1,2)"], "model.init_scale=interval(1,2)"),
    ],
)
def test_a_bad_point_of_a_sweep_is_refused(
    overrides: list[str], named: str, plans: list[DictConfig], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["run", "-m", *overrides]) == 2
    err = capsys.readouterr().err
    assert "Traceback" not in err
    assert f"error: {named}" in err
    assert len(err.splitlines()) <= 2


def test_what_cannot_be_built_in_another_process_has_failed_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "elsewhere_for_a_test.py").write_text(
        "import os\nif 'SUBMITIT_EXECUTOR' in os.environ: raise ImportError('not on this machine')\n"
        "def net(**arguments): pass\n"
    )
    monkeypatch.setattr(sys, "path", [*sys.path])
    target = "model._target_=elsewhere_for_a_test.net"
    with pytest.raises(SystemExit) as end:
        cli.main(
            ["run", "hydra/launcher=submitit_local", target, "logger=none", "campaign=c", "preflight=false"]
        )
    assert end.value.code == 1
    err = " ".join(capsys.readouterr().err.split())
    assert "1 points: 0 done, 1 failed" in err
    assert f"{target}: cannot be imported: not on this machine" in err
    assert "Traceback" not in err


def test_a_job_that_fails_is_no_mistake_of_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    def job(plan: DictConfig) -> None:
        assert plan.no_such_key

    put_in_place_of_the_job(job, monkeypatch)
    with pytest.raises(AttributeError, match="no_such_key"):
        cli.main(["run"])


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["nowhere.Net"], "model: nowhere.Net cannot be imported: No module named 'nowhere'"),
        (["collections.Net"], "model: collections.Net cannot be imported"),
        (["fractions.Fraction", "+model.numerator=x"], "model: fractions.Fraction raised ValueError"),
    ],
)
def test_a_module_that_cannot_be_built(
    lines: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["run", f"model._target_={lines[0]}", *lines[1:]]) == 2
    err = capsys.readouterr().err
    assert err.splitlines()[-1].startswith(f"error: {said}")
    assert "Traceback" not in err


def test_a_module_beside_the_user_is_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "my_nets_for_a_test.py").write_text(
        "import torch\n"
        "def net(input_dim, output_dim, heads):\n"
        "    print('heads', heads)\n"
        "    return torch.nn.Linear(input_dim, output_dim)\n"
    )
    (tmp_path / "extra" / "model").mkdir(parents=True)
    (tmp_path / "extra" / "model" / "mine.yaml").write_text("_target_: my_nets_for_a_test.net\nheads: 2\n")
    put_in_place_of_the_job(lambda plan: None, monkeypatch)
    monkeypatch.setattr(sys, "path", [*sys.path])
    assert cli.main(["run", "--config-dir", "extra", "model=mine", "model.heads=3"]) == 0
    assert "heads 3" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["--help"], ["run", "status", "cancel", "predict", "probe", "report", "sync", "dashboard"]),
        (["predict", "--help"], ["overrides", "--config-dir", "spinodal predict data=digits"]),
        (["--version"], [spinodal.__version__]),
        (
            ["run", "--help"],
            ["data: digits, linear_teacher", "model: deep_linear, mlp", "l2", "seed", "campaign"],
        ),
        (["run", "--cfg", "job"], ["campaign: scratch", "activation: tanh"]),
        (["run", "--info", "searchpath"], ["Provider"]),
        (["run", "-sc", "install=bash"], ["hydra_bash_completion spinodal"]),
    ],
)
def test_looking_imports_nothing_heavy(arguments: list[str], shown: list[str]) -> None:
    """How long it takes, too, is measured among the benchmarks."""
    code = (
        "import atexit, sys; from spinodal.cli import main\n"
        "atexit.register(lambda: print(*sys.modules, file=sys.stderr))\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    assert all(text in done.stdout for text in shown), done.stdout
    modules = set(done.stderr.split())
    assert not {"torch", "pytorch_lightning", "wandb", "polars", "matplotlib", "sklearn"} & modules


def test_help_names_all_keys_scripts_rely_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", "--help"]) == 0
    text = capsys.readouterr().out
    keys = ["campaign", "l2", "seed"]
    keys += [
        f"data.{key}" for key in ("complexity", "strengths", "ratio", "input_dim", "output_dim", "samples")
    ]
    keys += [f"model.{key}" for key in ("depth", "width", "activation", "bias", "init_scale")]
    assert all(key in text for key in keys)
    assert "schema" not in text
    ours = [
        line for line in text.splitlines() if not re.match(r"\w+: ", line)
    ]  # Hydra lists the choices of a group
    assert max(len(line) for line in ours) <= 120


def test_help_is_what_hydra_would_print(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "extra" / "model").mkdir(parents=True)
    (tmp_path / "extra" / "model" / "mine.yaml").write_text("_target_: my.Net\n")
    arguments = ["--help", "--config-dir", str(tmp_path / "extra")]
    assert cli.main(["run", *arguments]) == 0
    ours = capsys.readouterr().out
    with pytest.raises(SystemExit):
        cli._hydra(arguments)
    assert ours == capsys.readouterr().out
    assert "model: deep_linear, mine, mlp\n" in ours


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("spinodal ", ["run", "status", "cancel", "predict", "probe", "report", "sync", "dashboard"]),
        ("spinodal run data=", ["data=digits", "data=linear_teacher", "data=modular_addition"]),
        ("spinodal run model.w", ["model.width="]),
        ("spinodal predict data=", ["data=digits", "data=linear_teacher", "data=modular_addition"]),
        ("spinodal run schema", []),
    ],
)
def test_completion(
    line: str, offered: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COMP_LINE", line)
    assert cli.main(["-sc", "query=bash"]) == 0
    assert capsys.readouterr().out.split() == offered


@pytest.mark.parametrize(
    "flags", [["--cfg", "job", "-m"], ["--resolve"], ["--cfg", "job", "--info"], ["-sc"]]
)
def test_flags_that_do_not_go_together(flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", *flags]) == 2
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["runn"], ["report"], ["report", "outputs/nowhere"], ["--loud"]])
def test_other_commands_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(arguments) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_report_is_handed_the_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    module = types.ModuleType("spinodal.report")
    module.main = lambda folder, curves: len(str(folder)) + 10 * len(curves)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "spinodal.report", module)
    (tmp_path / "c").mkdir()
    assert cli.main(["report", "c"]) == 1
    assert cli.main(["report", "c", "--curve", "a", "--curve", "b*"]) == 21


def test_traceback_for_those_who_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    with pytest.raises(UserError):
        cli.main(["run", "model.depth=0"])
