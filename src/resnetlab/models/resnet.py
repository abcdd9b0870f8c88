"""ResNet(spec): the one residual network, built from its plan.

Axes: N batch, C channels, H height, W width, K classes, U units.
"""

import torch
from torch import Tensor, nn

from resnetlab.base.randomness import MASK
from resnetlab.errors import UsageError
from resnetlab.models.layers import at, build_chain, place, run_chain
from resnetlab.models.recomputing import recomputed
from resnetlab.network.layers import Dropout, Gate
from resnetlab.network.plan import Unit
from resnetlab.network.spec import ModelSpec


class ResidualUnit(nn.Module):
    """after(branch(p) + shortcut(x or p)), where p = before(x); He et al., 2016, equation 1.

    A gate or dropout, which ends a shortcut, has its own part of the equation: section 3.1 there.
    """

    def __init__(self, unit: Unit) -> None:
        super().__init__()
        self.before = build_chain(self, unit.before)
        self.branch = build_chain(self, unit.branch)
        end = unit.shortcut[-1] if unit.shortcut else None
        self.gate_name = end.name if isinstance(end, Gate) else ""
        self.dropout_name = end.name if isinstance(end, Dropout) else ""
        self.shortcut = None if unit.shortcut is None else build_chain(self, unit.shortcut)
        if self.shortcut and (self.gate_name or self.dropout_name):
            self.shortcut = self.shortcut[:-1]
        self.is_shortcut_from_preact = unit.shortcut_from == "preact"
        self.after = build_chain(self, unit.after, is_input_free=True)

    def forward(self, x: Tensor, keep_N: Tensor | None = None, keys_N: Tensor | None = None) -> Tensor:
        """Map (N, C, H, W) to (N, C', H', W').

        `keep_N` scales each sample's branch; by `keys_N` training drops numbers of each sample's shortcut.
        """
        preact = run_chain(self, self.before, x)
        total = run_chain(self, self.branch, preact)
        if keep_N is not None:
            total = total * keep_N.to(total.dtype)[:, None, None, None]
        if self.shortcut is not None:
            source = preact if self.is_shortcut_from_preact else x
            shortcut = run_chain(self, self.shortcut, source)
            if self.gate_name:
                gate = at(self, self.gate_name)
                g = gate(source)
                shortcut = shortcut * torch.rsub(g, 1)
                total = total * g if gate.is_exclusive else total
            elif self.dropout_name:
                shortcut = at(self, self.dropout_name)(shortcut, keys_N)
            total = total + shortcut
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

    def forward(
        self, images_NCHW: Tensor, keep_UN: Tensor | None = None, keys_UN: Tensor | None = None
    ) -> Tensor:
        """Return the logits (N, K) of images (N, C, H, W), in the parameters' dtype.

        Args:
            images_NCHW: Normalised images of any size that the strides allow.
            keep_UN: What each unit's branch is multiplied with for each sample: 0, or 1 over the
                probability of being kept. Left out, a training network with stochastic depth
                draws it from torch's generator.
            keys_UN: By what each unit's dropout chooses for each sample, int64 in [0, 2**32): see
                `layers.dropped`. Left out, a training network with dropout draws it likewise.

        Raises:
            UsageError: If the channels or the size do not suit the network.
        """
        if not torch.compiler.is_compiling():
            self._check(images_NCHW, keep_UN, keys_UN)
        if keep_UN is None and self.training and self.keep_probability_U is not None:
            keep_UN = self.draw_keep(len(images_NCHW))
        if keys_UN is None and self.training and self.spec.shortcut_dropout:
            sizes = (len(self.unit_names), len(images_NCHW))
            keys_UN = torch.randint(MASK + 1, sizes, device=images_NCHW.device)
        x = run_chain(self, self.stem_chain, images_NCHW)
        for index, name in enumerate(self.unit_names):
            keep_N = None if keep_UN is None else keep_UN[index]
            keys_N = None if keys_UN is None else keys_UN[index]
            x = self._run_unit(at(self, name), x, keep_N, keys_N)
        return run_chain(self, self.tail_chain, x)

    def _run_unit(self, unit: nn.Module, x: Tensor, *chances_N: Tensor | None) -> Tensor:
        """Run the unit; with checkpointing twice. Units draw no random numbers, they are given them."""
        is_kept = not (self.checkpoint_activations and self.training and torch.is_grad_enabled())
        out: Tensor = unit(x, *chances_N) if is_kept else recomputed(unit, x, *chances_N)
        return out

    def draw_keep(self, batch: int) -> Tensor:
        """Draw which branches stay, (U, N); Huang et al., 2016, scaled in training instead."""
        assert self.keep_probability_U is not None
        probability_U1 = self.keep_probability_U[:, None]
        uniform_UN = torch.rand(len(probability_U1), batch, device=probability_U1.device)
        return (uniform_UN < probability_U1) / probability_U1

    def _check(self, images_NCHW: Tensor, keep_UN: Tensor | None, keys_UN: Tensor | None) -> None:
        shape, channels = tuple(images_NCHW.shape), self.spec.in_channels
        if len(shape) != 4 or shape[1] != channels:
            raise UsageError(
                f"{self.spec.name} takes images of shape (N, {channels}, H, W), got {shape}",
                hint=f"For other images: create_model({self.spec.name!r}, in_channels=...).",
            )
        self.spec.shapes(*shape[2:])
        expected = (len(self.unit_names), shape[0])
        if keys_UN is not None and (not self.spec.shortcut_dropout or tuple(keys_UN.shape) != expected):
            raise UsageError(
                f"{self.spec.name}: keys_UN must have the shape (units, samples) = {expected}"
                f" and the network shortcut_dropout; got {tuple(keys_UN.shape)}"
            )
        if keep_UN is None:
            return
        if self.spec.shortcut == "none" or keep_UN.shape != expected:
            raise UsageError(
                f"{self.spec.name}: keep_UN must have the shape (units, samples) = {expected}"
                f" and the units a shortcut; got {tuple(keep_UN.shape)}"
            )
