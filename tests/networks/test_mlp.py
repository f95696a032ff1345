from typing import Any

import pytest
import torch
from torch.nn import functional

from spinodal.errors import UserError
from spinodal.networks import MLP


def seeded(**arguments: Any) -> MLP:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return MLP(**({"input_dim": 3, "output_dim": 2, "width": 4} | arguments))


def inputs(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("depth", [1, 2, 3, 5])
def test_linear_network_is_the_product_of_its_matrices(depth: int) -> None:
    network = seeded(depth=depth, activation="linear")
    product = torch.eye(3, dtype=torch.float64)
    for weight in network.parameters():
        product = weight @ product
    x = inputs(7)
    torch.testing.assert_close(network(x), x @ product.T)
    assert network.depth == depth


@pytest.mark.parametrize("bias", [False, True])
def test_parameters_are_counted_as_on_paper(bias: bool) -> None:
    sizes = [p.numel() for p in seeded(depth=3, bias=bias).parameters()]
    assert sum(sizes) == 3 * 4 + 4 * 4 + 4 * 2 + bias * (4 + 4 + 2)
    assert {p.dtype for p in seeded().parameters()} == {torch.float64}


@pytest.mark.parametrize(
    ("activation", "function"),
    [
        ("tanh", torch.tanh),
        ("gelu", functional.gelu),
        ("silu", functional.silu),
        ("softplus", functional.softplus),
        ("linear", lambda x: x),
        ("relu", torch.relu),
    ],
)
def test_activations_act_between_layers_and_not_after_the_last(activation: str, function: Any) -> None:
    network = seeded(activation=activation)
    first, second, third = network.parameters()
    x = inputs(2, 5)
    expected = function(function(x @ first.T) @ second.T) @ third.T
    torch.testing.assert_close(network(x), expected)


def test_weights_have_the_stated_variance_and_biases_are_zero() -> None:
    network = seeded(depth=3, width=300, init_scale=0.7, bias=True)
    for layer in network.layers:
        weight = layer.weight
        scaled = weight / (0.7 / weight.shape[1] ** 0.5)
        samples = scaled.numel()
        assert scaled.mean().abs() < 5 / samples**0.5
        assert (scaled.square().mean() - 1).abs() < 5 * (2 / samples) ** 0.5
        assert not layer.bias.any()


def test_init_scale_only_scales() -> None:
    for one, other in zip(seeded().parameters(), seeded(init_scale=0.01).parameters(), strict=True):
        torch.testing.assert_close(other, 0.01 * one)


@pytest.mark.parametrize(
    "arguments",
    [
        {"input_dim": 0},
        {"output_dim": 0},
        {"depth": 0},
        {"width": -1},
        {"activation": "Tanh"},
        {"init_scale": -1.0},
        {"init_scale": float("nan")},
    ],
)
def test_what_cannot_be_is_refused_in_one_line(arguments: dict[str, Any]) -> None:
    with pytest.raises(UserError) as refusal:
        seeded(**arguments)
    assert str(refusal.value).startswith(f"model.{next(iter(arguments))} = ")
    assert "\n" not in str(refusal.value)
