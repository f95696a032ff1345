"""What is asked for, checked and given its identity before anything is built: from command line to packs."""

from spinodal.planning.arguments import fitted
from spinodal.planning.composition import plan
from spinodal.planning.continuity import replaced
from spinodal.planning.expansion import Cell, expand
from spinodal.planning.grid import geomspace, l2_values, linspace, seed_values
from spinodal.planning.identity import check_identities, curve_id, job_id, point_id, scientific
from spinodal.planning.loading import VERSION_BASE, conf_dir, config_loader
from spinodal.planning.modules import imported, named, refuse_edited, source_of, targets
from spinodal.planning.packing import apart, halves
from spinodal.planning.selection import packs_of
from spinodal.planning.survey import Survey, survey
from spinodal.planning.table import console, names_on_the_left, spoken
from spinodal.planning.validate import validate

__all__ = [
    "VERSION_BASE",
    "Cell",
    "Survey",
    "apart",
    "check_identities",
    "conf_dir",
    "config_loader",
    "console",
    "curve_id",
    "expand",
    "fitted",
    "geomspace",
    "halves",
    "imported",
    "job_id",
    "l2_values",
    "linspace",
    "named",
    "names_on_the_left",
    "packs_of",
    "plan",
    "point_id",
    "refuse_edited",
    "replaced",
    "scientific",
    "seed_values",
    "source_of",
    "spoken",
    "survey",
    "targets",
    "validate",
]
