"""Penalties of a user's own through the command line: as the control parameter, and held beside L2."""

import json
import sys
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from spinodal import cli
from spinodal.building.networks import build_ensemble, build_task
from spinodal.building.penalties import penalties_of
from spinodal.building.preflight import preflight
from spinodal.campaign import control, read_attempts, read_packs
from spinodal.ensemble import Objective
from spinodal.penalties import isotropic, l2
from spinodal.planning import plan, survey
from spinodal.planning.memory import bytes_per_replica
from spinodal.records import read_records

OWN = """
def smooth_l1(objective, theta, width=0.01):
    return ((theta**2 + width**2).sqrt() - width).sum(-1)


def label_smoothing(objective, theta):
    return -objective.outputs(theta).log_softmax(-1).mean((-2, -1)) - objective.error(theta)


def of_theta(theta):
    return theta.square().sum(-1)


def total(objective, theta):
    return theta.square().sum()


def each(objective, theta):
    return theta.square()


def shared(objective, theta):
    return theta.square().sum(-1) + theta.square().mean()


def log(objective, theta):
    return theta.square().log().sum(-1)


def root(objective, theta):
    return (0 * theta).square().sum(-1).sqrt() + theta.square().sum(-1)


def constant(objective, theta):
    return theta.detach().square().sum(-1)


def sharp(objective, theta):
    return theta.abs().sum(-1)


def number(objective, theta):
    return 1.0


def broken(objective, theta):
    raise ValueError("not yet")  # line 51


def some_layers(objective, theta, names):
    parameters = objective.ensemble.named_parameters_of(theta)
    return sum(parameters[name].square().flatten(1).sum(-1) for name in names)


def path_norm(objective, theta):
    # Squared products of the weights along each path, summed.
    first, *rest = objective.ensemble.named_parameters_of(theta).values()
    reached = first.square().sum(-1)
    for weights in rest:
        reached = (weights.square() @ reached[..., None])[..., 0]
    return reached.sum(-1)
"""
SMOOTH_L1 = """
# @package _global_
control: smooth_l1
penalties: {smooth_l1: {_target_: own_penalties.smooth_l1, width: 0.1}}
smooth_l1: lin:0.01:0.13:3
"""
FILES = {
    "smooth_l1": SMOOTH_L1,
    "with_l2": SMOOTH_L1 + "l2: 1e-3\n",
    "label_smoothing": """
# @package _global_
control: label_smoothing
penalties: {label_smoothing: {_target_: own_penalties.label_smoothing}}
label_smoothing: [0, 0.1, 0.2]
l2: 1e-2
""",
    "some_layers": """
# @package _global_
control: some_layers
penalties: {some_layers: {_target_: own_penalties.some_layers, names: [layers.0.weight]}}
some_layers: [0.05, 0.2]
l2: 0.01
""",
    "path_norm": """
# @package _global_
control: path_norm
penalties: {path_norm: {_target_: own_penalties.path_norm}}
path_norm: [0.1, 0.4]
""",
    "unknown": "# @package _global_\ncontrol: smoth_l1\n",
    "without": "# @package _global_\ncontrol: l1\npenalties: {l1: {_target_: own_penalties.smooth_l1}}\n",
}
SMALL = ["--config-dir", "mine", "model=deep_linear", "data.complexity=1", "data.samples=12", "model.width=1"]
SMALL += ["model.depth=2", "logger=none", "campaign=c"]
HELD = ["+penalties.smooth_l1._target_=own_penalties.smooth_l1", "l2=[0.05,0.1]"]


@pytest.fixture(autouse=True)
def campaign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SPINODAL_OUTPUTS", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "own_penalties", raising=False)
    (tmp_path / "own_penalties.py").write_text(OWN)
    for group, name, text in (
        *(("control", name, text) for name, text in FILES.items()),
        ("experiment", "own", "# @package _global_\ndefaults: [override /control: with_l2]\nl2: 2e-3\n"),
    ):
        file = tmp_path / "mine" / group / f"{name}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path / "outputs" / "c"


def go(*overrides: str) -> object:
    try:
        return cli.main(["run", *SMALL, *overrides])
    except SystemExit as end:
        return end.code


