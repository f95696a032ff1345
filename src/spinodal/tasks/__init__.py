"""Data of graded complexity: tensors, the features in them as measured, and the error made on them."""

from spinodal.tasks.checking import CENTRED
from spinodal.tasks.digits import digits
from spinodal.tasks.features import Features, features
from spinodal.tasks.linear_teacher import linear_teacher
from spinodal.tasks.mnist import mnist
from spinodal.tasks.modular_addition import modular_addition
from spinodal.tasks.task import Task, stacked

__all__ = [
    "CENTRED",
    "Features",
    "Task",
    "digits",
    "features",
    "linear_teacher",
    "mnist",
    "modular_addition",
    "stacked",
]
