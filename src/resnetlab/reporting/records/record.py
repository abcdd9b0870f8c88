"""A finished run in one small file, from which tables and figures are made without the run.

NAME.json, at most 20 kB: what was trained on what and how, in full and by hash; by which code, where and
when; how it ended; its curves on a coarse grid. It is a function of the run's directory, so that whoever
writes it writes the same bytes. Version 1 was of rows of reproductions alone; it is version 2 without the
fields that have a default here. No torch.
"""

import hashlib
import json
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from resnetlab.base.plaindata import LATER, from_plain, to_plain
from resnetlab.base.reading.plain import parse_json, read_plain
from resnetlab.errors import DataError, UsageError
from resnetlab.network.spec import ModelSpec
from resnetlab.recipe import Recipe
from resnetlab.recipe.settings import recipe_from_json
from resnetlab.reporting.curves import Points

FORMAT, VERSION = "resnetlab result", 2
_READ = (1, 2)

MOST_BYTES = 20_000
_MOST_READ = 2**20
_MOST_IMAGES, _MOST_CLASSES = 10**7, 10**5
DATE = "%Y-%m-%dT%H:%M:%SZ"
"""How a record writes a moment."""


@dataclass(frozen=True, kw_only=True)
class Data:
    """What was trained and tested on."""

    name: str
    fingerprint: str
    content: str
    """`data.arrays.published.content_digest`."""
    train: int | None
    """Images that training drew from, validation images not counted; none if the run does not tell."""
    test: int
    classes: int
    val: int = 0
    image_shape: tuple[int, ...] = ()
    """Height, width, channels; of version 1 none is told."""


@dataclass(frozen=True, kw_only=True)
class Scores:
    """How the last step's network does on some images."""

    wrong: int
    seen: int
    loss: float

    @property
    def error(self) -> float:
        """In %."""
        return 100 * self.wrong / self.seen


@dataclass(frozen=True, kw_only=True)
class Ending:
    """What a reader of the test error must know of how the run ended."""

    weights: str = "weights"
    """Whose error it is: weights, or averaged weights."""
    plain_error: float | None = None
    """Of averaged weights: the test error in % of the others."""
    best_val_test_error: float | None = None
    """The test error in % of the weights that were best on the validation images."""
    stopped_on_test: bool = False
    stopped_early: bool = False
    bad_samples: int = 0
    """Broken images that were left out."""


@dataclass(frozen=True, kw_only=True)
class Before:
    """A run that this one went on from."""

    step: int
    length: str


@dataclass(frozen=True, kw_only=True)
class Best:
    """The least error of all evaluations, in %, and after which step."""

    error: float
    step: int


@dataclass(frozen=True, kw_only=True)
class Series:
    """An error in % over the steps."""

    step: tuple[float, ...] = ()
    error: tuple[float, ...] = ()

    @property
    def points(self) -> Points:
        """The same in pairs."""
        return tuple(zip(self.step, self.error, strict=True))


@dataclass(frozen=True, kw_only=True)
class Where:
    """On what it was made, and by which code."""

    device: str
    cpu: str
    cores: int
    threads: int
    system: str
    python: str
    torch: str
    resnetlab: str
    revision: str
    """Of the source tree, with "+" if it was changed; "" outside a checkout."""
    source: str
    """The SHA-256 of the package's files."""

    @property
    def machine(self) -> str:
        """The device, or the processor, in a line."""
        threads = f"{self.threads} thread{'s' * (self.threads != 1)}"
        return f"{self.cpu}, {threads}" if self.device == "cpu" else self.device


@dataclass(frozen=True, kw_only=True)
class Record:
    """A finished run."""

    reproduction: str = ""
    """Of what it is a part; "" of a run that is nothing's."""
    row: str
    """The row's name; of a run that is nothing's the name of its directory."""
    budget: str = ""
    seed: int
    network: dict[str, Any]
    """Its specification, as `ModelSpec.to_json`."""
    network_sha256: str
    recipe: dict[str, Any]
    """As spoken of in `recipe.settings.recipe_from_json`."""
    recipe_sha256: str
    data: Data
    steps: int
    epochs: float
    images: int | None
    """That training saw; none if the run does not tell."""
    seconds: float
    """Of all updates, without evaluations and saves."""
    test: Scores
    val: Scores | None = None
    """Of the last step on the validation images, if there are any."""
    ending: Ending = Ending()
    train_error: float
    """Of the last `train_steps` steps, augmented, as they were trained on; in %."""
    train_loss: float
    train_steps: int | None = None
    """Those since the last evaluation but one, or of the last epoch if that is much less; none, as in
    version 1, are the former."""
    best_test: Best | None
    """Of the evaluations during training, if they were of the test images."""
    best_val: Best | None = None
    """The same, if they were of the validation images."""
    best_train: Best
    test_curve: Series
    val_curve: Series = Series()
    train_curve: Series
    first_weights: str = ""
    """The hash of the trained weights that it began with; "" if it began with the seed's."""
    continued: tuple[Before, ...] = ()
    """The runs that it went on from, the newest first."""
    begun: str
    ended: str
    made: tuple[Where, ...]
    """Several where it was gone on with elsewhere, or by other code."""

    @property
    def spec(self) -> ModelSpec:
        """The network."""
        return ModelSpec.from_json(self.network)

    @property
    def settings(self) -> Recipe:
        """The recipe, whole."""
        return recipe_from_json(self.recipe)

    @property
    def name(self) -> str:
        """What its file is called, without the suffix."""
        return f"{self.row}-seed{self.seed}" if self.reproduction else self.row

    @property
    def key(self) -> str:
        """Return what two copies of one run share, and two runs never do."""
        return run_key(self.spec, self.settings, self.data.fingerprint, self.begun)

    @property
    def seconds_per_epoch(self) -> float:
        """Updates alone."""
        return self.seconds / self.epochs

    def content(self) -> bytes:
        """Return the file's bytes: a line for each value, in the order of their names, with a hash of all."""
        plain = {"format": FORMAT, "version": VERSION, **to_plain(self)}
        return _lines(plain | {"sha256": digest(plain)})


