"""Which learning rate suits a planned run: its own first steps at a rising rate (arXiv:1506.01186)."""
