"""Engines for work whose amount nobody knows: a better one is made when as much was done as it costs."""

import threading

from torch import Tensor, nn

from resnetlab.engines.answering import Engine
from resnetlab.engines.choosing import AMOUNTS, Work, choose, seconds_of
from resnetlab.engines.names import AUTO
from resnetlab.models import ResNet


class Growing:
    """The engine of a network that is asked again and again.

    With "auto" the network itself answers at first. When the images that were announced, or those that have
    been answered, come to more work, an engine is chosen as for so much work: what has been asked for a while
    is likely to be asked on. An engine is a network as it was when it was made: for another network, or one
    whose numbers were changed since, it is made anew. Changes by way of `tensor.data` torch does not tell.
    """

    def __init__(self, asked: str = AUTO) -> None:
        self._asked = asked
        self._engine: Engine | None = None
        self._state: object = None
        self._amount = -1
        self._expected = self._answered = 0
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type["Growing"], tuple[str]]:
        """Say how a copy is made, in another process too: it makes its own engine."""
        return Growing, (self._asked,)

    @property
    def said(self) -> str:
        """Which engine it is and why, in a few words; empty before the first logits."""
        return self._engine.said if self._engine else ""

    @property
    def name(self) -> str:
        """The engine's name; empty before the first logits."""
        return self._engine.name if self._engine else ""

    def expect(self, images: int) -> None:
        """Tell how many images will be answered in all from now on."""
        self._expected = self._answered + images

    def logits(self, model: nn.Module, images_NCHW: Tensor) -> Tensor:
        """Return the network's logits (N, K); see `Engine.logits`.

        Raises:
            UsageError: If the engine that is asked for cannot be used here.
        """
        with self._lock:
            self._answered += len(images_NCHW)
            engine = self._fitting(model, images_NCHW)
        return engine.logits(images_NCHW)

    def _fitting(self, model: nn.Module, images_NCHW: Tensor) -> Engine:
        """Return the engine, chosen anew if there is more work than it was chosen for."""
        height, width = images_NCHW.shape[2:]
        images = max(self._expected, self._answered)
        work = Work(images, len(images_NCHW), (height, width))
        amount = _amount(seconds_of(model, work)) if isinstance(model, ResNet) and self._asked == AUTO else 0
        state = _state_of(model)
        if self._engine is None or amount > self._amount or state != self._state:
            self._amount, self._state = amount, state
            self._engine = choose(self._asked, model, work, lambda: images_NCHW)
        return self._engine


def _state_of(model: nn.Module) -> object:
    """Return what differs when a network is another one, or one of its tensors was written to."""
    tensors = [*model.parameters(), *model.buffers()]
    versions = [0 if tensor.is_inference() else tensor._version for tensor in tensors]
    return id(model), [tensor.data_ptr() for tensor in tensors], versions


def _amount(seconds: float) -> int:
    return sum(seconds >= least for least in AMOUNTS)
