"""Runs as they go: the table of all below a folder, in the terminal and as pages of this machine alone.

`look` -> `Listing` is what there is to say: `text` prints it, `table` and `run_pages` make pages of it, and
`server` gives these to a browser. Nothing here writes. Imports no torch.
"""
