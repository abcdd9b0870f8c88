"""Scores: exact counts, a network on every sample once, what is kept of it."""
