"""What a Keras model does with pixels before its first convolution: layers, or arithmetic on its input.

x / 255.0 and `preprocess_input(x)` within a model are layers too, operations with constants.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from resnetlab.weights.facts.normalisers import OwnImages

Layer = tuple[str, str, Mapping[str, Any]]
"""Class, name, configuration, with what it is called on under NODES."""
NODES = "inbound_nodes"
_Numbers = npt.NDArray[np.float64]
_Step = tuple[_Numbers, _Numbers]
"""A factor and then an offset, one of each or one for each channel."""

_AS_THEY_ARE = re.compile(
    r"InputLayer|Functional|Model|Sequential|ZeroPadding2D|Identity|\w*Dropout|Gaussian(Noise|Blur)|Rand[Aa]\w+"
    r"|Random\w+|AugMix|AutoContrast|CutMix|MixUp|Equalization|Solarization"
)
_HELD = ("mean", "variance")
_REVERSED = ("GetItem", "GetItem", "GetItem", "Stack")  # of three channels: how Keras 3 turns RGB around


def words_of(layer: Layer) -> str:
    """Return a layer in words."""
    return f"{layer[1]} ({layer[0]})"


def changes_pixels(kind: str) -> bool:
    """Return whether a layer of this class changes pixels in evaluation, as far as is known."""
    return _AS_THEY_ARE.fullmatch(kind) is None


@dataclass(frozen=True)
class _Pixels:
    """x * factor + offset of the channels as they are then."""

    factor: _Numbers
    offset: _Numbers
    is_bgr: bool = False

    def then(self, step: _Step) -> "_Pixels":
        factor, offset = step
        return _Pixels(self.factor * factor, self.offset * factor + offset, self.is_bgr)

    def turned(self) -> "_Pixels":
        return _Pixels(self.factor[::-1], self.offset[::-1], not self.is_bgr)


def of_pixels(layers: Sequence[Layer], tensors: Mapping[str, Tensor]) -> OwnImages | None:
    """Return what layers make of pixels that are red, green, blue; None if there are no layers.

    Args:
        layers: All that change pixels before the first convolution, in their order.
        tensors: The file's, by LAYER/LEAF: a Normalization keeps its numbers there.
    """
    if not layers:
        return None
    words = ", ".join(map(words_of, layers))
    pixels, names, rest = _Pixels(np.ones(1), np.zeros(1)), list[str](), list(layers)
    while rest:
        if _turns_around(rest[: len(_REVERSED)]):
            pixels, rest = pixels.turned(), rest[len(_REVERSED) :]
            continue
        step, own = _step(rest.pop(0), tensors)
        if step is None:
            return OwnImages(words=words)
        pixels, names = pixels.then(step), [*names, *own]
    if not (np.isfinite([*pixels.factor, *pixels.offset]).all() and pixels.factor.min() > 0):
        return OwnImages(words=words)
    is_bgr = pixels.is_bgr
    pixels = pixels.turned() if is_bgr else pixels
    mean, std = [*(-pixels.offset / pixels.factor)], [*(1 / pixels.factor)]
    return OwnImages.of(mean, std, words, names=tuple(names), is_bgr=is_bgr)


def _step(layer: Layer, tensors: Mapping[str, Tensor]) -> tuple[_Step | None, list[str]]:
    """Return what one layer does, None if that is not known, and the tensors in which it stands."""
    kind, name, config = layer
    if kind == "Rescaling":
        return (_numbers(config.get("scale", 1)), _numbers(config.get("offset", 0))), []
    if kind == "Normalization" and not config.get("invert"):
        mean, variance, own = _statistics(name, config, tensors)
        std = np.maximum(np.sqrt(np.maximum(variance, 0)), 1e-7)  # as Keras has it
        return (1 / std, -mean / std), own
    constant = _constant(config)
    if constant is None:
        return None, []
    one, zero = np.ones(1), np.zeros(1)
    steps: dict[str, _Step] = {
        "Add": (one, constant),
        "Subtract": (one, -constant),
        "Multiply": (constant, zero),
        "TrueDivide": (1 / np.where(constant == 0, np.nan, constant), zero),
    }
    return steps.get(kind), []


def _arguments(config: Mapping[str, Any]) -> list[Any]:
    """Return what an operation of Keras 3 is called on, once and without keywords; nothing otherwise."""
    nodes = config.get(NODES)
    node = nodes[0] if isinstance(nodes, list) and len(nodes) == 1 else None
    found = node.get("args") if isinstance(node, Mapping) and not node.get("kwargs") else None
    return found if isinstance(found, list) else []


def _is_tensor(given: object) -> bool:
    return isinstance(given, Mapping) and given.get("class_name") == "__keras_tensor__"


def _constant(config: Mapping[str, Any]) -> _Numbers | None:
    """Return the constant that stands behind the pixels in an operation, as in x / 255."""
    match _arguments(config):
        case [pixels, {"class_name": "__tensor__", "config": {"value": value}}] if _is_tensor(pixels):
            return _numbers(value)
        case [pixels, int() | float() as value] if _is_tensor(pixels):
            return _numbers(value)
    return None


def _turns_around(layers: Sequence[Layer]) -> bool:
    """Return whether these take the channels 2, 1 and 0 and put them together in this order."""
    if tuple(kind for kind, _, _ in layers) != _REVERSED:
        return False
    *takers, (_, _, stack) = layers
    indices = [key[-1] for _, _, config in takers for key in _arguments(config)[1:] if isinstance(key, list)]
    put = [_maker(each) for group in _arguments(stack) if isinstance(group, list) for each in group]
    return indices == [2, 1, 0] and put == [name for _, name, _ in takers] and stack.get("axis") == -1


def _maker(given: object) -> object:
    """Return the name of the layer that made a tensor."""
    match given:
        case {"config": {"keras_history": [name, *_]}}:
            return name
    return None


def _statistics(
    layer: str, config: Mapping[str, Any], tensors: Mapping[str, Tensor]
) -> tuple[_Numbers, _Numbers, list[str]]:
    """Return a Normalization's mean and variance, and the tensors that hold them; NaN if they are nowhere."""
    own = [name for name in tensors if f"/{name}".rpartition("/")[0].endswith(f"/{layer}")]
    held = {name.rpartition("/")[2]: tensors[name].flatten().tolist() for name in own}
    mean, variance = (held.get(leaf) if config.get(leaf) is None else config[leaf] for leaf in _HELD)
    return _numbers(mean), _numbers(variance), own


def _numbers(given: object) -> _Numbers:
    """Return one number, or one for each channel; NaN if it is anything else."""
    try:
        found = np.asarray(given, np.float64).flatten()
    except (TypeError, ValueError):
        return np.full(1, np.nan)
    return found if found.size in (1, 3) else np.full(1, np.nan)
