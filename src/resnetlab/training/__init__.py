"""Training: the step, the state that must survive a restart, and the loop."""
