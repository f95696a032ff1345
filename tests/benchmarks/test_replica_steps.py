"""Replica-steps per second: the engine under Lightning, the same arithmetic as a bare PyTorch loop, one at a time.

Networks of depth 3 and width 16 on 64 samples. One thread throughout: processor time is what counts, and who else
uses the machine matters little.
"""

import time
from itertools import count
from statistics import median

import pytest
import pytorch_lightning as pl
import torch

from spinodal.ensemble import Ensemble
from spinodal.networks import MLP
from spinodal.protocols import Trajectory
from spinodal.tasks import linear_teacher
from spinodal.training import EnsembleModule, RelaxationSettings
from spinodal.training.descent import GradientDescent

pytestmark = pytest.mark.benchmark

WIDTH, L2, STEPS, REPEATS = 16, 0.05, 1000, 7


def replicas(count, activation):
    return Ensemble(lambda: MLP(3, 3, depth=3, width=WIDTH, activation=activation), list(range(count)))


def engine(ensemble, task):
    """Seconds of a fit, and the fraction of them that is not spent in blocks of relaxation."""
    module = EnsembleModule(
        ensemble,
        task,
        [Trajectory(seed, (L2,), ("quench",)) for seed in range(len(ensemble.theta))],
        GradientDescent(),
        RelaxationSettings(polish=False, tolerance=0, max_steps=STEPS),
    )
    trainer = pl.Trainer(
        accelerator="cpu",
        devices=1,
        max_epochs=-1,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
    )
    start, wall_start = time.process_time(), time.perf_counter()
    trainer.fit(module, train_dataloaders=count())
    seconds, wall = time.process_time() - start, time.perf_counter() - wall_start
    _, row = module.stage_rows()[0]
    assert row["steps"] == STEPS
    return seconds, 1 - row["wall_time"] / wall


def bare_loop(ensemble, task, activation):
    """Seconds of gradient descent with its step control, written out for one stack of three-layer networks."""
    theta, inputs, targets = ensemble.theta.detach().clone(), task.inputs.T, task.targets
    shapes = [(WIDTH, 3), (WIDTH, WIDTH), (3, WIDTH)]

    def value_and_gradient(theta):
        theta = theta.detach().requires_grad_()
        parts = torch.split(theta, [rows * columns for rows, columns in shapes], dim=-1)
        first, middle, last = (part.view(-1, *shape) for part, shape in zip(parts, shapes, strict=True))
        if activation == "tanh":
            outputs = last @ torch.tanh(middle @ torch.tanh(first @ inputs))
        else:
            outputs = last @ (middle @ (first @ inputs))
        errors = 0.5 * (outputs.mT - targets).square().sum(-1).mean(-1)
        losses = errors + L2 * theta.square().sum(-1)
        return losses.detach(), torch.autograd.grad(losses.sum(), theta)[0]

    start = time.process_time()
    lr = torch.full((len(theta), 1), 0.1, dtype=torch.float64)
    loss, gradient = value_and_gradient(theta)
    for _ in range(STEPS):
        if (gradient.abs().amax(-1) <= 0).all():
            break
        there = theta - lr * gradient
        loss_there, gradient_there = value_and_gradient(there)
        forward = (gradient_there * gradient).sum(-1) >= 0
        taken = (forward & (loss_there <= loss + 1e-14 * loss.abs()))[:, None]
        lr *= torch.where(taken, 1.1, 0.5)
        theta = torch.where(taken, there, theta)
        loss = torch.where(taken[:, 0], loss_there, loss)
        gradient = torch.where(taken, gradient_there, gradient)
    return time.process_time() - start, theta


@pytest.mark.parametrize("activation", ["linear", "tanh"])
def test_replica_steps_per_second(activation, show):
    task = linear_teacher()
    rates, rows = {}, []
    for number in (64, 5, 1):
        runs = []
        for _ in range(REPEATS):
            ensemble = replicas(number, activation)
            bare_seconds, theta = bare_loop(ensemble, task, activation)
            runs.append((*engine(ensemble, task), bare_seconds))
            torch.testing.assert_close(ensemble.theta.detach(), theta, rtol=1e-9, atol=1e-12)
        seconds, shares, bare = zip(*runs, strict=True)
        rates[number] = number * STEPS / median(seconds)
        ratio = median(b / e for e, b in zip(seconds, bare, strict=True))
        rows.append(
            (
                f"{number}",
                f"{rates[number]:.0f}",
                f"{number * STEPS / median(bare):.0f}",
                f"{ratio:.2f}",
                f"{median(shares):.1%}",
                f"{rates[64] / rates[number]:.1f}",
            )
        )
        if number == 64:
            assert median(shares) <= 0.05
            assert ratio >= 0.6
    show(
        f"replica-steps per second, {activation}",
        ("R", "engine", "bare loop", "engine / bare loop", "Lightning's share", "R = 64 is faster by"),
        rows,
    )
    assert rates[64] >= 5 * rates[1]
