"""A unit that is computed a second time for its gradient: less memory, more time."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint


def recomputed(unit: nn.Module, *inputs: Tensor | None) -> Tensor:
    """Return what a unit makes of its inputs, which alone are kept; the second time its BNs leave no trace.

    The compiler recomputes without side effects by itself. Units draw no random numbers.

    Source: Chen et al., 2016, arXiv:1604.06174.
    """
    out: Tensor
    if torch.compiler.is_compiling():
        out = checkpoint(unit, *inputs, use_reentrant=False, preserve_rng_state=False)
    else:
        contexts = partial(_contexts, unit)
        out = checkpoint(unit, *inputs, use_reentrant=False, preserve_rng_state=False, context_fn=contexts)
    return out


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
