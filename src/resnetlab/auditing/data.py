"""What it was trained and tested on: classes, fingerprint, what was held out."""

import re
from collections.abc import Iterator

from resnetlab.auditing.facts import Facts
from resnetlab.auditing.finding import Found, Promise, judged
from resnetlab.base.reading.plain import is_count, is_number
from resnetlab.base.units import counted

_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_SIZES = {"cifar10": (50_000, 10_000, 10), "cifar100": (50_000, 10_000, 100)}
"""Training and test images, and classes, of datasets whose name says which they are."""


def classes(facts: Facts) -> Found:
    """Look at the names of the classes."""
    names = facts.data["class_names"]
    problems = (
        [f"{name!r} twice" for name in {*names} if names.count(name) > 1] if len(names) < 10_000 else []
    )
    if not names:
        problems.append("none")
    if len(names) > facts.spec.classes:
        problems.append(f"{len(names):,} names, and {facts.spec.name} has {facts.spec.classes:,} classes")
    majority = (facts.result or {}).get("majority_class")
    if majority and majority not in names:
        problems.append(f"most test images are of {majority!r}, which is none of them")
    return judged(problems, counted(len(names), "name"))


def fingerprint(facts: Facts) -> Found:
    """Look whether the data has a fingerprint, of the form that all have."""
    told = str(facts.data["fingerprint"])
    return judged([] if _FINGERPRINT.fullmatch(told) else [f"{told!r} is none"], told[:12])


def shape(facts: Facts) -> Found:
    """Compare the shape of the images with network and recipe."""
    return judged(_shapes(facts), "x".join(map(str, facts.data["image_shape"])))


def _shapes(facts: Facts) -> Iterator[str]:
    height, width, channels = facts.data["image_shape"]
    if channels != facts.spec.in_channels:
        yield f"{channels} channels, and {facts.spec.name} takes {facts.spec.in_channels}"
    side = facts.recipe.preparation.image_size
    if side and facts.data.get("reads_files") and (height, width) != (side, side):
        yield f"{height}x{width}, and the recipe's are {side}x{side}"
    preprocessing = facts.data["preprocessing"]
    for name in ("mean", "std"):
        values = preprocessing.get(name)
        if values is not None and not (isinstance(values, list) and all(map(is_number, _flat(values)))):
            yield f"the preprocessing's {name} is {values!r}"
    if any(value < 0 for value in _flat(preprocessing.get("std") or [])):
        yield "the preprocessing divides by a number below 0"


def _flat(values: list[object]) -> list[float]:
    found: list[float] = []
    for value in values:
        found += _flat(value) if isinstance(value, list) else [value]  # type: ignore[list-item]
    return found


def held_out(facts: Facts) -> Found:
    """Look at the training images that were held out for validation."""
    indices, asked = facts.data["val_indices"], facts.recipe.run.val
    problems = [f"{len(indices):,}, and the recipe says {asked:,}"] * (len(indices) != asked)
    if indices != sorted({*indices}):
        problems.append("images twice, or not in their order")
    elif indices and not asked:
        problems.append("the recipe holds out none")
    if indices:
        most = len(indices) + max(facts.sizes)
        problems += [f"image {indices[-1]:,} of {most:,}"] * (indices[-1] >= most)
    return judged(problems, f"{len(indices):,}")


def published(facts: Facts) -> Found | None:
    """Compare the numbers of images with those of a dataset that everybody knows."""
    name = facts.data["name"]
    sizes = _SIZES.get(name)
    if sizes is None or facts.data.get("source") != name or facts.data.get("choices"):
        return None
    train, test, count = sizes
    problems = []
    drawn = {size + len(facts.data["val_indices"]) for size in facts.sizes}
    if train not in drawn:
        problems.append(f"{min(drawn):,} training images")
    seen = (facts.result or {}).get("seen")
    if is_count(seen) and seen != test:
        problems.append(f"{seen:,} test images")
    if len(facts.data["class_names"]) != count:
        problems.append(f"{len(facts.data['class_names']):,} classes")
    return judged(problems, f"{train:,} and {test:,} images of {count} classes")


PROMISES = (
    Promise(
        "class names", "each once, no more than the network has classes", "answers are told by them", classes
    ),
    Promise("fingerprint", "a SHA-256 of the data", "it says which images these were", fingerprint),
    Promise("images", "of a shape that fits network and recipe", "what is scored is what was trained", shape),
    Promise(
        "held out",
        "as many images as the recipe says, each once",
        "validation on what is trained on says nothing",
        held_out,
    ),
    Promise("dataset", "as many images and classes as published", "its name promises them", published),
)
