"""Modules of a user's own through the command line: given what they take, and never two contents in one campaign."""

import re
import sys
from pathlib import Path

import pytest

from spinodal import cli
from spinodal.planning import arguments
from spinodal.records import read_records

NETS = """
import torch
import mine_helper

class Net(torch.nn.Module):
    def __init__(self, input_dim, output_dim, width=4):
        super().__init__()
        self.a = torch.nn.Linear(input_dim, width, bias=False)
        self.b = torch.nn.Linear(width, output_dim, bias=False)
    def forward(self, x):
        return self.b(mine_helper.act(self.a(x)))

class Deep(torch.nn.Sequential):
    def __init__(self, input_dim, output_dim, width=(4, 3)):
        sizes = input_dim, *width, output_dim
        super().__init__(*(torch.nn.Linear(a, b, bias=False) for a, b in zip(sizes, sizes[1:])))

def twice(l2, seed):
    raise ValueError("not yet")

class OneToOne(torch.nn.Linear):
    def __init__(self):
        super().__init__(1, 1, bias=False)
"""
ACT = "def act(x):\n    return x.tanh()\n"
OTHER = "def act(x):\n    return 1.1 * x.tanh()\n"
SMALL = ["data.complexity=1", "data.samples=12", "l2=[0.05,0.1]", "logger=none", "campaign=c"]
NET = "model._target_=mine_nets.Net"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SPINODAL_OUTPUTS", raising=False)
    monkeypatch.setattr(sys, "path", [*sys.path])  # commands add the folder they are in
    (tmp_path / "mine_nets.py").write_text(NETS)
    (tmp_path / "mine_helper.py").write_text(ACT)
    return tmp_path


def go(*overrides: str) -> object:
    """A command in a process that has imported nothing of the user's."""
    for name in ("mine_nets", "mine_helper"):
        sys.modules.pop(name, None)
    try:
        return cli.main(["run", *SMALL, *overrides])
    except SystemExit as end:
        return end.code


