"""The machine: what it can do, measured, and that its memory ran out."""
