"""R replicas of a network as one module: stacked parameters, each replica from its own seed alone."""

from spinodal.ensemble.checking import check_network
from spinodal.ensemble.ensemble import Ensemble
from spinodal.ensemble.frozen import Frozen
from spinodal.ensemble.objective import Objective

__all__ = ["Ensemble", "Frozen", "Objective", "check_network"]
