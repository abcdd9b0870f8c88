"""Who makes a trained network's answers: torch, a compiler, other runtimes; all held against the network."""
