"""The final evaluation of a run, written as `eval` of the run would write it."""

from pathlib import Path

from resnetlab.data.batches.loaded import told_broken
from resnetlab.evaluation.collecting import Collected, answers_of, calibration_from
from resnetlab.evaluation.metrics import Scores
from resnetlab.evaluation.results import Evaluation, write_evaluation
from resnetlab.evaluation.scoring import EvaluationSet
from resnetlab.runs.checkpoint import checkpoint_name
from resnetlab.training.planning import RunPlan
from resnetlab.training.trainer import Trainer


def evaluate_at_the_end(trainer: Trainer, plan: RunPlan) -> Scores:
    """Write what the network answers to the test set into RUN/eval, and return its scores.

    What the last evaluation of training found is taken, if that was of this step. confusion.png is left to
    `eval`, which takes a second to draw it.

    Raises:
        Interrupted, DivergedError, WriteError: As training.
    """
    test, watched, world = trainer.test(), trainer.watched, trainer.world
    held_out = _found(trainer, watched)[1] if watched.name == "val" else None
    scores, collected = _found(trainer, test)
    world.from_first(lambda: _write(trainer, plan, scores, collected, held_out))
    return scores


def _found(trainer: Trainer, on: EvaluationSet) -> tuple[Scores, Collected]:
    """Return what the network answers, all processes alike."""
    if trainer.last is None or (trainer.last.name, trainer.last.step) != (on.name, trainer.state.step):
        trainer.evaluate(on)
    assert trainer.last is not None
    return trainer.last.scores, trainer.last.collecting.gathered(trainer.world)


def _write(
    trainer: Trainer, plan: RunPlan, scores: Scores, collected: Collected, held_out: Collected | None
) -> None:
    state, source, path = trainer.state, plan.source, trainer.record.path
    names, name = source.class_names, checkpoint_name(state.step)
    rows = range(len(names))
    broken = trainer.record.broken_images()
    bad = tuple(problem for (part, _), problem in broken.items() if part == "test")
    evaluation = Evaluation(
        checkpoint=str(path / "checkpoints" / name),
        step=state.step,
        data=source.name,
        fingerprint=source.fingerprint,
        split="test",
        weights="averaged weights" if state.average else "weights",
        scores=scores,
        class_names=names,
        logits=tuple(rows),
        answers=(*names, *(f"class {index}" for index in range(len(names), plan.spec.classes))),
        out=str(Path(path) / "eval" / f"{name}-test"),
        notes=(*source.notes, *told_broken(bad)),
        bad_samples=bad,
        per_image=answers_of(collected, names, rows, source.test.place),
        calibration=calibration_from(collected, "test", held_out),
    )
    write_evaluation(evaluation, draws=False)
