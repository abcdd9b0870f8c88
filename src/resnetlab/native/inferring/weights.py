"""A network's weights as kernels of inference read them: BN folded in float64, then packed once."""

import copy
import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from resnetlab.native.arena import Arena
from resnetlab.native.inferring.graph import Node
from resnetlab.network import layers

_TILE = 32
"""Numbers in bfloat16 of a row of AMX's tiles."""

WINOGRAD_OUTPUTS = {torch.float32: 4, torch.bfloat16: 2}
"""Of a row or column of Winograd's tiles; see sources/inference_winograd.h, as of the points."""

_WINOGRAD_POINTS = {4: (0.0, 0.75, -0.75, 1.5, -1.5), 2: (0.0, 1.0, -1.0)}
"""For so many outputs, infinity left out."""


def filled(count: int, unit: int) -> int:
    """Return the count rounded up to whole units."""
    return -(-count // unit) * unit


class Weights:
    """Packs what the passes of a network in evaluation mode need, each once."""

    def __init__(self, model: nn.Module, lanes: int, dtype: torch.dtype) -> None:
        self.lanes, self.dtype, self.pair = lanes, dtype, 2 if dtype == torch.bfloat16 else 1
        # As they are now: some are packed later, when a kernel of another kind needs them.
        self._modules: dict[str, Any] = dict(copy.deepcopy(model).named_modules())
        self._arena = Arena()
        self._kept: dict[tuple[str, ...], Tensor] = {}

    def affine(self, norm: str) -> tuple[Tensor, Tensor]:
        """Return what BN multiplies with and adds, float32, for channels that fill registers."""
        scale, shift = self._affine(norm)
        return (
            self._keep((norm, "scale"), lambda: self._fill(scale)),
            self._keep((norm, "shift"), lambda: self._fill(shift)),
        )

    def bias(self, node: Node) -> Tensor:
        """Return what is added to a convolution's outputs, BN's shift included."""
        return self._keep((node.name, "bias"), lambda: self._fill(self._folded(node)[1]))

    def direct(self, node: Node, depth: int, vectors: int) -> Tensor:
        """Return weights as [block][row][column and depth][channels of a block], in bf16 in pairs."""
        return self._keep((node.name, "direct", str(vectors)), lambda: self._direct(node, depth, vectors))

    def of_tiles(self, node: Node, depth: int, vectors: int) -> Tensor:
        """Return weights for AMX: [16 channels][row][column and depth in pairs, filled to whole tiles]."""
        return self._keep((node.name, "tiles", str(vectors)), lambda: self._of_tiles(node, depth, vectors))

    def winograd(self, node: Node, depth: int, vectors: int) -> Tensor:
        """Return weights as [block][part of a tile][depth][channels of a block], in bf16 in pairs."""
        return self._keep((node.name, "winograd", str(vectors)), lambda: self._winograd(node, depth, vectors))

    def linear(self, name: str) -> tuple[Tensor, Tensor]:
        """Return the classifier's weights and bias."""
        module = self._modules[name]
        return self._keep((name, "linear"), module.weight.detach().clone), self._keep(
            (name, "linear bias"), module.bias.detach().clone
        )

    def _keep(self, key: tuple[str, ...], make: Any) -> Tensor:
        if key not in self._kept:
            made = make()
            self._kept[key] = self._arena.zeros(tuple(made.shape), made.dtype).copy_(made)
        return self._kept[key]

    def _fill(self, tensor: Tensor) -> Tensor:
        return functional.pad(tensor, (0, filled(len(tensor), 4 * self.lanes) - len(tensor))).float()

    def _affine(self, norm: str) -> tuple[Tensor, Tensor]:
        module = self._modules[norm]
        mean, variance = (t.detach().double() for t in (module.running_mean, module.running_var))
        scale = (variance + module.eps).rsqrt()
        if module.weight is not None:
            scale = scale * module.weight.detach().double()
        shift = -mean * scale
        return scale, shift if module.bias is None else shift + module.bias.detach().double()

    def _folded(self, node: Node) -> tuple[Tensor, Tensor]:
        """Return weights (out, in, kernel, kernel) and bias, float64."""
        module = self._modules[node.name]
        weight = module.weight.detach().double()
        weight = weight[:, :, None, None] if weight.dim() == 2 else weight
        bias = weight.new_zeros(len(weight)) if module.bias is None else module.bias.detach().double()
        if not node.norm:
            return weight, bias
        scale, shift = self._affine(node.norm)
        return weight * scale[:, None, None, None], bias * scale + shift

    def _direct(self, node: Node, depth: int, vectors: int) -> Tensor:
        return self._paired(self._rows(node, depth, vectors, vectors))

    def _of_tiles(self, node: Node, depth: int, vectors: int) -> Tensor:
        rows = self._rows(node, depth, vectors, 1)
        return self._paired(functional.pad(rows, (0, 0, 0, filled(rows.shape[2], _TILE) - rows.shape[2])))

    def _rows(self, node: Node, depth: int, vectors: int, together: int) -> Tensor:
        """Return [block][row][column and depth][channels of a block, so many registers of them]."""
        weight, wide = self._folded(node)[0], together * self.lanes
        out, into, kernel = weight.shape[:3]
        whole = filled(out, vectors * self.lanes)
        weight = functional.pad(weight, (0, 0, 0, 0, 0, depth - into, 0, whole - out))
        rows = weight.reshape(-1, wide, depth, kernel, kernel).permute(0, 3, 4, 2, 1)
        return rows.reshape(-1, kernel, kernel * depth, wide)

    def _paired(self, rows: Tensor) -> Tensor:
        blocks, kernel, length, wide = rows.shape
        pairs = rows.reshape(blocks, kernel, length // self.pair, self.pair, wide).transpose(3, 4)
        return pairs.contiguous().to(self.dtype)

    def _winograd(self, node: Node, depth: int, vectors: int) -> Tensor:
        weight, wide = self._folded(node)[0], vectors * self.lanes
        rows = _transform(_WINOGRAD_POINTS[WINOGRAD_OUTPUTS[self.dtype]])
        out, into = weight.shape[:2]
        parts = (rows @ weight @ rows.T).reshape(out, into, len(rows) ** 2)
        parts = functional.pad(parts, (0, 0, 0, depth - into, 0, filled(out, wide) - out))
        return self._paired(parts.reshape(-1, wide, depth, len(rows) ** 2).permute(0, 3, 2, 1))


def _transform(points: tuple[float, ...]) -> Tensor:
    """Return what 3 weights of a row or column are multiplied with: (points and infinity, 3)."""
    rows = []
    for one in points:
        below = math.prod(one - other for other in points if other != one)
        rows.append([one**power / below for power in range(3)])
    return torch.tensor([*rows, [0.0, 0.0, 1.0]], dtype=torch.float64)


def kernel_of(layer: layers.Layer | None) -> layers.Conv:
    """Return a convolution, or the classifier as one."""
    if isinstance(layer, layers.Linear):
        return layers.Conv(layer.name, layer.in_features, layer.out_features, 1, 1, 0, True)
    assert isinstance(layer, layers.Conv)
    return layer
