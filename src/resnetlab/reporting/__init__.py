"""What a set of runs shows, as the papers show it: a table over seeds, and the curves. Imports no torch."""

from resnetlab.reporting.curves import draw_curves
from resnetlab.reporting.groups import Group, group_runs
from resnetlab.reporting.records import RunRecord, find_runs
from resnetlab.reporting.table import Report, report

__all__ = ["Group", "Report", "RunRecord", "draw_curves", "find_runs", "group_runs", "report"]
