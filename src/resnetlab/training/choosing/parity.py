"""Whether the ways to make steps compute the same: held against eager steps in fp32, on a run's own shapes.

Torch has open faults with wrong values of bf16 convolutions on CPUs (pytorch#163347, #169688), and kernels of
our own are built by a compiler that nobody has tried. So each kind of torch's convolutions is looked at by
itself, and the gradient of the network as a whole: of two units a stage, which have all its kinds of
convolutions. Through fifty units roundings grow until gradients at the first weights are no longer alike
(preresnet110 in bf16: 0.76 apart, with no fault in it), and a fault would be lost among them.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from resnetlab.errors import DivergedError, ResnetlabError
from resnetlab.models import build
from resnetlab.native.graph import Unsuitable
from resnetlab.network.spec import ModelSpec
from resnetlab.training.choosing.ways import Prospect, Way
from resnetlab.training.session import build_state
from resnetlab.training.speed import random_batches
from resnetlab.training.step.batch import Draws
from resnetlab.training.step.steps import autocast

CONVOLUTION = 0.02
"""How far a convolution in bf16, or one of its gradients, may be from that in fp32, as a share of the norm.
Inputs and results are rounded to 8 bits, each by 2^-9 at most: 0.003 together where nothing is wrong."""

GRADIENT = {"fp32": 0.05, "bf16": 1.0}
"""The same of the network's gradient. In fp32 roundings in another order decide a ReLU now and then: 0.01 was
the most seen. In bf16 they decide many: 0.09 was seen of resnet20, 0.12 of preresnet110, 0.37 and 0.76 of
resnet18 and resnet50 with few images of 64 pixels. Gradients with nothing in common are 1.4 apart."""

NATIVE_BF16 = 1.5
"""Kernels of our own in bf16 may be so many times as far off as torch's, which round as often: 0.95 to 1.05
was seen."""

LOSS = {"fp32": 0.001, "bf16": 0.05}
"""The same of the loss, as a share of it."""

_UNITS = 2
_MOST_IMAGES = 16


def refusals(prospect: Prospect, ways: Sequence[Way]) -> dict[Way, str]:
    """Return which of the ways compute something else than eager steps in fp32, and what is wrong."""
    spec = _shallow(prospect.squared)
    reference = _computed(prospect, spec, Way("off", "fp32"))
    if isinstance(reference, str):
        return {}  # then eager steps in fp32 fail, and nothing can be said of others
    found: dict[Way, str] = {}
    usual_distance = GRADIENT["bf16"]
    if any(way.precision == "bf16" for way in ways):
        eager = Way("off", "bf16")
        made = _computed(prospect, spec, eager)
        why = made if isinstance(made, str) else _difference(made, reference, "bf16", GRADIENT["bf16"])
        why = why or wrong_convolution(spec, prospect)
        if why:
            found[eager] = why
        elif not isinstance(made, str):
            usual_distance = _distance(made[1], reference[1])
    for way in ways:
        if way.compile == "off":
            continue
        bound = GRADIENT[way.precision]
        if way.precision == "bf16":
            bound = min(bound, NATIVE_BF16 * usual_distance + CONVOLUTION)
        made = _computed(prospect, spec, way)
        if why := made if isinstance(made, str) else _difference(made, reference, way.precision, bound):
            found[way] = why
    return {way: why for way, why in found.items() if way in ways}


def _shallow(spec: ModelSpec) -> ModelSpec:
    """Return the network with two units a stage, all of which learn and none of which is left out."""
    blocks = tuple(min(count, _UNITS) for count in spec.blocks)
    return spec.with_(blocks=blocks, zero_init_residual=False, stochastic_depth=0.0, shortcut_dropout=0.0)


class Failure(str):
    """Why a way could not be tried, which may be otherwise another time: a compiler, a full disk."""


def failure(error: ResnetlabError | Unsuitable) -> str:
    """Return in words why steps could not be made; a `Failure` unless it is for ever so."""
    said = str(error).splitlines()[0]
    return said if isinstance(error, DivergedError | Unsuitable) else Failure(said)


Computed = tuple[float, dict[str, Tensor]]
"""A loss, and the gradient by parameters."""


def _computed(prospect: Prospect, spec: ModelSpec, way: Way) -> Computed | str:
    """Return loss and gradient at the first weights; or why there are none."""
    images = max(2, min(prospect.at_once, _MOST_IMAGES))
    plain = {"batch": images, "shards": 1, "accumulate": 1, "val": 0, "sam": 0.0, "loss_scale": 0.0}
    recipe = prospect.recipe_for(way, **plain, checkpoint_activations=False, capture="off")
    try:
        batches = random_batches(spec, recipe, prospect.device, size=prospect.size)
        state, step = build_state(spec, recipe, prospect.device)
        loss, _ = step.compute_gradient(batches.at(0), Draws())
    except (ResnetlabError, Unsuitable) as error:
        return failure(error)
    gradients = {name: p.grad for name, p in state.model.named_parameters() if p.grad is not None}
    return float(loss), gradients


def _difference(made: Computed, reference: Computed, precision: str, bound: float) -> str:
    """Return in words what is farther off than it may be, or ""."""
    loss, expected = made[0], reference[0]
    if not abs(loss - expected) <= LOSS[precision] * abs(expected):  # also where it is no number
        return f"the loss is {loss:.4g}, eager in fp32 {expected:.4g}"
    distance = _distance(made[1], reference[1])
    if not distance <= bound:
        return f"the gradient is {distance:.2g} of its norm off, where {bound:.2g} may be"
    return ""


def _distance(found: dict[str, Tensor], expected: dict[str, Tensor]) -> float:
    """Return how far a gradient is from another, as a share of that one's norm."""
    off = sum(float((found[name] - each).double().square().sum()) for name, each in expected.items())
    norm = sum(float(each.double().square().sum()) for each in expected.values())
    return math.sqrt(off / norm)


