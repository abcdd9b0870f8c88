"""Labelled images: where they come from, how they become the batches of a run.

    open.open_source ──► recognise.open_path ──► a reader in arrays, folders or records ──► sources.Source
    sources.split.hold_out ──► feeding.Reading ──► batches.Batches or LoadedBatches, .at(step) ──► Batch

A split is in memory (`Split`: uint8 (N, H, W, C)), and its batches are made on the device, or it is read as
it is needed (`EncodedSplit`), decoded by the loader's processes, and augmented on the device. Small images of
one size are decoded into memory on opening, wherever they lay. Sources need no torch; batches do.
"""

from resnetlab.data.names import SOURCES

__all__ = ["SOURCES"]
