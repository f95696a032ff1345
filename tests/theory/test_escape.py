"""Escape out of a phase: rates against the exact mean first passage time, orbits against automatic differentiation."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix, diags
from scipy.sparse.linalg import cg

from spinodal.theory import barriers, escape_time, escapes, phases, saddles
from spinodal.theory.orbits import orbit

STRENGTHS = (1.0, 0.8, 0.5)
VARIANCES = (1.0, 0.9, 1.2)


def exact_mean_first_passage_time(l2: float, temperature: float, nodes: int) -> float:
    """From θ = 0 of depth 3, width 1 to u ≥ 0.3: a Markov chain on a grid, in balance with e^{−𝓛/T} to O(h²).

    Solves T e^{𝓛/T} ∇·(e^{−𝓛/T} ∇τ) = −1 in the three weights, symmetrised by e^{𝓛/2T}.
    """
    axis = np.linspace(-1.2, 1.2, nodes)
    step = axis[1] - axis[0]

    def loss(a: np.ndarray) -> np.ndarray:
        return 0.5 * (1 - a.prod(0)) ** 2 - 0.5 + l2 * (a**2).sum(0)

    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"))
    height, learned = loss(grid), grid.prod(0) >= 0.3
    inside = ~learned & (height < 24 * temperature)
    number = np.where(inside, inside.cumsum().reshape(inside.shape) - 1, -1)
    diagonal, entries = np.zeros(inside.sum()), []
    for direction in range(3):
        lower, upper = (np.delete(np.arange(nodes), end) for end in (-1, 0))
        shift = np.zeros((3, 1, 1, 1))
        shift[direction] = step / 2
        middle = loss(np.take(grid, lower, direction + 1) + shift)
        here, there = (
            [np.take(each, side, direction) for each in (number, height, learned)] for side in (lower, upper)
        )
        for (i, v_i, _), (j, v_j, gone) in ((here, there), (there, here)):
            open_ = (i >= 0) & ((j >= 0) | gone)
            np.add.at(diagonal, i[open_], np.exp(-(middle - v_i)[open_] / temperature))
            both = (i >= 0) & (j >= 0)
            entries.append((i[both], j[both], -np.exp(-(middle - (v_i + v_j) / 2)[both] / temperature)))
    rows, columns, values = (np.concatenate(each) for each in zip(*entries, strict=True))
    matrix = csr_matrix((values, (rows, columns)), shape=(len(diagonal),) * 2) + diags(diagonal)
    half = np.exp(-height[inside] / 2 / temperature)
    solution, failed = cg(temperature / step**2 * matrix, half, rtol=1e-9, M=diags(1 / diagonal))
    assert not failed
    return float((solution / half)[number[(nodes // 2,) * 3]])


@pytest.mark.parametrize("l2", [0.18, 0.2])
def test_kramers_prefactor_is_that_of_the_exact_mean_first_passage_time(l2: float) -> None:
    """With corrections of relative order T/ΔV, half of it, which vanish as T does."""
    (way,) = escapes(l2, 0, [1.0], (1, 1, 1, 1))
    excess = []
    for inverse in (5, 10):
        temperature = way.barrier / inverse
        exact = exact_mean_first_passage_time(l2, temperature, 71)
        excess.append(exact / float(way.time(temperature)) - 1)
    assert 0.03 < excess[1] < 0.055
    assert 1.7 < excess[0] / excess[1] < 2.5


def test_the_grid_of_that_test_is_fine_enough() -> None:
    (way,) = escapes(0.2, 0, [1.0], (1, 1, 1, 1))
    coarse, fine = (exact_mean_first_passage_time(0.2, way.barrier / 8, nodes) for nodes in (41, 81))
    assert coarse == pytest.approx(fine, rel=2e-3)


@pytest.mark.parametrize("sizes", [(3, 4, 4, 3), (4, 3, 5, 3), (3, 4, 3, 4, 5)])
@pytest.mark.parametrize("learned", [0, 1, 2, 3])
@pytest.mark.parametrize("on_saddle", [False, True])
def test_dimension_and_determinant_are_those_of_the_full_hessian(surface, sizes, learned, on_saddle) -> None:
    if on_saddle and learned == 0:
        return
    spare = np.full(sizes[0] - 3, 1.3)
    exact = surface(STRENGTHS, sizes, VARIANCES, spare)
    l2, depth = 0.05 if len(sizes) == 4 else 0.03, len(sizes) - 1
    between, states = saddles(l2, STRENGTHS, depth, VARIANCES), phases(l2, STRENGTHS, depth, VARIANCES)
    state = between[learned - 1] if on_saddle else states[learned]
    u = state.amplitudes[0]
    theta = exact.balanced(u)
    full = torch.linalg.eigvalsh(exact.hessian(theta)).numpy() + 2 * l2
    found = orbit(l2, u, np.array(STRENGTHS), sizes, np.array(VARIANCES), spare)
    across = np.abs(full) > 1e-9
    assert (~across).sum() == found.dimension
    assert np.log(np.abs(full[across])).sum() == pytest.approx(found.log_determinant, rel=1e-9)
    assert (full[across] < 0).sum() == on_saddle


def test_the_orbits_volume_element_is_that_of_its_tangents() -> None:
    """√det of the tangents' Gram matrix, by automatic differentiation of what the rotations do."""
    sizes, u = (2, 4, 3, 2), np.array([0.7, 0.3])
    c, sigma = np.array([1.0, 0.8]), np.ones(2)
    a = torch.tensor(u) ** (1 / 3)
    layers = []
    for n, m in pairwise(sizes):
        layer = torch.zeros(m, n, dtype=torch.float64)
        layer[range(2), range(2)] = a
        layers.append(layer)
    planes = [(level, i, j) for level in (1, 2) for i in range(2) for j in range(i + 1, sizes[level])]

    def turned(angles: torch.Tensor) -> torch.Tensor:
        turns = {0: torch.eye(2, dtype=torch.float64), 3: torch.eye(2, dtype=torch.float64)}
        for level in (1, 2):
            generator = torch.zeros(sizes[level], sizes[level], dtype=torch.float64)
            for angle, (where, i, j) in zip(angles, planes, strict=True):
                if where == level:
                    unit = torch.zeros_like(generator)
                    unit[i, j], unit[j, i] = 1, -1
                    generator = generator + angle * unit
            turns[level] = torch.linalg.matrix_exp(generator)
        return torch.cat([(turns[k + 1] @ w @ turns[k].T).flatten() for k, w in enumerate(layers)])

    tangents = torch.func.jacfwd(turned)(torch.zeros(len(planes), dtype=torch.float64))
    element = 0.5 * torch.logdet(tangents.T @ tangents)
    # The Stiefel manifold V_2(h) in these angles has the volume |S^{h−1}||S^{h−2}|.
    sphere = {1: 2 * np.pi, 2: 4 * np.pi, 3: 2 * np.pi**2}
    stiefel = np.log(sphere[3] * sphere[2]) + np.log(sphere[2] * sphere[1])
    found = orbit(0.05, u, c, sizes, sigma, np.empty(0))
    assert found.dimension == len(planes)
    assert found.log_volume == pytest.approx(float(element) + stiefel, rel=1e-12)


