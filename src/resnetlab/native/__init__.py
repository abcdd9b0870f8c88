"""Training by kernels of our own on a CPU: BN, ReLU and sums happen within the convolutions' passes."""
