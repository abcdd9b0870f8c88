"""Residual networks in training by kernels of our own on a CPU: BN, ReLU and sums within the convolutions' passes."""
