"""The final evaluation of a run, written as `eval` of the run would write it."""

from pathlib import Path

from resnetlab.data.batches.loaded import told_broken
from resnetlab.data.batches.preprocessing import Preprocessing
from resnetlab.evaluation.answers import Answers
from resnetlab.evaluation.collecting import Collected, answers_of, calibration_from
from resnetlab.evaluation.insights import Insights
from resnetlab.evaluation.metrics import Scores
from resnetlab.evaluation.results import Evaluation, write_evaluation
from resnetlab.evaluation.scoring import EvaluationSet
from resnetlab.insights.looking import look_inside
from resnetlab.insights.subject import Subject
from resnetlab.runs.checkpoint import checkpoint_name
from resnetlab.runs.directory import RunDirectory
from resnetlab.training.planning import RunPlan
from resnetlab.training.step.device import made_on, threads_on
from resnetlab.training.trainer import Trainer

MOST_SECONDS = 5.0
"""What a run spends at its end, at most, on what a page shows of its network: `eval` has more time."""
_LEAST_SECONDS, _SHARE = 1.0, 0.05
"""Of a short run it is this, and this share of the time of its updates."""


def evaluate_at_the_end(trainer: Trainer, plan: RunPlan) -> Scores:
    """Write what the network answers to the test set into RUN/eval, and return its scores.

    What the last evaluation of training found is taken, if that was of this step. confusion.png is left to
    `eval`, which takes a second to draw it; what a page shows of the inside of the network is found if a page
    is made, and within a few seconds.

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
    answers = answers_of(collected, names, rows, source.test.place)
    evaluation = Evaluation(
        checkpoint=str(path / "checkpoints" / name),
        step=state.step,
        data=source.name,
        fingerprint=RunDirectory(path).read("data")["fingerprint"],  # 0.1.0 may have made another of it
        split="test",
        weights="averaged weights" if state.average else "weights",
        scores=scores,
        class_names=names,
        logits=tuple(rows),
        answers=(*names, *(f"class {index}" for index in range(len(names), plan.spec.classes))),
        out=str(Path(path) / "eval" / f"{name}-test"),
        notes=(*source.notes, *told_broken(bad)),
        bad_samples=bad,
        model=plan.spec.name,
        threads=threads_on(plan.device),
        made_on=made_on(plan.device),
        per_image=answers,
        calibration=calibration_from(collected, "test", held_out),
        insights=_look(trainer, plan, answers) if plan.recipe.run.report else None,
    )
    write_evaluation(evaluation)


def _look(trainer: Trainer, plan: RunPlan, answers: Answers) -> Insights | None:
    data = RunDirectory(trainer.record.path).read("data")
    subject = Subject(
        model=trainer.scored_model(),
        preprocessing=Preprocessing.from_json(data["preprocessing"]),
        device=trainer.device,
        size=plan.image_shape[:2],
        split=plan.source.test,
        answers=answers,
        logits=range(len(answers.class_names)),
        channels_last=plan.recipe.execution.channels_last,
    )
    return look_inside(subject, min(MOST_SECONDS, _LEAST_SECONDS + _SHARE * trainer.state.seconds))
