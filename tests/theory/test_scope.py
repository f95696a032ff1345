"""Where the theory applies: every reason why it does not, and one answer before and after a run."""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from spinodal import predict
from spinodal.analysis import deep_linear, expected, landscape
from spinodal.building.networks import build_ensemble, build_task
from spinodal.ensemble import Ensemble
from spinodal.errors import UserError
from spinodal.job import run
from spinodal.networks import MLP
from spinodal.planning import plan
from spinodal.records import read_records
from spinodal.tasks import linear_teacher
from spinodal.theory import (
    DeepLinear,
    coexistence,
    escapes,
    geometry,
    learned_state,
    order_parameter,
    scope,
    spinodal,
)
from spinodal.training.start import facts_of, phase_parameters

FACTS: dict[str, Any] = {
    "task": "linear_teacher",
    "error_name": "squared",
    "activation": "linear",
    "bias": False,
    "depth": 3,
    "width": 4,
    "strengths": [0.6, 1.0],
    "variances": [1.0, 1.0],
    "noise": 0.0,
    "branch": "up",
    "temperature": None,
    "input_dim": 3,
    "output_dim": 2,
}


@pytest.mark.parametrize(
    ("changes", "column"),
    [
        ({}, "learned_features"),
        ({"activation": "tanh"}, "learned_features"),
        ({"task": "digits"}, "learned_features"),
        ({"task": "digits", "activation": "tanh"}, "rank"),
        ({"task": "digits", "error_name": "cross_entropy"}, "rank"),
        ({"task": "mine", "activation": None}, "rank"),
        ({"task": "mine", "network": "Net"}, "rank"),
    ],
)
def test_features_are_counted_where_they_are_what_is_learned(changes: dict[str, Any], column: str) -> None:
    assert order_parameter(FACTS | changes) == column


def applied(**changes: Any) -> DeepLinear:
    """The network where the theory applies."""
    network = scope(FACTS | changes)
    assert isinstance(network, DeepLinear), network
    return network


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"activation": "tanh"}, "no closed form for tanh networks"),
        ({"bias": True}, "no closed form for networks with biases"),
        ({"parameters": 3 * 4 + 4 * 4}, "no closed form for networks with frozen parameters"),
        ({"depth": 1}, "one layer has no transitions"),
        ({"depth": 1, "width": 1}, "one layer has no transitions"),
        ({"width": 1}, "no closed form for 2 features in a network of width 1"),
        ({"alive": 5}, "no closed form for 5 features in a network of width 4"),
        ({"error_name": "cross_entropy"}, "no closed form for cross_entropy"),
        ({"branch": "down"}, "no closed form for the branch down"),
        ({"branch": ""}, "no closed form for the branch "),
        ({"temperature": 0.01}, "no closed form for branches at T > 0"),
        ({"network": "my.Net"}, "no closed form for my.Net"),
        ({"network": "my.Net", "depth": None}, "no closed form for my.Net"),
        *(({name: None}, f"not known: {name}") for name in list(FACTS)[:8]),
        ({"depth": None, "activation": None}, "not known: activation, depth"),
        (
            {"activation": "relu", "bias": True},
            "no closed form for relu networks; no closed form for networks with biases",
        ),
    ],
)
def test_every_reason_is_given_in_words(changes: dict[str, Any], reason: str) -> None:
    assert scope(FACTS | changes) == reason


def test_the_whitened_teacher_is_exact() -> None:
    network, l2 = applied(), np.array([0.01, 0.1, 0.9])
    assert network.exact
    assert network.complete
    assert network.sizes == (3, 4, 4, 2)
    np.testing.assert_array_equal(network.spinodals, spinodal([0.6, 1.0], 3))
    np.testing.assert_array_equal(network.coexistences, coexistence([0.6, 1.0], 3))
    np.testing.assert_array_equal(network.learned_state(l2).error, learned_state(l2, [0.6, 1.0], 3).error)
    surface = network.geometry(l2)
    assert surface is not None
    exact = geometry(learned_state(l2, [0.6, 1.0], 3).amplitudes, [0.6, 1.0], (3, 4, 4, 2))
    np.testing.assert_array_equal(surface.curvature, exact.curvature)
    assert network.escapes(0.05, 1) == escapes(0.05, 1, [0.6, 1.0], (3, 4, 4, 2))


def test_with_label_noise_places_are_exact_and_the_error_is_not_known() -> None:
    for noise in (0.1, None):
        network = applied(noise=noise)
        assert network.exact
        assert not network.complete
        assert network.escapes(0.05, 1) is None


def test_other_inputs_make_it_an_estimate_unless_the_covariances_were_found_to_commute() -> None:
    assert not applied(task="digits").exact
    assert not applied(task="digits", turning=0.1).exact
    assert not applied(turning=0.1).exact
    assert applied(task="digits", turning=1e-12).exact
    assert not applied(task="digits", turning=1e-12).complete


