"""From a split to what a step sees: order, augmentation, mixing, normalisation, loading by processes."""
