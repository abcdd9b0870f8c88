"""load_artefact: a run, a checkpoint, a model folder or one of our safetensors files, ready for use."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from resnetlab.base.paths import user_path
from resnetlab.base.reading.plain import read_plain
from resnetlab.data.batches.preprocessing import Preprocessing
from resnetlab.data.sources.choices import FILE
from resnetlab.errors import CheckpointError, DataError, UsageError, one_of
from resnetlab.network.spec import ModelSpec
from resnetlab.runs.checkpoint import Checkpoint, load_checkpoint, load_newest
from resnetlab.runs.directory import RunDirectory, is_run, open_run
from resnetlab.runs.manifest import NAME
from resnetlab.trained.artefact.class_names import name_classes
from resnetlab.trained.artefact.folder import from_safetensors, is_described, is_folder, read_folder
from resnetlab.trained.artefact.model import DAMAGE, Artefact, fit_geometry
from resnetlab.trained.artefact.places import looking_at

WEIGHTS = ("auto", "plain", "averaged")
_MEANT = {"ema": "averaged", "average": "averaged", "raw": "plain", "model": "plain"}


def load_artefact(path: Path | str, *, weights: str = "auto") -> Artefact:
    """Return the trained network at `path`.

    Args:
        path: A run's directory (its newest checkpoint is taken), one of its checkpoints, a model
            folder, or a safetensors file that `resnetlab export` wrote.
        weights: Of a run: "plain", "averaged", or "auto": averaged if there are any.

    Raises:
        UsageError: If there is no such thing at `path`.
        CheckpointError: If it is damaged.
        DataError: If the run is not whole.
    """
    path = user_path(path)
    one_of("weights", weights, WEIGHTS, _MEANT)
    with looking_at(path):
        if not path.exists():
            raise UsageError(f"there is no run, model folder or file at {path}")
        has_checkpoints = path.is_dir() and not is_folder(path)
    if has_checkpoints:
        return _from_run(path, weights)
    refuse_choice(path, weights)
    if path.is_dir():
        return read_folder(path)
    if path.suffix == ".safetensors" or is_described(path):
        return from_safetensors(_read(path), str(path))
    if path.suffix.lower() == ".onnx":
        raise UsageError(
            f"{path}: an ONNX file holds a finished graph, no weights for this",
            hint="Take the run or the model folder that it was exported from.",
        )
    raise UsageError(
        f"{path} is no run, no checkpoint and no model folder",
        hint="`resnetlab import FILE -o FOLDER` makes a model folder from the weights of others.",
    )


def refuse_choice(path: Path, weights: str) -> None:
    """Raise UsageError if `weights` chooses where there is no choice: what is no run holds one set."""
    one_of("weights", weights, WEIGHTS, _MEANT)
    if weights != "auto":
        raise UsageError(f"{path} is no run: it holds one set of weights, and not {weights} ones")


def is_artefact(path: Path) -> bool:
    """Return whether `load_artefact` takes what lies at `path`: something of ours, not of another program.

    A file's content tells, not its name: read as another program's, it would lose its preprocessing.
    """
    with looking_at(path):
        if path.is_dir():
            return is_folder(path) or (path / NAME).exists() or is_run(path)
        return path.is_file() and is_described(path)


def _read(path: Path) -> bytes:
    try:
        return read_plain(path)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise CheckpointError(f"{path}: cannot be read: {error}") from error


def find_checkpoint(path: Path) -> tuple[RunDirectory, Checkpoint, list[str]]:
    """Return a run, its newest checkpoint that verifies or the one at `path`, and what is wrong with newer.

    Raises:
        UsageError: If there is no run.
        CheckpointError: If no checkpoint can be used, or it is another run's.
    """
    if (path / NAME).exists():
        run, chosen = open_run(path.absolute().parent.parent), load_checkpoint(path)
        if chosen.identity != run.identity():
            raise CheckpointError(f"{path} is another run's checkpoint, not one of {run.path}")
        return run, chosen, []
    run = open_run(path)
    checkpoint, problems = load_newest(run.checkpoints, identity=run.identity())
    if checkpoint is None:
        why = "; ".join(problems) or "none was written yet"
        raise CheckpointError(f"no usable checkpoint in {run.checkpoints}: {why}")
    return run, checkpoint, problems


def choose_weights(checkpoint: Checkpoint, weights: str) -> str:
    """Return the group of tensors that `weights` ("auto", "plain", "averaged") asks for.

    Raises:
        UsageError: If there is no such choice, or the run kept no averaged ones.
    """
    one_of("weights", weights, WEIGHTS, _MEANT)
    if weights == "averaged" and "ema" not in checkpoint.tensors:
        raise UsageError("the run kept no averaged weights (its ema_decay is 0)")
    return "ema" if "ema" in checkpoint.tensors and weights != "plain" else "model"


def _from_run(path: Path, weights: str) -> Artefact:
    run, checkpoint, problems = find_checkpoint(path)
    return artefact_of(run, checkpoint, choose_weights(checkpoint, weights), problems)


def artefact_of(
    run: RunDirectory, checkpoint: Checkpoint, group: str, problems: Sequence[str] = ()
) -> Artefact:
    """Return the network in a run's checkpoint.

    Args:
        run: The run.
        checkpoint: One of its checkpoints.
        group: Its tensors, as `choose_weights` gives them.
        problems: What is wrong with newer checkpoints, for the notes.

    Raises:
        DataError: If the run is not whole.
    """
    with run.telling_of("spec"):
        spec = ModelSpec.from_json(run.read("spec"))
    recorded = run.read("data")
    try:
        height, width, channels = recorded["image_shape"]
        preprocessing = Preprocessing.from_json(recorded["preprocessing"])
        names = recorded["class_names"]
    except UsageError as error:
        raise DataError(f"{run.path / 'data.json'}: {error.args[0]}", hint=error.hint) from error
    except DAMAGE as error:
        raise DataError(f"{run.path / 'data.json'} is damaged: {error!r}") from error
    if preprocessing.geometry.side:
        height = width = preprocessing.geometry.side
    shape = (int(height), int(width), int(channels))
    try:
        return Artefact(
            spec=spec,
            class_names=name_classes(names, spec.classes),
            preprocessing=fit_geometry(preprocessing, shape),
            image_shape=shape,
            origin=f"the run {run.path.absolute().name}, step {checkpoint.step:,}",
            facts=_facts(run, checkpoint, group, recorded),
            tensors=checkpoint.tensors[group],
            notes=tuple(f"A newer checkpoint cannot be used. {problem}" for problem in problems),
            run=run.path,
        )
    except UsageError as error:
        raise DataError(f"{run.path} is damaged: {error.args[0]}", hint=error.hint) from error
    except DAMAGE as error:
        raise DataError(f"{run.path} is damaged: {error!r}") from error


def _facts(run: RunDirectory, checkpoint: Checkpoint, group: str, recorded: dict[str, Any]) -> dict[str, Any]:
    facts = {
        "data": recorded["name"],
        "fingerprint": recorded["fingerprint"],
        "recipe": run.read("recipe").get("name", ""),
        "step": checkpoint.step,
        "identity": checkpoint.identity,
        "weights": "averaged weights" if group == "ema" else "weights",
    }
    if held_out := recorded.get("val_indices"):  # chosen by their number and the seed
        facts |= {"val": len(held_out), "seed": run.read("recipe").get("run", {}).get("seed", 0)}
    if choices := recorded.get("choices"):  # of a file its name alone: its lines are the class names
        facts["choices"] = choices | {name: Path(choices[name]).name for name in choices if name == FILE}
    if share := run.read("recipe").get("preparation", {}).get("bad_samples", 0.0):
        facts["bad_samples"] = share
    if run.is_finished:
        result = run.read("RESULT")
        if (result.get("step"), result.get("weights")) == (checkpoint.step, facts["weights"]):
            facts |= {name: result[name] for name in ("accuracy", "correct", "seen", "loss")}
    return facts
