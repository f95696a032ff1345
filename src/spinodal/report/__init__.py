"""What a campaign shows: its transitions as a page, tables, CSV and figures."""

from spinodal.report.campaign import Campaign
from spinodal.report.drawing import Look
from spinodal.report.networks import Curve, Network
from spinodal.report.report import Report, make_report
from spinodal.report.section import Section, section
from spinodal.report.table import Cell, Column, Group, Table, columns
from spinodal.report.terminal import main, print_claims

__all__ = [
    "Campaign",
    "Cell",
    "Column",
    "Curve",
    "Group",
    "Look",
    "Network",
    "Report",
    "Section",
    "Table",
    "columns",
    "main",
    "make_report",
    "print_claims",
    "section",
]
