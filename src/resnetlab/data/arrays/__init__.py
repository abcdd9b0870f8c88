"""Sources with their pixels in memory: CIFAR, arrays in files, digits, made images, small image files."""
