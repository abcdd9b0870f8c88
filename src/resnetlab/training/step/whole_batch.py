"""BN statistics of the whole batch, where each shard of it keeps a gradient of its own (`shard_bn=sync`).

Axes: N samples of a shard, C channels, H height, W width, S shards of the batch over all processes.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from resnetlab.base.share import Share
from resnetlab.training.step.batch import cuts
from resnetlab.training.step.packing import flat, laid_out_like, views
from resnetlab.training.step.shards import NUMBERS, Reduce, TreeSum, as_numbers, from_numbers

Gather = Callable[[Tensor], Tensor]
"""Takes a row for each shard of this process; returns those of all processes' shards, in their order."""


@dataclass(frozen=True)
class Sharing:
    """What the shards of a batch have in common, and what each of this process' has of its own."""

    own: Sequence[Mapping[Tensor, Tensor]]
    """For each shard of this process, what stands for each parameter: its numbers, a gradient of its own."""

    samples: Sequence[int]
    """Of each shard of all processes."""

    gather: Gather


def aliases(parameters: Sequence[nn.Parameter]) -> dict[Tensor, Tensor]:
    """Return for each parameter a tensor of the same memory with a gradient of its own."""
    return {each: each.detach().requires_grad_(each.requires_grad) for each in parameters}


