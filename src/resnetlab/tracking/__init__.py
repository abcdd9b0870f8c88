"""Trackers that people have (Trackio, Weights & Biases, MLflow, TensorBoard) follow a run where asked to.

Each is a thin adapter around its own package, which is an extra of ours. What a tracker does, and whether it
can, never matters to the run.
"""
