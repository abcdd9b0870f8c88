"""The run directory: all that training leaves behind, and all that anything later reads.

`runs` stores named tensors and JSON; it knows no model, no data and no recipe.
"""
