"""A survey through the command line: cheap, marked, no evidence, and relaxed exactly around jumps if asked to."""

import signal
import sys
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from spinodal import cli, find
from spinodal.records import read_records
from spinodal.report.style import STYLE
from spinodal.training import Interrupted

SMALL = (
    *("data.complexity=2", "data.samples=12", "model=deep_linear", "model.width=3", "l2=geom:0.02:0.5:12"),
    *("logger=none", "callbacks.progress=null", "campaign=c"),
)
SPINODALS = (0.11954909, 0.2362352)  # depth 3, strengths 0.6 and 1, as in the README


@pytest.fixture(autouse=True)
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPINODAL_OUTPUTS", str(tmp_path))
    return tmp_path


def go(*overrides: str) -> pl.DataFrame:
    lines = [*SMALL, *overrides]
    assert cli.main(["run", *lines]) == 0
    return read_records(lines[-1].partition("=")[2]).sort("seed", "stage")


def test_a_survey_is_marked_cheap_near_the_minima_and_no_evidence(
    outputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exact = go("campaign=exact")
    # Complexities of one shape share an ensemble, whose rows have each an E₀ of their own.
    shape = ("data.complexity=1,2", "data.input_dim=2", "data.output_dim=2")
    survey = go("relaxation=survey", "callbacks=curvature", *shape, "campaign=survey")
    assert set(survey["criterion"]) == {"flow"}
    assert survey["minimum"].is_null().all()
    assert survey["reversible"].is_null().all()
    assert survey["stationary"].all()
    assert (survey["saddles"] == 0).all()
    assert survey["scalar_curvature"].is_finite().all()
    assert survey["job"].n_unique() == 1
    for complexity, zero_error in ((1, 0.5), (2, 0.5 * 1.36)):
        rows = survey.filter(complexity=complexity)
        assert len(rows) == 12
        # Measured in float64 where float32 has arrived.
        assert rows["grad_max"].max() <= 2e-4 * zero_error * (1 + 1e-2)
    two = survey.filter(complexity=2)
    away = pl.all_horizontal((pl.col("l2") / at).log().abs() > 0.02 for at in SPINODALS)
    assert (two["error"] - exact["error"]).filter(two.select(away).to_series()).abs().max() < 1e-3
    assert 1.5 * two["steps"].sum() < exact["steps"].sum()
    found = find(survey)
    assert found.transitions["location"].is_null().all()
    assert set(found.claims.filter(pl.col("case") != "")["decision"]) == {"not decided"}
    assert [row["transition"] for row in found.survey.iter_rows(named=True)] == [None] * 3
    capsys.readouterr()
    assert cli.main(["report", "survey"]) == 0
    said = capsys.readouterr().out
    suggested = "E seems to jump at 3 places, and rank falls by one at 3 of them"
    assert f"survey, no evidence: {suggested}; exactly relaxed rows show none of these" in said
    assert "24 rows; only surveyed: 24" in said
    page = (outputs / "survey" / "report" / "report.html").read_text()
    assert "What the survey suggests" in page
    assert "protocol.refine=3" in page


@pytest.mark.parametrize(
    "rule", [("optimizer=sgd", "optimizer.lr=0.2"), ("optimizer=adam", "optimizer.lr=0.01")]
)
def test_any_rule_of_descent_surveys(rule: tuple[str, ...]) -> None:
    survey = go(*rule, "l2=[0.05,0.1,0.3]", "relaxation=survey", "campaign=survey")
    assert set(survey["criterion"]) == {"flow"}
    assert survey["stationary"].all()
    assert survey["learned_features"].to_list() == [2, 2, 0]


def test_a_convolutional_network_is_named_as_it_is(
    outputs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the records, and where people read: beside a fully connected one with the same activation."""
    monkeypatch.setitem(STYLE, "savefig.dpi", 50)
    digits = ("data=digits", "data.complexity=1", "data.samples=12", "relaxation=survey", "l2=[0.1,0.2]")
    of_any = ("logger=none", "callbacks.progress=null", "campaign=c")
    cnn = ("model=cnn", "model.channels=[1]", "model.kernel=3")
    for model in (cnn, ("model=mlp", "model.depth=2", "model.width=2")):
        assert cli.main(["run", *digits, *model, *of_any]) == 0
    rows = read_records("c")
    kinds = rows.select("network", "activation", "depth", "width").unique().sort("network").rows()
    assert kinds == [(None, "tanh", 2, 2), ("CNN", "tanh", None, None)]
    capsys.readouterr()
    assert cli.main(["report", "c"]) == 0
    said = capsys.readouterr().out
    assert "digits, K = 1; CNN, tanh; up" in said
    assert "digits, K = 1; tanh, depth 2, width 2; up" in said
    assert (outputs / "c" / "report" / "digits-K1-CNN-tanh-up.png").exists()
    capsys.readouterr()
    assert cli.main(["predict", *digits, *cnn]) == 0
    assert "digits, K = 1; CNN, tanh\n" in capsys.readouterr().out


def test_refinement_relaxes_exactly_on_both_sides_of_each_jump() -> None:
    rows = go("seed=[0,1]", "relaxation=survey", "protocol.refine=3", "campaign=refined")
    assert rows.filter(criterion="flow").height > 6
    assert rows.filter(criterion="flow", minimum=True).is_empty()
    for _, branch in rows.sort("l2").group_by("seed"):
        for at in SPINODALS:
            below, above = branch.filter(pl.col("l2") < at).tail(2), branch.filter(pl.col("l2") > at).head(2)
            for side in (below, above):
                assert side["criterion"].to_list() == ["gradient"] * 2
                assert side["minimum"].all()
            assert above["l2"][0] / below["l2"][-1] - 1 <= 1e-3
            assert above["reversible"][0] is False
    assert rows.filter(criterion="flow")["reversible"].is_null().all()
    found = find(rows)
    transitions = found.transitions
    assert transitions["status"].to_list() == ["matched"] * 2
    assert transitions["inside"].all()
    assert ((transitions["control_high"] / transitions["control_low"]) - 1).max() <= 1e-3
    assert found.survey["transition"].to_list() == [1, 2]


NETWORK = """
import os, signal
from spinodal.networks import MLP

class Signalling(MLP):
    evaluations, at = 0, None

    def stacked(self, parameters, inputs):
        Signalling.evaluations += 1
        if Signalling.evaluations == Signalling.at:
            os.kill(os.getpid(), signal.SIGTERM)
        return super().stacked(parameters, inputs)
"""


def test_a_refined_survey_goes_on_to_the_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "signalling.py").write_text(NETWORK)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "signalling", raising=False)
    import signalling  # type: ignore[import-not-found]

    network = signalling.Signalling
    lines = ["model._target_=signalling.Signalling", "l2=geom:0.15:0.3:6", "seed=[0,1]"]
    lines += ["relaxation=survey", "protocol.refine=2"]
    whole, total = go(*lines, "campaign=whole"), network.evaluations
    assert set(whole["criterion"]) == {"flow", "gradient"}
    for fraction in (0.3, 0.25, 0.25):
        network.evaluations, network.at = 0, int(fraction * total)
        with pytest.raises(Interrupted) as stopped:
            cli.main(["run", *SMALL, *lines, "campaign=ended"])
        assert stopped.value.code == 128 + signal.SIGTERM
    network.evaluations, network.at = 0, None
    ended = go(*lines, "campaign=ended")
    assert network.evaluations < 0.5 * total
    assert_frame_equal(
        ended.drop("wall_time", "campaign"), whole.drop("wall_time", "campaign"), check_exact=True
    )


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        (["relaxation=surveys"], ["relaxation=surveys", "exact, survey", "did you mean survey?"]),
        (["relaxation.flow=0"], ["relaxation.flow=0", "between 0 and 1"]),
        (["relaxation=survey", "relaxation.flow=2"], ["relaxation.flow=2", "between 0 and 1"]),
        (["relaxation.flatness=-1"], ["relaxation.flatness=-1", "≥ 0"]),
        (["relaxation.block=0"], ["relaxation.block=0", "integer ≥ 1"]),
        (["relaxation.smooth=perhaps"], ["relaxation.smooth=perhaps", "true, false or null"]),
        (["relaxation.fall=-1"], ["relaxation.fall=-1", "≥ 0"]),
        (["relaxation.patience=2.5"], ["relaxation.patience=2.5", "integer ≥ 1"]),
        (["relaxation.flwo=1e-3"], ["relaxation.flwo=0.001", "did you mean relaxation.flow?"]),
        (["relaxation=survey", "protocol=train"], ["relaxation.flow=0.0002", "protocol=train", "exact"]),
        (["relaxation=survey", "protocol=noisy_loop"], ["relaxation.flow=0.0002", "protocol=noisy_loop"]),
    ],
    ids=lambda each: each[-1] if isinstance(each, list) else "",
)
def test_what_cannot_be_is_refused_in_a_line(
    overrides: list[str], named: list[str], outputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["run", *SMALL, *overrides]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    assert all(word in line for word in named), line
    assert not (outputs / "c").exists()


def test_settings_of_the_relaxation_reach_it() -> None:
    """Each by what it does: no network of this size is flat to 10, nor falls at all where it must fall by all of 𝓛."""
    lines = ["l2=[0.05]", "protocol=quench"]
    assert go(*lines, "campaign=default")["minimum"].to_list() == [True]
    kinked = go(
        *lines, "relaxation.smooth=false", "relaxation.fall=0.9", "relaxation.patience=2", "campaign=kinked"
    )
    assert kinked["criterion"].to_list() == ["fall"]
    # The first look finds that 𝓛 has fallen; of those after it, as many as there is patience for find that it has not.
    assert kinked["steps"].to_list() == [150]
    shorter = go(
        *lines,
        *("relaxation.smooth=false", "relaxation.fall=0.9", "relaxation.patience=2", "relaxation.block=10"),
        "campaign=shorter",
    )
    assert shorter["steps"].to_list() == [30]
