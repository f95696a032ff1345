"""Curves against λ through Lightning's loggers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from statistics import fmean, pstdev
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.loggers import WandbLogger
from rich.console import Console

from spinodal.training import EnsembleModule

CURVES = (
    "error",
    "test_error",
    "accuracy",
    "test_accuracy",
    "loss",
    "norm",
    "learned_features",
    "scalar_curvature",
    "scalar_curvature_se",
    "trace_hessian",
    "frobenius_hessian",
    "hessian_min",
    "hessian_max",
    "soft_mode",
    "zero_modes",
    "negative_modes",
    "grad_max",
    "stationary",
    "minimum",
    "saddles",
    "steps",
)


class LogStages(pl.Callback):
    """Logs, at the end of each stage and for each λ there, the mean over replicas and their spread (`_std`).

    Args:
        config: the resolved configuration, as plain containers (a DictConfig would be mangled).
        console: where it says, at the end, where a W&B run is.
    """

    def __init__(self, config: Mapping[str, Any], console: Console | None = None) -> None:
        self.config = dict(config)
        self.console = console or Console(stderr=True)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Declares λ as the axis of every curve, by exact names: of two globs W&B picks one at random."""
        for logger in trainer.loggers:
            logger.log_hyperparams(self.config)
            if isinstance(logger, WandbLogger):
                logger.experiment.define_metric("l2")
                for name in CURVES:
                    for curve in (name, f"{name}_std"):
                        logger.experiment.define_metric(curve, step_metric="l2")

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Logs one line per λ of the stage."""
        assert isinstance(pl_module, EnsembleModule)
        by_l2: dict[float, list[dict[str, Any]]] = defaultdict(list)
        for _, row in pl_module.stage_rows():
            by_l2[row["l2"]].append(row)
        for l2, rows in sorted(by_l2.items()):
            metrics = {"l2": l2, "stage": pl_module.current_epoch}
            for name in CURVES:
                values = [float(row[name]) for row in rows if row.get(name) is not None]
                if values:
                    metrics |= {name: fmean(values), f"{name}_std": pstdev(values)}
            for logger in trainer.loggers:
                logger.log_metrics(metrics)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Closes W&B's run, so that the next job of this process has one of its own, and says where it is."""
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):
                run = logger.experiment
                where = f"wandb sync {run.dir.removesuffix('/files')}" if run.offline else run.url
                run.finish()
                self.console.print(f"W&B: {where}", soft_wrap=True)
