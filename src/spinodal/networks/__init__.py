"""Plain networks, one at a time; what makes many of them train together is not their business."""

from spinodal.networks.cnn import CNN
from spinodal.networks.mlp import MLP, class_of

__all__ = ["CNN", "MLP", "class_of"]
