"""Explanations that are measured here and now: what shortcuts do, by networks with and without them."""
