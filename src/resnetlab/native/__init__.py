"""Training and inference on CPUs by kernels of our own: BN, ReLU and sums within the convolutions' passes."""
