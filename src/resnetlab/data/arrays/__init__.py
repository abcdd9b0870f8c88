"""Sources that are arrays in memory: CIFAR, collections as arrays, the digits, synthetic images."""
