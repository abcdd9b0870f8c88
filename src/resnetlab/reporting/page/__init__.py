"""report.json as one HTML file: no network, no torch; the same data gives the same bytes."""

from resnetlab.reporting.page.whole import Served, render

__all__ = ["Served", "render"]
