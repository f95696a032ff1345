"""Phase transitions in L2-regularised deep networks: run them, measure their curvature, compare with exact theory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spinodal.analysis.findings import Findings, find
    from spinodal.records import read_records

__version__ = "0.1.0"

__all__ = ["Findings", "find", "read_records"]


def __getattr__(name: str) -> Any:
    """Import what notebooks use when it is asked for: the command line starts without it."""
    if name == "read_records":
        from spinodal import records

        return records.read_records
    if name in __all__:
        from spinodal.analysis import findings

        return getattr(findings, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
