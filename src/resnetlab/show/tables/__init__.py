"""A network as a table of its layers, and two networks as the list of their differences. No torch."""
