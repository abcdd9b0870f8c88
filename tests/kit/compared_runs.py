"""Answers laid beside made runs, and evaluations on their own, as `eval` leaves them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from resnetlab.evaluation.answers import make_answers, write_answers
from tests.kit.reported_runs import as_cifar, read


def marks(right: int, seen: int, *, seed: int = 0, hard: float = 0.5) -> list[bool]:
    """Return which images a network gets right; others of other seeds get `hard` of the wrong ones right."""
    generator = np.random.default_rng(seed)
    wrong = seen - right
    shared = round(wrong * (1 - hard))
    found = np.ones(seen, bool)
    found[:shared] = False
    found[shared + generator.choice(seen - shared, wrong - shared, replace=False)] = False
    return [bool(each) for each in found]


def lay_answers(folder: Path, right: Sequence[bool], *, names: Sequence[str] = (), **columns: Any) -> None:
    """Write the answers of a network that got these images right, of as many classes as there are names."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [*names] or [str(number) for number in range(10)]
    truth = np.arange(len(right)) % len(names)
    made: dict[str, Any] = {
        "sample": np.arange(len(right)),
        "place": [f"{names[number]}/{index}.png" for index, number in enumerate(truth)],
        "truth": truth,
        "answer": np.where(right, truth, (truth + 1) % len(names)),
        "probability": np.full(len(right), 0.9),
        "probability_of_truth": np.where(right, 0.9, 0.05),
        "loss": np.where(right, 0.1, 3.0),
    }
    write_answers(folder, make_answers((*names,), **(made | columns)))


def run_with_answers(real: Path, to: Path, network: str, right: Sequence[bool], **values: Any) -> Path:
    """Return a run on CIFAR that ended with these right answers, which were kept."""
    run = as_cifar(real, to, network, correct=sum(right), seen=len(right), **values)
    lay_answers(run / "eval" / f"step-{read(run / 'RESULT.json')['step']:08d}-test", right)
    return run


def evaluation(to: Path, right: Sequence[bool], *, keeps: bool = True, **facts: Any) -> Path:
    """Return the folder of an evaluation of something that is no run."""
    to.mkdir(parents=True)
    scores = {
        "checkpoint": "net.onnx", "step": 0, "data": "cifar10", "fingerprint": "cifar10", "split": "test",
        "weights": "weights", "correct": sum(right), "seen": len(right),
    }  # fmt: skip
    (to / "scores.json").write_text(json.dumps(scores | facts))
    if keeps:
        lay_answers(to, right)
    return to
