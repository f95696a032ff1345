"""What a control parameter c multiplies in 𝓛 = E + Σ c·P: functions P(θ), one value for each row of parameters."""

from spinodal.penalties.penalty import Penalty, isotropic, l2, symbol

__all__ = ["Penalty", "isotropic", "l2", "symbol"]
