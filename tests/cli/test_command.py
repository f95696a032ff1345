"""What a command does, shows and completes."""

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
from spinodal.errors import UserError

Job = Callable[[DictConfig], None]


def hydra_folders(campaign: Path) -> set[Path]:
    return {path.parent for path in campaign.rglob(".hydra")}


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


def test_a_job_that_fails_is_no_mistake_of_the_command(
    put_in_place_of_the_job: Callable[[Job], None],
) -> None:
    def job(plan: DictConfig) -> None:
        assert plan.no_such_key

    put_in_place_of_the_job(job)
    with pytest.raises(AttributeError, match="no_such_key"):
        cli.main(["run"])


def test_a_module_beside_the_user_is_found(
    put_in_place_of_the_job: Callable[[Job], None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "my_nets_for_a_test.py").write_text(
        "import torch\n"
        "def net(input_dim, output_dim, heads):\n"
        "    print('heads', heads)\n"
        "    return torch.nn.Linear(input_dim, output_dim)\n"
    )
    (tmp_path / "extra" / "model").mkdir(parents=True)
    (tmp_path / "extra" / "model" / "mine.yaml").write_text("_target_: my_nets_for_a_test.net\nheads: 2\n")
    put_in_place_of_the_job(lambda plan: None)
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
            ["data: digits, linear_teacher", "model: cnn, deep_linear, mlp", "l2", "seed", "campaign"],
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
    assert "model: cnn, deep_linear, mine, mlp\n" in ours


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("spinodal ", ["run", "status", "cancel", "predict", "probe", "report", "sync", "dashboard"]),
        ("spinodal run data=", ["data=digits", "data=linear_teacher", "data=mnist", "data=modular_addition"]),
        ("spinodal run model.w", ["model.width="]),
        (
            "spinodal predict data=",
            ["data=digits", "data=linear_teacher", "data=mnist", "data=modular_addition"],
        ),
        ("spinodal run schema", []),
    ],
)
def test_completion(
    line: str, offered: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COMP_LINE", line)
    assert cli.main(["-sc", "query=bash"]) == 0
    assert capsys.readouterr().out.split() == offered


def test_report_is_handed_the_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    module = types.SimpleNamespace(
        main=lambda folder, curves, *_: len(str(folder)) + 10 * len(curves),
        print_claims=lambda folder, modules: 100 * len(modules),
        Look=lambda *look: look,
    )
    monkeypatch.setattr(spinodal, "report", module, raising=False)
    (tmp_path / "c").mkdir()
    assert cli.main(["report", "c"]) == 1
    assert cli.main(["report", "c", "--curve", "a", "--curve", "b*"]) == 21
    assert cli.main(["report", "c", "--claims", "--with", "mine.py"]) == 100


def test_traceback_for_those_who_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    with pytest.raises(UserError):
        cli.main(["run", "model.depth=0"])
