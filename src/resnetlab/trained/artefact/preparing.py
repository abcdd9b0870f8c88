"""What a user says of how a foreign network's images were prepared, where its file tells it not or wrong."""

from dataclasses import dataclass, replace
from math import isfinite

from resnetlab.base.paths import user_path
from resnetlab.data.batches.normalise import Normaliser
from resnetlab.data.batches.preprocessing import INTERPOLATIONS, Preprocessing
from resnetlab.data.open import open_data
from resnetlab.data.sources.wanted import Wanted
from resnetlab.errors import UsageError, nearest
from resnetlab.recipe import Normalisation
from resnetlab.trained.artefact.loading import is_artefact, load_artefact
from resnetlab.trained.artefact.onnx_model import load_onnx
from resnetlab.weights.facts.naming import InputFacts
from resnetlab.weights.facts.preprocessings import BY_NAME


@dataclass(frozen=True, kw_only=True)
class Images:
    """How images were prepared, as far as a user says it; the rest is what the file tells.

    Raises:
        UsageError: If a value cannot be; all problems are named.
    """

    like: str = ""
    """One of `BY_NAME`, or a run, a model folder or file of ours whose preprocessing it is."""
    mean: tuple[float, ...] = ()
    """For each channel, red first, or one for all; of pixels from 0 to 1, or to 255 if one of mean and
    std is above 1."""
    std: tuple[float, ...] = ()
    """Likewise."""
    resize: int | None = None
    """What the shorter side is brought to, in pixels."""
    crop: int | None = None
    """Side of the square that is cut out of the middle: the network's input."""
    interpolation: str = ""
    """One of `INTERPOLATIONS`."""
    mean_image: str = ""
    """Data whose training images' mean image is taken off."""

    def __post_init__(self) -> None:
        problems = [
            f"{name} has {values}, which {'are no numbers' if name == 'mean' else 'are not all positive'}"
            for name, values in (("mean", self.mean), ("std", self.std))
            if not all(isfinite(value) and (name == "mean" or value > 0) for value in values)
        ]
        sides = (("resize", self.resize), ("crop", self.crop))
        problems += [f"{name} {n} is no number of pixels" for name, n in sides if n is not None and n < 1]
        if self.interpolation and self.interpolation not in INTERPOLATIONS:
            problems.append(f"interpolation {self.interpolation!r} is none of {', '.join(INTERPOLATIONS)}")
        if problems:
            raise UsageError("; ".join(problems))


@dataclass(frozen=True)
class Prepared:
    """What becomes of images, in the end."""

    facts: InputFacts
    normaliser: Normaliser | None = None
    """Of what it is like, where that is more than `facts` can say: a mean image."""
    notes: tuple[str, ...] = ()
    """What the user said of it."""


def prepare(told: InputFacts, given: Images, *, channels: int, side: int) -> Prepared:
    """Return what the file tells with what the user says put into it.

    Args:
        told: What the file tells, or what is taken for it.
        given: What the user says.
        channels: Of the network's images.
        side: Of its images in pixels, where nobody says another.

    Raises:
        UsageError: If they do not fit together.
        CheckpointError: If what it shall be like is damaged.
        DataError: If the data of the mean image cannot be read.
    """
    facts, normaliser, notes = _like(told, given.like, side) if given.like else (told, None, [])
    if given.mean_image:
        normaliser, said = _less_mean_image(facts, given.mean_image, (side, side, channels))
        notes.append(said)
    if given.mean or given.std:
        facts, said = _normalised(facts, given, channels)
        normaliser = None
        notes.append(said)
    sizes = {"resize": given.resize, "crop": given.crop, "interpolation": given.interpolation or None}
    if chosen := {name: value for name, value in sizes.items() if value is not None}:
        facts = _sized(facts, given, side)
        told_sizes = {name: getattr(facts, name) for name in {**chosen, "resize": 0, "crop": 0}}
        notes.append(f"images as given: {', '.join(f'{name} {value}' for name, value in told_sizes.items())}")
    return Prepared(facts, normaliser, tuple(notes))


def _like(told: InputFacts, like: str, side: int) -> tuple[InputFacts, Normaliser | None, list[str]]:
    """Return the preprocessing of that name or place; images of a small network stay small."""
    if like in BY_NAME:
        facts, normaliser = BY_NAME[like], None
    else:
        facts, normaliser = _of_artefact(like)
    notes = [f"the preprocessing is {like}'s, as given"]
    if facts.crop is None or (told.crop is None and side != facts.crop and like in BY_NAME):
        if facts.crop is not None:
            notes.append(f"its size is left out: the network takes {side} px")
        facts = replace(facts, resize=told.resize, crop=told.crop, interpolation=told.interpolation)
    return facts, normaliser, notes


