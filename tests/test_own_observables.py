"""An observable of a user's own, from a callback and a line of YAML to the records and the report: to be copied."""

import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from spinodal import cli
from spinodal.records import read_records

MODULE = """
import pytorch_lightning as pl


class Sharpness(pl.Callback):
    def on_train_epoch_end(self, trainer, module):
        theta = module.ensemble.theta.detach()  # [replicas, n]
        module.measure(sharpness=theta.abs().amax(-1) / theta.square().mean(-1).sqrt().clamp_min(1e-9))
"""
YAML = "{defaults: [default, _self_], sharpness: {_target_: mine_sharpness.Sharpness}}"


def test_a_callback_becomes_a_column_and_a_panel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SPINODAL_OUTPUTS", raising=False)
    monkeypatch.setattr(sys, "path", [*sys.path])  # commands add the folder they are in
    monkeypatch.delitem(sys.modules, "mine_sharpness", raising=False)
    Path("mine_sharpness.py").write_text(MODULE)
    Path("mine/callbacks").mkdir(parents=True)
    Path("mine/callbacks/sharpness.yaml").write_text(YAML)

    run = ["run", "--config-dir", "mine", "callbacks=sharpness", "campaign=mine", "logger=none"]
    assert cli.main([*run, "data.complexity=1", "model.width=4", "l2=geom:0.1:0.4:8", "seed=[0,1]"]) == 0

    records = read_records("outputs/mine")
    assert records["sharpness"].dtype == pl.Float64
    learned = records.filter(pl.col("learned_features") == 1)["sharpness"]
    assert len(learned) >= 4
    assert learned.is_between(1, np.sqrt(records["parameters"].max())).all()

    capsys.readouterr()
    assert cli.main(["report", "outputs/mine"]) == 0
    out = capsys.readouterr().out
    (figure,) = Path("outputs/mine/report").glob("*-own.png")
    assert figure.name in out
    page = Path("outputs/mine/report/report.html").read_text()
    assert "Own observables" in page
    assert "sharpness against λ" in page
    transitions = pl.read_csv("outputs/mine/report/transitions.csv")
    (before,) = transitions["sharpness_before"].round(2)
    last_learned = records.filter(
        pl.col("learned_features") == 1, l2=pl.col("l2").filter(pl.col("learned_features") == 1).max()
    )
    assert before == pytest.approx(last_learned["sharpness"].mean(), abs=0.01)
