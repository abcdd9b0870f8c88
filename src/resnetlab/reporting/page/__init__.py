"""report.json as one HTML file: no network, no torch; the same data gives the same bytes."""

from resnetlab.reporting.page.whole import render

__all__ = ["render"]
