"""Networks in int8: calibrated on images, held against the fp32 network, and written as ONNX."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from resnetlab.trained.quantised.exporting import export_int8

__all__ = ["export_int8"]


def __getattr__(name: str) -> Any:
    """Import the exporter, and torch, with its first use."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from resnetlab.trained.quantised import exporting

    return getattr(exporting, name)
