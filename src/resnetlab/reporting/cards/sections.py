"""What a card says of a run, section by section, from what a page shows of it: `contents.detail`."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from resnetlab.base.units import first_of
from resnetlab.show.tables.align import markdown_table, markdown_text

Detail = Mapping[str, Any]

_RANDOM = "random weights, drawn from the seed"
_DEFAULT = "default"
_MOST_CLASSES = 50
_MOST_COLUMNS = 12
_MOST_MISTAKES = 20
_FEW = 30
"""Test images of a class below which its figures say little: 95 % intervals are wider than a third."""


def run_sections(row: Mapping[str, Any], detail: Detail) -> list[str]:
    """Return the sections on data, recipe, results, and use and limits, in Markdown.

    Args:
        row: What a page says of the run before all else: `contents.verdict.run_row`.
        detail: The rest: `contents.detail.detail_of`.
    """
    return [
        _section("Data", _data(detail["data"])),
        _section("Recipe", _recipe(detail)),
        _section("Results", _results(row, detail["evaluation"])),
        _section("Use and limits", limits(detail["data"]["name"], detail["evaluation"])),
    ]


def _section(title: str, parts: Iterator[str]) -> str:
    return "\n\n".join((f"## {title}", *parts)) + "\n"


def facts_table(facts: Mapping[str, str]) -> str:
    """Return texts by title as a table without a header."""
    return markdown_table(("", ""), [*facts.items()], left=2)


def _data(data: Detail) -> Iterator[str]:
    height, width, channels = data["image_shape"]
    counts = [
        f"{data[part]:,} {words}"
        for part, words in (("train", "for training"), ("val", "for validation"), ("test", "for testing"))
        if data[part]
    ]
    facts = {
        "name": data["name"],
        "images": ", ".join(counts),
        "input": f"{height}x{width} px, {'grey' if channels == 1 else 'RGB'}",
        "classes": f"{data['num_classes']:,}: {first_of(data['classes'], 40)}",
        "fingerprint": f"{data['fingerprint']} (SHA-256 over classes, labels and images)",
    }
    if data["num_broken"]:
        facts["left out"] = f"{data['num_broken']:,} broken images"
    yield facts_table(facts)
    if data["notes"]:
        yield "\n".join(f"- {markdown_text(text)}" for text in data["notes"])


def _recipe(detail: Detail) -> Iterator[str]:
    recipe, network = detail["recipe"], detail["network"]
    source = recipe["source"].strip().partition("\n")[0].rstrip(".")
    told = f"The recipe {recipe['name']}" + (f" ({source})" if source else "")
    yield markdown_text(f"{told}. Before the first step: {network['first_weights'] or _RANDOM}.")
    if recipe["deviations"]:
        yield markdown_text(f"Otherwise than there: {', '.join(recipe['deviations'])}.")
    rows = [(v["name"], v["value"] or "-", v["origin"]) for v in recipe["values"] if v["origin"] != _DEFAULT]
    yield "All values but those that nobody gave and that are the defaults:"
    yield markdown_table(("value", "", "origin"), rows, left=3)


def _results(row: Mapping[str, Any], evaluation: Detail | None) -> Iterator[str]:
    yield markdown_text(row["sentence"])
    if row["notes"]:
        yield "\n".join(f"- {markdown_text(text)}" for text in row["notes"])
    if evaluation is None:
        yield "Figures by class are not kept with this run."
        return
    classes = evaluation["per_class"]
    names = evaluation["classes"]
    order = range(len(names))
    shown = order if len(names) <= _MOST_CLASSES else sorted(order, key=lambda i: classes[i]["recall"])
    which = "By class" if shown is order else f"By class, the {_MOST_CLASSES} weakest of {len(names):,}"
    yield f"{which} ({markdown_text(_scored(evaluation))}):"
    yield markdown_table(
        ("class", "images", "recall", "precision", "F1"),
        [_class_row(names[i], classes[i]) for i in [*shown][:_MOST_CLASSES]],
    )
    yield from _confusion(evaluation)


def _scored(evaluation: Detail) -> str:
    return f"{evaluation['split']} images of {evaluation['data']}, step {evaluation['step']}"


def _class_row(name: str, row: Detail) -> tuple[str, ...]:
    shares = (f"{100 * row[key]:.1f} %" for key in ("recall", "precision", "f1"))
    return (name, f"{row['samples']:,}", *shares)


def _confusion(evaluation: Detail) -> Iterator[str]:
    answers, names, counts = evaluation["answers"], evaluation["classes"], evaluation["confusion"]
    if not counts:
        return
    if len(answers) <= _MOST_COLUMNS:
        table = {(truth, answer): count for truth, answer, count in counts}
        rows = [
            (name, *(str(table.get((truth, answer), 0)) for answer in range(len(answers))))
            for truth, name in enumerate(names)
        ]
        yield "Confusions, a row for each class, a column for each answer:"
        yield markdown_table(("", *answers), rows)
        return
    wrong = sorted((each for each in counts if each[0] != each[1]), key=lambda each: -each[2])
    if wrong:
        yield f"The {min(_MOST_MISTAKES, len(wrong))} most frequent confusions:"
        rows = [(names[t], answers[a], f"{n:,}") for t, a, n in wrong[:_MOST_MISTAKES]]
        yield markdown_table(("class", "taken for", "images"), rows, left=2)


def limits(data: str, evaluation: Detail | None = None) -> Iterator[str]:
    """Yield for what the network is, and what is not known of it.

    Args:
        data: The name of what it was trained on; empty if that is not known.
        evaluation: Its scores, as `contents.scored` reads them.
    """
    like = f"like those of {data}" if data else "like those that it was trained on"
    told = [
        f"It is meant for pictures {like}, each of one of its classes. It answers one of these to every"
        " picture, also to one that shows none of them.",
        "How it does with pictures of other cameras, places or times was not measured; nor was whether it "
        "treats groups of people alike, or withstands who wants to deceive it. Decisions about people are "
        "not to rest on it.",
    ]
    told += [*_weak(evaluation)] if evaluation else []
    yield "\n".join(f"- {markdown_text(text)}" for text in told)


def _weak(evaluation: Detail) -> Iterator[str]:
    rows, names = evaluation["per_class"], evaluation["classes"]
    seen: Sequence[int] = [row["samples"] for row in rows]
    most = max(range(len(rows)), key=lambda i: seen[i])
    total = sum(seen)
    if total:
        share = f"{100 * seen[most] / total:.2f} %"
        yield f"Always answering {names[most]} would be right for {share} of these images."
    known = [i for i in range(len(rows)) if seen[i]]
    weakest = min(known, key=lambda i: rows[i]["recall"], default=None)
    if weakest is not None and rows[weakest]["recall"] < 1:
        row = rows[weakest]
        taken = f", most often taken for {row['taken_for']}" if row["taken_for"] else ""
        yield f"It is weakest at {names[weakest]}: {100 * row['recall']:.1f} % are recognised{taken}."
    if few := [names[i] for i in range(len(rows)) if seen[i] < _FEW]:
        yield (
            f"Of {len(few):,} classes there are fewer than {_FEW} test images: their figures say little"
            f" ({first_of(few)})."
        )
    calibration = evaluation["calibration"]
    if calibration and calibration["ece"] is not None and math.isfinite(calibration["ece"]):
        yield (
            f"Its probabilities are off by {100 * calibration['ece']:.1f} percentage points on average (ECE):"
            " they rank answers, and are no promises."
        )
