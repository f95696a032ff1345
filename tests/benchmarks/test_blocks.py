"""Large training sets: what a minibatch costs, and what memory derivatives take of 2,000 samples and of 60,000."""

import json
import os
import subprocess
import sys
import time
from statistics import median

import pytest
import torch

from spinodal.ensemble import Ensemble, Objective
from spinodal.geometry import value_and_gradient
from spinodal.networks import MLP
from spinodal.tasks import Task
from spinodal.training.noise import Minibatch

pytestmark = pytest.mark.benchmark

BATCH, REPEATS = 64, 15


def images(samples):
    """A task with the shapes of MNIST."""
    numbers = torch.Generator().manual_seed(0)
    inputs, targets = (torch.randn(samples, d, generator=numbers, dtype=torch.float64) for d in (784, 10))
    inputs, targets = inputs - inputs.mean(0), targets - targets.mean(0)
    return Task("images", inputs, targets, inputs[:2], targets[:2], "squared", False, 1)


def test_a_minibatch_costs_its_own_samples(show):
    """Against a gradient on 64 samples and nothing else, in pairs."""
    ensemble = Ensemble(lambda: MLP(784, 10, depth=3, width=64, activation="tanh"), [0])
    theta, l2 = ensemble.theta.detach(), torch.tensor([0.01], dtype=torch.float64)
    inputs, targets = torch.randn(2, BATCH, 784, dtype=torch.float64)[0], torch.randn(BATCH, 10).double()

    def loss(rows):
        outputs = ensemble.outputs(rows, inputs)
        return 0.5 * (outputs - targets).square().sum(-1).mean(-1) + 0.01 * rows.square().sum(-1)

    ratios = {}
    for samples in (2_000, 10_000, 60_000):
        noise = Minibatch([0], [BATCH], 1e-3, Objective(ensemble, images(samples)))
        pairs = []
        for look in range(REPEATS):
            start = time.process_time()
            noise.walk(loss, theta, [0], l2, torch.from_numpy(noise.draw(0, 20, 0, look)[:, None]))
            between = time.process_time()
            for _ in range(20):
                value_and_gradient(loss, theta)
            pairs.append((between - start) / (time.process_time() - between))
        ratios[samples] = median(pairs)
    show(
        f"a step on {BATCH} samples, MLP 784-64-64-10",
        ("N", "against a gradient on them"),
        [(float(samples), f"{ratio:.2f}") for samples, ratio in ratios.items()],
    )
    assert max(ratios.values()) <= 1.6
    assert ratios[60_000] <= 1.25 * ratios[2_000]


MEMORY = """
import json, sys, time, torch
from torch import nn
from spinodal.ensemble import Ensemble, Objective
from spinodal.geometry import linearise_gradient, scalar_curvature, value_and_gradient
from spinodal.networks import MLP
from test_blocks import images

class CNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 8, 5), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(8, 16, 5), nn.Tanh())
        self.readout = nn.Linear(16 * 8 * 8 // 4, 10)

    def forward(self, inputs):
        maps = nn.functional.avg_pool2d(self.features(inputs.view(-1, 1, 28, 28)), 2)
        return self.readout(maps.flatten(1))

network, samples, gradients, products, probes = sys.argv[1], *map(int, sys.argv[2:])
torch.set_num_threads(1)
task = images(samples)
build = CNN if network == "cnn" else lambda: MLP(784, 10, depth=3, width=64, activation="tanh")
ensemble = Ensemble(build, [0])
objective, theta = Objective(ensemble, task), ensemble.theta.detach()

def kilobytes(name):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(name))

open("/proc/self/clear_refs", "w").write("5")  # the peak is counted from here
before = kilobytes("VmRSS")
start = time.process_time()
for _ in range(gradients):
    value_and_gradient(objective.error, theta)
_, _, product = linearise_gradient(objective.error, theta)
for _ in range(products):
    product(torch.ones_like(theta))
if probes:
    scalar_curvature(objective.error, theta, method="stochastic", probes=probes, generator=torch.Generator())
peak = kilobytes("VmHWM")
print(json.dumps({"n": theta.shape[-1], "bytes": 1024 * (peak - before), "peak": 1024 * peak,
                  "seconds": time.process_time() - start}))
"""


@pytest.mark.parametrize(("network", "work"), [("mlp", (5, 5, 9)), ("cnn", (1, 1, 0))])
def test_memory_does_not_grow_with_the_samples(network, work, show):
    """Five gradients, five products and a stochastic curvature; of a CNN on a CPU one gradient and one product."""
    found = {}
    for samples in (2_000, 60_000):
        done = subprocess.run(
            [sys.executable, "-c", MEMORY, network, str(samples), *map(str, work)],
            capture_output=True,
            text=True,
            check=True,
            cwd=__file__.rpartition("/")[0],
            # What is let go is given back at once. As it comes, glibc keeps up to a fifth more of what it has had.
            env=os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536"},
        )
        found[samples] = json.loads(done.stdout)
    show(
        f"derivatives of a network with {found[2_000]['n']:,} parameters",
        ("N", "GB above data and network", "GB in all", "CPU s"),
        [
            (float(samples), f"{each['bytes'] / 1e9:.3f}", f"{each['peak'] / 1e9:.2f}", each["seconds"])
            for samples, each in found.items()
        ],
    )
    assert found[60_000]["peak"] < 24e9
    assert found[60_000]["bytes"] <= 1.1 * found[2_000]["bytes"]