def test_a_phase_needs_room_for_its_own_features_alone() -> None:
    assert applied(width=1, alive=1).strengths.tolist() == [0.6, 1.0]


def test_without_a_branch_the_landscape_is_asked_about() -> None:
    facts = {name: value for name, value in FACTS.items() if name not in ("branch", "temperature", "noise")}
    assert isinstance(scope(facts), DeepLinear)


@pytest.mark.parametrize(
    ("dimensions", "sizes"),
    [
        ({"parameters": 3 * 4 + 4 * 4 + 4 * 2}, (3, 4, 4, 2)),
        ({"parameters": 37}, None),
        ({"input_dim": None, "parameters": 2 * 4 + 4 * 4 + 4 * 2}, (2, 4, 4, 2)),
        ({"input_dim": None, "output_dim": None, "parameters": 33}, None),
        ({"input_dim": None, "output_dim": None}, None),
    ],
)
def test_sizes_are_known_if_everything_fits(
    dimensions: dict[str, Any], sizes: tuple[int, ...] | None
) -> None:
    network = applied(**dimensions)
    assert network.sizes == sizes
    assert (network.geometry(np.array([0.1])) is None) == (network.escapes(0.1, 0) is None) == (sizes is None)


def test_one_hidden_layer_has_no_escapes() -> None:
    assert applied(depth=2).escapes(0.05, 1) is None


SMALL = (
    *("campaign=c", "logger=none", "callbacks.progress=null", "l2=[0.05]", "relaxation.max_steps=20"),
    *("data.complexity=2", "model.width=4"),
)
TEACHER = ("data.samples=12", "data.input_dim=3")


@pytest.mark.parametrize(
    ("overrides", "kind"),
    [
        (("model=deep_linear", *TEACHER), "complete"),
        (("model=deep_linear", "model.depth=2", *TEACHER), "complete"),
        (("model=deep_linear", "data.noise=0.1", *TEACHER), "exact"),
        (("data=digits", "data.samples=40", "model=deep_linear"), "estimate"),
        (TEACHER, "no closed form for tanh networks"),
        (("model=deep_linear", "model.bias=true", *TEACHER), "no closed form for networks with biases"),
        (("model=deep_linear", "model.depth=1", *TEACHER), "one layer has no transitions"),
        (
            ("model=deep_linear", "model.width=1", *TEACHER),
            "no closed form for 2 features in a network of width 1",
        ),
        (
            ("data=digits", "data.samples=40", "data.error=cross_entropy", "model=deep_linear"),
            "no closed form for cross_entropy",
        ),
    ],
)
def test_a_plan_its_networks_and_its_records_get_one_answer(
    overrides: tuple[str, ...], kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPINODAL_OUTPUTS", str(tmp_path))
    planned = plan([*SMALL, *overrides])
    task = build_task(planned)
    ensemble = build_ensemble(planned, task, [0])
    run(planned)
    table = read_records(tmp_path / "c")
    row = table.row(0, named=True)
    answers = [scope(facts) for facts in (predict.facts_of(planned, task), facts_of(ensemble, task), row)]
    if kind not in ("complete", "exact", "estimate"):
        assert answers == [kind] * 3
        assert landscape(row) is expected(table) is deep_linear(table) is None
        with pytest.raises(UserError, match=kind):
            phase_parameters(ensemble, task, 2, 0.001)
        return
    for network in (*answers, landscape(row), expected(table)):
        assert isinstance(network, DeepLinear)
        np.testing.assert_allclose(
            network.spinodals, spinodal(row["strengths"], row["depth"], row["variances"])
        )
        assert network.sizes == (row["input_dim"], *[4] * (row["depth"] - 1), row["output_dim"])
        assert network.exact == (kind != "estimate")
    before, _, after = answers
    assert before.complete == after.complete == (kind == "complete")  # type: ignore[union-attr]
    assert (deep_linear(table) is not None) == (kind == "complete")
    assert phase_parameters(ensemble, task, 2, 0.001).any()


def test_networks_of_ones_own_and_frozen_ones_are_outside_whatever_their_keys() -> None:
    class Own(MLP):
        """No other network than its base."""

    class Other(torch.nn.Linear):
        """With names that have other meanings elsewhere."""

        settings: ClassVar = {"activation": "linear", "depth": 3, "width": 4}

    def frozen() -> MLP:
        network = MLP(2, 2, activation="linear")
        network.layers[0].requires_grad_(False)
        return network

    task = linear_teacher(complexity=2, samples=8)
    own = Ensemble(lambda: Own(2, 2, activation="linear"), [0])
    assert isinstance(scope(facts_of(own, task)), DeepLinear)
    other = Ensemble(lambda: Other(2, 2, bias=False, dtype=torch.float64), [0])
    assert scope(facts_of(other, task)).endswith(".Other")  # type: ignore[union-attr]
    assert (
        scope(facts_of(Ensemble(frozen, [0]), task)) == "no closed form for networks with frozen parameters"
    )
