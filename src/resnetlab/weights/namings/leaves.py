"""What TensorFlow and Keras call the tensors of a layer, in our words."""

from collections.abc import Callable

_LEAVES = {
    "kernel": "weight",
    "_kernel": "weight",  # in Keras 3's checkpoints of objects
    "weights": "weight",
    "DW": "weight",
    "gamma": "weight",
    "bias": "bias",
    "biases": "bias",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


def rename_leaf(name: str, translate: Callable[[str], str | None]) -> str | None:
    """Return our name of LAYER/LEAF, where `translate` gives that of the layer; None if either has none."""
    layer, _, leaf = name.rpartition("/")
    ours = translate(layer)
    return f"{ours}.{_LEAVES[leaf]}" if ours is not None and leaf in _LEAVES else None


def split_leaf(name: str) -> tuple[str, str]:
    """Return the layer of LAYER/LEAF or LAYER.LEAF as it is called, and the leaf in our words."""
    layer, _, leaf = name.rpartition("/" if "/" in name else ".")
    return layer, _LEAVES.get(leaf, leaf)
