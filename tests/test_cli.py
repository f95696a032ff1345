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
    err = capsys.readouterr().err
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
        (["nowhere.Net"], "model._target_=nowhere.Net: cannot be imported: No module named 'nowhere'"),
        (["collections.Net"], "model._target_=collections.Net: cannot be imported"),
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