def test_a_penalty_of_a_users_own_is_the_control_parameter(
    campaign: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert go("control=with_l2", "dry_run=true") == 0
    assert "smooth_l1: 0.01 … 0.13, with l2=0.001\n" in capsys.readouterr().out
    assert go("control=with_l2") == 0
    records = read_records(campaign)
    assert records["minimum"].to_list() == [True] * 3
    assert records["error"].is_sorted()
    assert records["error"].n_unique() == 3
    (pack,) = read_packs(campaign)
    assert pack.plan["smooth_l1"] == [0.01, 0.07, 0.13]
    assert (pack.config["l2"], "smooth_l1" in pack.config) == (1e-3, False)
    assert list(pack.config["modules"]) == ["own_penalties.py"]
    (attempt,) = read_attempts(campaign)
    assert attempt.control == (0.13,)
    assert cli.main(["status", str(campaign), "--points"]) == 0
    out = capsys.readouterr().out
    assert "smooth_l1" in out
    assert "0.01 … 0.13" in out
    assert "λ" not in out
    assert go("control=with_l2") == 0  # all of it is there
    assert len(read_attempts(campaign)) == 1
    assert go("control=with_l2", "smooth_l1=0.01", "l2=0,1e-3", "protocol=quench") == 0
    assert "l2=0.001" in capsys.readouterr().err
    assert len(survey(campaign).done) == 3


def test_minima_are_those_of_the_penalty(campaign: Path) -> None:
    """One weight θ on whitened data of strength 1: E = ½(1 − θ)², whose minimum with c·P + λθ² is a root."""
    assert go("control=with_l2", "model.depth=1", "smooth_l1=[0.1]") == 0
    (error,) = read_records(campaign)["error"]
    theta = 1 - (2 * error) ** 0.5
    assert 1 - theta == pytest.approx(0.1 * theta / (theta**2 + 0.1**2) ** 0.5 + 2e-3 * theta, rel=1e-7)


def test_l2_on_some_layers_only(campaign: Path) -> None:
    """With c on the weight a alone, and λ on a and b, the least of 𝓛 at fixed p = ab is ½(1 − p)² + 2√(λ(c + λ))·p."""
    assert go("control=some_layers") == 0
    records = read_records(campaign)
    assert records["minimum"].to_list() == [True] * 2
    for c, error, penalty in records.select("control_value", "error", "penalty").iter_rows():
        strength = (0.01 * (c + 0.01)) ** 0.5
        assert error == pytest.approx(2 * strength**2, rel=1e-6)
        assert penalty == pytest.approx((1 - 2 * strength) * (0.01 / (c + 0.01)) ** 0.5, rel=1e-6)


def test_path_norm(campaign: Path) -> None:
    """P = p² of the only path, whose product p is 1/(1 + 2c) where ½(1 − p)² + cp² is least."""
    assert go("control=path_norm") == 0
    records = read_records(campaign)
    assert records["minimum"].to_list() == [True] * 2
    product = 1 / (1 + 2 * records["control_value"])
    assert records["error"].to_list() == pytest.approx((0.5 * (1 - product) ** 2).to_list(), rel=1e-6)
    assert records["penalty"].to_list() == pytest.approx((product**2).to_list(), rel=1e-6)


def test_a_penalty_may_depend_on_data(campaign: Path) -> None:
    """Labels smoothed by α are a mixture of two errors, which any strength of mixing is."""
    digits = ["data=digits", "data.error=cross_entropy", "data.complexity=1", "data.samples=20"]
    assert go(*digits, "control=label_smoothing", "model.depth=1") == 0
    records = read_records(campaign)
    assert records["minimum"].to_list() == [True] * 3
    assert records["error"].is_sorted()
    assert records["error"].n_unique() == 3
    (pack,) = read_packs(campaign)
    needed = preflight([pack], {"_target_": "hydra._internal.core_plugins.basic_launcher.BasicLauncher"})
    assert needed[pack.parts[0].curve] > bytes_per_replica(pack.config)


def test_a_penalty_may_be_held_beside_l2(campaign: Path) -> None:
    assert go(*HELD, "+smooth_l1=0,0.03") == 0
    names = {pack.config["smooth_l1"]: list(pack.points) for pack in read_packs(campaign)}
    records = read_records(campaign)
    without, beside = (records.filter(records["point"].is_in(names[at]))["error"] for at in (0.0, 0.03))
    assert (beside > without).all()
    assert go("l2=[0.05,0.1]") == 0  # is what has been computed with 0
    assert len(read_packs(campaign)) == 2


def test_an_experiment_chooses_the_control_parameter_and_wins_over_its_file(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert go("experiment=own", "dry_run=true") == 0
    assert "smooth_l1: 0.01 … 0.13, with l2=0.002\n" in capsys.readouterr().out
    assert go("experiment=own", "dry_run=true", "l2=3e-3,4e-3", "smooth_l1=0.02,0.03") == 0
    out = capsys.readouterr().out
    assert "smooth_l1: 0.02 … 0.03, with l2=0.004\n" in out
    assert "λ" not in out


def test_a_job_that_fails_is_named_by_its_control_parameter(
    campaign: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = ["penalties.smooth_l1._target_=own_penalties.broken", "~penalties.smooth_l1.width"]
    assert go("control=smooth_l1", *broken, "preflight=false") == 1
    told = capsys.readouterr().err
    assert "smooth_l1" in told
    assert "λ" not in told
    assert "penalties.smooth_l1: own_penalties.broken raised ValueError: not yet" in " ".join(told.split())


def test_a_campaign_has_one_content_of_a_penalty(capsys: pytest.CaptureFixture[str]) -> None:
    short = ["control=smooth_l1", "smooth_l1=0.1"]
    assert go(*short) == 0
    Path("own_penalties.py").write_text(OWN.replace("width**2", "2 * width**2"))
    sys.modules.pop("own_penalties")
    assert go(*short) == 2
    assert "own_penalties.py: has another content than when points of campaign=c" in capsys.readouterr().err
    assert go("l2=[0.1]") == 0  # which the file has no part in
    Path("mine/control/smooth_l1.yaml").write_text(SMOOTH_L1.replace("0.1}", "0.2}"))
    assert go(*short) == 2
    assert "penalties.smooth_l1.width: is 0.2 by default, and was 0.1" in capsys.readouterr().err


def own(name: str, *more: str) -> list[str]:
    return [f"+penalties.own._target_=own_penalties.{name}", "+own=0.1", *more]


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["control=unknown"], "control=smoth_l1: must be the name of a penalty; in penalties there is l2"),
        (["control=without"], "l1 is missing: control=l1 takes its values from there"),
        (
            ["control=smooth_l1", "l2=geom:0.01:1:4"],
            "l2=geom:0.01:1:4: must be one number ≥ 0 with control=smooth_l1, whose key alone takes a grid",
        ),
        (["control=smooth_l1", "l2=[0.1]"], "l2=[0.1]: must be one number ≥ 0 with control=smooth_l1"),
        (["control=smooth_l1", "l2=-1"], "l2=-1: must be finite and not negative"),
        (["control=smooth_l1", "smooth_l1=[0.1,0.1]"], "smooth_l1=[0.1,0.1]: must not repeat 0.1"),
        (["control=smooth_l1", "smooth_l1=many"], "smooth_l1=many: must be a number ≥ 0, a list of them"),
        (["+own=0.1"], "own=0.1: no such key; the key of a penalty needs penalties.own._target_"),
        ([*own("total")[:1], "own=1"], "own=1: is not given yet; write +own=… for a number at which this"),
        (["+penalties.own=2"], "penalties.own=2: must have a _target_, as in penalties.own._target_="),
        (["+penalties.own._target_=own"], "penalties.own._target_=own: must be a dotted path"),
        (["+penalties.seed._target_=a.b"], "penalties.seed={_target_:a.b}: must have another name"),
        (["+penalties.a-b._target_=a.b"], "penalties.a-b={_target_:a.b}: must be named by letters"),
        (
            ["+penalties.own._target_=spinodal.penalties.l3"],
            "penalties.own._target_=spinodal.penalties.l3: not one of ours; did you mean spinodal.penalties.l2?",
        ),
        (
            ["penalties.l2._target_=own_penalties.total"],
            "penalties.l2={_target_:own_penalties.total}: must be spinodal.penalties.l2",
        ),
        (own("none"), "penalties.own: own_penalties.none cannot be imported: module 'own_penalties' has no"),
        (["+penalties.own._target_=nowhere.own", "+own=1"], "penalties.own: nowhere.own cannot be imported"),
        (own("of_theta"), "penalties.own._target_=own_penalties.of_theta: takes theta: must take objective"),
        (
            own("smooth_l1", "+penalties.own.widht=1"),
            "penalties.own.widht=1: no such argument, own_penalties.smooth_l1 takes width; did you mean penalties",
        ),
        (own("smooth_l1", "+penalties.own.theta=1"), "penalties.own.theta=1: no such argument, each job"),
        (
            own("total"),
            "own_penalties.total returned torch.float64 of shape []: must return one number a row",
        ),
        (own("each"), "own_penalties.each returned torch.float64 of shape [2, 2]: must return one number a"),
        (own("number"), "own_penalties.number returned a float: must return one number a row"),
        (own("shared"), "own_penalties.shared returned another number for a row of θ beside other rows"),
        (own("log", "protocol=down"), "own_penalties.log returned -inf at θ = 0: must be finite there"),
        (own("root"), "own_penalties.root has first derivatives that are not finite at the initial θ"),
        (own("constant"), "own_penalties.constant cannot be differentiated twice by autograd: RuntimeError"),
        (own("sharp"), "own_penalties.sharp has kinks, as |θ| has at 0: must be twice differentiable"),
        (
            own("broken"),
            "penalties.own: own_penalties.broken raised ValueError: not yet (own_penalties.py, l",
        ),
        (
            ["control=with_l2", "protocol=escape", "protocol.phase=1"],
            "protocol.phase=1: must be 0 or null with control=smooth_l1 l2=0.001; such phases are known for L2",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_a_penalty_is_refused_in_a_line(
    overrides: list[str], said: str, campaign: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert go(*overrides, "dry_run=true") == 2
    out, err = capsys.readouterr()
    *before, last = err.splitlines()
    assert last.startswith("error: ")
    assert said in last
    assert before in ([], ["building 1 configuration"])
    assert out == ""
    assert not campaign.exists()


@pytest.mark.parametrize(
    "overrides",
    [own("sharp", "relaxation.smooth=false"), own("log"), own("smooth_l1", "+penalties.own.width=0.1")],
)
def test_penalties_that_pass(overrides: list[str]) -> None:
    assert go(*overrides, "dry_run=true") == 0


def test_the_theory_of_l2_predicts_nothing_for_others(capsys: pytest.CaptureFixture[str]) -> None:
    predict = ["predict", *SMALL, "model.depth=3"]
    assert cli.main([*predict, "control=smooth_l1"]) == 0
    out = capsys.readouterr()
    assert "no closed form with control=smooth_l1, only for L2 alone" in out.out + out.err
    assert cli.main([*predict, "+penalties.own._target_=own_penalties.total", "+own=0.5"]) == 0
    out = capsys.readouterr()
    assert "no closed form with own=0.5, only for L2 alone" in out.out + out.err


def test_probe_knows_the_penalty(campaign: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert go("control=with_l2", "smooth_l1=0.1", "checkpoint.keep=true") == 0
    (checkpoint,) = (campaign / "checkpoints").glob("*.ckpt")
    capsys.readouterr()
    assert cli.main(["probe", str(checkpoint)]) == 0
    out, err = capsys.readouterr()
    assert "own_penalties.smooth_l1 (" in err
    assert "smooth_l1 × " in out
    assert "λ" not in out
    (row,) = (line for line in out.splitlines() if line.startswith("│"))
    assert [each.strip() for each in row.split("│")[-2:]] == ["minimum", ""]


def test_l2_alone_is_the_function_that_states_its_hessian() -> None:
    penalties = penalties_of(plan(["l2=[0.1]"]))
    assert penalties == (l2, ())
    assert isotropic(penalties.penalty) == 2.0


def test_penalties_are_held_in_the_order_of_their_names() -> None:
    more = ["+penalties.b._target_=own_penalties.total", "+penalties.a={_target_:own_penalties.each}"]
    planned = plan([*more, "+a=2", "+b=3", "control=with_l2"], config_dir="mine")
    penalty, held = penalties_of(planned)
    own_penalties = sys.modules["own_penalties"]
    assert held == ((2.0, own_penalties.each), (3.0, own_penalties.total), (1e-3, l2))
    task = build_task(planned)
    objective = Objective(build_ensemble(planned, task, [0]), task, penalty=penalty)
    theta = torch.tensor([[0.3, 0.4]], dtype=torch.float64)
    expected = (theta**2 + 0.01).sqrt().sum() - 0.2
    assert objective.penalty(objective, theta).tolist() == pytest.approx([expected.item()])


def test_packs_and_attempts_of_before_are_read(campaign: Path) -> None:
    assert go("l2=[0.1]") == 0
    (file,) = (campaign / "packs").glob("*.json")
    content = json.loads(file.read_text())
    written = json.loads((campaign / "attempts" / "000001.json").read_text())
    assert written["l2"] == [0.1]
    for key in ("control", "penalties"):
        del content["config"][key]
    file.write_text(json.dumps(content))
    (pack,) = read_packs(campaign)
    assert (control.name(pack.config), pack.plan["l2"]) == ("l2", [0.1])
    assert penalties_of(OmegaConf.create(pack.plan)) == (l2, ())
    assert go("l2=[0.1]") == 0
    assert len(read_attempts(campaign)) == 1
