"""Labelled images: where they come from, how they become the batches of a run.

    open_source (open.py) ──► Source ──► hold_out ──► Batches.at(step) ──► Batch

Sources need NumPy alone; order, augment, mix, normalise and batches also need torch.
"""

SOURCES = {
    "digits": "1,797 handwritten digits that come with scikit-learn, as 32x32 RGB",
    "cifar10": "CIFAR-10: 60,000 photographs of 10 classes, 32x32 RGB (downloads 162 MiB once)",
    "cifar100": "CIFAR-100: 60,000 photographs of 100 classes, 32x32 RGB (downloads 161 MiB once)",
    "synthetic": "made images that can be learnt, of any size and number of classes",
    "synthetic-random": "made images and labels that say nothing about each other",
}
"""What `open_source` knows by name."""
