"""One convolution, forward and both gradients, held against float64: all that its passes take along."""

import ctypes
import random
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from resnetlab.native import building, structures

pytestmark = pytest.mark.kernels

LANES = building.lanes()
TOLERANCE = {torch.float32: 2e-5, torch.bfloat16: 2e-2}
"""Of the largest number: sums of some hundred products, which bfloat16 rounds to 8 bits."""


@dataclass
class Shape:
    images: int
    into: int
    out: int
    kernel: int
    stride: int
    size: int
    pad: int
    more: int = 0
    """Rows and columns of zeros that are more behind the map than before it."""

    @property
    def out_size(self) -> int:
        return (self.size + 2 * self.pad + self.more - self.kernel) // self.stride + 1

    def convolved(self, x_NCHW: Tensor, weights: Tensor) -> Tensor:
        before, behind = self.pad, self.pad + self.more
        x_NCHW = functional.pad(x_NCHW, (before, behind, before, behind))
        return functional.conv2d(x_NCHW, weights, stride=self.stride)


SHAPES = [
    Shape(3, LANES, LANES, 3, 1, 8, 1), Shape(5, LANES, 2 * LANES, 3, 2, 8, 1),
    Shape(3, 2 * LANES, LANES, 3, 2, 9, 1), Shape(3, 2 * LANES, 4 * LANES, 1, 2, 8, 0),
    Shape(2, 4 * LANES, 2 * LANES, 1, 1, 7, 0), Shape(3, 3, LANES, 3, 1, 10, 1),
    Shape(4, 3 * LANES, LANES, 3, 1, 17, 1), Shape(2, 4 * LANES, 4 * LANES, 3, 2, 4, 1),
    Shape(6, 2 * LANES, LANES, 3, 1, 4, 1), Shape(5, LANES, LANES, 3, 1, 3, 1),
]  # fmt: skip
LARGE = [
    Shape(13, 128, 128, 3, 1, 16, 1), Shape(1, 64, 16, 3, 1, 66, 1), Shape(2, 128, 64, 1, 1, 48, 0),
    Shape(9, 96, 96, 3, 1, 4, 1), Shape(1, 128, 16, 5, 1, 63, 2),
]  # fmt: skip
"""Of which AMX takes rows in parts, or several images together, and more than once."""


@dataclass(frozen=True)
class Kernels:
    """Of a number format, by some of the processor's instructions."""

    dtype: torch.dtype
    has_tiles: bool = False

    def __str__(self) -> str:
        return "AMX" if self.has_tiles else str(self.dtype)


AMX = Kernels(torch.bfloat16, has_tiles=True)
HALVES = [Kernels(torch.bfloat16)] if building.multiplies_bf16() else []
TILES = [AMX] if building.multiplies_tiles() else []
KERNELS = [Kernels(torch.float32), *HALVES, *TILES]
needs_tiles = pytest.mark.skipif(not TILES, reason="needs a processor with AMX, and Linux' leave to use it")


GUARD = 1024
"""Numbers on each side of a buffer that are none of its own."""


