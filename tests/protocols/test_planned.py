import pytest

from spinodal.protocols import ESCAPE, Hold, asked, at_strengths, planned, size, trajectories

NOISE = {"noise": "langevin", "temperature": [0.2, 0.1], "batch": [8, 4]}


def test_an_escape_is_one_stage_per_seed_l2_and_strength() -> None:
    found = planned({"name": "escape", "phase": 1, **NOISE}, [0.3, 0.1], [5, 6])
    assert len(found) == 8
    assert len(set(found)) == 8
    assert {each.path for each in found} == {(0.1,), (0.3,)}
    assert {each.hold for each in found} == {Hold(1, 0.1), Hold(1, 0.2)}
    assert all(each.branch == (ESCAPE,) for each in found)


def test_minibatches_have_batch_sizes_instead_of_temperatures() -> None:
    found = planned({"name": "escape", "phase": 0, **NOISE, "noise": "minibatch"}, [0.1], [0])
    assert [each.hold.strength for each in found] == [4, 8]


def test_who_starts_in_no_phase_relaxes_before() -> None:
    (found,) = planned({"name": "escape", "phase": None, **NOISE, "temperature": [0.1]}, [0.1], [0])
    assert (found.path, found.branch) == ((0.1, 0.1), ("quench", ESCAPE))


def test_who_is_to_be_in_a_phase_without_a_formula_comes_from_another_l2() -> None:
    protocol = {"name": "escape", "phase": None, "start_l2": 0.2, **NOISE, "temperature": [0.1]}
    found = planned(protocol, [0.1, 0.2, 0.3], [0])
    assert [each.path for each in found] == [(0.2, 0.1, 0.1), (0.2, 0.2), (0.2, 0.3, 0.3)]
    assert found[0].branch == ("quench", "down", ESCAPE)
    assert found[2].branch == ("quench", "up", ESCAPE)
    for each in found:
        assert planned(protocol, asked(protocol, each.path), [0]) == [each]


def test_a_noisy_loop_is_a_loop_per_strength() -> None:
    found = planned({"name": "noisy_loop", "phase": None, **NOISE}, [0.1, 0.2, 0.3], [0])
    (loop,) = trajectories("loop", [0.1, 0.2, 0.3], [0])
    assert [(each.path, each.branch) for each in found] == [(loop.path, loop.branch)] * 2
    assert [each.hold.temperature for each in found] == [0.1, 0.2]


def test_training_has_a_stage_per_look() -> None:
    found = planned({"name": "train", "noise": "none", "steps": 100, "records": 3}, [0.1, 0.2], [0])
    assert [each.path for each in found] == [(0.1,) * 3, (0.2,) * 3]


def test_training_may_meet_noise_of_several_strengths() -> None:
    found = planned({"name": "train", "steps": 100, "records": 3, **NOISE}, [0.1], [0])
    assert [each.hold for each in found] == [Hold(None, 0.1), Hold(None, 0.2)]
    assert {each.path for each in found} == {(0.1,) * 3}


@pytest.mark.parametrize("name", ["up", "down", "loop", "quench"])
def test_the_others_are_what_they_were(name: str) -> None:
    assert planned({"name": name}, [0.1, 0.2], [0, 1]) == trajectories(name, [0.1, 0.2], [0, 1])


@pytest.mark.parametrize("name", ["up", "loop", "quench", "escape", "noisy_loop", "train"])
@pytest.mark.parametrize("noise", ["langevin", "minibatch"])
def test_how_many_there_are_is_known_before(name: str, noise: str) -> None:
    protocol = {
        "name": name,
        "phase": 0,
        "steps": 100,
        "records": 3,
        **NOISE,
        "noise": noise,
        "batch": [1, 2, 3],
    }
    assert size(protocol, [0.1, 0.2], [3, 4, 5]) == len(planned(protocol, [0.1, 0.2], [3, 4, 5]))


def test_a_protocol_at_other_strengths() -> None:
    protocol = {"name": "escape", "phase": 0, **NOISE}
    assert at_strengths(protocol, [0.3, 0.1, 0.3]) == protocol | {"temperature": [0.1, 0.3]}
    assert at_strengths(protocol | {"noise": "minibatch"}, [2])["batch"] == [2]
    assert at_strengths({"name": "up"}, [None, None]) == {"name": "up"}
