"""How a run ends: its final evaluation, and its result."""
