"""Minima followed within a relaxation: one block, interrupted or not."""

import itertools
import math

import pytest
import torch

from spinodal.ensemble import Ensemble, Objective
from spinodal.networks import MLP
from spinodal.tasks import linear_teacher
from spinodal.theory import spinodal
from spinodal.training import AtomicCheckpointIO, RelaxationSettings
from spinodal.training.continuing import ContinuedRelaxation
from spinodal.training.descent import GradientDescent


def relaxation():
    task = linear_teacher(complexity=1, samples=8)
    ensemble = Ensemble(lambda: MLP(1, 1, depth=3, width=2, activation="linear"), [0, 1])
    made = ContinuedRelaxation(
        ensemble.theta, Objective(ensemble, task), GradientDescent(), [0, 1], RelaxationSettings()
    )
    made.begin(torch.tensor([0.1, 0.2], dtype=torch.float64), stage=0)
    while made.active.any():
        made.step()
    return made


def following(relaxed):
    """The first row to λ = 0.3, beyond its spinodal at 0.2362; the second is relaxed at 0.22."""
    relaxed.begin(torch.tensor([0.3, 0.22], dtype=torch.float64), stage=1)
    relaxed.follow(torch.tensor([0.1, math.nan], dtype=torch.float64))
    return relaxed


def snapshot(relaxed):
    state = {"theta": relaxed.theta.detach().clone()} | relaxed.rows
    return {
        name: (each.dtype, str(each.tolist())) if isinstance(each, torch.Tensor) else each
        for name, each in state.items()
    }


def test_one_row_is_followed_while_another_relaxes():
    relaxed = following(relaxation())
    relaxed.step()
    assert relaxed.active.tolist() == [False, True]
    ending = relaxed.ending(0)
    assert (ending.kind, ending.reason) == ("fold", "")
    assert ending.control == pytest.approx(float(spinodal([1.0], 3)[0]), rel=1e-9)
    assert ending.error == pytest.approx(0.5 * 0.75**2, rel=1e-4)  # a^L = 1/4 there, of strength 1
    theta = relaxed.theta[0].detach()
    assert (ending.onwards - theta).norm() == pytest.approx(0.02 * float(theta.norm()), rel=1e-6)
    assert ending.onwards.norm() < theta.norm()  # towards the state that has learned nothing
    while relaxed.active.any():
        relaxed.step()
    assert relaxed.stationary[1]


def test_a_walk_interrupted_at_any_evaluation_has_not_happened():
    undisturbed, disturbed = following(relaxation()), following(relaxation())
    before, counter = snapshot(disturbed), itertools.count()
    undisturbed.watch = counter.__next__
    undisturbed.step()
    evaluations = next(counter)
    assert evaluations > 50

    class EnoughError(Exception):
        pass

    for at in (0, 1, evaluations // 2, evaluations - 1):
        left = iter(range(at))

        def watch(left=left):
            if next(left, None) is None:
                raise EnoughError

        disturbed.watch = watch
        with pytest.raises(EnoughError):
            disturbed.step()
        assert snapshot(disturbed) == before
    disturbed.watch = lambda: None
    disturbed.step()
    assert snapshot(disturbed) == snapshot(undisturbed)


def test_what_a_walk_has_met_is_in_the_checkpoint(tmp_path):
    first = following(relaxation())
    first.step()
    AtomicCheckpointIO().save_checkpoint({"optimizer": first.state_dict()}, tmp_path / "x.ckpt")
    second = following(relaxation())
    second.load_state_dict(AtomicCheckpointIO().load_checkpoint(tmp_path / "x.ckpt")["optimizer"])
    for name, value in vars(first.ending(0)).items():
        again = vars(second.ending(0))[name]
        assert torch.equal(value, again) if name == "onwards" else value == again
