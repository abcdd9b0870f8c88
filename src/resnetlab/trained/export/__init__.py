"""Trained networks out: for other programs, compared with PyTorch before anything is written."""