def test_barriers_and_orbits_are_those_of_the_features() -> None:
    birth, death = escapes(0.03, 1, STRENGTHS, (3, 5, 4, 3))
    assert (birth.to, death.to) == (2, 0)
    assert birth.barrier == pytest.approx(float(barriers(0.03, 0.8, 3).from_unlearned), rel=1e-12)
    assert death.barrier == pytest.approx(float(barriers(0.03, 1.0, 3).from_learned), rel=1e-12)
    assert (birth.orbit_dimension, death.orbit_dimension) == (3 + 2, 0)
    rates = [1 / float(way.time(0.01)) for way in (birth, death)]
    assert float(escape_time([birth, death], 0.01)) == pytest.approx(1 / sum(rates))


@pytest.mark.parametrize("width", [1, 2, 4])
@pytest.mark.parametrize("depth", [3, 4, 5])
def test_time_grows_with_the_power_of_temperature_that_the_orbit_says(depth: int, width: int) -> None:
    (way,) = escapes(0.1, 0, [1.0], (1, *[width] * (depth - 1), 1))
    assert way.orbit_dimension == (depth - 1) * (width - 1)
    times = way.time(np.array([1e-3, 4e-3])) / np.exp(way.barrier / np.array([1e-3, 4e-3]))
    assert times[1] / times[0] == pytest.approx(2.0**way.orbit_dimension)


def test_there_is_no_way_where_there_is_no_phase_or_no_feature_to_be_born() -> None:
    assert escapes(0.3, 1, [1.0, 0.5], (2, 3, 3, 2)) == ()
    assert escapes(0.3, 0, [1.0, 0.5], (2, 3, 3, 2)) == ()
    (death,) = escapes(0.2, 1, [1.0, 0.5], (2, 3, 3, 2))
    assert death.to == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((0.1, 0, [1.0], (1, 2, 1)), "depth=2"),
        ((0.0, 0, [1.0], (1, 2, 2, 1)), "l2=0"),
        ((0.1, 2, [1.0], (1, 2, 2, 1)), "phase=2"),
        ((0.1, 0, [1.0, 0.5], (2, 1, 2, 2)), "narrower"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        escapes(*arguments)
