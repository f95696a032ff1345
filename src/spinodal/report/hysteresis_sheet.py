"""The tables of the page about hysteresis: loops, their transitions, and coexistence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from spinodal.analysis.deviation import deviation
from spinodal.analysis.verdicts.verdict import NONE
from spinodal.report.hysteresis import Loops
from spinodal.report.hysteresis_table import (
    CLEAR,
    area_measured,
    came_back,
    in_errors,
    measured,
    noise_told,
    off_by,
    precisely,
    reached,
    signless,
    verdict_on,
)
from spinodal.report.sheet import Row, Sheet, signed


def loops_sheet(networks: Sequence[Loops]) -> Sheet:
    """The area of every loop.

    Args:
        networks: Those with both branches.
    """
    rows: list[Row] = []
    for network in networks:
        for loop in network.each:
            row = loop.row(0, named=True)
            span = f"{row['l2_low']:.4g} – {row['l2_high']:.4g}"
            cells = ["", "", "no λ in common"]
            if row["area"] is not None:
                errors = signed(in_errors(row["area"], row["area_error"]), 1)
                cells = [area_measured(row), errors, verdict_on(row)]
            rows.append((str(network.group.name), noise_told(row), span, *cells, str(row["runs"])))
    header = ("network", "way down", "λ", "area", "in errors", "hysteresis", "runs")
    return Sheet("Loops: ∮‖θ‖² dλ of the up branch minus the down branch", header, [("", rows)], words=2)


TRANSITIONS = (
    *(
        "feature",
        "lost at λ",
        "λ_sp",
        "learned again at λ",
        "spread",
        "noise reaches λ",
        "off by",
        "in errors",
    ),
    *("width", "in errors", "runs"),
)


def ways_sheet(networks: Sequence[Loops]) -> Sheet:
    """Where each feature is lost on the way up and learned again on the way down.

    Args:
        networks: Those with both branches.
    """
    bodies: list[tuple[str, list[Row]]] = []
    for network in networks:
        for loop in network.each:
            first = loop.row(0, named=True)
            rows = [_way(row) for row in loop.drop_nulls("feature").iter_rows(named=True)]
            title = (
                f"{network.group.name}; {first['l2_low']:.4g} – {first['l2_high']:.4g}; {noise_told(first)}"
            )
            bodies.append((title, rows or [("", "none", *[""] * (len(TRANSITIONS) - 2))]))
    return Sheet("Where each feature is lost, and where it is learned again", TRANSITIONS, bodies)


def _way(row: dict[str, Any]) -> Row:
    spinodal, down, reach, width = (row[name] for name in ("l2_spinodal", "l2_down", "l2_reach", "l2_width"))
    spread, off, error = (row[name] for name in ("l2_down_spread", "reach_deviation", "l2_width_error"))
    return (
        str(row["feature"]),
        measured(row, "l2_up"),
        "" if spinodal is None else f"{spinodal:.5g}",
        came_back(row),
        "" if spread is None else f"{spread:.2g}" if spread > 1e-12 else "0",
        reached(row),
        "" if down is None or reach is None else signed(100 * (down / reach - 1), 1) + " %",
        "" if off is None else signed(off, 1),
        signless(measured(row, "l2_width")),
        "" if width is None or error is None else signed(in_errors(width, error), 1),
        f"{row['lost']}/{row['runs']}",
    )


COEXISTENCE = ("features", "λ measured", "λ_co predicted", "off by", "in errors", "E on either side", "seeds")


def coexistence_sheet(networks: Sequence[Loops]) -> Sheet:
    """Where two phases have equal 𝓛.

    Args:
        networks: Those with both branches.
    """
    bodies: list[tuple[str, list[Row]]] = []
    for network in networks:
        rows: list[Row] = []
        for row in network.coexistence.iter_rows(named=True):
            at, error, exact = (row[f"l2_{name}"] for name in ("coexistence", "coexistence_error", "exact"))
            known = at is not None
            rows.append(
                (
                    f"{row['features']} | {row['features'] - 1}",
                    precisely(at, error),
                    "" if exact is None else f"{exact:.8g}",
                    off_by(at, exact),
                    signed(deviation(at, error, exact), 1) if known and exact is not None else "",
                    f"{row['error_learned']:.4g} | {row['error_left']:.4g}" if known else "",
                    f"{row['seeds']}/{row['seeds_all']}",
                )
            )
        if rows:
            bodies.append((str(network.group.name), rows))
    return Sheet("Coexistence: λ at which phases m and m − 1 have equal 𝓛", COEXISTENCE, bodies)


def counted(networks: Sequence[Loops]) -> str:
    """How many loops enclose an area, in words.

    Args:
        networks: Those with both branches.
    """
    firsts = [loop.row(0, named=True) for network in networks for loop in network.each]
    verdicts = [verdict_on(row) for row in firsts if row["area"] is not None]
    return (
        f"{verdicts.count('hysteresis')} of {len(firsts)} loops enclose an area of at least {CLEAR:g} standard "
        f"errors, {verdicts.count('none')} none within {NONE:g}"
    )
