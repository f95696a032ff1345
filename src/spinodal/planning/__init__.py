"""What is asked for, checked and given its identity before anything is built: from command line to plan."""

from spinodal.planning.composition import VERSION_BASE, conf_dir, plan
from spinodal.planning.grid import geomspace, l2_values, linspace, seed_values
from spinodal.planning.identity import curve_id, job_id, point_id, scientific
from spinodal.planning.validate import validate

__all__ = [
    "VERSION_BASE",
    "conf_dir",
    "curve_id",
    "geomspace",
    "job_id",
    "l2_values",
    "linspace",
    "plan",
    "point_id",
    "scientific",
    "seed_values",
    "validate",
]
