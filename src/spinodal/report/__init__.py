"""What a campaign says: its transitions as a table, CSV and figures."""

from spinodal.report.campaign import CurveReport, Report, main, make_report

__all__ = ["CurveReport", "Report", "main", "make_report"]
