"""The HTML pages that this program writes: one frame, one look. Imports no torch."""
