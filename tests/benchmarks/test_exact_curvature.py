"""Exact curvature of many replicas in one call, against torch.func.hessian replica by replica."""

import time
from statistics import median

import pytest
import torch

from spinodal.ensemble import Ensemble, Objective
from spinodal.geometry import scalar_curvature
from spinodal.networks import MLP
from spinodal.tasks import linear_teacher

pytestmark = pytest.mark.benchmark

REPLICAS, WIDTH, SAMPLE, REPEATS = 256, 22, 8, 3
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


@pytest.mark.parametrize("device", DEVICES)
def test_many_replicas_at_once(device, show):
    task = linear_teacher().to(device)
    ensemble = Ensemble(lambda: MLP(3, 3, depth=3, width=WIDTH), list(range(REPLICAS))).to(device)
    objective, theta = Objective(ensemble, task), ensemble.theta.detach()

    def one_by_one():
        """A sample of the replicas, scaled to all."""
        found = []
        for row in theta[:SAMPLE]:
            v = torch.func.grad(lambda t: objective.error(t[None])[0])(row)
            h = torch.func.hessian(lambda t: objective.error(t[None])[0])(row)
            w, trace = 1 + v @ v, h.trace()
            found.append(
                (trace**2 - h.square().sum() - 2 / w * (trace * (v @ h @ v) - (h @ v).square().sum())) / w
            )
        return torch.stack(found)

    def seconds(action):
        if device == "cuda":
            torch.cuda.synchronize()
        start = time.perf_counter()
        result = action()
        if device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - start, result

    ratios, batched = [], []
    for _ in range(REPEATS):
        loop, known = seconds(one_by_one)
        batch, found = seconds(lambda: scalar_curvature(objective.error, theta, method="exact"))
        torch.testing.assert_close(found.value[:SAMPLE], known, rtol=1e-8, atol=1e-8)
        batched.append(batch)
        ratios.append(loop * REPLICAS / SAMPLE / batch)
    show(
        f"exact curvature of {REPLICAS} replicas, n = {theta.shape[-1]}, {device}",
        ("one call, s", "loop of torch.func.hessian, s", "faster by"),
        [(median(batched), median(ratios) * median(batched), f"{median(ratios):.1f}")],
    )
    assert median(ratios) >= (20 if device == "cuda" else 1)
