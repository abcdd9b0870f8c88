"""What a run tells of itself as it goes, beside its numbers: how fast it is, what the network is shown."""