def at(tensor: Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()


def apart(found: Tensor, expected: Tensor) -> float:
    return float((found.double() - expected).abs().max() / expected.abs().max())


class Trial:
    """A shape with random maps and weights; each part that may be left out is, at random.

    Around what kernels get lies what is not a number: what they read of it would be seen in what they make.
    """

    def __init__(self, shape: Shape, kernels: Kernels, seed: int) -> None:
        self.shape, self.dtype, self.chance = shape, kernels.dtype, random.Random(seed)
        dtype = self.dtype
        torch.manual_seed(seed)
        self._guards = list[Tensor]()
        self.is_image = shape.into % LANES != 0
        self.slope = self.chance.choice([0.0, 0.1])
        kind = building.ConvolutionKind(
            shape.into, shape.out, shape.kernel, shape.stride, shape.size, shape.size, shape.out_size,
            shape.out_size, shape.pad, int(not self.is_image), int(dtype == torch.bfloat16),
        )  # fmt: skip
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("RESNETLAB_AMX", "" if kernels.has_tiles else "off")
            self.library = building.convolution(kind)
        assert (self.library.way() == b"AMX") == kernels.has_tiles
        self.x, self.second = self.maps(shape.size, shape.into), self.maps(shape.size, shape.into)
        self.scale, self.shift = torch.rand(shape.into) + 0.5, torch.randn(shape.into) * 0.3
        weights = torch.randn(shape.out, shape.into, shape.kernel, shape.kernel)
        self.weights = weights / (shape.into * shape.kernel**2) ** 0.5
        self.ahead, self.back = (self.nothing(self.library.packed_size(), dtype=dtype) for _ in range(2))
        strides = (ctypes.c_long * 4)(*self.weights.stride())
        pointer = ctypes.c_void_p
        self.library.pack(pointer(at(self.weights)), strides, pointer(at(self.ahead)), pointer(at(self.back)))
        room = max(self.library.forward_room(), self.library.backward_room())
        self.room = self.nothing(room, dtype=dtype)

    def guarded(self, tensor: Tensor) -> Tensor:
        """Return a copy that lies between guards."""
        whole = torch.full((tensor.numel() + 2 * GUARD,), torch.nan, dtype=tensor.dtype)
        self._guards += [whole[:GUARD], whole[-GUARD:]]
        return whole[GUARD:-GUARD].view(tensor.shape).copy_(tensor)

    def nothing(self, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        """Return what is not a number, for kernels to write."""
        return self.guarded(torch.full(shape, torch.nan, dtype=dtype))

    def maps(self, size: int, channels: int) -> Tensor:
        return self.guarded(torch.randn(self.shape.images, size, size, channels).to(self.dtype))

    def sometimes(self, tensor: Tensor) -> Tensor | None:
        return tensor if self.chance.random() < 0.5 else None

    def source(self) -> ctypes.Structure:
        if self.is_image:
            return structures.Source(at(self.x), None, None, 1.0)
        return structures.Source(at(self.x), at(self.scale), at(self.shift), self.slope)

    def read(self) -> Tensor:
        """Return the input as float64, rounded as maps are."""
        x = self.x.double()
        return x if self.is_image else self.activated(x * self.scale.double() + self.shift.double())

    def activated(self, exact: Tensor) -> Tensor:
        return functional.leaky_relu(exact, self.slope)

    def as_maps(self, exact: Tensor) -> Tensor:
        return exact.to(self.dtype).double()

    def call(self, function: str, arguments: ctypes.Structure) -> None:
        getattr(self.library, function)(
            ctypes.byref(arguments), 0, self.shape.images, ctypes.c_void_p(at(self.room))
        )
        assert all(guard.isnan().all() for guard in self._guards), "it wrote beyond a buffer"


SHAPES_OF_KERNELS = [
    *((shape, kernels) for kernels in KERNELS for shape in SHAPES),
    *((shape, AMX) for shape in LARGE if TILES),
]  # fmt: skip
each_shape = pytest.mark.parametrize(("shape", "kernels"), SHAPES_OF_KERNELS, ids=str)


@each_shape
def test_outputs_and_their_sums_are_those_of_float64(shape: Shape, kernels: Kernels) -> None:
    check_outputs(shape, kernels)


@each_shape
def test_gradients_and_their_sums_are_those_of_float64(shape: Shape, kernels: Kernels) -> None:
    check_gradients(shape, kernels)


@needs_tiles
@pytest.mark.parametrize("turn", range(3))
def test_shapes_by_chance_are_made_by_tiles_as_in_float64(turn: int) -> None:
    seed = random.randrange(10**6)
    chance = random.Random(seed)
    kernel, stride = chance.choice([1, 3, 5, 7]), chance.choice([1, 2, 3])
    shape = Shape(
        chance.randint(1, 7), chance.choice([1, 3, 16, 32, 48, 64]), chance.choice([16, 32, 48, 64]), kernel,
        stride, chance.randint(kernel + 1, 36), chance.randrange(kernel), chance.randrange(2) * (kernel > 1),
    )  # fmt: skip
    print("seed", seed, shape)
    check_outputs(shape, AMX)
    check_gradients(shape, AMX)


@needs_tiles
@pytest.mark.parametrize("why", ["RESNETLAB_AMX", "Linux"])
def test_what_has_no_leave_for_tiles_takes_other_instructions(
    monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    kind = building.ConvolutionKind(LANES, LANES, 3, 1, 8, 8, 8, 8, 1, 1, 1)
    told = [(building.instructions(is_half=True), building.convolution(kind).way())]
    digests = {building.kernels_digest()}
    if why == "Linux":
        monkeypatch.setattr(building, "_may_use_tiles", lambda: False)
    else:
        monkeypatch.setenv("RESNETLAB_AMX", "off")
    told.append((building.instructions(is_half=True), building.convolution(kind).way()))
    assert told == [("AMX", b"AMX"), ("AVX512-BF16", b"direct")]
    assert len({*digests, building.kernels_digest()}) == 2, "what was measured with others is not remembered"


def check_outputs(shape: Shape, kernels: Kernels) -> None:
    seed, dtype = random.randrange(10**6), kernels.dtype
    print("seed", seed)
    trial = Trial(shape, kernels, seed)
    y = trial.nothing(shape.images, shape.out_size, shape.out_size, shape.out, dtype=dtype)
    second = None if trial.is_image else trial.sometimes(trial.second)
    addend = trial.sometimes(trial.maps(shape.out_size, shape.out))
    kept = None if second is None else trial.nothing(*trial.x.shape, dtype=dtype)
    bias = trial.sometimes(trial.guarded(torch.randn(shape.out)))
    centre, sums = trial.guarded(torch.randn(shape.out)), trial.nothing(shape.images, 2, shape.out)
    trial.call(
        "forward",
        structures.Forward(
            trial.source(), structures.Source(at(second), None, None, 1.0), trial.slope, at(kept),
            at(trial.ahead), at(y), at(addend), at(sums), at(centre), at(bias),
        ),
    )  # fmt: skip
    x = trial.read()
    if second is not None and kept is not None:
        x = trial.activated(x + second.double())
        assert apart(kept, x) < TOLERANCE[dtype]
    weights = trial.as_maps(trial.weights)
    exact = shape.convolved(trial.as_maps(x).permute(0, 3, 1, 2), weights).permute(0, 2, 3, 1)
    exact = exact if bias is None else exact + bias.double()
    exact = exact if addend is None else exact + addend.double()
    off = exact - centre.double()
    assert apart(y, exact) < TOLERANCE[dtype]
    assert apart(sums.sum(0), torch.stack([off.sum((0, 1, 2)), (off**2).sum((0, 1, 2))])) < TOLERANCE[dtype]


def check_gradients(shape: Shape, kernels: Kernels) -> None:
    seed, dtype = random.randrange(10**6), kernels.dtype
    print("seed", seed)
    trial = Trial(shape, kernels, seed)
    g, y = (trial.maps(shape.out_size, shape.out) for _ in range(2))
    a, b, c = (torch.randn(shape.out) for _ in range(3))
    is_normed, is_masked = trial.sometimes(g) is not None, trial.sometimes(g) is not None
    addend = trial.sometimes(trial.maps(shape.out_size, shape.out))
    kept = trial.nothing(*g.shape, dtype=dtype)
    is_biased, size = trial.sometimes(g) is not None, shape.kernel**2 * shape.into * shape.out
    found = trial.guarded(torch.zeros(size + shape.out))
    dw, db = found[:size], found[size:]
    dx = None if trial.is_image else trial.nothing(*trial.x.shape, dtype=dtype)
    dx_addend = trial.sometimes(trial.maps(shape.size, shape.into))
    seen, mean, inverse = trial.maps(shape.size, shape.into), torch.randn(shape.into), torch.rand(shape.into)
    sums = trial.nothing(shape.images, 2, shape.into)
    trial.call(
        "backward",
        structures.Backward(
            at(g), at(y), at(a) if is_normed else None, at(b), at(c), at(addend), at(kept), trial.source(),
            at(trial.back), at(dw), at(dx), at(dx_addend),
            trial.slope if is_masked else 1.0, int(is_biased), at(seen), at(mean), at(inverse), at(sums),
        ),
    )  # fmt: skip
    dy = g.double() * a.double() + y.double() * b.double() + c.double() if is_normed else g.double()
    dy = dy if addend is None else dy + addend.double()
    x = trial.as_maps(trial.read())
    leaf_x = x.permute(0, 3, 1, 2).clone().requires_grad_()
    leaf_w = trial.as_maps(trial.weights).requires_grad_()
    shape.convolved(leaf_x, leaf_w).backward(trial.as_maps(dy).permute(0, 3, 1, 2))
    assert leaf_w.grad is not None and leaf_x.grad is not None
    assert apart(kept, dy) < TOLERANCE[dtype]
    order = (2, 3, 0, 1) if trial.library.dw_is_turned() else (2, 3, 1, 0)
    exact_dw = leaf_w.grad.permute(order).flatten()
    assert apart(dw, exact_dw) < TOLERANCE[dtype]
    if is_biased:
        assert apart(db, dy.sum((0, 1, 2))) < TOLERANCE[dtype]
    else:
        assert not db.any()
    if dx is None:
        return
    exact = leaf_x.grad.permute(0, 2, 3, 1)
    exact = exact if dx_addend is None else exact + dx_addend.double()
    exact = torch.where(x > 0, exact, exact * trial.slope) if is_masked else exact
    about = exact * (seen.double() - mean.double()) * inverse.double()
    assert apart(dx, exact) < TOLERANCE[dtype]
    assert apart(sums.sum(0), torch.stack([exact.sum((0, 1, 2)), about.sum((0, 1, 2))])) < TOLERANCE[dtype]
