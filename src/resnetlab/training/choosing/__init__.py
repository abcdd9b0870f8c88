"""How a run's steps are made, chosen by trying them here: which kernels, in which number format."""
