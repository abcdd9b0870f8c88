"""How fast a machine is, kernels of our own included, and how long each of their operations takes."""
