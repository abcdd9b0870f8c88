"""What an evaluation leaves in a run, without a network: scores, answers, calibration, insights."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from resnetlab.evaluation.answers import make_answers, write_answers


def write_picture(path: Path, seed: int, side: int = 96) -> str:
    rng = np.random.default_rng(seed)
    cells = Image.fromarray(rng.integers(0, 256, (6, 6, 3)).astype(np.uint8))
    cells.resize((side, side), Image.Resampling.BICUBIC).save(path)
    return path.name


def write_evaluation(
    run: Path,
    names: Sequence[str],
    *,
    step: int = 180,
    each: int = 20,
    wrong: int = 4,
    seed: int = 0,
    pictures: int = 12,
    places: Sequence[str] = (),
    split: str = "test",
) -> Path:
    """Write RUN/eval/step-N-test as if a network had answered `each` images of every class, and return it."""
    out = run / "eval" / f"step-{step:08d}-{split}"
    (out / "insights").mkdir(parents=True, exist_ok=True)
    rows = _answers(len(names), each, wrong, seed)
    confusion = np.zeros((len(names), len(names)), int)
    for row in rows:
        confusion[row[0], row[1]] += 1
    _write_scores(out, names, confusion, step, split)
    place = [places[n] if n < len(places) else f"{names[r[0]]}/{n:04}.jpg" for n, r in enumerate(rows)]
    columns = dict(
        zip(("truth", "answer", "probability", "probability_of_truth"), zip(*rows, strict=True), strict=True)
    )
    answers = make_answers(
        tuple(names),
        sample=np.arange(len(rows)),
        place=np.array(place),
        loss=-np.log(columns["probability_of_truth"]),
        **columns,
    )
    write_answers(out, answers)
    bins = [
        {
            "count": i * i,
            "confidence": (i + 0.5) / 15 if i else 0.0,
            "accuracy": (i + 0.5) / 15 * 0.9 if i else 0.0,
        }
        for i in range(15)
    ]
    calibration = {"bins": bins, "ece": 0.081, "temperature": 1.34, "ece_after": 0.021}
    (out / "calibration.json").write_text(json.dumps(calibration))
    _write_insights(out / "insights", rows, place, pictures)
    return out


def _answers(count: int, each: int, wrong: int, seed: int) -> list[tuple[int, int, float, float]]:
    """Return truth, answer, probability of the answer and of the truth."""
    rng = np.random.default_rng(seed)
    rows = []
    for truth in range(count):
        for index in range(each):
            is_wrong = index < wrong and count > 1
            answer = (truth + 1 + index % max(1, min(3, count - 1))) % count if is_wrong else truth
            sure = float(0.5 + 0.5 * rng.random())
            of_truth = float((1 - sure) * rng.random()) + 1e-3 if answer != truth else sure
            rows.append((truth, answer, sure, of_truth))
    return rows


def _write_scores(out: Path, names: Sequence[str], confusion: Any, step: int, split: str) -> None:
    classes = []
    for index, name in enumerate(names):
        right, has, said = (
            int(confusion[index, index]),
            int(confusion[index].sum()),
            int(confusion[:, index].sum()),
        )
        others = confusion[index].copy()
        others[index] = 0
        other = int(others.argmax())
        classes.append(
            {
                "class": name,
                "samples": has,
                "recall": right / has,
                "precision": right / max(1, said),
                "f1": 2 * right / (has + said),
                "taken_for": names[other] if others[other] else "",
                "taken_for_count": int(others[other]),
            }
        )
    correct, seen = int(np.trace(confusion)), int(confusion.sum())
    scores = {
        "step": step,
        "split": split,
        "data": "digits",
        "weights": "weights",
        "precision": "fp32",
        "correct": correct,
        "seen": seen,
        "accuracy": correct / seen,
        "accuracy_top_5": 1.0,
        "loss": 0.5,
        "interval": [max(0.0, correct / seen - 0.03), min(1.0, correct / seen + 0.02)],
        "notes": [],
        "bad_samples": [],
        "per_class": classes,
    }
    (out / "scores.json").write_text(json.dumps(scores))
    with (out / "confusion.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["true \\ answered", *names])
        writer.writerows([name, *map(int, row)] for name, row in zip(names, confusion, strict=True))


def _write_insights(folder: Path, rows: Sequence[Any], place: Sequence[str], pictures: int) -> None:
    wrong = [index for index, row in enumerate(rows) if row[0] != row[1]]
    wrong.sort(key=lambda index: rows[index][3])
    worst, cells = [], dict[str, list[Any]]()
    for number, index in enumerate(wrong[:pictures]):
        truth, answer, sure, of_truth = rows[index]
        image = write_picture(folder / f"worst-{number:03}.png", index)
        worst.append(
            {
                "sample": index,
                "place": place[index],
                "truth": truth,
                "answer": answer,
                "probability": sure,
                "loss": float(-np.log(of_truth)),
                "image": image,
                "cam": write_picture(folder / f"worst-{number:03}-cam.png", index + 10_000),
            }
        )
        cells.setdefault(f"{truth}>{answer}", []).append(worst[-1])
    layers = [f"stage{s}.unit{u}.conv{c}" for s in (1, 2, 3) for u in (1, 2) for c in (1, 2)]
    content = {
        "worst": worst,
        "doubtful": worst[: min(4, len(worst))],
        "confusions": cells,
        "filters": write_picture(folder / "filters.png", 1, side=160),
        "responses": [{"layer": name, "deviation": 1 / (1 + i)} for i, name in enumerate(layers)],
        "depth": [{"layer": name, "signal": 1.1**i, "gradient": 0.9**i} for i, name in enumerate(layers)],
        "seconds": 1.5,
        "left_out": [],
    }
    (folder / "insights.json").write_text(json.dumps(content))
