"""Grokking: when a network fits its training set, when it generalises, and what its geometry does in between."""

from __future__ import annotations

import numpy as np
import polars as pl

from spinodal.analysis.curves import CURVE

FITTED = 0.99
"""Accuracy on the training set from which on it is fitted."""

GENERALISED = 0.9
"""Accuracy on the test set from which on a network has generalised."""

NETWORK = (*CURVE, "l2")
"""Columns that are the same for all seeds of one network at one λ."""

GEOMETRY = ("norm", "scalar_curvature", "soft_mode", "learned_features")
"""What is compared between the plateau and the end."""

_RESULT = {
    "seeds": pl.Int64,
    "fitted": pl.Int64,
    "fit_steps": pl.Float64,
    "fit_factor": pl.Float64,
    "generalised": pl.Int64,
    "generalise_steps": pl.Float64,
    "generalise_factor": pl.Float64,
    "delay": pl.Float64,
    "delay_factor": pl.Float64,
    **{f"{name}_{when}": pl.Float64 for name in GEOMETRY for when in ("plateau", "end")},
}


def trained(records: pl.DataFrame) -> pl.DataFrame:
    """The rows of networks that were trained for a number of steps."""
    return records.filter(pl.col("trained_steps").is_not_null())


def milestones(records: pl.DataFrame) -> pl.DataFrame:
    """Of every trajectory when it fitted and when it generalised, if it did: the first look that found it so.

    Args:
        records: of any campaign; other rows are left out.

    Returns:
        The columns of `NETWORK`, `seed`, `point`, `fit_steps`, `generalise_steps`, `last_steps`.
    """

    def first(column: str, above: float) -> pl.Expr:
        return pl.col("trained_steps").filter(pl.col(column) >= above).min()

    return (
        trained(records)
        .group_by(*NETWORK, "seed", "point", maintain_order=True)
        .agg(
            first("accuracy", FITTED).alias("fit_steps"),
            first("test_accuracy", GENERALISED).alias("generalise_steps"),
            pl.col("trained_steps").max().alias("last_steps"),
        )
    )


def grokking(records: pl.DataFrame) -> pl.DataFrame:
    """When networks fit and when they generalise, over seeds, and their geometry on the plateau and at the end.

    Args:
        records: of any campaign.

    Returns:
        The columns of `NETWORK`; `seeds`, how many of them `fitted` and `generalised`; geometric means of
        `fit_steps`, `generalise_steps` and of the `delay` between, their ratio, each with the `_factor` that one
        standard error multiplies or divides it by, over the seeds that did; and means over those seeds of what
        `GEOMETRY` was in the middle of the plateau (in the logarithm of steps) and at the end.
    """
    rows = []
    marks = milestones(records)
    for part in marks.partition_by(NETWORK, maintain_order=True):
        both = part.drop_nulls(["fit_steps", "generalise_steps"])
        delay = (both["generalise_steps"] / both["fit_steps"]).to_numpy()
        row = part.select(NETWORK).row(0, named=True) | {
            "seeds": len(part),
            "fitted": part["fit_steps"].count(),
            "generalised": part["generalise_steps"].count(),
        }
        for name, values in {
            "fit_steps": part["fit_steps"].drop_nulls().to_numpy(),
            "generalise_steps": part["generalise_steps"].drop_nulls().to_numpy(),
            "delay": delay,
        }.items():
            row[name], row[f"{name.removesuffix('_steps')}_factor"] = _geometric(values)
        rows.append(row | _geometry(records, both))
    schema = {name: records.schema[name] for name in NETWORK} | _RESULT
    return pl.DataFrame(rows, schema=schema)


def _geometric(values: np.ndarray) -> tuple[float | None, float | None]:
    if not len(values):
        return None, None
    logs = np.log(values)
    error = logs.std(ddof=1) / len(logs) ** 0.5 if len(logs) > 1 else None
    return float(np.exp(logs.mean())), None if error is None else float(np.exp(error))


def _geometry(records: pl.DataFrame, marks: pl.DataFrame) -> dict[str, float | None]:
    """On the plateau, at the look nearest to √(fit · generalise) steps, and at the end."""
    found: dict[str, list[float]] = {}
    for mark in marks.iter_rows(named=True):
        own = records.filter(pl.col("point") == mark["point"]).sort("trained_steps")
        middle = np.sqrt(mark["fit_steps"] * mark["generalise_steps"])
        for name in GEOMETRY:
            measured = own.drop_nulls(name)
            if measured.is_empty():
                continue
            plateau = int(np.abs(np.log(measured["trained_steps"].to_numpy() / middle)).argmin())
            for when, place in (("plateau", plateau), ("end", len(measured) - 1)):
                found.setdefault(f"{name}_{when}", []).append(float(measured[name][place]))
    return {name: float(np.mean(values)) for name, values in found.items()}
