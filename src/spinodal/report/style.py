"""How every figure looks: one set of sizes, and Okabe and Ito's colours, which everybody can tell apart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.backend_bases import get_registered_canvas_class
from matplotlib.figure import Figure

from spinodal.records import COLUMN

FORMATS = ("png", "pdf")
"""In which every figure is written."""

MEASURED, HELD_OUT, TRANSITION = "#0072B2", "#56B4E9", "#D55E00"

STYLE: Any = {
    "font.family": "STIXGeneral",
    "mathtext.fontset": "stix",
    "font.size": 10.5,
    "figure.titlesize": 11.5,
    "axes.labelsize": 11.5,
    "legend.fontsize": 9.5,
    "legend.frameon": False,
    "legend.columnspacing": 1.4,
    "legend.handletextpad": 0.5,
    "legend.handlelength": 1.6,
    "xtick.labelsize": 9.5,
    "ytick.labelsize": 9.5,
    "xtick.direction": "in",
    "ytick.direction": "in",
    "xtick.top": True,
    "ytick.right": True,
    "axes.linewidth": 0.7,
    "savefig.dpi": 220,
    "pdf.fonttype": 42,  # letters stay letters
    "svg.fonttype": "none",
    "svg.hashsalt": "spinodal",
}
"""Matplotlib's settings: `@rc_context(STYLE)` stands above what draws a figure."""

Style = dict[str, Any]

MARKER: Style = {"marker": "o", "markersize": 3.4, "markeredgewidth": 0.6, "linestyle": "none"}
SEED: Style = {**MARKER, "color": MEASURED, "alpha": 0.4}
BRANCHES: dict[str, Style] = {
    "up": {**SEED, "marker": "^"},
    "down": {**SEED, "marker": "v", "color": "#AA3377"},
    "quench": {**SEED, "marker": "s", "color": "#009E73"},
}
"""Points of each branch where several share a figure; its mean and transitions have the colour, too."""

TEST: Style = {**SEED, "color": HELD_OUT, "marker": "s", "markersize": 3.2, "alpha": 0.8}
HOLLOW: Style = {"markerfacecolor": "white", "alpha": 1.0}
MEAN: Style = {"color": MEASURED, "linewidth": 1.3}
EXACT: Style = {"color": "black", "linewidth": 0.8, "linestyle": (0, (4, 2.5))}
SPINODAL: Style = {"color": "black", "linewidth": 0.7, "linestyle": (0, (1, 1.8))}
ESTIMATE: Style = {"color": "0.45", "linewidth": 0.8, "linestyle": (0, (3, 1.5, 1, 1.5)), "zorder": 0}
BAND: Style = {"facecolor": TRANSITION, "linewidth": 0}
KINK: Style = {"color": TRANSITION, "linewidth": 0.9, "linestyle": (0, (5, 1.5))}
ERROR: Style = {"color": MEASURED, "linestyle": "none", "linewidth": 0.7, "capsize": 1.2}
ZERO: Style = {"color": "0.6", "linewidth": 0.5, "zorder": 0}
TRIANGLE: Style = {"marker": "v", "markersize": 5.5, "linestyle": "none", "clip_on": False, "zorder": 5}
FROM_R: Style = {**TRIANGLE, "color": COLUMN["scalar_curvature"].colour}

CURVES = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"),
    *("#000000", "#999999", "#882255", "#332288", "#999933", "#AA4499"),
)
"""Colours of curves where several share a panel."""

DASHES: tuple[Any, ...] = ((0, (1, 1.5)), "solid", (0, (4, 2)))
"""From the least of three units of E to the largest."""


@rc_context(STYLE)
def save(figure: Figure, path: Path, formats: Sequence[str] = FORMATS) -> None:
    """Write a figure in some formats; the same figure makes the same files.

    Args:
        figure: Laid out when it is written first.
        path: Of the files, without suffix.
        formats: Suffixes.
    """
    dates = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}
    engine = figure.get_layout_engine()
    for each in formats:
        # What `savefig` does besides is to draw everything once more, for a layout that there is by now.
        canvas = get_registered_canvas_class(each)(figure)
        figure.set_dpi(STYLE["savefig.dpi"])
        getattr(canvas, f"print_{each}")(f"{path}.{each}", metadata=dates.get(each))
        figure.set_layout_engine("none")  # everything has found its place
    figure.set_layout_engine(engine)
