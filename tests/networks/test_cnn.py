import pytest
import torch
from torch.nn.functional import avg_pool2d, conv2d

from spinodal.errors import UserError
from spinodal.networks import CNN


def test_it_is_convolutions_means_and_a_linear_layer() -> None:
    torch.manual_seed(0)
    network = CNN(2 * 6 * 8, 3, (2, 6, 8), channels=(3, 4), kernel=3, bias=True)
    inputs = torch.randn(5, 2, 6, 8, dtype=torch.float64)
    first, first_bias, second, second_bias, head, head_bias = network.parameters()
    hidden = avg_pool2d(conv2d(inputs, first, first_bias, padding=1).tanh(), 2)
    hidden = avg_pool2d(conv2d(hidden, second, second_bias, padding=1).tanh(), 2)
    torch.testing.assert_close(network(inputs), hidden.flatten(1) @ head.T + head_bias)
    assert not any(each.any() for each in (first_bias, second_bias, head_bias))


def test_pixels_in_rows_are_an_image() -> None:
    torch.manual_seed(0)
    flat = CNN(784, 10, (784,))
    torch.manual_seed(0)
    images = CNN(784, 10, (1, 28, 28))
    assert sum(each.numel() for each in flat.parameters()) == 11_240
    inputs = torch.randn(2, 784, dtype=torch.float64)
    assert torch.equal(flat(inputs), images(inputs.view(-1, 1, 28, 28)))


def test_initial_weights_have_the_scale_that_is_asked_for() -> None:
    torch.manual_seed(0)
    network = CNN(784, 10, (784,), channels=(40, 40), init_scale=0.5)
    for weight in network.parameters():
        fan_in = weight[0].numel()
        assert float(weight.detach().std()) * fan_in**0.5 == pytest.approx(0.5, rel=0.1)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"channels": ()}, "model.channels"),
        ({"channels": (2, 0)}, "model.channels"),
        ({"channels": (1,) * 5}, "at most 4 numbers for images of 28 × 28"),
        ({"kernel": 4}, "model.kernel = 4"),
        ({"activation": "sine"}, "model.activation = sine"),
        ({"init_scale": -1.0}, "model.init_scale"),
        ({"input_dim": 12, "input_shape": (12,)}, "samples are of shape [12]"),
        ({"input_shape": (28, 28)}, "samples are of shape [28, 28]"),
    ],
)
def test_what_is_out_of_range_is_refused(changes: dict[str, object], told: str) -> None:
    given = {"input_dim": 784, "output_dim": 10, "input_shape": (784,)} | changes
    with pytest.raises(UserError) as refusal:
        CNN(**given)
    assert told in str(refusal.value)
