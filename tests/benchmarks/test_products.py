"""Hessian-vector products: what one costs at 1.8 million parameters, and what memory curvature takes at ten million."""

import subprocess
import sys
import time
from statistics import median

import pytest
import torch
from torch import nn

from spinodal.geometry import linearise_gradient, parametrise

pytestmark = pytest.mark.benchmark

REPEATS = 9


def network_error():
    """A tanh network 784–1000–1000–10 on 64 samples: 1.8 million parameters, in float64."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Linear(784, 1000), nn.Tanh(), nn.Linear(1000, 1000), nn.Tanh(), nn.Linear(1000, 10)
    )
    inputs, labels = torch.randn(64, 784), torch.randint(0, 10, (64,))
    return parametrise(network, inputs, labels, nn.functional.cross_entropy)


def test_a_product_costs_no_more_than_reverse_over_reverse(show):
    """The library keeps the graph of the gradient; the plain way builds it for every product."""
    error, theta = network_error()
    vector = torch.randn_like(theta)

    def plain():
        leaf = theta.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(error(leaf), leaf, create_graph=True)
        return torch.autograd.grad(gradient, leaf, vector)[0]

    def gradient():
        leaf = theta.clone().requires_grad_()
        return torch.autograd.grad(error(leaf), leaf)[0]

    def torch_func():
        return torch.func.jvp(torch.func.grad(error), (theta,), (vector,))[1]

    _, _, product = linearise_gradient(lambda rows: error(rows[0])[None], theta[None])
    ways = {
        "kept graph (the library)": lambda: product(vector[None])[0],
        "reverse over reverse": plain,
        "forward over reverse (torch.func)": torch_func,
        "a gradient alone": gradient,
    }
    torch.testing.assert_close(ways["kept graph (the library)"](), plain(), rtol=1e-9, atol=1e-12)
    seconds = {name: [] for name in ways}
    for _ in range(REPEATS):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - start)
    against = {
        name: median(a / b for a, b in zip(each, seconds["reverse over reverse"], strict=True))
        for name, each in seconds.items()
    }
    show(
        f"a Hessian-vector product, n = {len(theta):,}",
        ("way", "ms", "against reverse over reverse"),
        [(name, f"{1e3 * median(seconds[name]):.0f}", f"{against[name]:.2f}") for name in ways],
    )
    assert against["kept graph (the library)"] <= 1.05


MEMORY = """
import resource, sys, torch
from torch import nn
from spinodal.geometry import parametrise, scalar_curvature

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

torch.set_num_threads(1)
torch.manual_seed(0)
layers = nn.Linear(1000, 3000), nn.Tanh(), nn.Linear(3000, 2300), nn.Tanh(), nn.Linear(2300, 10)
network = nn.Sequential(*layers).double()
inputs, targets = torch.randn(8, 1000).double(), torch.randn(8, 10).double()
error, theta = parametrise(network, inputs, targets, nn.functional.mse_loss)
del network
leaf = theta.clone().requires_grad_()
torch.autograd.grad(error(leaf), leaf)
del leaf
before = peak()
found = scalar_curvature(error, theta, probes=30, max_bytes=4 * theta.numel() * 8)
print(theta.numel(), (peak() - before) / (8 * theta.numel()), found.products)
print(found)
"""


def test_ten_million_parameters_take_the_memory_of_a_few_gradients(show):
    done = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True)
    numbers, said = done.stdout.splitlines()
    n, gradients, products = (float(each) for each in numbers.split())
    show(
        "scalar curvature from 30 products, four of them kept",
        ("n", "products", "memory above that of a gradient, in gradients", "result"),
        [(n, products, gradients, said)],
    )
    assert n > 9e6
    assert gradients <= 16
