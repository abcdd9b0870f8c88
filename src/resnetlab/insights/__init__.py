"""What a page shows of the inside of a trained network, and of its worst answers."""
