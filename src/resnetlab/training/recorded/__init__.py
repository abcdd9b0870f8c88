"""Who makes the steps, by which kernels: the host one by one, or the device from a recording."""
