"""The paths of λ."""

import pytest

from spinodal.protocols import trajectories

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
