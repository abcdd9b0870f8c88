"""ResNet(spec): the one residual network, built from its plan.

Axes: N batch, C channels, H height, W width, K classes, U units.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from resnetlab.errors import UsageError
from resnetlab.models.layers import at, build_chain, place, run_chain
from resnetlab.network.plan import Unit
from resnetlab.network.spec import ModelSpec


class ResidualUnit(nn.Module):
    """after(branch(p) + shortcut(x or p)), where p = before(x); He et al., 2016, equation 1."""

    def __init__(self, unit: Unit) -> None:
        super().__init__()
        self.before = build_chain(self, unit.before)
        self.branch = build_chain(self, unit.branch)
        self.shortcut = None if unit.shortcut is None else build_chain(self, unit.shortcut)
        self.is_shortcut_from_preact = unit.shortcut_from == "preact"
        self.after = build_chain(self, unit.after, is_input_free=True)

    def forward(self, x: Tensor, keep_N: Tensor | None = None) -> Tensor:
        """Map (N, C, H, W) to (N, C', H', W'); `keep_N` scales each sample's branch."""
        preact = run_chain(self, self.before, x)
        total = run_chain(self, self.branch, preact)
        if keep_N is not None:
            total = total * keep_N.to(total.dtype)[:, None, None, None]
        if self.shortcut is not None:
            source = preact if self.is_shortcut_from_preact else x
            total = total + run_chain(self, self.shortcut, source)
        return run_chain(self, self.after, total)


class ResNet(nn.Module):
    """The network of a specification.

    Module names are torchvision's (conv1, bn1, layer1.0.conv1, layer1.0.downsample.0, fc); for
    pre-activated networks timm's resnetv2 (stem.conv, stages.0.blocks.0.norm1, norm, head.fc).
    Parameters are as torch's own modules make them; `models.build` initialises them by the source.

    Attributes:
        spec: The specification.
        checkpoint_activations: Keep only each unit's input in training and compute the unit a
            second time for the gradient: less memory, about a third more time.
            Source: Chen et al., 2016, arXiv:1604.06174.
    """

    def __init__(self, spec: ModelSpec, *, checkpoint_activations: bool = False) -> None:
        super().__init__()
        self.spec = spec
        self.checkpoint_activations = checkpoint_activations
        plan = spec.plan()
        self.stem_chain = build_chain(self, plan.stem)
        for unit in plan.units:
            place(self, unit.name, ResidualUnit(unit))
        self.unit_names = tuple(unit.name for unit in plan.units)
        self.tail_chain = build_chain(self, plan.tail)
        self.keep_probability_U: Tensor | None
        self.register_buffer("keep_probability_U", None, persistent=False)
        if spec.stochastic_depth:
            self.keep_probability_U = torch.tensor(spec.keep_probabilities)

    def forward(self, images_NCHW: Tensor, keep_UN: Tensor | None = None) -> Tensor:
        """Return the logits (N, K) of images (N, C, H, W), in the parameters' dtype.

        Args:
            images_NCHW: Normalised images of any size that the strides allow.
            keep_UN: What each unit's branch is multiplied with for each sample: 0, or 1 over the
                probability of being kept. Left out, a training network with stochastic depth
                draws it from torch's generator.

        Raises:
            UsageError: If the channels or the size do not suit the network.
        """
        if not torch.compiler.is_compiling():
            self._check(images_NCHW, keep_UN)
        if keep_UN is None and self.training and self.keep_probability_U is not None:
            keep_UN = self.draw_keep(len(images_NCHW))
        x = run_chain(self, self.stem_chain, images_NCHW)
        for index, name in enumerate(self.unit_names):
            keep_N = None if keep_UN is None else keep_UN[index]
            x = self._run_unit(at(self, name), x, keep_N)
        return run_chain(self, self.tail_chain, x)

    def _run_unit(self, unit: nn.Module, x: Tensor, keep_N: Tensor | None) -> Tensor:
        """Run the unit; with checkpointing twice, the second time without a trace in its BNs.

        The compiler recomputes without side effects by itself. Units draw no random numbers.
        """
        out: Tensor
        if not (self.checkpoint_activations and self.training and torch.is_grad_enabled()):
            out = unit(x, keep_N)
        elif torch.compiler.is_compiling():
            out = checkpoint(unit, x, keep_N, use_reentrant=False, preserve_rng_state=False)
        else:
            out = checkpoint(
                unit,
                x,
                keep_N,
                use_reentrant=False,
                preserve_rng_state=False,
                context_fn=partial(_contexts, unit),
            )
        return out

    def draw_keep(self, batch: int) -> Tensor:
        """Draw which branches stay, (U, N); Huang et al., 2016, scaled in training instead."""
        assert self.keep_probability_U is not None
        probability_U1 = self.keep_probability_U[:, None]
        uniform_UN = torch.rand(len(probability_U1), batch, device=probability_U1.device)
        return (uniform_UN < probability_U1) / probability_U1

    def _check(self, images_NCHW: Tensor, keep_UN: Tensor | None) -> None:
        shape, channels = tuple(images_NCHW.shape), self.spec.in_channels
        if len(shape) != 4 or shape[1] != channels:
            raise UsageError(
                f"{self.spec.name} takes images of shape (N, {channels}, H, W), got {shape}",
                hint=f"For other images: create_model({self.spec.name!r}, in_channels=...).",
            )
        self.spec.shapes(*shape[2:])
        if keep_UN is None:
            return
        expected = (len(self.unit_names), shape[0])
        if self.spec.shortcut == "none" or keep_UN.shape != expected:
            raise UsageError(
                f"{self.spec.name}: keep_UN must have the shape (units, samples) = {expected}"
                f" and the units a shortcut; got {tuple(keep_UN.shape)}"
            )


_Context = AbstractContextManager[None]


def _contexts(unit: nn.Module) -> tuple[_Context, _Context]:
    """Return what surrounds the unit's first computation and its second."""
    return nullcontext(), _borrowed_statistics(unit)


@contextmanager
def _borrowed_statistics(unit: nn.Module) -> Iterator[None]:
    """Let the unit write its running statistics into copies: it has counted this batch already."""
    norms = [module for module in unit.modules() if isinstance(module, _BatchNorm)]
    originals = [dict(norm.named_buffers()) for norm in norms]
    try:
        for norm, buffers in zip(norms, originals, strict=True):
            for name, buffer in buffers.items():
                setattr(norm, name, buffer.clone())
        yield
    finally:
        for norm, buffers in zip(norms, originals, strict=True):
            for name, buffer in buffers.items():
                setattr(norm, name, buffer)
