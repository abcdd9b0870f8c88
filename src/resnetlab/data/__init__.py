"""Labelled images: where they come from, how they become the batches of a run.

    open_source (open.py) ──► Source ──► hold_out ──► Batches.at(step) ──► Batch

Sources need NumPy alone; order, augment, mix, normalise and batches also need torch.
"""
