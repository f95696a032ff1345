"""R replicas of a network as one module: stacked parameters, each replica from its own seed alone."""

from spinodal.ensemble.checking import check_network
from spinodal.ensemble.ensemble import Ensemble
from spinodal.ensemble.frozen import Frozen
from spinodal.ensemble.memory import DerivativeBytes, derivative_bytes
from spinodal.ensemble.objective import Objective

__all__ = ["DerivativeBytes", "Ensemble", "Frozen", "Objective", "check_network", "derivative_bytes"]
