"""Labelled images that a network is to be scored on: the data, the split, and their form."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from resnetlab.data import SOURCES
from resnetlab.data.arrays.small import first_shape
from resnetlab.data.batches.preprocessing import Preprocessing
from resnetlab.data.open import open_data, reopen_source
from resnetlab.data.sources.choices import FILE, FLAG, Choices
from resnetlab.data.sources.encoded import AnySource, AnySplit
from resnetlab.data.sources.parts import VAL_SERVES, as_trained_on
from resnetlab.data.sources.source import Split
from resnetlab.data.sources.split import Indices, hold_out
from resnetlab.data.sources.wanted import Wanted
from resnetlab.data.sources.whole import as_files, join_splits
from resnetlab.errors import DataError, UsageError
from resnetlab.evaluation.views import Views
from resnetlab.runs.journal import KINDS
from resnetlab.trained.predict.viewing import refuse_long_images
from resnetlab.trained.scored_network import ScoredNetwork

SPLITS = ("auto", "test", "val", "train", "all")
MEANT = {"validation": "val", "valid": "val", "dev": "val", "training": "train", "testing": "test"}
MEANT |= {"whole": "all", "everything": "all"}


@dataclass(frozen=True)
class ScoredData:
    """Labelled images that are to be scored."""

    source: AnySource

    is_own: bool
    """Whether the network was trained on them; then the source has the splits that it was trained with."""

    said: tuple[str, ...] = ()

    def fingerprint_for(self, trained: ScoredNetwork) -> str:
        """Return the fingerprint of a score of the network on them: of its own data as it recorded it."""
        return (self.is_own and trained.fingerprint) or self.source.fingerprint


def open_scored(trained: ScoredNetwork, data: str | None, choices: Choices) -> ScoredData:
    """Open the data, or find the run's own again."""
    if data is None and trained.record is None:
        raise UsageError(f"{trained.place} does not know where its data lies", hint="Name it with --data.")
    source, own = _open_as_trained(trained, data, choices)
    if data is None:
        return ScoredData(own or source, own is not None, () if own else (_is_changed(trained, source),))
    as_own = _read_as_own(source, choices)
    if own is None:
        return ScoredData(source, is_own=False, said=as_own)
    said = f"{source.name} is what the network was trained on, by its fingerprint: its own splits are taken"
    return ScoredData(own, is_own=True, said=(*as_own, said))


def _read_as_own(source: AnySource, choices: Choices) -> tuple[str, ...]:
    """Return what to say of choices that nobody made here, but those who trained the network."""
    chosen = {name: text for name, text in source.choices.items() if not getattr(choices, name)}
    told = [f"{name}={Path(text).name if name == FILE else text}" for name, text in chosen.items()]
    return (f"read as the network's own data was: {FLAG} {f' {FLAG} '.join(told)}",) if told else ()


def _is_changed(trained: ScoredNetwork, source: AnySource) -> str:
    now, then = source.fingerprint[:12], trained.fingerprint[:12]
    return (
        f"{source.name} is not what the network was trained on any more (its fingerprint is {now}, it was"
        f" {then}): it is scored as other data is, and may hold training images"
    )


def _open_as_trained(
    trained: ScoredNetwork, data: str | None, choices: Choices
) -> tuple[AnySource, AnySource | None]:
    """Return the data as it is, and as it was trained on if it is the network's own."""
    if trained.record is not None:
        source = reopen_source(trained.record, data, choices, for_scoring=True)
        return source, _own(trained, source)
    assert data is not None
    wanted = replace(
        Wanted.of_network(trained.shape, len(trained.classifier.class_names)),
        choices=choices.over(trained.choices, elsewhere=True),
        holds_small=_leaves_as_is(trained.classifier.preprocessing),
        for_scoring=True,
    )
    source = open_data(data, replace(wanted, fits=None))  # an export may take another size
    own = _own(trained, source)
    if own or source.reads_files or data in SOURCES:
        return source, own
    fits = next(iter(source.parts.values())).image_shape[:2] == wanted.fits
    if fits and not trained.fingerprint:
        return source, None
    as_files = open_data(data, replace(wanted, holds_small=False))
    own = _own(trained, as_files)  # it may have been trained on as files
    return source if fits or own else as_files, own


def _leaves_as_is(preprocessing: Preprocessing) -> bool:
    """Return whether images of the network's size come to it as they are."""
    geometry = preprocessing.geometry
    return geometry.side == geometry.resize and not geometry.uses_draft


def _own(trained: ScoredNetwork, source: AnySource) -> AnySource | None:
    """Return the source with the splits that the network was trained with, if it is the network's own."""
    if not trained.fingerprint or (divided := as_trained_on(source)) is None:
        return None
    return divided if divided.has_fingerprint(trained.fingerprint) else None


