"""Trained networks out: for other programs, compared with PyTorch before anything is written."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from resnetlab.trained.export.exporting import Exported, export_model

__all__ = ["Exported", "export_model"]


def __getattr__(name: str) -> Any:
    """Import the exporter, and torch, with its first use: the command line reads `targets` alone."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from resnetlab.trained.export import exporting

    return getattr(exporting, name)
