"""The W&B edge: a mirror of the records, drawn against λ."""

from spinodal.tracking.wandb import LogStages

__all__ = ["LogStages"]
