"""The paths of λ."""

import pytest

from spinodal.errors import UserError
from spinodal.protocols import Trajectory, trajectories

L2 = [0.3, 0.1, 0.2]


@pytest.mark.parametrize(
    ("protocol", "path", "branch"),
    [
        ("up", (0.1, 0.2, 0.3), ("up",) * 3),
        ("down", (0.3, 0.2, 0.1), ("down",) * 3),
        ("loop", (0.1, 0.2, 0.3, 0.2, 0.1), ("up",) * 3 + ("down",) * 2),
    ],
)
def test_a_branch_is_one_path_per_seed(protocol, path, branch):
    each = trajectories(protocol, L2, [5, 6])
    assert [(t.seed, t.path, t.branch) for t in each] == [(5, path, branch), (6, path, branch)]
    assert all(t.unlearned == (protocol == "down") for t in each)


def test_quench_is_one_fresh_start_per_seed_and_l2():
    each = trajectories("quench", L2, [5, 6])
    assert {(t.seed, t.path) for t in each} == {(s, (x,)) for s in (5, 6) for x in L2}
    assert all(t.branch == ("quench",) and not t.unlearned for t in each)


def backwards(l2, seed):
    return [Trajectory(seed, tuple(sorted(l2, reverse=True)), ("up",) * len(l2))]


def nothing(l2, seed):
    return [Trajectory(seed, (), ())]


def test_a_path_of_ones_own_has_a_dotted_path():
    (each,) = trajectories(f"{__name__}.backwards", L2, [7])
    assert (each.seed, each.path, each.branch) == (7, (0.3, 0.2, 0.1), ("up",) * 3)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("no_such_module.path", "no such function"),
        (f"{__name__}.forwards", "no such function"),
        (f"{__name__}.nothing", "must return trajectories"),
    ],
)
def test_what_is_no_path_is_refused(name, why):
    with pytest.raises(UserError, match=rf"protocol\.name={name}: {why}"):
        trajectories(name, L2, [0])