def _of_artefact(like: str) -> tuple[InputFacts, Normaliser | None]:
    path = user_path(like)
    if path.suffix.lower() == ".onnx" and path.is_file():
        own = load_onnx(path).description.preprocessing
    elif is_artefact(path):
        own = load_artefact(path).preprocessing
    else:
        guess = nearest(like, BY_NAME)
        raise UsageError(
            f"no preprocessing is called {like!r}, and no run or model folder lies there",
            hint=f"{guess} There are {', '.join(BY_NAME)}.".strip(),
        )
    return _facts_of(own), own.normaliser


def _less_mean_image(facts: InputFacts, data: str, shape: tuple[int, int, int]) -> tuple[Normaliser, str]:
    """Return the normaliser that takes off the mean of data's training images, and a remark."""
    if facts.normalise != "per-pixel-mean":
        raise UsageError(
            "images of this network were not less a mean image, as Keras' example and chao-ji's are",
            hint="Give --mean and --std, or --like NAME.",
        )
    source = open_data(data, Wanted(download=False))
    if source.reads_files or source.train.image_shape != shape:
        made = "of several sizes, in files" if source.reads_files else f"of {source.train.image_shape}"
        raise UsageError(f"the images of {data} are {made}, the network takes such of {shape}")
    normaliser = Normaliser.fit(
        Normalisation(normalise="per-pixel-mean", pixel_range=facts.pixel_range), source.train.images
    )
    return (
        normaliser,
        f"less the mean image of {len(source.train):,} training images of {source.name}, as given",
    )


def _facts_of(own: Preprocessing) -> InputFacts:
    """Return a preprocessing of ours in the words of foreign ones; a mean image has no place there."""
    normaliser, geometry = own.normaliser, own.geometry
    kind = normaliser.kind
    mean, std = (
        tuple(values.tolist()) if values is not None and values.ndim == 1 else ()
        for values in (normaliser.mean, normaliser.std)
    )
    if kind == "none":
        mean, std = (0.0,) * own.channels, (1.0,) * own.channels
    return InputFacts(
        normalise=kind if kind in ("per-image", "per-pixel-mean") else "channel",  # type: ignore[arg-type]
        pixel_range=normaliser.pixel_range,
        mean=mean,
        std=std,
        resize=geometry.resize or None,
        crop=geometry.side or None,
        interpolation=geometry.interpolation,
    )


def _normalised(facts: InputFacts, given: Images, channels: int) -> tuple[InputFacts, str]:
    """Return the facts with the mean and the standard deviations that are given, and a remark."""
    numbers = {"mean": given.mean, "std": given.std}
    for name, values in numbers.items():
        if len(values) not in (0, 1, channels):
            raise UsageError(f"{len(values)} numbers for {name}, but the images have {channels} channels")
    missing = [name for name, values in numbers.items() if not values]
    is_known = facts.is_told and facts.normalise == "channel" and facts.pixel_range == 1
    if missing and not (is_known and getattr(facts, missing[0])):
        raise UsageError(f"{missing[0]} is not known", hint="Give mean and std, both.")
    pixel_range = 255 if max((*given.mean, *given.std)) > 1 else 1
    if missing and pixel_range != facts.pixel_range:
        raise UsageError(
            f"{missing[0]} is known for pixels from 0 to 1 only", hint="Give mean and std, both."
        )
    chosen = {name: each * (channels if len(each) == 1 else 1) for name, each in numbers.items() if each}
    words = " and ".join(f"{name} {', '.join(f'{x:g}' for x in each)}" for name, each in chosen.items())
    changed = replace(facts, normalise="channel", pixel_range=pixel_range, is_told=True, **chosen)  # type: ignore[arg-type]
    return changed, f"{words} as given, of pixels from 0 to {pixel_range}"


def _sized(facts: InputFacts, given: Images, side: int) -> InputFacts:
    """Return the facts with the sizes that are given; a crop alone keeps its share of the resized image."""
    crop = given.crop or facts.crop or side
    resize = given.resize
    if resize is None:
        resize = round((facts.resize or crop) * crop / facts.crop) if facts.crop else crop
    if resize < crop:
        raise UsageError(
            f"resize {resize} is below the crop of {crop} px",
            hint=f"Give both, as --resize {resize} --crop N.",
        )
    interpolation = given.interpolation or facts.interpolation
    return replace(facts, resize=resize, crop=crop, interpolation=interpolation)
