"""Engines for work whose amount nobody knows: a better one is made when as much was done as it costs."""

import threading
from collections.abc import Callable, Iterator

from torch import Tensor, nn

from resnetlab.engines.answering import Engine
from resnetlab.engines.choosing import AMOUNTS, Work, choose, seconds_of
from resnetlab.engines.names import AUTO
from resnetlab.evaluation.averaging import View
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
        self._has_many_sizes = False
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
            engine = self._fitting(model, images_NCHW, has_many_sizes=False)
        return engine.logits(images_NCHW)

    def averaged(
        self,
        model: nn.Module,
        views: Callable[[], Iterator[View]],
        num_images: int,
        *,
        num_views: int,
        has_many_sizes: bool,
    ) -> Tensor:
        """Return the logarithms of the mean probabilities (N, K); see `Engine.averaged`.

        Args:
            model: The network.
            views: Makes the views of N images.
            num_images: N.
            num_views: Of each image.
            has_many_sizes: Whether the views are of several sizes.

        Raises:
            UsageError: As `logits`.
        """
        first = next(views()).images_NCHW
        with self._lock:
            self._answered += num_images * num_views
            engine = self._fitting(model, first, has_many_sizes=has_many_sizes)
        return engine.averaged(views, num_images)

    def _fitting(self, model: nn.Module, images_NCHW: Tensor, *, has_many_sizes: bool) -> Engine:
        """Return the engine, chosen anew if there is more work than it was chosen for, or of more sizes."""
        height, width = images_NCHW.shape[2:]
        images = max(self._expected, self._answered)
        many = has_many_sizes or self._has_many_sizes
        work = Work(images, len(images_NCHW), (height, width), is_of_one_size=not many)
        amount = _amount(seconds_of(model, work)) if isinstance(model, ResNet) and self._asked == AUTO else 0
        state = _state_of(model)
        is_fitting = amount <= self._amount and state == self._state and many == self._has_many_sizes
        if self._engine is None or not is_fitting:
            self._amount, self._state, self._has_many_sizes = amount, state, many
            self._engine = choose(self._asked, model, work, lambda: images_NCHW)
        return self._engine


def _state_of(model: nn.Module) -> object:
    """Return what differs when a network is another one, or one of its tensors was written to."""
    tensors = [*model.parameters(), *model.buffers()]
    versions = [0 if tensor.is_inference() else tensor._version for tensor in tensors]
    return id(model), [tensor.data_ptr() for tensor in tensors], versions


def _amount(seconds: float) -> int:
    return sum(seconds >= least for least in AMOUNTS)
