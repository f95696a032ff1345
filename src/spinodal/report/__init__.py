"""What a campaign says: its transitions as a page, tables, CSV and figures."""

from spinodal.report.campaign import make_report
from spinodal.report.groups import CurveReport, Group
from spinodal.report.report import Report
from spinodal.report.terminal import main

__all__ = ["CurveReport", "Group", "Report", "main", "make_report"]
