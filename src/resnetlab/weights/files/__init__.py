"""Weight files of every kind as named tensors."""
