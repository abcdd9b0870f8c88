"""The full schematic: every operation of a network."""
