"""The LightningModule and what it does at each stage: relax an ensemble to the minima of 𝓛."""

from spinodal.training.checkpoint import AtomicCheckpointIO, Checkpoint, find_checkpoint
from spinodal.training.holding import Holding, HoldSettings
from spinodal.training.interruption import Interrupted, Interruption
from spinodal.training.module import EnsembleModule
from spinodal.training.recording import RecordStages
from spinodal.training.relaxation import Relaxation
from spinodal.training.settings import RelaxationSettings

__all__ = [
    "AtomicCheckpointIO",
    "Checkpoint",
    "EnsembleModule",
    "HoldSettings",
    "Holding",
    "Interrupted",
    "Interruption",
    "RecordStages",
    "Relaxation",
    "RelaxationSettings",
    "find_checkpoint",
]
