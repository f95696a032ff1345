"""The figure of hysteresis under noise: the onset of learning both ways, against temperature."""

from __future__ import annotations

import numpy as np
import polars as pl
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spinodal.analysis import DeepLinear
from spinodal.report.style import BRANCHES, EXACT, SPINODAL, STYLE


def draw_onsets(onsets: pl.DataFrame, exact: DeepLinear | None) -> Figure:
    """Draw λ of the onset against T, above, and the width of the hysteresis, below.

    Args:
        onsets: As `onset_under_noise` returns them, of one network.
        exact: The network, if the theory of it is exact.
    """
    temperature = onsets["temperature"].to_numpy()
    control = {name: onsets[name].to_numpy() for name in onsets.columns if name.startswith("control_")}
    with rc_context(STYLE):
        figure = Figure(figsize=(4.8, 5.0), layout="constrained")
        both: Axes
        width: Axes
        both, width = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
        for way in ("up", "down"):
            style = {**BRANCHES[way], "alpha": 1.0, "markersize": 5, "elinewidth": 0.8}
            both.errorbar(
                temperature, control[f"control_{way}"], control[f"control_{way}_error"], label=way, **style
            )
            both.plot(
                temperature,
                control[f"control_{way}_exact"],
                **EXACT,
                label="Kramers" if way == "up" else None,
            )
        errors = np.hypot(control["control_up_error"], control["control_down_error"])
        width.errorbar(
            temperature,
            control["control_up"] - control["control_down"],
            errors,
            fmt="ko",
            markersize=4,
            elinewidth=0.8,
        )
        width.plot(temperature, control["control_up_exact"] - control["control_down_exact"], **EXACT)
        for places, label in () if exact is None else ((exact.spinodals, "sp"), (exact.coexistences, "co")):
            both.axhline(places[0], **SPINODAL)
            both.annotate(
                rf"$\lambda_\mathrm{{{label}}}$",
                (1, places[0]),
                xycoords=("axes fraction", "data"),
                xytext=(3, -3),
                textcoords="offset points",
            )
        both.set_ylabel(r"$\lambda$ of the onset")
        width.set(xlabel="$T$", ylabel=r"$\lambda_\mathrm{up} - \lambda_\mathrm{down}$", ylim=(0, None))
        figure.legend(*both.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure
