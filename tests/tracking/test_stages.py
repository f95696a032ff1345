"""Loggers of Lightning's that somebody brings along."""

import csv

import polars as pl
import pytest

from spinodal.records import read_records


def test_a_logger_of_ones_own_gets_the_means_of_each_stage(outputs, go, tmp_path):
    own = [
        "logger=none",
        "+logger._target_=pytorch_lightning.loggers.CSVLogger",
        f"+logger.save_dir={tmp_path}",
    ]
    go("l2=[0.03,0.07,0.2]", "seed=[0,1]", *own)
    (file,) = tmp_path.glob("lightning_logs/*/metrics.csv")
    with file.open() as lines:
        rows = list(csv.DictReader(lines))
    table = read_records(outputs)
    assert [float(row["l2"]) for row in rows] == [0.03, 0.07, 0.2]
    for row in rows:
        errors = table.filter(pl.col("l2") == float(row["l2"]))["error"]
        assert float(row["error"]) == pytest.approx(errors.mean())
        assert float(row["error_se"]) == pytest.approx(errors.std() / 2**0.5)
    assert "data" in file.with_name("hparams.yaml").read_text()
