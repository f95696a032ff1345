"""Mistakes are refused in a line that names key, value and what is allowed."""

import sys
from pathlib import Path

import pytest
from omegaconf import DictConfig

from spinodal import cli

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


def test_several_mistakes_are_told_together(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", "data=digits", "data.complexity=12", "model.depth=0", "l2=-1"]) == 2
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 3
    for word in ("data.complexity=12: must be an integer from 1 to 9", "model.depth=0", "l2=-1"):
        assert word in err


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        (["model.depth=2,0"], "model.depth=0: must be an integer"),
        (["model.depth=0,2"], "model.depth=0: must be an integer"),
        (["model.depth=2,deep"], "model.depth=deep: must be an integer"),
        (["model=mlp,mpl"], "model=mpl: must be one of cnn, deep_linear, mlp"),
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