def status(capsys: pytest.CaptureFixture[str], *flags: str) -> str:
    capsys.readouterr()
    assert cli.main(["status", "outputs/c", *flags]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("choice", [NET, "model={_target_:mine_nets.Net}"])
def test_a_network_runs_with_what_it_takes(
    choice: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert go(choice) == 0
    err = capsys.readouterr().err
    assert "model=mine_nets.Net: takes no depth, activation, bias, init_scale; not passed\n" in err
    records = read_records(folder / "outputs" / "c")
    assert records["stationary"].all()
    assert records["width"].unique().to_list() == [16]
    assert records["depth"].null_count() == len(records) == 2


def test_an_argument_of_another_type_than_a_column_is_no_column(folder: Path) -> None:
    (folder / "mine" / "model").mkdir(parents=True)
    (folder / "mine" / "model" / "deep.yaml").write_text("{_target_: mine_nets.Deep, width: [4, 3]}")
    assert go("--config-dir", "mine", "model=deep") == 0
    records = read_records(folder / "outputs" / "c")
    assert records["width"].null_count() == len(records) == 2


def test_a_protocol_that_raises_is_refused_in_a_line(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert go("protocol.name=mine_nets.twice") == 2
    err = capsys.readouterr().err
    assert "error: protocol.name=mine_nets.twice: raised ValueError: not yet" in err
    assert "Traceback" not in err


def test_what_is_typed_for_a_network_counts_without_the_planner_too(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert go(NET, "model.depth=2", "hydra.mode=RUN") == 2
    assert "model.depth=2: no such argument, mine_nets.Net takes width" in capsys.readouterr().err


def test_a_network_that_takes_no_dimensions_runs(folder: Path) -> None:
    assert go("model._target_=mine_nets.OneToOne") == 0
    assert read_records(folder / "outputs" / "c")["parameters"].unique().to_list() == [1]


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["+model.heads=2"], "model.heads=2: no such argument, mine_nets.Net takes width"),
        (["model.depth=2,3"], "model.depth=2: no such argument, mine_nets.Net takes width"),
        (["+model.widht=2", "dry_run=true"], "did you mean model.width?"),
        (
            ["model._target_=mine_nets.Nat"],
            "model: mine_nets.Nat cannot be imported: module 'mine_nets'",
        ),
    ],
)
def test_what_nothing_reads_is_refused_before_anything_starts(
    overrides: list[str], said: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = [] if "_target_" in overrides[0] else [NET]
    assert go(*own, *overrides) == 2
    err = capsys.readouterr().err
    assert said in err
    assert "Traceback" not in err
    assert not (folder / "outputs").exists()


def test_another_content_is_no_part_of_the_campaign(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert go(NET, "seed=[0,1]") == 0
    (folder / "mine_helper.py").write_text("# the units\n" + ACT)
    assert go(NET, "seed=[0,1]") == 0  # a comment is no other content
    assert len(read_records(folder / "outputs" / "c")) == 4
    (folder / "mine_helper.py").write_text(OTHER)
    capsys.readouterr()
    assert go(NET, "seed=[0,1,2]") == 2
    first, second = capsys.readouterr().err.splitlines()
    assert re.match(
        r"error: mine_helper\.py: has another content than when points of campaign=c .*begun 20\d\d-", first
    )
    assert "another campaign, restore mine_helper.py, or add mix_modules=true" in second
    assert len(read_records(folder / "outputs" / "c")) == 4
    assert go(NET, "model.width=2", "mix_modules=true") == 0
    assert go(NET, "model.width=2") == 0  # nothing is left to run
    (both,) = {len(read_records(folder / "outputs" / "c"))}
    assert both == 6
    digests = {
        re.search(r"mine_helper\.py: \w+", path.read_text())[0]  # type: ignore[index]
        for path in (folder / "outputs" / "c" / "records").glob("*.yaml")
    }
    assert len(digests) == 2
    assert len(set(re.findall(r"mine_helper\.py=\w+", status(capsys)))) == 2
    (folder / "mine_helper.py").write_text(ACT)
    assert go(NET, "seed=[0,1]") == 0


def test_points_of_unknown_content_are_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Computed as it was done before the content was noted: the identity is that of then."""
    taken = [f"~model.{key}" for key in ("depth", "activation", "bias", "init_scale")]
    with monkeypatch.context() as before:
        before.setattr("spinodal.planning.sweep.fitted", lambda cells: arguments.Fitted(list(cells), []))
        assert go(NET, *taken, "seed=[0,1]") == 0
    capsys.readouterr()
    assert go(NET, "seed=[0,1,2]") == 0
    assert re.search(r"\n +3 +2 +0 +0 +1 +1 +1\n", capsys.readouterr().err)
    text = status(capsys, "--points")
    assert "3 points: 3 done\n2 of them: module content unknown" in text
    assert len(re.findall(r"done +module content unknown", text)) == 2
    assert go(NET, "seed=[0,1,2]", "mix_modules=true") == 0
    assert len(read_records(folder / "outputs" / "c")) == 10
    assert "5 points: 5 done" in status(capsys)


def test_a_mistake_put_right_leaves_no_failed_points(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "mine_helper.py").write_text("def act(x):\n    raise RuntimeError('not yet')\n")
    assert go(NET, "seed=[0,1]", "preflight=false") == 1
    assert "2 points: 2 failed" in status(capsys)
    (folder / "mine_helper.py").write_text(ACT)
    assert go(NET, "seed=[0,1]") == 0
    assert "2 points: 2 done" in status(capsys)


def test_an_edit_between_plan_and_job_fails_there(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def edit(*arguments: object, **more: object) -> None:
        (folder / "mine_helper.py").write_text(OTHER)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr("spinodal.planning.sweep.write_launch", edit)
        assert go(NET) == 1
    err = " ".join(capsys.readouterr().err.split())
    assert re.search(r"mine_helper\.py: has another content than when pack=\w+ was planned; run the", err)
    assert "1 failed" in status(capsys)
    assert not [*(folder / "outputs" / "c").glob("records/*")]
    assert go(NET) == 0


def test_a_process_that_has_imported_another_content_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert go(NET) == 0
    (folder / "mine_helper.py").write_text(OTHER)
    assert cli.main(["run", *SMALL, NET, "campaign=d"]) == 2
    assert "mine_helper.py: edited after this process had imported it" in capsys.readouterr().err


def test_prediction_gives_data_what_they_take(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "mine_nets.py").write_text(
        "from spinodal.tasks import linear_teacher\n\ndef data(complexity):\n    return linear_teacher(complexity)\n"
    )
    sys.modules.pop("mine_nets", None)
    assert cli.main(["predict", "data._target_=mine_nets.data", "model=deep_linear", "campaign=p"]) == 0
    said = capsys.readouterr().err
    assert "takes no strengths, ratio, input_dim, output_dim, samples, test_samples, noise, seed; not" in said
    assert cli.main(["predict", "data._target_=mine_nets.data", "data.samples=9"]) == 2
    assert "data.samples=9: no such argument, mine_nets.data takes complexity" in capsys.readouterr().err