class Chosen(NamedTuple):
    """The images that are scored."""

    images: AnySplit
    label: str
    """What they are called: a split, or "all"."""
    said: tuple[str, ...] = ()


def choose_split(trained: ScoredNetwork, opened: ScoredData, split: str) -> Chosen:
    """Return the images to be scored, what they are called, and what is to be said of the choice."""
    source, parts = opened.source, opened.source.parts
    if split == "all":
        return Chosen(
            join_splits([*parts.values()]), "all", (f"scored are all {_count(parts.values())} images",)
        )
    if opened.is_own:
        return _choose_own(trained, source, "test" if split == "auto" else split)
    if split == "auto" and source.found is not None and len(parts) == 1:
        ((part, images),) = parts.items()
        what = "is not divided" if part == "train" else f"has a {part} split only"
        said = f"{source.name} {what}: all its {len(images):,} images are scored"
        return Chosen(images, "all" if part == "train" else part, (said,))
    wanted = "test" if split == "auto" else split
    if wanted in parts:
        is_all = source.found is not None and len(parts) == 1 and wanted == "train"
        said = f"{source.name} is one split: all its {len(parts[wanted]):,} images are scored"
        return Chosen(parts[wanted], wanted, (said,) * is_all)
    if wanted == "test" and "val" in parts:
        return Chosen(parts["val"], "val", (f"{source.name} has no test split: its val split serves as one",))
    raise UsageError(
        f"{source.name} has no {KINDS[wanted]} split, only {' and '.join(parts)}",
        hint="\n".join((*opened.said, "--split all scores all of it.")),
    )


def _choose_own(trained: ScoredNetwork, source: AnySource, split: str) -> Chosen:
    held_out = _held_out(trained, source)
    if split == "train" and len(held_out):
        return Chosen(source.train.take(np.setdiff1d(np.arange(len(source.train)), held_out)), split)
    if split == "val" and len(held_out):
        return Chosen(source.train.take(held_out), split)
    if split in source.parts:
        return Chosen(source.parts[split], split)
    if VAL_SERVES in source.notes:
        return Chosen(source.test, split)
    if trained.record is None:
        raise UsageError(f"{source.name} has no validation split")
    raise UsageError("the run held no validation samples out (it was trained without --val)")


def held_out_of(trained: ScoredNetwork, opened: ScoredData, label: str) -> AnySplit | None:
    """Return the validation samples of a network whose own test set is scored; None if there are none."""
    source = opened.source
    if not opened.is_own or label != "test" or VAL_SERVES in source.notes:
        return None
    held_out = _held_out(trained, source)
    if len(held_out):
        return source.train.take(held_out)
    return source.val or None


def _held_out(trained: ScoredNetwork, source: AnySource) -> Indices:
    """Return which training images were held out for validation."""
    if trained.record is not None:
        return np.asarray(trained.record["val_indices"], np.int64)
    facts = trained.classifier.description.facts
    return hold_out(source.train, int(facts.get("val", 0)), int(facts.get("seed", 0)))[1]


def _count(splits: Iterable[AnySplit]) -> str:
    return f"{sum(map(len, splits)):,}"


def _refuse_other_size(trained: ScoredNetwork, size: tuple[int, int], name: str) -> None:
    """Raise a DataError if images are not of the size that a network takes that resizes none."""
    height, width, _ = trained.shape
    if size != (height, width):
        raise DataError(
            f"{name} has images of {size[1]}x{size[0]} pixels; the network takes {width}x{height}",
            hint="It was trained on images as they are, which are no squares: bring these to that size.",
        )


def fit_images(
    trained: ScoredNetwork, split: AnySplit, name: str, views: Views | None = None
) -> tuple[AnySplit, tuple[str, ...]]:
    """Return the images as the network can be given them: those in memory as they are, or resized."""
    wanted = trained.shape
    if views:
        is_square = isinstance(split, Split) and split.images.shape[1] == split.images.shape[2]
        if not is_square:
            refuse_long_images(trained.classifier.description.spec, views)
        return (as_files(split) if isinstance(split, Split) else split), ()
    if not isinstance(split, Split):
        first = first_shape(split)
        if first is not None and not trained.classifier.preprocessing.geometry.side:
            _refuse_other_size(trained, first[0], name)
        return split, ()
    height, width, channels = split.images.shape[1:]
    if (height, width, channels) == wanted and _leaves_as_is(trained.classifier.preprocessing):
        return split, ()
    if not trained.classifier.preprocessing.geometry.side:
        _refuse_other_size(trained, (height, width), name)
    colours = {1: "grey", 3: "RGB"}
    said = (
        f"the images of {width}x{height} pixels ({colours.get(channels, channels)}) are brought to"
        f" {wanted[1]}x{wanted[0]} ({colours[wanted[2]]}), as `predict` does"
    )
    return as_files(split), (said,)