class Shards:
    """A tensor for each shard of this process, which torch's functions take as if it were one.

    Each function is done for one shard after another, but for BN in training, whose statistics are those of
    the samples of all shards of all processes. What is computed for a shard, and in which order, depends on
    the shards alone, not on how many of them this process has: so do the bits.
    """

    def __init__(self, parts: Sequence[Tensor], sharing: Sharing) -> None:
        self.parts, self.sharing = list(parts), sharing

    @classmethod
    def __torch_function__(
        cls,
        function: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Do a function of torch for each shard."""
        done = _batch_norm if function is functional.batch_norm else _for_each(function)
        return done(*args, **(kwargs or {}))

    def __getattr__(self, name: str) -> Any:
        """Return a method that is done for each shard, or what the first shard has: its size, its type."""
        found = getattr(Tensor, name)
        return _for_each(found, self) if callable(found) else getattr(self.parts[0], name)

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def __add__(self, other: Any) -> "Shards":
        return _for_each(torch.add)(self, other)  # type: ignore[no-any-return]

    def __mul__(self, other: Any) -> "Shards":
        return _for_each(torch.mul)(self, other)  # type: ignore[no-any-return]

    def __getitem__(self, place: Any) -> "Shards":
        return Shards([part[place] for part in self.parts], self.sharing)

    def numel(self) -> int:
        """Return how many numbers the shards of all processes have, as whoever counts BN's samples asks."""
        return self.parts[0].numel() // len(self.parts[0]) * sum(self.sharing.samples)


def _for_each(function: Callable[..., Any], *bound: Any) -> Callable[..., Any]:
    def done(*args: Any, **kwargs: Any) -> Any:
        args = (*bound, *args)
        whole = next(each for each in (*args, *kwargs.values()) if isinstance(each, Shards))

        def part(value: Any, shard: int) -> Any:
            if isinstance(value, Shards):
                return value.parts[shard]
            return whole.sharing.own[shard].get(value, value) if isinstance(value, nn.Parameter) else value

        results = [
            function(*(part(a, shard) for a in args), **{n: part(k, shard) for n, k in kwargs.items()})
            for shard in range(len(whole.parts))
        ]
        return Shards(results, whole.sharing) if isinstance(results[0], Tensor) else results[0]

    return done


def _batch_norm(
    x: Shards,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: nn.Parameter | None = None,
    bias: nn.Parameter | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Shards:
    """Do as functional.batch_norm does, in training with the statistics of all shards of all processes."""
    if not training:
        return _for_each(functional.batch_norm)(  # type: ignore[no-any-return]
            x, running_mean, running_var, weight, bias, False, momentum, eps
        )
    sharing = x.sharing
    scales = [own[weight] if weight is not None else None for own in sharing.own]
    shifts = [own[bias] if bias is not None else None for own in sharing.own]
    found = _Normalise.apply(sharing, eps, len(x.parts), *x.parts, *scales, *shifts)  # type: ignore[no-untyped-call]
    *parts, mean_C, variance_C = found
    if running_mean is not None and running_var is not None:
        count = x.numel() // x.shape[1]
        with torch.no_grad():
            running_mean.lerp_(mean_C, momentum)
            running_var.lerp_(variance_C * (count / (count - 1)), momentum)
    return Shards(parts, sharing)


class WholeBatchGradient:
    """Computes the gradient of whole batches, all shards together, BN by BN, a gradient of each shard."""

    def __init__(self, model: nn.Module, share: Share, *, accumulate: int, reduce: Reduce) -> None:
        """Prepare it.

        Args:
            model: The network.
            share: The shards that this process makes.
            accumulate: Microbatches of a shard; BN's statistics are those of one of each shard.
            reduce: Adds what the processes have made.
        """
        self._model, self._share, self._accumulate, self._reduce = model, share, accumulate, reduce

    def compute(
        self,
        num_samples: int,
        add_gradients: Callable[[list[slice], Callable[[list[Tensor]], Shards]], list[tuple[Tensor, Tensor]]],
    ) -> tuple[Tensor, Tensor]:
        """Have the parameters' gradients be those of a whole batch; return its loss and right answers.

        Args:
            num_samples: Of the whole batch.
            add_gradients: Adds to the gradients what a microbatch of each shard has of the batch's, given
                where their samples lie among those of this process, and what makes one of a tensor of each;
                returns for each shard its part of the mean loss, and its right answers.
        """
        learning = [p for p in self._model.parameters() if p.requires_grad]
        own = [aliases(learning) for _ in range(self._share.count)]
        sums: list[tuple[Tensor, Tensor]] = []
        parts = len(cuts(self._share.smallest(num_samples), self._accumulate))
        samples = [cuts(count, parts) for count in self._counts(num_samples)]
        for part in range(parts):
            counts = [each[part].stop - each[part].start for each in samples]
            sharing = Sharing(own, counts, self._gathered)
            found = add_gradients(
                self._places(num_samples, samples, part), functools.partial(Shards, sharing=sharing)
            )
            sums = [(a + c, b + d) for (a, b), (c, d) in zip(sums, found, strict=True)] if sums else found
        tree = TreeSum()
        for alias, (loss, correct) in zip(own, sums, strict=True):
            gradients = laid_out_like([_gradient(alias[p]) for p in learning], learning)
            tree.add(torch.cat([*map(flat, gradients), as_numbers(loss, correct, gradients[0])]))
        total = self._reduce(tree.total())
        *gradients, numbers = views(total, [*learning, total[-NUMBERS:]])
        for parameter, gradient in zip(learning, gradients, strict=True):
            parameter.grad = gradient
        return from_numbers(numbers)

    def _counts(self, num_samples: int) -> list[int]:
        """Return the samples of each shard of all processes."""
        return [each.stop - each.start for each in Share.whole(self._share.of).cuts(num_samples)]

    def _places(self, num_samples: int, samples: list[list[slice]], part: int) -> list[slice]:
        """Return where the samples of a microbatch of each shard of this process lie among its own."""
        found = []
        for where, parts in zip(self._share.cuts(num_samples), samples[self._share.first :], strict=False):
            found.append(slice(where.start + parts[part].start, where.start + parts[part].stop))
        return found

    def _gathered(self, rows: Tensor) -> Tensor:
        """Return the rows of all processes' shards: added to -0, which changes no number."""
        if len(rows) == self._share.of:
            return rows
        every = torch.full((self._share.of, *rows.shape[1:]), -0.0, dtype=rows.dtype, device=rows.device)
        every[self._share.first : self._share.first + self._share.count] = rows
        return self._reduce(every.view(-1)).view_as(every)


def _gradient(of: Tensor) -> Tensor:
    assert of.grad is not None, "every parameter that learns has a gradient"
    return of.grad


class _Normalise(torch.autograd.Function):
    """Normalises shards by the mean and variance of all of them.

    Source: Ioffe and Szegedy, 2015, arXiv:1502.03167, section 3; the variance of parts as in Chan, Golub
    and LeVeque, 1983.
    """

    @staticmethod
    def forward(ctx: Any, sharing: Sharing, eps: float, count: int, *tensors: Tensor | None) -> Any:
        """Return the normalised shards, and mean and biased variance (C,)."""
        parts: Any = tensors[:count]
        scales, shifts = tensors[count : 2 * count], tensors[2 * count :]
        rows = torch.stack([*map(_moments, parts)])
        means_SC, variances_SC = sharing.gather(rows).chunk(2, dim=1)
        total = sum(sharing.samples)
        shares_S1 = means_SC.new_tensor([each / total for each in sharing.samples])[:, None]
        mean_C = (shares_S1 * means_SC).sum(0)
        variance_C = (shares_S1 * (variances_SC + (means_SC - mean_C).square())).sum(0)
        inverse_C = (variance_C + eps).rsqrt()
        normal = [(_wide(part) - _of_channels(mean_C)) * _of_channels(inverse_C) for part in parts]
        results = [
            _scaled(each, scale, shift).to(part.dtype)
            for each, scale, shift, part in zip(normal, scales, shifts, parts, strict=True)
        ]
        ctx.save_for_backward(*normal, *scales, inverse_C)
        ctx.sharing, ctx.count, ctx.total = sharing, count, total
        ctx.has_shift = [shift is not None for shift in shifts]
        ctx.mark_non_differentiable(mean_C, variance_C)
        return *results, mean_C, variance_C

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        """Return the gradients to the shards, their scales and their shifts."""
        saved, count = ctx.saved_tensors, ctx.count
        normal, scales, inverse_C = saved[:count], saved[count:-1], saved[-1]
        given = [_wide(each) for each in gradients[:count]]
        sums = [each.sum((0, 2, 3)) for each in given]
        products = [(each * x).sum((0, 2, 3)) for each, x in zip(given, normal, strict=True)]
        scaled = [
            torch.cat([s, p]) if scale is None else torch.cat([s * scale, p * scale])
            for s, p, scale in zip(sums, products, scales, strict=True)
        ]
        pixels = normal[0].shape[2] * normal[0].shape[3]
        whole = ctx.sharing.gather(torch.stack(scaled)).sum(0) / (ctx.total * pixels)
        sum_C, product_C = map(_of_channels, whole.chunk(2))
        inputs = [
            ((each if scale is None else each * _of_channels(scale)) - sum_C - x * product_C)
            * _of_channels(inverse_C)
            for each, x, scale in zip(given, normal, scales, strict=True)
        ]
        inputs = [each.to(gradient.dtype) for each, gradient in zip(inputs, gradients, strict=False)]
        to_scales = [None if s is None else p for s, p in zip(scales, products, strict=True)]
        to_shifts = [each if has else None for each, has in zip(sums, ctx.has_shift, strict=True)]
        return None, None, None, *inputs, *to_scales, *to_shifts


def _wide(x: Tensor) -> Tensor:
    """Return numbers in 32 bits at least."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


def _moments(x: Tensor) -> Tensor:
    """Return mean and biased variance of each channel, shape (2C,)."""
    variance_C, mean_C = torch.var_mean(_wide(x), (0, 2, 3), correction=0)
    return torch.cat([mean_C, variance_C])


def _scaled(x: Tensor, scale_C: Tensor | None, shift_C: Tensor | None) -> Tensor:
    if scale_C is not None:
        x = x * _of_channels(scale_C)
    return x if shift_C is None else x + _of_channels(shift_C)


def _of_channels(each_C: Tensor) -> Tensor:
    return each_C[:, None, None]