def run_key(spec: ModelSpec, recipe: Recipe, fingerprint: str, begun: str) -> str:
    """Return what two copies of one run share: network, recipe and seed, data, and when it was begun."""
    return digest([spec.to_json(), to_plain(recipe), fingerprint, begun])


def _compact(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(value: Any) -> str:
    """Return the SHA-256 of plain data."""
    return hashlib.sha256(_compact(value).encode()).hexdigest()


def _lines(plain: Mapping[str, Any]) -> bytes:
    inside = ",\n".join(f'"{name}":{_compact(plain[name])}' for name in sorted(plain))
    return f"{{\n{inside}\n}}\n".encode()


def read_record(path: Path) -> Record:
    """Return the record in a file.

    Raises:
        DataError: If it cannot be read, is none, was changed, or is of a later version.
    """
    try:
        plain = parse_json(read_plain(path, most=_MOST_READ))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    if not isinstance(plain, dict) or plain.get("format") != FORMAT:
        raise DataError(f"{path} is no record of a result", hint=_REMEDY)
    if type(plain.get("version")) is not int or plain["version"] not in _READ:
        raise DataError(f"{path} is a record of version {plain.get('version')!r}", hint=LATER)
    told = plain.pop("sha256", None)
    if told != digest(plain):
        raise DataError(
            f"{path} is damaged: its content is not that of which it holds the hash", hint=_REMEDY
        )
    del plain["format"], plain["version"]
    try:
        record = from_plain(Record, plain, "record")
        _refuse_impossible(record)
    except (UsageError, ValueError) as error:
        raise DataError(f"{path} is damaged: {error.args[0]}", hint=_REMEDY) from error
    return record


def _refuse_impossible(record: Record) -> None:
    """Raise UsageError if a record says what cannot be, of whoever made it."""
    hashes = {record.recipe_sha256: record.recipe, record.network_sha256: record.network}
    if any(told != digest(content) for told, content in hashes.items()):
        raise UsageError("recipe or network is not that of which it holds the hash")
    if problems := [*_impossible(record)]:
        raise UsageError("; ".join(problems))


def _is_date(text: str) -> bool:
    try:
        time.strptime(text, DATE)
    except ValueError:
        return False
    return True


def _impossible(record: Record) -> Iterator[str]:
    spec, settings = record.spec, record.settings
    for what, scores in (("test", record.test), ("validation", record.val)):
        if scores and (not 0 <= scores.wrong <= scores.seen or not scores.seen):
            yield f"{scores.wrong:,} of {scores.seen:,} {what} images wrong"
    errors = (
        record.train_error, record.ending.plain_error, record.ending.best_val_test_error,
        *(best.error for best in (record.best_test, record.best_val, record.best_train) if best),
    )  # fmt: skip
    if wrong := [error for error in errors if error is not None and not 0 <= error <= 100]:
        yield f"an error of {wrong[0]} %"
    if not 0 <= record.ending.bad_samples <= _MOST_IMAGES:
        yield f"{record.ending.bad_samples:,} broken images"
    for date in (record.begun, record.ended):
        if not _is_date(date):
            yield f"no date: {date!r}"
    if record.seed != settings.run.seed:
        yield f"seed {record.seed}, and {settings.run.seed} in the recipe"
    if not 0 < record.data.classes <= min(spec.classes, _MOST_CLASSES):
        yield f"{record.data.classes} classes, and {spec.classes} of the network"
    if record.data.image_shape and (len(record.data.image_shape) != 3 or min(record.data.image_shape) < 1):
        yield f"images of {record.data.image_shape}"
    if record.steps < 1 or not 0 < record.epochs < math.inf or not 0 <= record.seconds < math.inf:
        yield f"{record.steps} steps, {record.epochs} epochs in {record.seconds} s"
    if not record.made:
        yield "nothing of where it was made"
    for series in (record.test_curve, record.val_curve, record.train_curve):
        if len(series.step) != len(series.error):
            yield f"{len(series.step)} steps and {len(series.error)} errors in a curve"
        elif not all(0 <= error <= 100 for error in series.error):
            yield "an error that is not from 0 to 100 % in a curve"
        elif not all(0 <= step <= later <= record.steps for step, later in pairwise((0, *series.step))):
            yield f"a curve whose steps do not lie in order up to {record.steps:,}"


_REMEDY = "Move it away; `resnetlab report RUN --record-to DIR` writes it anew, or a copy has it."
