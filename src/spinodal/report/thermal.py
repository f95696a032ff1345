"""What the report says of hysteresis under noise: the onset of learning both ways, against temperature."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from matplotlib import rc_context
from matplotlib.figure import Figure

from spinodal.analysis import CURVE, DeepLinear, landscape, onset_under_noise
from spinodal.report.drawing import Drawings
from spinodal.report.names import curve_names, with_error
from spinodal.report.page import Picture, Section
from spinodal.report.sheet import Row, Sheet
from spinodal.report.style import BRANCHES, EXACT, SPINODAL, STYLE


@dataclass(frozen=True, eq=False)
class NoisyLoops:
    """The loops of one network at several temperatures."""

    name: str
    onsets: pl.DataFrame
    """As `onset_under_noise` returns them."""
    figure: Path
    """Without suffix."""

    @property
    def told(self) -> str:
        """How much narrower the hysteresis becomes, in a line."""
        known = self.onsets.drop_nulls(["l2_up", "l2_down"]).sort("temperature")
        if len(known) < 2:
            return "too few loops both ways"
        ends = [(row["temperature"], row["l2_up"] - row["l2_down"]) for row in known.iter_rows(named=True)]
        (cold, wide), (hot, narrow) = ends[0], ends[-1]
        return f"hysteresis is {wide:.3f} wide in λ at T = {cold:g}, and {narrow:.3f} at T = {hot:g}"


def make_noisy_loops(records: pl.DataFrame, folder: Path, drawings: Drawings) -> list[NoisyLoops]:
    """Find and draw the onset of learning against temperature.

    Args:
        records: of the campaign; loops without noise are left out.
        folder: for the figures and the table.
        drawings: draws them.
    """
    onsets = onset_under_noise(records)
    if onsets.is_empty():
        return []
    onsets.write_csv(folder / "onset_under_noise.csv")
    made = []
    for number, part in enumerate(onsets.partition_by("curve", maintain_order=True)):
        one = records.filter(pl.col("curve") == part["curve"][0])
        name = curve_names(one.select(CURVE).head(1))[0]
        title = f"{name.data}; {name.model}"
        network = landscape(one.row(0, named=True))
        exact = network if network is not None and network.complete else None
        figure = drawings.add(folder / f"noise-{number}", draw_onsets, part, exact, title)
        made.append(NoisyLoops(title, part, figure))
    return made


def noisy_loops_section(loops: list[NoisyLoops]) -> Section:
    """The section of the page.

    Args:
        loops: what was found.
    """
    pictures = [
        Picture(
            each.figure,
            alt=f"λ of the onset of learning against T: {each.told}",
            caption=f"{each.told}.",
            title=each.name,
        )
        for each in loops
    ]
    header = ("T", "λ up", "by Kramers", "λ down", "by Kramers", "width", "seeds")
    bodies: list[tuple[str, list[Row]]] = [
        (each.name, [_row(row) for row in each.onsets.iter_rows(named=True)]) for each in loops
    ]
    notes = [
        "Every stage of these loops was held under Langevin noise of temperature T for the same time. The warmer, the "
        "earlier a phase is left, in both directions. Lines are the λ by which half of the replicas must have left at "
        "Kramers' rates."
    ]
    sheet = Sheet("Onset of learning under noise", header, bodies)
    return Section("noise", "Noise", "Hysteresis under noise", notes, pictures=pictures, sheets=[sheet])


def draw_onsets(onsets: pl.DataFrame, exact: DeepLinear | None, title: str) -> Figure:
    """Draw λ of the onset against T, above, and the width of the hysteresis, below.

    Args:
        onsets: as `onset_under_noise` returns them, of one network.
        exact: the network, if the theory of it is exact.
        title: of the figure.
    """
    with rc_context(STYLE):
        figure = Figure(figsize=(4.8, 5.2), layout="constrained")
        both, width = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
        figure.suptitle(title)
        temperature = onsets["temperature"].to_numpy()
        values = {
            name: onsets[name].to_numpy().astype(float) for name in onsets.columns if name.startswith("l2_")
        }
        for way in ("up", "down"):
            style = {**BRANCHES[way], "alpha": 1.0, "markersize": 5}
            both.errorbar(
                temperature,
                values[f"l2_{way}"],
                values[f"l2_{way}_error"],
                label=way,
                elinewidth=0.8,
                **style,
            )
            both.plot(
                temperature, values[f"l2_{way}_exact"], **EXACT, label="Kramers" if way == "up" else None
            )
        errors = np.hypot(values["l2_up_error"], values["l2_down_error"])
        width.errorbar(
            temperature, values["l2_up"] - values["l2_down"], errors, fmt="ko", markersize=4, elinewidth=0.8
        )
        width.plot(temperature, values["l2_up_exact"] - values["l2_down_exact"], **EXACT)
        if exact is not None:
            for places, label in ((exact.spinodals, "sp"), (exact.coexistences, "co")):
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
        both.legend(loc="best")
    return figure


def _row(row: dict[str, Any]) -> Row:
    known = row["l2_up"] is not None and row["l2_down"] is not None
    cells = [f"{row['temperature']:.4g}"]
    for way in ("up", "down"):
        measured, exact = row[f"l2_{way}"], row[f"l2_{way}_exact"]
        cells += [
            "" if measured is None else with_error(measured, row[f"l2_{way}_error"]),
            "" if exact is None else f"{exact:.4g}",
        ]
    width = (
        with_error(row["l2_up"] - row["l2_down"], float(np.hypot(row["l2_up_error"], row["l2_down_error"])))
        if known
        else ""
    )
    return (*cells, width, str(row["seeds"]))
