"""Which claims a campaign's records confirm, which they do not, and which they cannot decide: a module per claim."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any, get_args

import polars as pl

from spinodal.analysis.claims.rules import CLAIMS, Claim, Decision, Judge, Quantity, Verdict, claim
from spinodal.analysis.curves import CURVE
from spinodal.errors import named
from spinodal.records import SCHEMA

if TYPE_CHECKING:
    from spinodal.analysis.findings import Findings

__all__ = ["Claim", "Quantity", "Verdict", "claim", "claims", "judged", "silent", "verdicts"]

_QUANTITIES = pl.List(
    pl.Struct({"name": pl.String, "value": pl.Float64, "error": pl.Float64, "unit": pl.String})
)
_WORDS = ("claim", "case", "decision", "reason", "section")
_COLUMNS: dict[str, Any] = {
    **dict.fromkeys(_WORDS, pl.String),
    **dict.fromkeys(("predicted", "measured"), _QUANTITIES),
    **{name: SCHEMA[name] for name in CURVE},
}


def claims() -> dict[str, Claim]:
    """Return all claims by name, in their order: ours, and those registered besides."""
    for module in iter_modules(__path__):
        import_module(f"{__name__}.{module.name}")
    return dict(sorted(CLAIMS.items(), key=lambda each: each[1].place))


def judged(found: Findings) -> pl.DataFrame:
    """Judge every claim that the records of a campaign speak of, in the order of `claims`.

    Returns:
        A row per `Verdict`, with the columns of its curve spread out.
    """
    ruled = [
        each for name, one in claims().items() for judge in one.judges for each in _ruled(name, judge, found)
    ]
    rows = [
        {name: getattr(each, name) for name in _WORDS}
        | {name: [part._asdict() for part in getattr(each, name)] for name in ("predicted", "measured")}
        | dict(zip(CURVE, each.curve, strict=True) if each.curve else ())
        for each in ruled
    ]
    return pl.DataFrame([{name: row.get(name) for name in _COLUMNS} for row in rows], schema=_COLUMNS)


def _ruled(name: str, judge: Judge, found: Findings) -> list[Verdict]:
    """Return the verdicts of one judge.

    Raises:
        UserError: If the judge is of a user's own and fails, or returns anything else than verdicts on the claim.
    """
    with named(f"claim {name}", judge):
        made = list(judge(found))
        for each in made:
            if not isinstance(each, Verdict) or each.claim != name or each.decision not in get_args(Decision):
                allowed = ", ".join(get_args(Decision))
                raise ValueError(
                    f"must yield a Verdict on {name} with a decision among {allowed}, not {each!r}"
                )
    return made


def verdicts(table: pl.DataFrame) -> list[Verdict]:
    """Return the rows of a table as `judged` returns it."""
    return [
        Verdict(
            predicted=tuple(Quantity(**each) for each in row["predicted"]),
            measured=tuple(Quantity(**each) for each in row["measured"]),
            curve=tuple(row[name] for name in CURVE),
            **{name: row[name] for name in _WORDS},
        )
        for row in table.iter_rows(named=True)
    ]


def silent(found: Iterable[Verdict]) -> Iterator[Verdict]:
    """The claims that none of the verdicts is about: nothing is decided of them."""
    known = {each.claim for each in found}
    for name in claims():
        if name not in known:
            yield Verdict(name, "", (), (), "not decided", "no records speak of it")
