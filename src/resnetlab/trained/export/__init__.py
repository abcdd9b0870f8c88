"""Trained networks out: for other programs, compared with PyTorch before anything is written."""

from resnetlab.trained.export.exporting import TARGETS, Exported, export_model

__all__ = ["TARGETS", "Exported", "export_model"]
