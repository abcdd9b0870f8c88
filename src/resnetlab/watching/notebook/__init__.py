"""Runs and studies that show themselves in a notebook: a cell with a bar, curves and rows, ever anew."""
