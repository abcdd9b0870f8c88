"""Labelled images: where they come from, how they become the batches of a run.

    open.open_source ──► recognise.open_path ──► a reader in arrays, folders or records ──► sources.Source
    sources.split.hold_out ──► feeding.Reading ──► batches.Batches or LoadedBatches, .at(step) ──► Batch

A split is in memory (`Split`: uint8 (N, H, W, C)), and its batches are made on the device, or it is read as
it is needed (`EncodedSplit`), decoded by the loader's processes, and augmented on the device. Small images of
one size are decoded into memory on opening, wherever they lay. Sources need no torch; batches do.
"""

SOURCES = {
    "digits": "1,797 handwritten digits that come with scikit-learn, as 32x32 RGB",
    "cifar10": "CIFAR-10: 60,000 photographs of 10 classes, 32x32 RGB (downloads 162 MiB once)",
    "cifar100": "CIFAR-100: 60,000 photographs of 100 classes, 32x32 RGB (downloads 161 MiB once)",
    "synthetic": "made images that can be learnt, of any size and number of classes",
    "synthetic-random": "made images and labels that say nothing about each other",
}
"""What `open_source` knows by name."""
