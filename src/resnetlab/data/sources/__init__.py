"""What a source of labelled images is, what is wanted of one, what its user chooses, and how it is split."""
