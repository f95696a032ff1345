"""A job goes on to the bit from wherever it was ended, and from whatever is left of its checkpoints."""

import itertools
import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from polars.testing import assert_frame_equal

from spinodal import cli
from spinodal.ensemble import Ensemble, Objective
from spinodal.errors import UserError
from spinodal.job import run
from spinodal.networks import MLP
from spinodal.planning import plan
from spinodal.protocols import trajectories
from spinodal.records import RecordWriter, read_records
from spinodal.tasks import linear_teacher
from spinodal.training import (
    AtomicCheckpointIO,
    EnsembleModule,
    Interrupted,
    Relaxation,
    RelaxationSettings,
    find_checkpoint,
)
from spinodal.training.descent import SGD, Adam, GradientDescent
from spinodal.training.relaxation import Phase

RULES = [GradientDescent(), SGD(lr=0.2), Adam(lr=1e-2)]
SMALL = [
    "data.complexity=1",
    "data.samples=12",
    "model.width=3",
    "l2=[0.05,0.1]",
    "logger=none",
    "campaign=c",
]


@pytest.fixture(autouse=True)
def outputs(tmp_path, monkeypatch):
    monkeypatch.setenv("SPINODAL_OUTPUTS", str(tmp_path))
    return tmp_path / "c"


# The state of a relaxation


def relaxation(rule, l2=(0.02, 0.15, 0.05)):
    """Three rows that are never in step: each its own seed and λ."""
    task = linear_teacher(complexity=2, strengths=[1.0, 0.5], samples=16)
    ensemble = Ensemble(lambda: MLP(2, 2, width=4), [0, 1, 2])
    made = Relaxation(
        ensemble.theta,
        Objective(ensemble, task),
        rule,
        [0, 1, 2],
        RelaxationSettings(handoff=1e-2, block=5),
    )
    made.begin(torch.tensor(l2, dtype=torch.float64), stage=3)
    return made


def snapshot(relaxation):
    """θ and everything remembered, as plain values: floats are told apart by their bits, but for NaN."""
    state = {"theta": relaxation.theta.detach().clone()} | relaxation.rows
    return {
        name: (each.dtype, each.tolist()) if isinstance(each, torch.Tensor) else each
        for name, each in state.items()
    }


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
def test_a_relaxation_goes_on_from_its_file_to_the_bit(rule, tmp_path):
    first, path = relaxation(rule), tmp_path / "x.ckpt"
    while len(set(first.rows["phase"].tolist())) == 1:
        first.step()
    saved = {"theta": first.theta.detach(), "optimizer": first.state_dict()}
    AtomicCheckpointIO().save_checkpoint(saved, path)
    loaded = AtomicCheckpointIO().load_checkpoint(path)
    second = relaxation(rule)
    second.theta.data.copy_(loaded["theta"])
    second.load_state_dict(loaded["optimizer"])
    assert snapshot(second) == snapshot(first)
    while first.active.any():
        first.step()
        second.step()
        assert snapshot(second) == snapshot(first)
    assert first.stationary.all()


class EnoughError(Exception):
    pass


