"""A trained network as passes over maps: what `native.inference` is made of."""
