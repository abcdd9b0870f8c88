"""open_artefact: any trained network, ours or of another program, ready for use."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

from resnetlab.base.paths import user_path
from resnetlab.errors import UsageError
from resnetlab.network.catalog import model_spec
from resnetlab.runs.directory import is_run, meant_run
from resnetlab.runs.manifest import NAME
from resnetlab.trained.artefact.folder import is_folder
from resnetlab.trained.artefact.imported import import_weights
from resnetlab.trained.artefact.loading import is_artefact, load_artefact, refuse_choice
from resnetlab.trained.artefact.model import Artefact
from resnetlab.trained.artefact.places import looking_at
from resnetlab.weights.facts.published import PREFIXES, meant_by
from resnetlab.weights.files.reading import is_folder_of_weights

Kind = Literal["run", "part of a checkpoint", "ours", "foreign", "published"]

_PUBLISHED = ("hf:", *PREFIXES, "http:", "https:")
_GROUPS = {"model.safetensors": "plain", "ema.safetensors": "averaged"}


def kind_of(name: str) -> Kind:
    """Return what a path or a name stands for.

    "run" is a run or a checkpoint, "ours" a model folder or a file of ours, "foreign" weights of another
    program, which `import_weights` reads, "published" such that must be downloaded.

    Raises:
        UsageError: If there is no such thing.
    """
    if name.startswith(_PUBLISHED):
        return "published"
    path = user_path(name)
    with looking_at(path):
        if path.is_dir():
            if is_run(path) or (not is_folder(path) and (path / NAME).exists()):
                return "run"
            if is_folder(path):
                return "ours"
            is_foreign = (path / "config.json").is_file() or is_folder_of_weights(path)
            return "foreign" if is_foreign else "run"
        if path.suffix.lower() == ".onnx" or is_artefact(path):
            return "ours"
        if path.is_file() and (path.parent / NAME).is_file() and not is_folder(path.parent):
            return "part of a checkpoint"
        if not path.exists() and not path.with_name(f"{path.name}.index").is_file():
            raise UsageError(
                f"no run at {path}, no model folder and no file: there is no such path",
                hint=_instead_of(name) or meant_run(path),
            )
    return "foreign"


def _instead_of(name: str) -> str:
    """Return what is to be named instead of a network, which has learnt nothing; of another name ""."""
    try:
        network = model_spec(name).name
    except UsageError:
        return ""
    published = f", or weights that others publish: {meant}" if (meant := meant_by(network)) else ""
    return f"{network} is a network without weights. Name a run of it{published}."


def group_of(path: Path) -> str:
    """Return which weights of a checkpoint the file in it holds: "plain" or "averaged".

    Raises:
        UsageError: If it holds none.
    """
    if path.name not in _GROUPS:
        raise UsageError(f"{path} holds no weights", hint=f"In a checkpoint that do {', '.join(_GROUPS)}.")
    return _GROUPS[path.name]


def open_artefact(name: str | Path, *, weights: str = "auto") -> Artefact:
    """Return the trained network that a path or a published name stands for.

    Args:
        name: What `load_artefact` takes, a file of weights in a checkpoint, or weights of another program,
            which are read as `import` reads them; the notes say how.
        weights: Of a run: "plain", "averaged", or "auto": averaged if there are any.

    Raises:
        UsageError: If there is no such thing.
        CheckpointError: If it is damaged, or another network.
        DataError: If a run is not whole.
    """
    kind, path = kind_of(str(name)), user_path(name)
    if kind == "part of a checkpoint":
        refuse_choice(path, weights)
        return load_artefact(path.parent, weights=group_of(path))
    if kind in ("run", "ours"):
        return load_artefact(path, weights=weights)
    refuse_choice(path, weights)
    artefact, report = import_weights(path if kind == "foreign" else name)
    note = f"read as `resnetlab import` reads it: {report.spec.name}, {report.naming.dialect.title}"
    return replace(artefact, notes=(note, *report.notes, *artefact.notes))
