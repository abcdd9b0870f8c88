"""Networks side by side: the overview and the unit figure."""
