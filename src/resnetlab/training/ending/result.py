"""How a run ended."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from resnetlab.base.lettering import in_a_line
from resnetlab.base.machine.rates import peak_memory
from resnetlab.base.pages import cell
from resnetlab.base.units import format_seconds
from resnetlab.errors import DataError
from resnetlab.evaluation.metrics import Scores, wilson_interval
from resnetlab.runs.directory import RunDirectory
from resnetlab.training.ending.answering import evaluate_at_the_end
from resnetlab.training.planning import RunPlan
from resnetlab.training.trainer import Trainer


@dataclass(frozen=True, repr=False)
class Result:
    """How a run ended; RESULT.json holds the same. A notebook shows it in words."""

    run: str
    step: int
    epochs: float
    accuracy: float
    """Share of right first answers on the test set: last step, single view."""
    interval: tuple[float, float]
    """95 % confidence interval of that (Wilson)."""
    correct: int
    seen: int
    accuracy_top_5: float
    loss: float
    weights: str
    """What was scored: "weights" or "averaged weights"."""
    stopped_on_test: bool
    """Whether stop_at ended the run on the test set's accuracy: a selection on the test set."""
    plain_accuracy: float | None
    """With averaged weights: the accuracy of the plain ones."""
    best_val_accuracy: float | None
    best_val_step: int | None
    train_seconds: float
    images_per_second: float
    wait_share: float | None = None
    """With images read from files: share of the time in which training waited for them."""
    best_test_accuracy: float | None = None
    """Accuracy on the test set of the weights that were best on the validation samples."""
    stopped_early: bool = False
    """Whether the validation accuracy had not risen for as long as `patience` waits."""
    bad_samples: tuple[str, ...] = ()
    """Image files that were left out because they are broken, with the cause."""
    majority_class: str = ""
    """The class that most test images are of, the first if there are several; empty in earlier versions."""
    majority_accuracy: float = 0.0
    """Share of right answers if that class were always the answer: what an accuracy is to be held against."""

    def __repr__(self) -> str:
        return f"<{in_a_line(self.run)}: {self._score}, after step {self.step:,}>"

    @property
    def _score(self) -> str:
        return f"{100 * self.accuracy:.2f} % of {self.seen:,} test images right"

    def _repr_html_(self) -> str:
        low, high = self.interval
        selected = "; selected on the test set: that accuracy ended the run (stop_at)" * self.stopped_on_test
        about = (
            f"95 % interval {100 * low:.2f} to {100 * high:.2f} %; step {self.step:,}, single view,"
            f" {self.weights}{selected}"
        )
        lines = {"top-5": f"{100 * self.accuracy_top_5:.2f} %", "loss": f"{self.loss:.4f}"}
        if self.majority_class:
            lines[f"always {in_a_line(self.majority_class)}"] = f"{100 * self.majority_accuracy:.2f} %"
        if self.plain_accuracy is not None:
            lines["plain weights"] = f"{100 * self.plain_accuracy:.2f} %"
        if self.best_val_accuracy is not None:
            early = ", where training ended early" * self.stopped_early
            lines["best on validation"] = (
                f"{100 * self.best_val_accuracy:.2f} % after step {self.best_val_step:,}{early}"
            )
        if self.best_test_accuracy is not None and self.best_val_step != self.step:
            lines["these on the test set"] = f"{100 * self.best_test_accuracy:.2f} %"
        if self.bad_samples:
            lines["left out"] = f"{len(self.bad_samples):,} broken images, the first: {self.bad_samples[0]}"
        speed = f"{format_seconds(self.train_seconds)} of updates, {self.images_per_second:,.0f} images/s"
        lines |= {"time": speed, "run": self.run}
        return cell.cell(self._score, cell.bar(self.accuracy, width="16em"), cell.facts(lines), about=about)


def result_of(trainer: Trainer, plan: RunPlan) -> Result:
    """Return how a run has ended, as the first process knows it, its answers written down.

    Raises:
        Interrupted, DivergedError, WriteError: As training.
    """
    state = trainer.state
    scores = evaluate_at_the_end(trainer, plan)
    test = trainer.world.from_first(lambda: trainer.record.find_row("test", state.step)) or scores.row()
    plain = None
    if state.average:
        plain = trainer.evaluate(trainer.test(), state.model).accuracy
    best = None
    if state.best_step not in (0, state.step) and (model := trainer.best_model()):
        best = trainer.evaluate(trainer.test(), model).accuracy
    trainer.record.add_event("end", step=state.step, peak_memory=peak_memory(trainer.device))
    majority = _majority(scores, plan.source.class_names)
    return trainer.world.from_first(lambda: replace(_described(trainer, test, plain, best), **majority))


def _described(trainer: Trainer, test: dict[str, Any], plain: float | None, best: float | None) -> Result:
    state = trainer.state
    samples = trainer.timeline.samples_seen(state.step)
    low, high = wilson_interval(test["correct"], test["seen"])
    return Result(
        run=str(trainer.record.path),
        step=state.step,
        epochs=samples / trainer.timeline.num_samples,
        accuracy=test["accuracy"],
        interval=(low, high),
        correct=test["correct"],
        seen=test["seen"],
        accuracy_top_5=test["accuracy_top_5"],
        loss=test["loss"],
        weights="averaged weights" if state.average else "weights",
        stopped_on_test=state.reached and trainer.watched.name == "test",
        plain_accuracy=plain,
        best_val_accuracy=state.best_accuracy if state.best_step else None,
        best_val_step=state.best_step or None,
        best_test_accuracy=test["accuracy"] if state.best_step == state.step else best,
        stopped_early=trainer.is_out_of_patience and state.step < trainer.timeline.num_steps,
        train_seconds=state.seconds,
        images_per_second=samples / state.seconds if state.seconds else 0.0,
        wait_share=trainer.waiting.of_all(state.seconds) if trainer.waiting else None,
        bad_samples=tuple(trainer.record.broken_images().values()),
    )


def _majority(scores: Scores, class_names: Sequence[str]) -> dict[str, Any]:
    """Return the class that most of the images were of, and how many of them it is."""
    images_K = scores.confusion_KK.sum(1)
    index = int(images_K.argmax())
    return {
        "majority_class": class_names[index],
        "majority_accuracy": int(images_K[index]) / scores.seen,
    }


def read_result(run: RunDirectory) -> Result:
    """Return how a finished run ended.

    Raises:
        DataError: If RESULT.json is damaged.
    """
    content = run.read("RESULT")
    try:
        content["interval"] = tuple(content["interval"])
        content["bad_samples"] = tuple(content.get("bad_samples", ()))
        return Result(**content)
    except (KeyError, TypeError) as error:
        raise DataError(f"{run.path / 'RESULT.json'} is damaged: {error}") from error
