"""The section of the page on grokking."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from spinodal.analysis.grokking import BEGUN, FITTED, GENERALISED
from spinodal.analysis.plateau import GEOMETRY, PACE, WHEN
from spinodal.report.commands import again
from spinodal.report.grokking import Grokking, Times, steps_told
from spinodal.report.names import with_error
from spinodal.report.page import Picture, Section
from spinodal.report.sheet import Row, Sheet

NOTES = (
    f"Networks trained for a number of steps, not relaxed. Fitted means an accuracy of {FITTED} on training data, "
    f"generalised one of {GENERALISED} on test data; a network has left its plateau half-way from the test accuracy "
    "it had when it fitted to that. Between two looks accuracies are taken to change evenly in the logarithm of steps. "
    "Times are geometric means over seeds.",
    "Geometry is that of E where training was, which is no minimum: spinodal probe says what a plateau is. Its pace is "
    "d ln|Q| / d ln(steps): before, on the second half of the plateau, up to where the test accuracy has come "
    f"{BEGUN:.0%} of the way; during the rise; and after it. The turn is the pace during less that before: 0, within "
    "its error, where Q goes on as before when the network leaves the plateau. That is no sign of a transition by "
    "itself: a quantity that decays exponentially in time, as the L2 term makes ‖θ‖ decay, has a pace that grows all "
    "the while. The turn of ‖θ‖ stands beside R's for that reason. The soft mode is the eigenvalue of ∇²𝓛 "
    "whose mode would answer most to a change of λ if the point were a minimum; where it is none, it ends no phase.",
)

MakeRow = Callable[[str, Mapping[str, Any]], Row]

SYMBOLS = {"scalar_curvature": "R", "trace_hessian": "tr ∇²E", "norm": "‖θ‖"}


def grokking_section(networks: Sequence[Grokking], times: Times | None, campaign: Path) -> Section:
    """The section of the page.

    Args:
        networks: what was found.
        times: against λ and noise.
        campaign: its folder.
    """
    pictures = [
        Picture(
            each.figure,
            alt=f"Accuracy and geometry against steps: {each.told}",
            title=f"{each.name}.",
            caption=f"{each.told}.",
            commands=again(campaign, each.jobs),
        )
        for each in networks
    ]
    if times is not None:
        pictures.append(
            Picture(
                times.figure,
                alt=times.told,
                title=f"{times.name}.",
                caption=f"An arrow: not all seeds did in time, or had a plateau to leave. {times.told}.",
            )
        )
    return Section(
        "grokking",
        "Grokking",
        "Grokking",
        NOTES,
        pictures=pictures,
        sheets=[_times_sheet(networks), _geometry_sheet(networks), _pace_sheet(networks)],
    )


def _times_sheet(networks: Sequence[Grokking]) -> Sheet:
    header = ["", "fitted at", "left the plateau at", "generalised at", "delay", "seeds"]
    header += ["E at the end", "on test data", "that on the plateau"]

    def row(label: str, found: Mapping[str, Any]) -> Row:
        steps = [steps_told(found, name) for name in ("fit", "leave", "generalise", "delay")]
        errors = [_number(found[name]) for name in ("error_end", "test_error_end", "test_error_plateau")]
        return (label, *steps, f"{found['generalised']}/{found['seeds']}", *errors)

    return _sheet("When networks fit and when they generalise", header, networks, row)


def _geometry_sheet(networks: Sequence[Grokking]) -> Sheet:
    header = ["", *(f"{name.replace('_', ' ')}, {when}" for name in GEOMETRY for when in ("plateau", "end"))]

    def row(label: str, found: Mapping[str, Any]) -> Row:
        return (
            label,
            *(_number(found[f"{name}_{when}"]) for name in GEOMETRY for when in ("plateau", "end")),
        )

    return _sheet("Geometry on the plateau and at the end", header, networks, row)


def _pace_sheet(networks: Sequence[Grokking]) -> Sheet:
    header = [""]
    for name in PACE:
        header += [f"{SYMBOLS[name]} {when}" for when in WHEN] + ["turn"]

    def row(label: str, found: Mapping[str, Any]) -> Row:
        cells = [label]
        for name in PACE:
            cells += [_number(found[f"{name}_pace_{when}"]) for when in WHEN]
            turn = found[f"{name}_turn"]
            cells.append("" if turn is None else with_error(turn, found[f"{name}_turn_error"]))
        return cells

    return _sheet(
        "Whether geometry changes its pace when a network leaves the plateau", header, networks, row
    )


def _sheet(caption: str, header: list[str], networks: Sequence[Grokking], row: MakeRow) -> Sheet:
    bodies: list[tuple[str, list[Row]]] = [
        (each.name, [row(label, found) for label, found in each.conditions]) for each in networks
    ]
    return Sheet(caption, header, bodies, words=1)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"
