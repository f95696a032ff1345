"""The report on W&B, read back from disk."""

import json

import polars as pl
import pytest

from spinodal import cli
from spinodal.analysis.findings import find
from spinodal.records import COLUMNS, read_records


@pytest.fixture
def reported(outputs, go, inspect, capsys):
    """Runs jobs, and reports on them."""

    def make(*jobs):
        for job in jobs:
            go(*job)
        assert cli.main(["report", str(outputs), "--wandb"]) == 0
        assert "W&B: report of c: `spinodal sync" in capsys.readouterr().out
        (run,) = (run for run in inspect() if run.run["job_type"] == "report")
        return run

    return make


BRANCHES = [
    [f"data.complexity={complexity}", "l2=geom:0.03:0.4:20", "seed=[0,1]"] for complexity in (1, 2, 3)
]


def test_curves_have_their_bands_and_tables_figures_page_and_verdicts_are_there(reported, outputs):
    reported = reported(*BRANCHES)
    records = read_records(outputs)
    rows = {row["l2"]: row for row in reported.history if "l2" in row}
    assert sorted(rows) == sorted(records["l2"].unique())
    for complexity in (1, 2, 3):
        name = f"error/linear_teacher deep linear K={complexity} L=3 width=4 up"
        assert reported.axes[name] == reported.axes[f"{name}_low"] == "l2"
        for l2, row in rows.items():
            errors = records.filter(pl.col("l2") == l2, pl.col("complexity") == complexity)["error"]
            spread = errors.std() / 2**0.5
            assert row[name] == pytest.approx(errors.mean())
            assert row[f"{name}_low"] == pytest.approx(errors.mean() - spread)
            assert row[f"{name}_high"] == pytest.approx(errors.mean() + spread)
    (media,) = (row for row in reported.history if "transitions.path" in row)
    folder = next((outputs / "wandb").glob("*-report-*")) / "files"
    comparison = json.loads((folder / media["transitions.path"]).read_text())
    assert len(comparison["data"]) == 6  # K transitions of K = 1, 2 and 3
    assert {"location", "control_exact", "inside"} <= set(comparison["columns"])
    columns = json.loads((folder / media["columns.path"]).read_text())
    assert columns["data"] == [[column.name, column.unit, column.meaning] for column in COLUMNS]
    assert all((folder / name).stat().st_size > 10_000 for name in media["figures.filenames"])
    assert len(media["figures.filenames"]) == len([*(outputs / "report").glob("*.png")]) == 4
    assert "<html" in (folder / media["page.path"]).read_text()
    tables = {path.stem for path in (outputs / "report").glob("*.csv")}
    logged = {name.removesuffix(".path") for name in media if name.endswith(".path")}
    assert logged == tables | {"columns", "page"}
    verdicts = {name: decision for name, decision in reported.summary.items() if name.startswith("verdicts/")}
    assert {*verdicts.values()} == {each.decision for each in find(records).verdicts} == {"confirmed"}
    assert (reported.summary["points"], reported.summary["transitions/count"]) == (6, 6)
    assert (reported.state, reported.run["run_group"]) == ("finished", "c")


def test_survival_under_noise_escape_times_and_trainings_have_curves_of_their_own(reported, outputs):
    held = ["protocol=escape", "l2=0.15", "seed=lin:0:11:12", "protocol.temperature=[0.03,0.05]"]
    training = ["protocol=train", "protocol.steps=40", "protocol.records=5", "l2=0.03", "seed=[0,1]"]
    run, records = reported([*held, "protocol.longest=400"], training), read_records(outputs)
    (times,) = (name for name in run.axes if name.startswith("mean_time/") and name.endswith("phase 0"))
    assert run.axes[times] == run.axes[f"{times}_low"] == "temperature"
    found = pl.read_csv(outputs / "report" / "escape_times.csv")
    told = {row["temperature"]: row[times] for row in run.history if times in row}
    assert told == dict(
        found.filter(pl.col("mean_time").is_finite()).select("temperature", "mean_time").rows()
    )
    assert told
    for temperature in (0.03, 0.05):
        (name,) = (each for each in run.axes if each.startswith("survival/") and f"T={temperature} " in each)
        assert run.axes[name] == "escape/time"
        curve = [(row["escape/time"], row[name]) for row in run.history if name in row]
        assert curve[0] == (0, 1)
        rows = records.filter(pl.col("temperature") == temperature)
        assert curve[-1][1] == pytest.approx(1 - rows["escaped"].mean())
    name = "error/linear_teacher deep linear K=2 L=3 width=4 train λ=0.03"
    assert run.axes[name] == "trained_steps"
    looks = records.filter(pl.col("trained_steps").is_not_null())
    means = looks.group_by("trained_steps").agg(pl.col("error").mean())
    assert {row["trained_steps"]: row[name] for row in run.history if name in row} == pytest.approx(
        dict(means.rows())
    )
    (media,) = (row for row in run.history if "escape_times.path" in row)
    assert len(media["figures.filenames"]) == 2
