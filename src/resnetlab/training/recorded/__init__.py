"""Who makes the steps: the host one by one, or the device from a recording."""