def test_a_block_interrupted_at_any_evaluation_has_not_happened():
    undisturbed, disturbed = relaxation(GradientDescent()), relaxation(GradientDescent())
    while undisturbed.active.any():
        before = snapshot(disturbed)
        counter = itertools.count()
        undisturbed.watch = counter.__next__
        undisturbed.step()
        evaluations = next(counter)
        for allowed in {0, evaluations // 2, evaluations - 1}:
            left = iter(range(allowed))

            def watch(left=left):
                if next(left, None) is None:
                    raise EnoughError

            disturbed.watch = watch
            with pytest.raises(EnoughError):
                disturbed.step()
            assert snapshot(disturbed) == before
        disturbed.watch = lambda: None
        disturbed.step()
    assert undisturbed.rows["minimum"].all()
    assert snapshot(disturbed) == snapshot(undisturbed)


def test_no_more_than_a_product_is_computed_between_two_looks():
    """A product of the Hessian with a vector counts as two gradients, and the last look may be one behind."""
    alone = relaxation(GradientDescent())
    alone.rows["phase"][1:] = Phase.DONE
    while alone.active.any():
        before, counter = alone.rows["steps"][0].item(), itertools.count()
        alone.watch = counter.__next__
        alone.step()
        assert alone.rows["steps"][0].item() - before <= 2 * next(counter)


# The file


class PowerOff(BaseException):
    pass


def until_power_off(operation, remaining):
    def operate(*arguments, **more):
        if next(remaining, None) is None:
            raise PowerOff
        return operation(*arguments, **more)

    return operate


def test_whenever_the_power_goes_the_new_checkpoint_or_the_one_before_is_whole(tmp_path, monkeypatch):
    """Off before each operation on the file system in turn; nothing that would clean up happens either."""
    names = [(os, "fsync"), (os, "replace"), (Path, "mkdir"), (Path, "open"), (Path, "unlink")]
    files, found = AtomicCheckpointIO(), []
    for left in itertools.count():
        path = tmp_path / str(left) / "x.ckpt"
        files.save_checkpoint({"number": 1}, path)
        files.save_checkpoint({"number": 2}, path)
        remaining = iter(range(left))
        with monkeypatch.context() as patch:
            for owner, name in names:
                patch.setattr(owner, name, until_power_off(getattr(owner, name), remaining))
            try:
                files.save_checkpoint({"number": 3}, path)
                complete = True
            except PowerOff:
                complete = False
        kept = [each for each in (path, path.with_suffix(".previous.ckpt")) if each.exists()]
        found.append([files.load_checkpoint(each)["number"] for each in kept])
        files.remove_checkpoint(path)
        assert not list(path.parent.iterdir())
        if complete:
            break
    assert all(numbers in ([2, 1], [2], [3, 2]) for numbers in found)
    assert found[0] == [2, 1]
    assert [2] in found
    assert found[-1] == [3, 2]


def module(rule=None, seeds=(0, 1)):
    task = linear_teacher(complexity=2, samples=16)
    paths = trajectories("up", [0.05, 0.1], seeds)
    ensemble = Ensemble(lambda: MLP(2, 2, width=4), [each.seed for each in paths])
    return EnsembleModule(ensemble, task, paths, rule or GradientDescent(), RelaxationSettings())


def checkpoint(of):
    saved = {"state_dict": of.state_dict(), "optimizer_states": [of.configure_optimizers().state_dict()]}
    of.on_save_checkpoint(saved)
    return saved


DAMAGE = {
    "cut": lambda whole: whole[: len(whole) // 2],
    "empty": lambda whole: b"",
    "text": lambda whole: b"hello",
    "bit": lambda whole: whole[:-100] + bytes([whole[-100] ^ 1]) + whole[-99:],
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_broken_checkpoint_is_told_about_and_the_one_before_taken(damage, tmp_path):
    path, said = tmp_path / "x.ckpt", []
    assert find_checkpoint(path, module(), said.append) is None
    for _ in range(2):
        AtomicCheckpointIO().save_checkpoint(checkpoint(module()), path)
    assert find_checkpoint(path, module(), said.append) == path
    assert said == []
    path.write_bytes(DAMAGE[damage](path.read_bytes()))
    previous = find_checkpoint(path, module(), said.append)
    assert previous == tmp_path / "x.previous.ckpt"
    assert len(said) == 1
    assert str(path) in said[0]
    previous.write_bytes(b"")
    assert find_checkpoint(path, module(), said.append) is None
    assert len(said) == 3


@pytest.mark.parametrize("difference", ["rule", "size", "entry", "key"])
def test_a_checkpoint_that_does_not_fit_is_told_about_and_left(difference, tmp_path):
    path, said, now = tmp_path / "x.ckpt", [], module()
    saved = checkpoint(module())
    match difference:
        case "rule":
            now = module(rule=Adam())
        case "size":
            now = module(seeds=(0, 1, 2))
        case "entry":
            del saved["progress"]["itineraries"][0]["refine"]
        case "key":
            del saved["progress"]
    AtomicCheckpointIO().save_checkpoint(saved, path)
    assert find_checkpoint(path, now, said.append) is None
    assert len(said) == 1
    assert "does not fit" in said[0]


# The job


NETWORK = """
import os, signal
from pytorch_lightning.callbacks import Checkpoint
from spinodal.networks import MLP

class Signalling(MLP):
    evaluations, at, kind = 0, None, None

    def stacked(self, parameters, inputs):
        # In the job, not where networks are tried before it, and nothing would catch the signal.
        Signalling.evaluations += signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
        if Signalling.evaluations == Signalling.at:
            os.kill(os.getpid(), Signalling.kind)
        return super().stacked(parameters, inputs)

class Late(Checkpoint):
    "Sends SIGTERM once, in some hook; comes after all other callbacks, as those of this class do."

    def __init__(self, hook):
        setattr(self, hook, self.once)

    def once(self, *args):
        if Signalling.at is None:
            os.kill(os.getpid(), signal.SIGTERM)
        Signalling.at = 0
"""


@pytest.fixture
def signalling(tmp_path, monkeypatch):
    """A network that sends a signal to its own process at a certain evaluation."""
    (tmp_path / "signalling.py").write_text(NETWORK)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "signalling", raising=False)
    import signalling

    def go(*overrides, at=None, kind=None, command=lambda overrides: run(plan(overrides))):
        network = signalling.Signalling
        network.evaluations, network.at, network.kind = 0, at, kind
        try:
            return command([*SMALL, "seed=[0,1]", "model._target_=signalling.Signalling", *overrides])
        finally:
            go.evaluations = network.evaluations

    return go


def rows(campaign):
    """All that is recorded, in the order of the file, but for what may differ: times, and the campaign."""
    (file,) = (campaign / "records").glob("*.parquet")
    return read_records(file).drop("wall_time", "campaign")


def nothing_left(campaign):
    return not list((campaign / "checkpoints").iterdir()) and not list(campaign.rglob("*.tmp"))


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGINT], ids=lambda kind: kind.name)
def test_a_signal_ends_a_job_at_once_and_the_same_job_goes_on_to_the_bit(kind, signalling, outputs, capsys):
    handlers = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    signalling("campaign=undisturbed")
    total = signalling.evaluations
    capsys.readouterr()
    for fraction in (0.02, 0.3, 0.3, 0.6):
        at = int(fraction * total)
        with pytest.raises(Interrupted) as ended:
            signalling(at=at, kind=kind)
        assert ended.value.code == 128 + kind
        # Neither the block nor the stage is waited for; at its end a few measurements are taken.
        assert signalling.evaluations - at < 10
        said = capsys.readouterr().err.splitlines()
        assert said[-1] == f"stopped by {kind.name}; the same command continues"
    signalling()
    assert "continuing from" in capsys.readouterr().err
    assert_frame_equal(rows(outputs), rows(outputs.parent / "undisturbed"), check_exact=True)
    assert nothing_left(outputs)
    assert handlers == (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT))


