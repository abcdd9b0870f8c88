"""The mathematics of one update, free of files and of the command line.

Axes: N batch, C channels, H height, W width, K classes, U residual units.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from resnetlab.base.machine.number_formats import NUMBER_FORMATS
from resnetlab.base.share import Share
from resnetlab.errors import DivergedError
from resnetlab.evaluation.metrics import right_answers
from resnetlab.models.layers import take_over_counting
from resnetlab.native.logits import NativeLogits
from resnetlab.recipe import Recipe
from resnetlab.training.step.batch import Draws, LabelledBatch, cut, cuts, dropout_keys, keep_mask
from resnetlab.training.step.device import Compiler
from resnetlab.training.step.guard import FiniteGuard, diverged
from resnetlab.training.step.losses import binary_loss, mixed_cross_entropy
from resnetlab.training.step.optim import set_rate
from resnetlab.training.step.shards import Reduce, ShardedGradient, alone
from resnetlab.training.step.sharpness import uphill
from resnetlab.training.step.whole_batch import Shards, WholeBatchGradient

_SMALLEST_SCALE = 2.0**-14
"""Loss scale that no finite gradient needs: fp16 holds numbers up to 65,504."""


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Return the context in which convolutions run in "bf16" or "fp16"; "fp32" changes nothing."""
    half = None if precision == "fp32" else NUMBER_FORMATS[precision]
    return torch.autocast(device.type, half, enabled=half is not None)


