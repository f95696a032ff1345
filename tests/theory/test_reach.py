"""How far noise reaches: against a quadrature, against the gradient flow of whole networks, against sampled stages."""

import math

import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp

from spinodal.theory import reach, relearning, saddle_amplitude, spinodal
from spinodal.theory.runaway import amplitudes, time_to_diverge

NOISE = 1e-3


def shapes(features, depth, width):
    sizes = [features, *[width] * (depth - 1), features]
    return [*zip(sizes[1:], sizes[:-1], strict=True)]


@pytest.mark.parametrize("depth", [3, 4, 6])
def test_a_balanced_network_diverges_with_itself(depth):
    layers = [np.zeros((2, *shape)) for shape in shapes(2, depth, 4)]
    for layer in layers:
        layer[:, 0, 0] = [0.3, 2.0]
    expected = 1 / ((depth - 2) * 1.5 * np.array([0.3, 2.0]) ** (depth - 2))
    np.testing.assert_allclose(time_to_diverge(layers, np.array([1.5, 0.5])), expected, rtol=1e-4)


def test_three_numbers_diverge_when_their_quadrature_says():
    """For w_1' = w_2 w_3 and so on, all w_i² grow alike by p, p' = 2 √Π(w_i² + p), for a positive product."""
    start = np.array([[0.7, 1.3, 0.4], [-1.0, -0.2, 2.0], [1.0, 1.0, 1.0]])
    layers = [start[:, i, None, None] for i in range(3)]
    found = time_to_diverge(layers, np.ones(1))
    for w, time in zip(start, found, strict=True):
        exact, _ = quad(lambda x, w=w: x / np.sqrt(np.prod(w**2 + x**2)), 0, math.inf)
        assert time == pytest.approx(exact, rel=1e-4)


def learns(start, l2, strengths, layout):
    """Whether the gradient flow of ½‖S − W_L ⋯ W_1‖² + λ‖θ‖² from θ leads away from θ = 0."""
    cuts = np.cumsum([math.prod(shape) for shape in layout])[:-1]

    def flow(_, theta):
        layers = [part.reshape(shape) for part, shape in zip(np.split(theta, cuts), layout, strict=True)]
        before = [np.eye(len(strengths))]
        for layer in layers:
            before.append(layer @ before[-1])
        after, slope = np.diag(strengths) - before[-1], []
        for layer, product in zip(layers[::-1], before[-2::-1], strict=True):
            slope.append((product @ after.T).T)
            after = layer.T @ after
        return np.concatenate([each.ravel() for each in slope[::-1]]) - 2 * l2 * theta

    def decided(_, theta):
        return (np.linalg.norm(theta) - 0.3) * (np.linalg.norm(theta) - NOISE / 100)

    decided.terminal = True
    end = solve_ivp(flow, (0, 1e9), start, "LSODA", events=decided, rtol=1e-8, atol=1e-12)
    return np.linalg.norm(end.y[:, -1]) > 0.1


@pytest.mark.parametrize(("depth", "width"), [(3, 3), (4, 3)])
@pytest.mark.parametrize("strengths", [(1.0,), (1.0, 0.6), (0.8, 0.76)])
def test_whole_networks_learn_below_it_and_not_above(depth, width, strengths):
    draws, layout = 4, shapes(len(strengths), depth, width)
    at = reach(NOISE, strengths, depth, width, draws=draws)
    random = np.random.default_rng(0)
    layers = [NOISE * random.standard_normal((draws, *shape)) for shape in layout]
    for draw, l2 in enumerate(at):
        start = np.concatenate([layer[draw].ravel() for layer in layers])
        assert learns(start, 0.99 * l2, strengths, layout)
        assert not learns(start, 1.01 * l2, strengths, layout)


def test_it_is_where_the_saddle_is_as_large():
    at = reach(0.1, 0.8, 3, 8, variances=1.3)
    a = 0.1 * amplitudes((1.0,), 3, 8, len(at))
    np.testing.assert_allclose(saddle_amplitude(at, 0.8, 3, 1.3), a**3)
    assert (at < spinodal(0.8, 3, 1.3)).all()


@pytest.mark.parametrize("depth", [3, 4])
def test_scaling(depth):
    at = reach(1e-3, [1, 0.6], depth, 6)
    np.testing.assert_allclose(reach(2e-3, [1, 0.6], depth, 6), 2 ** (depth - 2) * at, rtol=1e-3)
    np.testing.assert_allclose(reach(1e-3, [2, 1.2], depth, 6), 2 * at, rtol=1e-3)


def test_ends():
    assert (reach(0.0, [1, 0.6], 3, 8) == 0).all()
    assert (reach(5.0, [1, 0.6], 3, 8) == spinodal(1, 3)).all()
    assert (reach(1e-9, [1, 0.6], 2, 8) == 0.5).all()
    assert len(reach(0.1, [1.0], 4, 100)) == 100


def test_relearning_is_what_sampled_stages_do():
    path = np.geomspace(0.1, 0.004, 30)
    found = relearning(path, 0.02, [1, 0.5], 3, 8)
    random = np.random.default_rng(1)
    tries = [reach(0.02, [1, 0.5], 3, 8), reach(0.02, 0.5, 3, 7)]
    arrived = np.zeros((2, len(path)))
    for _ in range(4000):
        stage = 0
        for m in range(2):
            while stage < len(path) and random.choice(tries[m]) <= path[stage]:
                stage += 1
            if stage < len(path):
                arrived[m, stage] += 1 / 4000
            stage += 1
    assert np.abs(np.cumsum(found - arrived, axis=1)).max() < 4 * 0.5 / math.sqrt(4000)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-6)


def test_relearning_knows_what_is_alive_and_what_never_comes():
    path = np.geomspace(0.6, 0.02, 20)
    found = relearning(path, 0.02, [0.5, 1], 3, 8, learned=1)
    assert np.isnan(found[0]).all()
    np.testing.assert_array_equal(found[1], relearning(path, 0.02, [0.5], 3, 7)[0])
    assert (relearning(path, 0.0, [1, 0.5], 3, 8) == 0).all()
    continuous = relearning(path, 0.01, [1, 0.5], 2, 8)
    assert [path[row > 0].tolist() for row in continuous] == [[max(path[path < s])] for s in (0.5, 0.25)]


@pytest.mark.parametrize(
    "wrong",
    [(-0.1, [1], 3, 8), (0.1, [1, 0], 3, 8), (0.1, [1], 1, 8), (0.1, [1], 3, 0), (math.nan, [1], 3, 8)],
)
def test_what_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValueError, match=r"must be|needs at least"):
        reach(*wrong)