def test_a_refined_branch_goes_on_to_the_bit_with_what_ways_back_have_shown(signalling, outputs):
    refined = ["protocol.refine=1", "l2=[0.2,0.3]"]
    signalling("campaign=undisturbed", *refined)
    whole, total = rows(outputs.parent / "undisturbed"), signalling.evaluations
    assert whole["reversible"].value_counts().sort("reversible").rows() == [(None, 2), (False, 2), (True, 6)]
    for fraction in (0.1, 0.2, 0.2, 0.15, 0.15):
        with pytest.raises(Interrupted):
            signalling(*refined, at=int(fraction * total), kind=signal.SIGTERM)
    signalling(*refined)
    assert_frame_equal(rows(outputs), whole, check_exact=True)


@pytest.mark.parametrize("hook", ["on_train_batch_end", "on_train_end"])
def test_a_signal_between_two_looks_is_not_lost(hook, signalling, outputs, capsys):
    """Lightning would end with exit code 0; a job that is finished already ends its sweep all the same."""
    late = [
        f"+callbacks.late={{_target_: signalling.Late, hook: {hook}}}",
        "trainer.enable_checkpointing=true",
    ]
    with pytest.raises(Interrupted) as ended:
        signalling(*late)
    assert ended.value.code == 143
    assert "stopped by SIGTERM" in capsys.readouterr().err
    signalling()
    assert nothing_left(outputs)


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGINT], ids=lambda kind: kind.name)
def test_a_signal_ends_a_sweep(kind, signalling, outputs, capsys):
    def command(overrides):
        return cli.main(["run", "-m", *overrides, "data.complexity=1,2"])

    with pytest.raises(SystemExit) as ended:
        signalling(at=100, kind=kind, command=command)
    assert ended.value.code == 128 + kind
    err = capsys.readouterr().err
    assert "Traceback" not in err
    assert err.count("the same command continues") == 1
    assert len(list((outputs / "checkpoints").glob("*.ckpt"))) == 1
    assert signalling(command=command) == 0
    assert set(read_records(outputs)["complexity"]) == {1, 2}
    assert nothing_left(outputs)


def test_what_a_kill_leaves_in_the_records_neither_ends_nor_splits_a_job(signalling, outputs, capsys):
    """One point is finished in the records, their file is lost, the seeds are asked for in another order."""
    signalling("campaign=undisturbed")
    at = int(0.95 * signalling.evaluations)
    with pytest.raises(Interrupted):
        signalling(at=at, kind=signal.SIGTERM)
    (file,) = (outputs / "records").glob("*.parquet")
    first = read_records(file).filter(seed=0).row(0, named=True)
    RecordWriter(file).append([first | {"stage": stage, "stages": 2} for stage in range(2)])
    with pytest.raises(Interrupted):
        signalling(at=3, kind=signal.SIGTERM)
    file.unlink()
    capsys.readouterr()
    signalling("seed=[1,0]")
    assert "continuing from" in capsys.readouterr().err
    assert_frame_equal(rows(outputs), rows(outputs.parent / "undisturbed"), check_exact=True)
    assert nothing_left(outputs)


