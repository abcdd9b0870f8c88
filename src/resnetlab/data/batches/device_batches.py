"""The batches of a run as a function of a step counter on the device, with no host in it."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from resnetlab.data.batches.batches import Batch, Batches, mixed_batch
from resnetlab.data.batches.mix import Mixed, draw_mix, is_mixing, mix_as_drawn
from resnetlab.data.batches.step_table import StepTable


class DeviceBatches:
    """The same batches as `Batches`, bit for bit; what the host must know beforehand is prepared.

    The orders of the epochs that are being read lie on the device, each in the slot of its number.

    Args:
        batches: The run's batches.
        steps_ahead: The most steps that are prepared at once.
        compiled: Returns the arithmetic of cutting, augmenting and normalising compiled; None leaves it.
    """

    def __init__(
        self,
        batches: Batches,
        *,
        steps_ahead: int,
        compiled: Callable[[Callable[..., Any]], Callable[..., Any]] | None = None,
    ) -> None:
        self.host = batches
        self._stream, timeline = batches.stream, batches.timeline
        device, size = batches.images.device, timeline.num_samples
        slots = 2 + steps_ahead * timeline.batch // size
        self._orders = torch.zeros(slots, size, dtype=torch.int64, device=device)
        self._epochs_held = [-1] * slots
        self._mixing = (
            StepTable(self._draw_mix, timeline.num_steps, device) if is_mixing(batches.augmentation) else None
        )
        self._augmented = compiled(self._read) if compiled else self._read
        if compiled:
            batches.at(0)  # makes the normalisation's constants, whose absence would be compiled in

    def prepare(self, steps: range) -> None:
        """Put on the device what these consecutive steps need. Only a refilled table may wait for it."""
        timeline = self.host.timeline
        first = timeline.positions(steps.start).start // timeline.num_samples
        last = (timeline.positions(steps.stop - 1).stop - 1) // timeline.num_samples
        for epoch in range(first, last + 1):
            slot = epoch % len(self._epochs_held)
            if self._epochs_held[slot] != epoch:
                self._orders[slot].copy_(self._stream.order(epoch))
                self._epochs_held[slot] = epoch
        if self._mixing:
            self._mixing.prepare(steps)

    def at(self, step: Tensor, count: int) -> Batch:
        """Return the batch of `count` samples of a prepared step.

        Args:
            step: Updates made so far, int64 scalar on the device.
            count: The whole batch's samples, which the timeline says.
        """
        images, labels, samples = self._augmented(step, count)
        mixed, share = Mixed(images, None, 1.0), self.host.share
        if self._mixing and share.smallest(count) > 1:
            numbers = self._mixing.at(step)
            mixed = mix_as_drawn(
                images, labels, self.host.augmentation, numbers, share=share, num_samples=count
            )
        return mixed_batch(mixed, labels, samples, count, channels_last=self.host.channels_last)

    def _read(self, step: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return images, labels and numbers of the share's samples of a step, of `count` in all."""
        slots, size = self._orders.shape
        start, here = self.host.timeline.first_position(step), self.host.share.cut(count)
        positions = start + torch.arange(here.start, here.stop, device=self._orders.device)
        places = positions // size % slots * size + positions % size
        samples = self._orders.view(-1).index_select(0, places)
        images, labels = self.host.augmented(samples, self._stream.epochs_at(positions))
        return images, labels, samples

    def _draw_mix(self, step: int) -> tuple[float, ...]:
        batches = self.host
        count = batches.share.smallest(len(batches.timeline.positions(step)))
        count = max(count, 2)  # a single sample is not mixed
        shape = (count, *batches.images.shape[1:3])
        return draw_mix(batches.augmentation, shape, seed=batches.seed, step=step, until=batches.mixed_until)