class TrainStep:
    """Makes one update of a model. The gradient's arithmetic may be compiled."""

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        recipe: Recipe,
        device: torch.device,
        keep_probabilities: tuple[float, ...] = (),
        *,
        num_dropouts: int = 0,
        still: Sequence[nn.Module] = (),
        class_weights_K: Tensor | None = None,
        share: Share | None = None,
        reduce: Reduce = alone,
    ) -> None:
        """Prepare the step.

        Args:
            model: The network, on `device`.
            optimizer: Of its parameters that learn.
            recipe: What a step is.
            device: Where.
            keep_probabilities: Of each unit's branch, with stochastic depth.
            num_dropouts: Units whose shortcuts have dropout: all or none.
            still: Modules that stay in evaluation mode.
            class_weights_K: What a sample of each class counts in the loss; left out, each counts 1.
            share: The shards of each batch that this process makes; left out, all of them.
            reduce: Adds what the processes have made of theirs.
        """
        self._still, self._class_weights_K, self._num_dropouts = still, class_weights_K, num_dropouts
        self.model, self.optimizer, self.recipe, self.device = model, optimizer, recipe, device
        execution = recipe.execution
        self.compiler = Compiler(device) if execution.compile == "on" else None
        self._shapes_compiled: set[tuple[torch.Size, int]] = set()  # of batches
        self._guard = FiniteGuard(
            optimizer, device, compiler=self.compiler if execution.capture == "on" else None
        )
        self._looks_at_once = device.type == "cpu" or not self._guard.can_skip
        self.scaler = (
            torch.amp.GradScaler(device.type)
            if execution.precision == "fp16" and not execution.loss_scale
            else None
        )
        self._fixed_scale = execution.loss_scale or 1.0 if execution.precision == "fp16" else 1.0
        self._full_weight = torch.ones((), device=device)
        self._bn_counters = take_over_counting(model, still)
        self._share = share or Share.whole(execution.shards)
        self._sharded = (
            ShardedGradient(model, self._share, execution.shard_bn, still=still, reduce=reduce)
            if self._share.of > 1 and not execution.is_synchronised
            else None
        )
        self._whole = (
            WholeBatchGradient(model, self._share, accumulate=execution.accumulate, reduce=reduce)
            if execution.is_synchronised
            else None
        )
        self._keep_U = torch.tensor(keep_probabilities, device=device) if keep_probabilities else None
        self._network: Any = NativeLogits(model, execution) if execution.compile == "native" else model
        self._forward: Callable[..., tuple[Tensor, Tensor]] = self._loss_and_correct
        if self.compiler:
            self._forward = self.compiler.compiled(self._loss_and_correct)

    def __call__(
        self, batch: LabelledBatch, *, step: int | Tensor, lr: float | Tensor
    ) -> tuple[Tensor, Tensor]:
        """Make the update after `step` updates.

        With `step`, `lr` and the batch's weight as scalars on the device, the host decides nothing,
        so that what was recorded of one step makes any other (see `device_steps`).

        Returns:
            The batch's mean loss (float32 scalar, nats) and its `right_answers`.

        Raises:
            DivergedError: If loss or gradient is not finite: at once, before the update, on the CPU and
                where the optimizer cannot leave out a step; else `refuse_bad_steps` does it when called.
        """
        self._enter_training()
        loss, correct = self.compute_gradient(batch, self._draws(step, batch))
        self._update(loss, step, lr)
        self.optimizer.zero_grad(set_to_none=True)
        return loss, correct

    def _enter_training(self) -> None:
        self.model.train()
        for module in self._still:
            module.eval()

    def _draws(self, step: int | Tensor, batch: LabelledBatch) -> Draws:
        seed, count, first = self.recipe.run.seed, len(batch.labels), self._share.cut(batch.num_samples).start
        keep_UN = keys_UN = None
        if self._keep_U is not None:
            keep_UN = keep_mask(seed, step, self._keep_U, count, first=first)
        if self._num_dropouts:
            keys_UN = dropout_keys(seed, step, self._num_dropouts, count, self.device, first=first)
        return Draws(keep_UN, keys_UN)

    def compute_gradient(self, batch: LabelledBatch, draws: Draws) -> tuple[Tensor, Tensor]:
        """Compute the gradient that the update takes; return loss and right answers where the weights are."""
        kind = (batch.images.shape, batch.num_samples)
        if self.compiler is None or kind in self._shapes_compiled:
            return self._gradient_of(batch, draws)
        self._shapes_compiled.add(kind)

        def work() -> tuple[Tensor, Tensor]:
            self.optimizer.zero_grad(set_to_none=True)
            return self._gradient_of(batch, draws)

        return self.compiler.first(work, self.model.buffers())

    def _gradient_of(self, batch: LabelledBatch, draws: Draws) -> tuple[Tensor, Tensor]:
        loss, correct = self._accumulate_gradient(batch, draws)
        if self.recipe.optimizer.sam:
            with uphill(self.model, self.recipe.optimizer):
                self._accumulate_gradient(batch, draws)
        return loss, correct

    def _accumulate_gradient(self, batch: LabelledBatch, draws: Draws) -> tuple[Tensor, Tensor]:
        if self._bn_counters:
            counted = cuts(self._share.smallest(batch.num_samples), self.recipe.execution.accumulate)
            torch._foreach_add_(self._bn_counters, len(counted))
        # A tensor: the compiler would make a new kernel for every new float.
        weight = self._full_weight if batch.labels_other is None else batch.weight
        if not isinstance(weight, Tensor):
            weight = torch.full((), weight, device=self.device)
        of_batch = (batch, draws, weight)
        if self._whole:
            add_gradients = functools.partial(self._add_gradients_together, *of_batch)
            return self._whole.compute(batch.num_samples, add_gradients)
        add_gradient = functools.partial(self._add_gradient, *of_batch)
        if self._sharded:
            return self._sharded.compute(batch.num_samples, add_gradient)
        return add_gradient(slice(0, batch.num_samples))

    def _add_gradient(
        self, batch: LabelledBatch, draws: Draws, weight: Tensor, where: slice
    ) -> tuple[Tensor, Tensor]:
        """Add to the gradients what some samples have of the batch's, in microbatches.

        Returns:
            Their part of the batch's mean loss, and their right answers.
        """
        losses, counts = list[Tensor](), list[Tensor]()
        for part in cuts(where.stop - where.start, self.recipe.execution.accumulate):
            here = slice(where.start + part.start, where.start + part.stop)
            images, labels, labels_other, own = cut(batch, draws, here)
            loss, correct = self._forward(images, labels, labels_other, weight, *own)
            if len(labels) < batch.num_samples:
                loss = loss * (len(labels) / batch.num_samples)
            self._scaled(loss).backward()  # type: ignore[no-untyped-call]
            losses.append(loss.detach())
            counts.append(correct)
        return functools.reduce(torch.add, losses), functools.reduce(torch.add, counts)

    def _add_gradients_together(
        self,
        batch: LabelledBatch,
        draws: Draws,
        weight: Tensor,
        places: list[slice],
        together: Callable[[list[Tensor]], Shards],
    ) -> list[tuple[Tensor, Tensor]]:
        """Do what `_add_gradient` does for some samples of each shard, with BN statistics of all of them."""
        images, labels, others, drawn = zip(*(cut(batch, draws, here) for here in places), strict=True)
        own = (None if each[0] is None else together([*each]) for each in zip(*drawn, strict=True))
        logits = self._logits(together([*images]), *own)
        found = []
        for logits_NK, own, other in zip(logits.parts, labels, others, strict=True):
            loss, correct = self._answered(logits_NK, own, other, weight)
            found.append((loss * (len(own) / batch.num_samples), correct))
        torch.autograd.backward([self._scaled(loss) for loss, _ in found])
        return [(loss.detach(), correct) for loss, correct in found]

    def _loss_and_correct(
        self,
        images: Tensor,
        labels: Tensor,
        labels_other: Tensor | None,
        weight: Tensor,
        keep_UN: Tensor | None,
        keys_UN: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        return self._answered(self._logits(images, keep_UN, keys_UN), labels, labels_other, weight)

    def _logits(self, images: Any, keep_UN: Any, keys_UN: Any) -> Any:
        with autocast(self.device, self.recipe.execution.precision):
            return self._network(images, keep_UN, *(() if keys_UN is None else (keys_UN,)))

    def _answered(
        self, logits_NK: Tensor, labels: Tensor, labels_other: Tensor | None, weight: Tensor
    ) -> tuple[Tensor, Tensor]:
        logits_NK, smoothing = logits_NK.float(), self.recipe.run.label_smoothing
        if self.recipe.run.loss == "binary":
            loss = binary_loss(logits_NK, labels, labels_other, smoothing)
        else:
            loss = mixed_cross_entropy(
                logits_NK, labels, labels_other, weight, smoothing, self._class_weights_K
            )
        return loss, right_answers(logits_NK.detach(), labels)

    def _scaled(self, loss: Tensor) -> Tensor:
        if self.scaler:
            return self.scaler.scale(loss)
        return loss if self._fixed_scale == 1 else loss * self._fixed_scale

    def _update(self, loss: Tensor, step: int | Tensor, lr: float | Tensor) -> None:
        config = self.recipe.optimizer
        if self.scaler:
            self.scaler.unscale_(self.optimizer)
        elif self._fixed_scale != 1:
            torch._foreach_div_(self._gradients(), self._fixed_scale)
        if not self.scaler:  # which leaves out overflowing steps itself
            self._guard.watch(loss, self._gradients(), step)
            if self._looks_at_once and self._guard.first_bad_step is not None:
                raise self._diverged(loss, int(step))
        if config.clip_norm:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), config.clip_norm)
        set_rate(self.optimizer, config, lr)
        if self.scaler:
            self.scaler.step(self.optimizer)
            self.scaler.update()
        else:
            self.optimizer.step()

    def _gradients(self) -> list[Tensor]:
        return [p.grad for p in self.model.parameters() if p.grad is not None]

    @property
    def bad_step(self) -> Tensor:
        """The first step that was not finite, on the device: int64 scalar, -1 for none."""
        return self._guard.on_device

    def refuse_bad_steps(self, batch_at: Callable[[int], LabelledBatch]) -> None:
        """Repeat the first step that was not finite, if there was one, and say what was not.

        An adapted loss scale leaves such steps out and halves itself; it only must not do so for ever.

        Raises:
            DivergedError: If there was one.
        """
        if self.scaler and self.scaler.get_scale() < _SMALLEST_SCALE:
            raise DivergedError(
                f"diverged: the gradients overflow fp16 at every loss scale, down to {_SMALLEST_SCALE:g}",
                hint="A smaller learning rate (--lr) or precision=bf16 usually helps.",
            )
        step = self._guard.first_bad_step
        if step is None:
            return
        batch = batch_at(step)  # updates since were left out: the weights are those of then
        self._enter_training()
        loss, _ = self.compute_gradient(batch, self._draws(step, batch))
        raise self._diverged(loss, step)

    def _diverged(self, loss: Tensor, step: int) -> DivergedError:
        """Return the error for this step; its gradients are there."""
        if not torch.isfinite(loss):
            return diverged("the loss", step, self.model)
        if self._fixed_scale != 1:
            what = f"the gradient, times the loss_scale {self._fixed_scale:g},"
            hint = "A smaller loss_scale or precision=bf16 usually helps."
            return diverged(what, step, self.model, hint=hint)
        gradients = ((f"the gradient of {n}", p.grad) for n, p in self.model.named_parameters())
        bad = (name for name, g in gradients if g is not None and not torch.isfinite(g).all())
        return diverged(next(bad, "the gradients' norm"), step, self.model)