def test_a_kill_between_the_last_row_and_the_end_leaves_nothing_to_compute(
    signalling, outputs, capsys, monkeypatch
):
    with monkeypatch.context() as patch:
        patch.setattr(AtomicCheckpointIO, "remove_checkpoint", lambda self, path: None)
        signalling()
    assert not nothing_left(outputs)
    signalling()
    assert signalling.evaluations == 0
    assert "2 of 2 points are finished" in capsys.readouterr().err
    assert nothing_left(outputs)


def test_without_a_whole_checkpoint_a_job_starts_from_the_beginning(signalling, outputs, capsys):
    signalling("campaign=undisturbed")
    with pytest.raises(Interrupted):
        signalling(at=int(0.6 * signalling.evaluations), kind=signal.SIGTERM)
    for path in (outputs / "checkpoints").iterdir():
        path.write_bytes(path.read_bytes()[:-1])
    capsys.readouterr()
    signalling()
    said = capsys.readouterr().err
    assert "is broken" in said
    assert "continuing" not in said
    assert_frame_equal(rows(outputs), rows(outputs.parent / "undisturbed"), check_exact=True)


def test_a_folder_that_cannot_be_written_is_told(signalling, outputs):
    outputs.mkdir()
    (outputs / "checkpoints").write_text("a file where the folder should be")
    with pytest.raises(UserError, match=r"\.ckpt: cannot be written"):
        signalling()
    (outputs / "checkpoints").unlink()
    signalling()
    assert nothing_left(outputs)


def test_a_full_disk_is_told_and_costs_nothing(signalling, outputs):
    """The limit lets the records through and not the checkpoint, which holds them."""
    signalling("campaign=undisturbed")
    (whole,) = (outputs.parent / "undisturbed" / "records").glob("*.parquet")
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.getsignal(signal.SIGXFSZ)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (whole.stat().st_size + 512, limits[1]))
    try:
        with pytest.raises(UserError, match=r"\.ckpt: cannot be written"):
            signalling()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert nothing_left(outputs)
    signalling()
    assert_frame_equal(rows(outputs), rows(outputs.parent / "undisturbed"), check_exact=True)


# Signals from outside, at random moments


def driven(folder, kind, times, *arguments):
    """What the driver tells of every signal, once all records are seen to be those of the undisturbed run."""
    driver = [sys.executable, str(Path(__file__).with_name("kill_driver.py")), str(folder), kind, str(times)]
    done = subprocess.run([*driver, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(told) == times
    undisturbed = read_records(folder / "undisturbed" / "c").drop("wall_time")
    for disturbed in {folder / str(number) / "c" for number, *_ in told}:
        table = read_records(disturbed).drop("wall_time")
        assert_frame_equal(
            table.sort("job", maintain_order=True),
            undisturbed.sort("job", maintain_order=True),
            check_exact=True,
        )
        assert nothing_left(disturbed)
    return told


DRIVEN = ["data.complexity=2", "model.width=4", "seed=[0,1]", "logger=none", "campaign=c"]


def test_kills(tmp_path):
    told = driven(tmp_path, "SIGKILL", 5, *DRIVEN, "l2=[0.05,0.1,0.2]", "checkpoint.every_seconds=0.02")
    assert {code for _, code, *_ in told} == {-signal.SIGKILL}


@pytest.mark.slow
@pytest.mark.parametrize(
    "overrides",
    [
        ["l2=geom:0.05:0.3:5", "checkpoint.every_seconds=0.02"],
        ["l2=geom:0.05:0.3:5", "checkpoint.every_seconds=1000", "optimizer=adam", "optimizer.lr=0.01"],
        ["l2=geom:0.05:0.3:4", "checkpoint.every_seconds=0.1", "protocol=loop", "protocol.refine=1"],
        ["l2=geom:0.05:0.3:4", "checkpoint.every_seconds=0.02", "protocol=quench"],
    ],
    ids=["up", "only at stages", "refined loop", "quench"],
)
def test_many_kills(tmp_path, overrides):
    driven(tmp_path, "SIGKILL", 60, *DRIVEN, *overrides)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "codes"), [("SIGTERM", {143, -signal.SIGTERM}), ("SIGINT", {130})])
def test_many_signals(kind, codes, tmp_path):
    """To all of a sweep: also between its jobs, when only SIGINT is caught, and nothing is lost."""
    sweep = ["-m", *(each for each in DRIVEN if "complexity" not in each)]
    sweep += ["data.complexity=1,2", "l2=geom:0.05:0.3:5", "checkpoint.every_seconds=1000"]
    told = driven(tmp_path, kind, 10, *sweep)
    assert any(code > 0 for _, code, *_ in told)
    for _, code, said in told:
        assert code in codes
        assert "Traceback" not in said