def wrong_convolution(spec: ModelSpec, prospect: Prospect) -> str:
    """Return in words the first kind of torch's convolutions in bf16 whose numbers are wrong, or ""."""
    model = build(spec, seed=0)
    if prospect.recipe.execution.channels_last:
        model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    shapes: dict[nn.Conv2d, torch.Size] = {}

    def note(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(module, nn.Conv2d)
        shapes[module] = inputs[0].shape

    hooks = [m.register_forward_pre_hook(note) for m in model.modules() if isinstance(m, nn.Conv2d)]
    images = max(2, min(prospect.at_once, _MOST_IMAGES))
    with torch.no_grad():
        model(torch.zeros(images, spec.in_channels, *prospect.size))
    for hook in hooks:
        hook.remove()
    kinds = {(str(module), shape): module for module, shape in shapes.items()}
    random = torch.Generator().manual_seed(0)
    for (words, shape), module in kinds.items():
        for what, distance in _of_convolution(module, shape, random).items():
            if not distance <= CONVOLUTION:
                return f"torch's {what} of {words} on {tuple(shape)} is {distance:.2g} of its norm off"
    return ""


def _of_convolution(module: nn.Conv2d, shape: torch.Size, random: torch.Generator) -> dict[str, float]:
    """Return how far a convolution's result and gradients in bf16 are from those in fp32."""
    memory = torch.channels_last if module.weight.is_contiguous(memory_format=torch.channels_last) else None
    x = torch.randn(shape, generator=random)
    x = x.contiguous(memory_format=memory) if memory else x
    x.requires_grad_()
    expected = module(x)
    g = torch.randn(expected.shape, generator=random)
    wanted = [expected, *torch.autograd.grad(expected, (x, module.weight), g)]
    with autocast(x.device, "bf16"):
        found = module(x)
    made = [found, *torch.autograd.grad(found, (x, module.weight), g.to(found.dtype))]
    names = ("result", "gradient by its input", "gradient by its weights")
    return {
        name: float(((one.float() - other).norm() / other.norm()).detach())
        for name, one, other in zip(names, made, wanted, strict=True)
    }
