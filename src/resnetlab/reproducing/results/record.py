"""A finished run of a reproduction in one small file, from which tables and figures are made without the run.

NAME.json, at most 20 kB: what was trained on what and how, in full and by hash; by which code, where and
when; how it ended; its curves on a coarse grid. It is a function of the run's directory, so that whoever
writes it writes the same bytes. No torch.
"""

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resnetlab.base.plaindata import LATER, from_plain, to_plain
from resnetlab.errors import DataError, UsageError
from resnetlab.network.spec import ModelSpec
from resnetlab.recipe import Recipe
from resnetlab.recipe.settings import recipe_from_json
from resnetlab.reporting.curves import Points, curves_of
from resnetlab.reporting.groups import group_runs
from resnetlab.reporting.growing import Row
from resnetlab.reporting.reading import RecordedRun
from resnetlab.runs.plain_reading import parse_json, read_plain

FORMAT, VERSION = "resnetlab result", 1

MOST_BYTES = 20_000
_MOST_READ = 2**20
_POINTS, _DIGITS = 240, 4
"""Of a curve: the papers' 164 epochs have as many evaluations; more digits are less than a test image."""


@dataclass(frozen=True, kw_only=True)
class Data:
    """What was trained and tested on."""

    name: str
    fingerprint: str
    content: str
    """`published_data.content_digest`."""
    train: int
    test: int
    classes: int


@dataclass(frozen=True, kw_only=True)
class Scores:
    """How the last step's network does on the test images."""

    wrong: int
    seen: int
    loss: float

    @property
    def error(self) -> float:
        """In %."""
        return 100 * self.wrong / self.seen


@dataclass(frozen=True, kw_only=True)
class Best:
    """The least error of all evaluations, in %, and after which step."""

    error: float
    step: int


@dataclass(frozen=True, kw_only=True)
class Series:
    """An error in % over the steps."""

    step: tuple[float, ...]
    error: tuple[float, ...]

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

    reproduction: str
    row: str
    budget: str
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
    images: int
    """That training saw."""
    seconds: float
    """Of all updates, without evaluations and saves."""
    test: Scores
    train_error: float
    """Of the steps since the last evaluation but one, augmented, as they were trained on; in %."""
    train_loss: float
    best_test: Best
    best_train: Best
    test_curve: Series
    train_curve: Series
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
        return f"{self.row}-seed{self.seed}"

    @property
    def seconds_per_epoch(self) -> float:
        """Updates alone."""
        return self.seconds / self.epochs

    def content(self) -> bytes:
        """Return the file's bytes: a line for each value, in the order of their names, with a hash of all."""
        plain = {"format": FORMAT, "version": VERSION, **to_plain(self)}
        return _lines(plain | {"sha256": _digest(plain)})


def record_of(
    run: RecordedRun, *, reproduction: str, row: str, budget: str, sizes: tuple[int, int], content: str
) -> Record:
    """Return the record of a finished run.

    Args:
        run: The run.
        reproduction: The name of what it is a part of.
        row: Its row's name.
        budget: The budget's name.
        sizes: How many images there are to train and to test.
        content: The data's `content_digest`.

    Raises:
        DataError: If its directory tells too little: no evaluation with a training error, no environment.
    """
    (curve,) = curves_of(group_runs([run]))
    tests = [each for each in run.evaluations if "train_accuracy" in each]
    made = _made(run.events)
    if not tests or not made:
        raise DataError(
            f"{run.path} tells too little for a record: "
            + ("no evaluation with a training error" if not tests else "events.jsonl has no environment"),
            hint="Move it away to have that run made anew.",
        )
    result, last = run.result, tests[-1]
    return Record(
        reproduction=reproduction,
        row=row,
        budget=budget,
        seed=run.seed,
        network=run.spec.to_json(),
        network_sha256=_digest(run.spec.to_json()),
        recipe=to_plain(run.recipe),
        recipe_sha256=_digest(to_plain(run.recipe)),
        data=Data(
            name=str(run.data["name"]),
            fingerprint=str(run.data["fingerprint"]),
            content=content,
            train=sizes[0],
            test=sizes[1],
            classes=len(run.data["class_names"]),
        ),
        steps=run.step,
        epochs=round(float(result["epochs"]), 6),
        images=round(float(result["epochs"]) * sizes[0]),
        seconds=round(float(result["train_seconds"]), 1),
        test=Scores(
            wrong=result["seen"] - result["correct"], seen=result["seen"], loss=_short(result["loss"])
        ),
        train_error=_short(_train_error(last)),
        train_loss=_short(last["train_loss"]),
        best_test=_best(run.evaluations, _test_error),
        best_train=_best(tests, _train_error),
        test_curve=_series(curve.test.mean),
        train_curve=_series(curve.train.mean),
        begun=_date(run.events[0]["time"]),
        ended=_date(run.events[-1]["time"]),
        made=made,
    )


def _test_error(row: Row) -> float:
    return 100 * (1 - float(row["accuracy"]))


def _train_error(row: Row) -> float:
    return 100 * (1 - float(row["train_accuracy"]))


def _short(value: float) -> float:
    """Return six significant digits of a number."""
    return float(f"{value:.6g}")


def _best(rows: Sequence[Row], error: Callable[[Row], float]) -> Best:
    least = min(rows, key=error)
    return Best(error=_short(error(least)), step=int(least["step"]))


def _series(points: Points) -> Series:
    every = -(-len(points) // _POINTS)
    kept = points[::-1][::every][::-1]  # the last one too; of all seeds the same
    return Series(
        step=tuple(float(step) for step, _ in kept),
        error=tuple(float(f"{error:.{_DIGITS}g}") for _, error in kept),
    )


def _date(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _made(events: Sequence[Row]) -> tuple[Where, ...]:
    """Return each different environment that the run was made in, in their order."""
    found: dict[Where, None] = {}
    for event in events:
        told = event.get("environment")
        if isinstance(told, Mapping):
            packages = told.get("packages") or {}
            where = Where(
                device=str(told.get("device", "")),
                cpu=str(told.get("cpu", "")),
                cores=int(told.get("cores") or 0),
                threads=int(told.get("threads") or 0),
                system=str(told.get("platform", "")),
                python=str(told.get("python", "")),
                torch=str(told.get("torch", "")),
                resnetlab=str(packages.get("resnetlab", "")),
                revision=str(told.get("revision", "")),
                source=str(told.get("source", "")),
            )
            found[where] = None
    return tuple(found)


def _compact(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _digest(value: Any) -> str:
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
    if plain.get("version") != VERSION:
        raise DataError(f"{path} is a record of version {plain.get('version')!r}", hint=LATER)
    told = plain.pop("sha256", None)
    if told != _digest(plain):
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
    test, _ = record.test, (record.spec, record.settings)
    if not 0 <= test.wrong <= test.seen or not test.seen:
        raise UsageError(f"{test.wrong:,} of {test.seen:,} test images wrong")
    hashes = {record.recipe_sha256: record.recipe, record.network_sha256: record.network}
    if any(told != _digest(content) for told, content in hashes.items()):
        raise UsageError("recipe or network is not that of which it holds the hash")
    for series in (record.test_curve, record.train_curve):
        if len(series.step) != len(series.error):
            raise UsageError(f"{len(series.step)} steps and {len(series.error)} errors in a curve")


_REMEDY = "Move it away; the run's directory, or a copy, has it anew."
