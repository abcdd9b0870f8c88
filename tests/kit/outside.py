"""Every reader of bytes from outside: how to make a small whole file for it, and how it reads."""

import contextlib
import gzip
import hashlib
import importlib
import json
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch

from resnetlab.board.folder import Folder
from resnetlab.cli import main
from resnetlab.cli.given_classes import read_class_names
from resnetlab.data.arrays.cifar import CIFAR10_NAMES
from resnetlab.data.folders.imagenet_devkit import DEVKIT, TRUTH, read_truth
from resnetlab.data.images.decode import decode
from resnetlab.data.open import open_source
from resnetlab.data.sources.choices import Choices
from resnetlab.data.sources.source import Split
from resnetlab.errors import CheckpointError, Interrupted
from resnetlab.evaluation.answers import read_answers
from resnetlab.explaining.contents import FORMAT, VERSION
from resnetlab.explaining.measuring import with_digest
from resnetlab.explaining.study import DATA, measured_before
from resnetlab.reporting import report
from resnetlab.reporting.comparing.sides import find_sides
from resnetlab.reporting.records.record import Record, digest, read_record
from resnetlab.reproducing.results.responses import LayerResponses, profile_of, read_responses
from resnetlab.runs.checkpoint import load_newest
from resnetlab.runs.directory import RunDirectory
from resnetlab.tracking.following import Followed
from resnetlab.trained.artefact import Artefact
from resnetlab.trained.artefact.loading import load_artefact
from resnetlab.trained.artefact.onnx_contents import read_onnx_contents
from resnetlab.trained.artefact.onnx_model import load_onnx
from resnetlab.trained.checkpoint_curve import Asked as CurveAsked
from resnetlab.trained.checkpoint_curve import score_checkpoints
from resnetlab.trained.export.triton import CONFIG, LABELS, _new, next_version
from resnetlab.trained.predict.reading import read_file
from resnetlab.training.asking import Asked
from resnetlab.training.first_weights import Beginning, read_beginning, write_beginning
from resnetlab.training.observer import Observer
from resnetlab.training.run import resume_run
from resnetlab.training.studies.rows import read_rows_of
from resnetlab.verifying import verify
from resnetlab.verifying.seal import seal_run
from resnetlab.weights.files.reading import read_weight_file
from resnetlab.weights.loading import open_weights
from tests.kit.artefacts import small_artefact
from tests.kit.imagenet_downloads import devkit, write_imagenet_tars
from tests.kit.interrupted_runs import StopAt
from tests.kit.kept_evaluations import write_evaluation
from tests.kit.pictures import picture, write_folder
from tests.kit.reported_runs import edit, read
from tests.kit.tars import write_tar
from tests.kit.tensorflow_checkpoints import write_bundle
from tests.kit.tfrecords import write_shards
from tests.kit.torch_files import save

OLD = Path(__file__).parents[1] / "old_files"
RUN, INTERRUPTED = OLD / "0.1.0/run", OLD / "0.1.0/interrupted"


@dataclass(frozen=True, kw_only=True)
class Reader:
    """A way in for bytes from outside."""

    make: Callable[[Path], object]
    """Makes all that is read in an empty folder."""
    file: str
    """Which of it is damaged: a path in that folder."""
    read: Callable[[Path], object]
    """Reads it, given the folder."""
    kind: str = "bytes"
    """Or json, or text, by which it is damaged."""
    fit: Callable[[Path], object] = lambda folder: None
    """Makes sums right that stand elsewhere."""
    about: str = ""
    """A pattern of what an error names, if not the file."""
    waits_for_pipes: bool = False
    """A pipe is read, for whose writer it waits."""
    is_slow: bool = False
    """It takes so long that few damages are tried in short."""


# Runs, and what is said of them.


def _copied(source: Path, name: str) -> Callable[[Path], object]:
    def make(folder: Path) -> None:
        shutil.copytree(source, folder / name)

    return make


def _evaluated_run(folder: Path) -> None:
    shutil.copytree(RUN, folder / "run")
    shutil.rmtree(folder / "run/eval")
    names = [str(number) for number in range(10)]
    scores = write_evaluation(folder / "run", names, step=8, each=3, wrong=1, pictures=2) / "scores.json"
    edit(scores, fingerprint=read(RUN / "data.json")["fingerprint"], checkpoint="c")
    (folder / "run/samples.png").write_bytes(picture(form="PNG"))
    samples = {"picture": "samples.png", "side": 32, "columns": 1, "samples": [{"class": "1", "place": "x"}]}
    (folder / "run/samples.json").write_text(json.dumps(samples))


def _evaluated_twice(folder: Path) -> None:
    _evaluated_run(folder)
    shutil.copytree(folder / _EVALUATION, folder / "other")


def _page(folder: Path) -> None:
    shown = report(folder / "run")
    str(shown)
    shown.page(folder / "page.html")


def _board(folder: Path) -> None:
    Folder(folder).look()


def _go_on(folder: Path) -> None:
    with contextlib.suppress(Interrupted):
        resume_run(folder / "run", StopAt(6), device="cpu", workers=0)


def _fitted(run: Path) -> None:
    """Make the manifests say what lies there, as of this run."""
    for manifest in run.glob("checkpoints/*/MANIFEST.json"):
        content = json.loads(manifest.read_bytes())
        content["identity"] = _identity(run)
        for path in manifest.parent.iterdir():
            if path.name in content["files"] and path.is_file() and path.stat().st_size < 2**30:
                sums = {"bytes": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
                content["files"][path.name] = sums
        manifest.write_text(json.dumps(content))


def _identity(run: Path) -> str:
    try:
        return RunDirectory(run).identity()
    except Exception:  # what is to be found is found by who reads
        return ""


def _fit_run(folder: Path) -> None:
    _fitted(folder / "run")


def _newest(folder: Path) -> None:
    checkpoint, problems = load_newest(folder / "run/checkpoints")
    if checkpoint is None:
        raise CheckpointError("; ".join(problems))


def _network(path: str) -> Callable[[Path], object]:
    return lambda folder: load_artefact(folder / path).model()


def _verified(folder: Path) -> None:
    str(verify(folder / "run"))


def _sealed_run(folder: Path) -> None:
    shutil.copytree(RUN, folder / "run")
    seal_run(RunDirectory(folder / "run"))


def _longer_run(folder: Path) -> None:
    _went_on(RUN, folder)


def _longer_interrupted(folder: Path) -> None:
    _went_on(INTERRUPTED, folder)


def _went_on(run: Path, folder: Path) -> None:
    shutil.copytree(run, folder / "run")
    before = {"from": "before", "text": "before from step 4 on", "identity": "0" * 64, "step": 4,
              "length": "4st", "before": []}  # fmt: skip
    (folder / "run/continues.json").write_text(json.dumps(before))


def _begun_run(folder: Path) -> None:
    """A run that begins with trained weights, before its first checkpoint."""
    shutil.copytree(INTERRUPTED, folder / "run")
    shutil.rmtree(folder / "run/checkpoints")
    edit(folder / "run/data.json", begins_trained=True)
    report = {"matched": ["stem.conv.weight"]}
    write_beginning(RunDirectory(folder / "run"), Beginning(_tensors(), "net.safetensors", report))


def _fit_beginning(folder: Path) -> None:
    told, weights = folder / "run/weights.json", folder / "run/initial.safetensors"
    if weights.is_file() and weights.stat().st_size < 2**30:
        edit(told, sha256=hashlib.sha256(weights.read_bytes()).hexdigest())


def _scored_run(folder: Path) -> None:
    """Its one checkpoint is scored: nothing is computed again unless the rows are damaged."""
    shutil.copytree(RUN, folder / "run")
    score_checkpoints(folder / "run", CurveAsked(workers=0, device="cpu", out=str(folder / "curve")))


def _scored_again(folder: Path) -> None:
    asked = CurveAsked(workers=0, device="cpu", out=str(folder / "curve"))
    curve = score_checkpoints(folder / "run", asked)
    assert [(row["step"], row["correct"], row["seen"]) for row in curve.rows] == [(8, _CORRECT, _SEEN)]


def _followed(folder: Path) -> None:
    shutil.copytree(INTERRUPTED, folder / "run")
    (folder / "run/trackers.json").write_text(json.dumps({"tensorboard": {}, "wandb": {"id": "a"}}))


def _follow(folder: Path) -> None:
    followed = Followed(Observer(), None)
    followed.begin({"run": str(folder / "run")}, step=0, num_steps=1)


def _shown(folder: Path) -> None:
    main(["show", str(folder / "run"), "--full", "--debug"])


def _two_runs(folder: Path) -> None:
    for name in ("run", "other"):
        shutil.copytree(RUN, folder / name)


def _shown_beside(folder: Path) -> None:
    main(["show", str(folder / "other"), str(folder / "run"), "--debug"])


_CORRECT, _SEEN = (read(RUN / "RESULT.json")[name] for name in ("correct", "seen"))


def _responses(folder: Path) -> None:
    key = _response_record().key
    made = LayerResponses(run=key, images=8, layers=("a", "b"), deviations=(0.5, 0.25))
    (folder / "net.json").write_bytes(made.content())


def _response_record() -> Record:
    return read_record(OLD / "record-1/resnet8-seed0.json")


def _read_responses(folder: Path) -> None:
    if found := read_responses(folder / "net.json", _response_record()):
        assert profile_of([found]).mean == 0.375


def _explained(folder: Path) -> None:
    (folder / DATA).write_text(json.dumps({"format": FORMAT, "version": VERSION, "networks": [_MEASURED]}))


_MEASURED = {"run": "a"} | with_digest(
    {
        "of": {"run": "0" * 64, "step": 8, "measures": {"images": 4}},
        "images": 4,
        "first_weights": "0" * 64,
        "start": [{"signal": 1.0, "gradient": 0.5}],
        "around": {"places": [-1.0, 0.0, 1.0], "losses": [[2.0, 1.0, 2.0]]},
        "between": {"places": [0.0, 1.0], "losses": [2.0, 1.0]},
    }
)


def _explained_before(folder: Path) -> None:
    for found in measured_before(folder).values():
        assert {"run": "a", **found} == _MEASURED


def _study(folder: Path) -> None:
    rows = [
        {"name": name, "spec": json.loads((RUN / "spec.json").read_bytes()),
         "recipe": json.loads((RUN / "recipe.json").read_bytes()),
         "data": {"name": "digits", "source": "digits", "fingerprint": "x"}}
        for name in ("a", "b")
    ]  # fmt: skip
    (folder / "study.json").write_text(json.dumps({"runs": rows}))


def _study_and_run(folder: Path) -> None:
    _study(folder)
    shutil.copytree(RUN, folder / "a")


def _sum_up(folder: Path) -> None:
    """Make the hashes in a record those of what it says."""
    path = folder / "record.json"
    with contextlib.suppress(OSError, ValueError, RecursionError, TypeError, AttributeError):
        if path.is_file() and not path.is_symlink() and path.stat().st_size < 2**20:
            plain = json.loads(path.read_bytes())
            for name in ("recipe", "network"):
                if name in plain:
                    plain[f"{name}_sha256"] = digest(plain[name])
            plain.pop("sha256", None)
            path.write_text(json.dumps(plain | {"sha256": digest(plain)}))


_RUN_FILES = (
    "recipe.json",
    "spec.json",
    "data.json",
    "environment.json",
    "RESULT.json",
    "metrics.jsonl",
    "events.jsonl",
)
_STEP = "run/checkpoints/step-00000008"
_EVALUATION = "run/eval/step-00000008-test"


def _of_runs() -> Iterator[tuple[str, Reader]]:
    for name in _RUN_FILES:
        yield (
            f"page: {name}",
            Reader(
                make=_evaluated_run, file=f"run/{name}", read=_page, kind="json", about="run", is_slow=True
            ),
        )
        yield f"board: {name}", Reader(make=_evaluated_run, file=f"run/{name}", read=_board, kind="json")
        yield f"network: {name}", Reader(
            make=_copied(RUN, "run"), file=f"run/{name}", read=_network("run"), kind="json", fit=_fit_run,
            is_slow=True, about="run",
        )  # fmt: skip
    for name in (
        "recipe.json",
        "spec.json",
        "data.json",
        "environment.json",
        "metrics.jsonl",
        "events.jsonl",
    ):
        yield f"resume: {name}", Reader(
            make=_copied(INTERRUPTED, "run"), file=f"run/{name}", read=_go_on, kind="json", fit=_fit_run,
            is_slow=True, about="run",
        )  # fmt: skip
    step = "run/checkpoints/step-00000005"
    for name, kind in (
        ("state.json", "json"),
        ("model.safetensors", "bytes"),
        ("optimizer.safetensors", "bytes"),
    ):
        yield f"resume: {name}", Reader(
            make=_copied(INTERRUPTED, "run"), file=f"{step}/{name}", read=_go_on, kind=kind, fit=_fit_run,
            is_slow=True, about="run",
        )  # fmt: skip
    for name, kind in (("MANIFEST.json", "json"), ("state.json", "json"), ("model.safetensors", "bytes")):
        yield (
            f"checkpoint: {name}",
            Reader(
                make=_copied(RUN, "run"),
                file=f"{_STEP}/{name}",
                read=_newest,
                kind=kind,
                about="step-00000008",
            ),
        )
    yield (
        "checkpoint: model.safetensors, fitted",
        Reader(make=_copied(RUN, "run"), file=f"{_STEP}/model.safetensors", read=_newest, fit=_fit_run),
    )
    for name, kind in (
        ("scores.json", "json"), ("calibration.json", "json"), ("insights/insights.json", "json"),
        ("confusion.csv", "text"), ("answers.npz", "bytes"), ("insights/filters.png", "bytes"),
    ):  # fmt: skip
        yield (
            f"page: {name}",
            Reader(make=_evaluated_run, file=f"{_EVALUATION}/{name}", read=_page, kind=kind, is_slow=True),
        )
    yield (
        "page: samples.json",
        Reader(make=_evaluated_run, file="run/samples.json", read=_page, kind="json", is_slow=True),
    )
    yield "compare: scores.json", Reader(
        make=_evaluated_twice, file=f"{_EVALUATION}/scores.json", kind="json",
        read=lambda folder: find_sides([folder / _EVALUATION, folder / "other"]), about="run",
    )  # fmt: skip
    yield "answers.npz", Reader(
        make=_evaluated_run, file=f"{_EVALUATION}/answers.npz",
        read=lambda folder: read_answers(folder / _EVALUATION / "answers.npz"),
    )  # fmt: skip
    yield from _of_verified_runs()
    yield from _of_what_is_made_of_runs()
    for reads, read_it in (("verify", lambda folder: str(verify(folder))), ("board", _board)):
        yield (
            f"{reads}: study.json",
            Reader(make=_study_and_run, file="study.json", read=read_it, kind="json", about="study"),
        )
    yield "study.json", Reader(make=_study, file="study.json", read=read_rows_of, kind="json")
    yield "a record", Reader(
        make=lambda folder: shutil.copy(OLD / "record-1/resnet8-seed0.json", folder / "record.json"),
        file="record.json", read=lambda folder: read_record(folder / "record.json"), kind="json", fit=_sum_up,
    )  # fmt: skip


def _of_verified_runs() -> Iterator[tuple[str, Reader]]:
    for name in (*_RUN_FILES, f"{_STEP[4:]}/state.json", f"{_STEP[4:]}/MANIFEST.json"):
        yield (
            f"verify: {name}",
            Reader(make=_copied(RUN, "run"), file=f"run/{name}", read=_verified, kind="json", about="run"),
        )
    yield (
        f"verify: {_STEP[4:]}/model.safetensors",
        Reader(make=_copied(RUN, "run"), file=f"{_STEP}/model.safetensors", read=_verified, fit=_fit_run),
    )
    for name, kind in (("scores.json", "json"), ("answers.npz", "bytes"), ("confusion.csv", "text")):
        yield (
            f"verify: {name}",
            Reader(make=_evaluated_run, file=f"{_EVALUATION}/{name}", read=_verified, kind=kind),
        )
    yield "verify: SEAL.json", Reader(make=_sealed_run, file="run/SEAL.json", read=_verified, kind="json")
    for reads, read_it in (("verify", _verified), ("page", _page)):
        yield (
            f"{reads}: continues.json",
            Reader(
                make=_longer_run,
                file="run/continues.json",
                read=read_it,
                kind="json",
                about="run",
                is_slow=True,
            ),
        )
    yield "resume: continues.json", Reader(
        make=_longer_interrupted, file="run/continues.json", read=_go_on, kind="json", fit=_fit_run,
        about="run", is_slow=True,
    )  # fmt: skip


def _of_what_is_made_of_runs() -> Iterator[tuple[str, Reader]]:
    for name, kind, fit in (
        ("weights.json", "json", lambda folder: None), ("initial.safetensors", "bytes", _fit_beginning)
    ):  # fmt: skip
        yield f"first weights: {name}", Reader(
            make=_begun_run, file=f"run/{name}", kind=kind, fit=fit, about="initial|weights",
            read=lambda folder: read_beginning(RunDirectory(folder / "run")),
        )  # fmt: skip
    for name in ("curve.json", "scores.jsonl"):
        yield f"curve: {name}", Reader(
            make=_scored_run, file=f"curve/{name}", read=_scored_again, kind="json", about="curve",
            is_slow=True,
        )  # fmt: skip
    yield "trackers.json", Reader(make=_followed, file="run/trackers.json", read=_follow, kind="json")
    for name in (*_RUN_FILES[:5], "metrics.jsonl", "continues.json"):
        yield (
            f"show: {name}",
            Reader(make=_longer_run, file=f"run/{name}", read=_shown, kind="json", about="run", is_slow=True),
        )
    for name in ("recipe.json", "spec.json"):
        yield (
            f"show two: {name}",
            Reader(
                make=_two_runs, file=f"run/{name}", read=_shown_beside, kind="json", about="run", is_slow=True
            ),
        )
    yield "responses", Reader(make=_responses, file="net.json", read=_read_responses, kind="json")
    yield "an explanation", Reader(make=_explained, file=DATA, read=_explained_before, kind="json")
    for name in (CONFIG, LABELS):
        yield f"a server's folder: {name}", Reader(
            make=_served, file=name, read=lambda folder: next_version(folder, _server_artefact()),
            kind="text", about="here",
        )  # fmt: skip


def _server_artefact() -> Artefact:
    return load_artefact(OLD / "0.1.0/folder")


def _served(folder: Path) -> None:
    for name, content in _new("here", _server_artefact()).items():
        (folder / name).write_bytes(content)


# Networks of others, and ours in files.


def _tensors() -> dict[str, torch.Tensor]:
    return dict(safetensors.torch.load_file(RUN / "checkpoints/step-00000008/model.safetensors"))


def _imported(name: str) -> Callable[[Path], object]:
    return lambda folder: open_weights(folder / name)


def _torch_file(**how: Any) -> Callable[[Path], object]:
    return lambda folder: save({"state_dict": _tensors(), "arch": "resnet8"}, folder / "net.pth", **how)


def _script(folder: Path) -> None:
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8)).eval()
    trace: Any = torch.jit.trace
    trace(net, torch.zeros(1, 3, 8, 8)).save(folder / "net.pt")


def _npz(folder: Path) -> None:
    arrays: dict[str, Any] = {name: each.numpy() for name, each in _tensors().items()}
    np.savez_compressed(folder / "net.npz", **arrays)


def _keras(folder: Path) -> None:
    from resnetlab.trained.export.keras_file import for_keras_cifar10, keras_bytes

    names = tuple(str(number) for number in range(10))
    artefact = small_artefact("keras_resnet8v1", kind="per-pixel-mean", names=names)
    (folder / "net.h5").write_bytes(keras_bytes(artefact, for_keras_cifar10(artefact)))


def _keras_3(folder: Path) -> None:
    import h5py

    _keras(folder)
    layers: dict[str, list[torch.Tensor]] = {}
    for name, tensor in read_weight_file(folder / "net.h5").tensors.items():
        layers.setdefault(name.rpartition("/")[0], []).append(tensor)
    told, counts = [], dict[str, int]()
    with h5py.File(folder / "weights.h5", "w") as file:
        for layer, tensors in layers.items():
            kind = {1: "BatchNormalization", 2: "Dense", 4: "Conv2D"}[tensors[0].ndim]
            own = {"Conv2D": "conv2d", "Dense": "dense"}.get(kind, "batch_normalization")
            group = f"{own}_{counts[own]}" if counts.setdefault(own, 0) else own
            counts[own] += 1
            told.append({"class_name": kind, "config": {"name": layer}})
            for index, tensor in enumerate(tensors):
                file[f"layers/{group}/vars/{index}"] = tensor.numpy()
    with zipfile.ZipFile(folder / "net.keras", "w") as archive:
        archive.writestr("config.json", json.dumps({"config": {"layers": told}}))
        archive.write(folder / "weights.h5", "model.weights.h5")


def _bundle(folder: Path) -> None:
    tensors = {name: each for name, each in _tensors().items() if each.dtype in (torch.float32, torch.int64)}
    write_bundle(folder / "net.ckpt", tensors)
    (folder / "checkpoint").write_text('model_checkpoint_path: "net.ckpt"\n')


def _archive(folder: Path) -> None:
    safetensors.torch.save_file(_tensors(), folder / "net.safetensors")
    content = (folder / "net.safetensors").read_bytes()
    write_tar(folder / "net.tar.gz", {"net/model.safetensors": content}, "w:gz")


def _hub_folder(folder: Path) -> None:
    names = sorted(tensors := _tensors())
    halves = {"a.safetensors": names[:20], "b.safetensors": names[20:]}
    for file, part in halves.items():
        safetensors.torch.save_file({name: tensors[name] for name in part}, folder / file)
    places = {name: file for file, part in halves.items() for name in part}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places, "metadata": {}}))
    facts = {
        "input_size": [3, 32, 32],
        "mean": [0.5] * 3,
        "std": [0.2] * 3,
        "crop_pct": 0.9,
        "interpolation": "bicubic",
    }
    labels = [str(number) for number in range(10)]
    (folder / "config.json").write_text(
        json.dumps(
            {"architecture": "resnet8", "pretrained_cfg": facts, "label_names": labels, "num_classes": 10}
        )
    )
    pixels = {"do_normalize": True, "image_mean": [0.5] * 3, "image_std": [0.2] * 3, "crop_pct": 0.9,
              "size": {"shortest_edge": 36}, "rescale_factor": 1 / 255, "resample": 3}  # fmt: skip
    (folder / "preprocessor_config.json").write_text(json.dumps(pixels))


def _preprocessor(folder: Path) -> None:
    _hub_folder(folder)
    (folder / "config.json").write_text('{"id2label": {"0": "a"}}')


def _description(folder: Path) -> None:
    """The description in a file of ours, as JSON beside it, from where `_describe` puts it back."""
    shutil.copy(OLD / "0.1.0/net.safetensors", folder / "net.safetensors")
    with safetensors.safe_open(folder / "net.safetensors", "pt") as file:
        (folder / "texts.json").write_text(
            json.dumps({key: _parsed(text) for key, text in file.metadata().items()})
        )


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _describe(folder: Path) -> None:
    """Put what texts.json says now into the header."""
    path = folder / "texts.json"
    if path.is_file() and not path.is_symlink() and path.stat().st_size < 2**20:
        try:
            found = json.loads(path.read_bytes())
            texts = {key: each if isinstance(each, str) else json.dumps(each) for key, each in found.items()}
            content = safetensors.torch.save(_tensors(), metadata=texts)
        except (ValueError, RecursionError, AttributeError, TypeError):
            return
        (folder / "net.safetensors").write_bytes(content)


def _of_networks() -> Iterator[tuple[str, Reader]]:
    for name in ("spec.json", "classes.json", "preprocessing.json", "MANIFEST.json"):
        yield f"model folder: {name}", Reader(
            make=_copied(OLD / "0.1.0/folder", "net"), file=f"net/{name}", read=_network("net"), kind="json",
            about="net",
        )  # fmt: skip
    yield (
        "model folder: model.safetensors",
        Reader(
            make=_copied(OLD / "0.1.0/folder", "net"),
            file="net/model.safetensors",
            read=_network("net"),
            about="net",
        ),
    )
    yield "our safetensors", Reader(
        make=lambda folder: shutil.copy(OLD / "0.1.0/net.safetensors", folder), file="net.safetensors",
        read=_network("net.safetensors"),
    )  # fmt: skip
    yield "our safetensors: its description", Reader(
        make=_description, file="texts.json", read=_network("net.safetensors"), kind="json", fit=_describe,
        about="net.safetensors|the run run",
    )  # fmt: skip
    yield "our ONNX", Reader(
        make=lambda folder: shutil.copy(OLD / "0.1.0/net.onnx", folder), file="net.onnx",
        read=lambda folder: load_onnx(folder / "net.onnx"),
    )  # fmt: skip
    yield "an ONNX graph", Reader(
        make=lambda folder: shutil.copy(OLD / "0.1.0/net.onnx", folder), file="net.onnx",
        read=lambda folder: read_onnx_contents(folder / "net.onnx").rows(),
    )  # fmt: skip
    yield "safetensors", Reader(make=_archive, file="net.safetensors", read=_imported("net.safetensors"))
    yield "an archive of weights", Reader(make=_archive, file="net.tar.gz", read=_imported("net.tar.gz"))
    yield "a torch file", Reader(make=_torch_file(), file="net.pth", read=_imported("net.pth"), is_slow=True)
    yield "a torch file of before 1.6", Reader(
        make=_torch_file(_use_new_zipfile_serialization=False), file="net.pth", read=_imported("net.pth"),
        is_slow=True,
    )  # fmt: skip
    yield (
        "TorchScript",
        Reader(
            make=_script, file="net.pt", read=lambda folder: read_weight_file(folder / "net.pt"), is_slow=True
        ),
    )
    yield "arrays of weights", Reader(make=_npz, file="net.npz", read=_imported("net.npz"))
    for name, make in (("net.h5", _keras), ("net.keras", _keras_3)):
        yield f"Keras: {name}", Reader(make=make, file=name, read=_imported(name), is_slow=True)
    for name in ("net.ckpt.index", "net.ckpt.data-00000-of-00001"):
        yield (
            f"TensorFlow: {name}",
            Reader(make=_bundle, file=name, read=_imported("net.ckpt"), about="net.ckpt"),
        )
    yield (
        "TensorFlow: checkpoint",
        Reader(make=_bundle, file="checkpoint", read=_imported("."), kind="text", about="net.ckpt"),
    )
    for name in ("model.safetensors.index.json", "config.json"):
        yield (
            f"hub: {name}",
            Reader(make=_hub_folder, file=name, read=_imported("."), kind="json", about="safetensors"),
        )
    yield (
        "hub: preprocessor_config.json",
        Reader(
            make=_preprocessor,
            file="preprocessor_config.json",
            read=_imported("."),
            kind="json",
            about="safetensors",
        ),
    )


# Data.


def _data(place: str = ".", **choices: str) -> Callable[[Path], object]:
    """Open it, look at an image of each split."""

    def read(folder: Path) -> None:
        path = folder / place
        source = open_source(str(path), choices=Choices.of({k: v.format(folder) for k, v in choices.items()}))
        for split in (source.train, source.test):
            if not isinstance(split, Split):
                decode(split.read(0), channels=3)

    return read


def _cifar(form: str) -> Callable[[Path], object]:
    def make(folder: Path) -> None:
        rng = np.random.default_rng(0)
        files = [*(f"data_batch_{part}" for part in range(1, 6)), "test_batch"]
        (folder / "cifar").mkdir()
        for name in files:
            labels, planes = np.arange(20) % 10, rng.integers(0, 256, (20, 3072)).astype(np.uint8)
            if form == "binary":
                table = np.concatenate([labels[:, None].astype(np.uint8), planes], axis=1)
                (folder / f"cifar/{name}.bin").write_bytes(table.tobytes())
            else:
                _pickle(folder / "cifar" / name, {b"labels": labels.tolist(), b"data": planes})
        if form == "binary":
            (folder / "cifar/batches.meta.txt").write_text("\n".join(CIFAR10_NAMES))
        else:
            _pickle(
                folder / "cifar/batches.meta", {b"label_names": [name.encode() for name in CIFAR10_NAMES]}
            )
        contents = {f"cifar/{path.name}": path.read_bytes() for path in (folder / "cifar").iterdir()}
        write_tar(folder / "cifar.tar.gz", contents, "w:gz")
        write_tar(folder / "cifar.tar", contents)

    return make


def _pickle(path: Path, content: object) -> None:
    import pickle

    path.write_bytes(pickle.dumps(content, protocol=3))


def _mnist(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for part, count in (("train", 20), ("t10k", 10)):
        for kind, array in (
            ("images-idx3", rng.integers(0, 256, (count, 8, 8))), ("labels-idx1", np.arange(count) % 10)
        ):  # fmt: skip
            head = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
            content = head + array.astype(np.uint8).tobytes()
            (folder / f"{part}-{kind}-ubyte").write_bytes(content)
            (folder / f"{part}-{kind}-ubyte.gz").write_bytes(gzip.compress(content))


def _some(count: int, side: int = 8) -> tuple[Any, Any]:
    rng = np.random.default_rng(count)
    return rng.integers(0, 256, (count, side, side, 3)).astype(np.uint8), np.arange(count) % 10


def _arrays(folder: Path) -> None:
    (x_train, y_train), (x_test, y_test) = _some(20), _some(10)
    np.savez_compressed(folder / "set.npz", x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)


def _svhn(folder: Path) -> None:
    from scipy.io import savemat

    for part, count in (("train", 20), ("test", 10)):
        images, labels = _some(count, 32)
        savemat(
            folder / f"{part}_32x32.mat",
            {"X": images.transpose(1, 2, 3, 0), "y": labels[:, None].astype(np.uint8) + 1},
        )


def _stl(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for part, count in (("train", 4), ("test", 2)):
        (folder / f"{part}_X.bin").write_bytes(
            rng.integers(0, 256, count * 3 * 96**2).astype(np.uint8).tobytes()
        )
        (folder / f"{part}_y.bin").write_bytes(bytes(1 + n % 2 for n in range(count)))
    (folder / "class_names.txt").write_text("airplane\nbird\n")


def _emnist(folder: Path) -> None:
    _mnist(folder)
    for path in [*folder.iterdir()]:
        own = path.name.replace("t10k", "test")
        path.rename(folder / f"emnist-mnist-{own}")
    codes = "".join(f"{label} {48 + label}\n" for label in range(10))
    (folder / "emnist-mnist-mapping.txt").write_text(codes)


def _devkit(folder: Path) -> None:
    for name, content in devkit().items():
        (folder / Path(name).name).write_bytes(content)


def _packed_devkit(folder: Path) -> None:
    write_imagenet_tars(folder)


def _folder(folder: Path) -> None:
    write_folder(folder / "set", {"train": {"a": 3, "b": 3}, "test": {"a": 2, "b": 2}})
    with zipfile.ZipFile(folder / "set.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted((folder / "set").rglob("*.jpg")):
            archive.write(path, path.relative_to(folder))
    rows = [
        (str(path.relative_to(folder)), path.parent.name) for path in sorted((folder / "set").rglob("*.jpg"))
    ]
    (folder / "set.csv").write_text("path,label\n" + "".join(f"{place},{name}\n" for place, name in rows))
    (folder / "set.jsonl").write_text("".join(json.dumps({"path": p, "label": n}) + "\n" for p, n in rows))
    (folder / "names.txt").write_text("b\na\n")
    write_folder(folder / "listed", {"": {"a": 4, "b": 4}})
    for part, numbers in (("train", range(3)), ("test", range(3, 4))):
        lines = [f"{name}/{number:03}.jpg" for name in "ab" for number in numbers]
        (folder / f"listed/{part}.txt").write_text("\n".join(lines))


def _shards(folder: Path) -> None:
    write_shards(folder / "tf", "train", [1, 2, 1, 2])
    write_shards(folder / "tf", "validation", [1, 2])
    members = {
        f"{n:05}.{end}": each
        for n in range(4)
        for end, each in (("jpg", picture(n)), ("cls", b"%d" % (n % 2)))
    }
    write_tar(folder / "web/train-000000.tar", members)
    write_tar(folder / "web/test-000000.tar", members)
    (folder / "web/classes.json").write_text('["1", "0"]')


def _hugging_face(folder: Path) -> None:
    datasets: Any = importlib.import_module("datasets")
    datasets.disable_progress_bars()
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["a", "b"])})
    images = [{"bytes": picture(n), "path": None} for n in range(6)]
    made = datasets.Dataset.from_dict({"image": images, "label": [0, 1] * 3}, features=features)
    datasets.DatasetDict({"train": made, "test": made}).save_to_disk(str(folder / "hf"))
    made.to_parquet(str(folder / "train-00000-of-00001.parquet"))


def _packed_mnist(folder: Path) -> None:
    _mnist(folder)
    for path in folder.glob("*ubyte"):
        path.unlink()


def _picture(name: str, form: str, options: Mapping[str, Any]) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(picture(form=form, **options))


def _decoded(name: str) -> Callable[[Path], object]:
    return lambda folder: decode(read_file(folder / name), channels=3)


def _class_names(name: str) -> Callable[[Path], object]:
    return lambda folder: read_class_names(folder / name)


def _of_data() -> Iterator[tuple[str, Reader]]:
    for name in ("data_batch_2.bin", "test_batch.bin", "batches.meta.txt"):
        yield f"CIFAR: {name}", Reader(make=_cifar("binary"), file=f"cifar/{name}", read=_data("cifar"))
    for name in ("data_batch_2", "batches.meta"):
        yield f"CIFAR: {name}", Reader(make=_cifar("python"), file=f"cifar/{name}", read=_data("cifar"))
    for name in ("cifar.tar", "cifar.tar.gz"):
        yield f"CIFAR: {name}", Reader(make=_cifar("binary"), file=name, read=_data(name), about="cifar")
    for name in ("train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"):
        yield f"MNIST: {name}", Reader(make=_mnist, file=name, read=_data(), about="here")
    yield "MNIST, packed", Reader(
        make=_packed_mnist,
        file="train-images-idx3-ubyte.gz", read=_data(), about="here",
    )  # fmt: skip
    for name in ("train_X.bin", "test_y.bin", "class_names.txt"):
        yield f"STL-10: {name}", Reader(make=_stl, file=name, read=_data(), about="here")
    name = "emnist-mnist-mapping.txt"
    yield "EMNIST's mapping", Reader(make=_emnist, file=name, read=_data(), kind="text", about="here")
    for name, kind in ((TRUTH, "text"), ("meta.mat", "bytes")):
        yield (
            f"ImageNet: {name}",
            Reader(make=_devkit, file=name, read=lambda folder: read_truth(folder), kind=kind, about="here"),
        )
    yield (
        "ImageNet: the devkit",
        Reader(
            make=_packed_devkit, file=f"{DEVKIT}.tar.gz", read=lambda folder: read_truth(folder), about="here"
        ),
    )
    yield "arrays", Reader(make=_arrays, file="set.npz", read=_data("set.npz"))
    yield "SVHN", Reader(make=_svhn, file="train_32x32.mat", read=_data(), about="here")
    yield (
        "a picture in a folder",
        Reader(make=_folder, file="set/train/a/000.jpg", read=_data("set"), about="train"),
    )
    yield "a .zip", Reader(make=_folder, file="set.zip", read=_data("set.zip"), about=".jpg")
    yield "a .csv", Reader(make=_folder, file="set.csv", read=_data("set.csv"), kind="text")
    yield "a .jsonl", Reader(make=_folder, file="set.jsonl", read=_data("set.jsonl"), kind="json")
    yield (
        "a list of a split",
        Reader(make=_folder, file="listed/train.txt", read=_data("listed"), kind="text", about="listed"),
    )
    yield (
        "names of classes",
        Reader(
            make=_folder,
            file="names.txt",
            read=_data("set.csv", class_names="{}/names.txt"),
            kind="text",
            about="set.csv",
        ),
    )
    yield "TFRecord", Reader(make=_shards, file="tf/train-00000-of-00002", read=_data("tf"), about="tf")
    yield (
        "WebDataset",
        Reader(make=_shards, file="web/train-000000.tar", read=_data("web"), about="web"),
    )
    yield (
        "WebDataset: classes.json",
        Reader(make=_shards, file="web/classes.json", read=_data("web"), kind="json", about="web"),
    )
    for name in ("hf/dataset_dict.json", "hf/train/dataset_info.json", "hf/train/state.json"):
        yield (
            f"Hugging Face: {name}",
            Reader(make=_hugging_face, file=name, read=_data("hf"), kind="json", about="hf", is_slow=True),
        )
    yield (
        "Hugging Face: arrow",
        Reader(
            make=_hugging_face,
            file="hf/train/data-00000-of-00001.arrow",
            read=_data("hf"),
            about="hf",
            is_slow=True,
        ),
    )
    yield "Parquet", Reader(
        make=_hugging_face, file="train-00000-of-00001.parquet", read=_data("train-00000-of-00001.parquet"),
        is_slow=True,
    )  # fmt: skip


def _of_pictures() -> Iterator[tuple[str, Reader]]:
    for form, options in (
        ("JPEG", {}), ("PNG", {}), ("GIF", {"mode": "P"}), ("WEBP", {}), ("BMP", {}), ("PPM", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
    ):  # fmt: skip
        name = f"picture.{form.lower()}"
        yield f"a picture: {form}", Reader(
            make=_picture(name, form, options), file=name, read=_decoded(name), waits_for_pipes=True,
        )  # fmt: skip


# What a user writes.


def _asked(name: str) -> Callable[[Path], object]:
    def read(folder: Path) -> None:
        Asked(data="digits", recipe=str(folder / name)).resolve(8, "digits").recipe  # noqa: B018

    return read


def _recipes(folder: Path) -> None:
    whole = json.loads((RUN / "recipe.json").read_bytes())
    (folder / "whole.json").write_text(json.dumps(whole))
    (folder / "changes.json").write_text(json.dumps({"run": {"batch": 64, "length": "3ep"}, "lr": 0.1}))
    (folder / "changes.toml").write_text(
        "lr = 0.1\nchannel_mean = [0.5, 0.5, 0.5]\nchannel_std = [0.25, 0.25, 0.25]\n[run]\nbatch = 64\n"
    )
    (folder / "changes.yaml").write_text("lr: 0.1\nrun:\n  batch: 64\n  length: 3ep\n")


def _names(folder: Path) -> None:
    (folder / "names.json").write_text(json.dumps({"0": ["n1", "ant"], "1": ["n2", "bee"]}))
    (folder / "names.txt").write_text("ant\nbee\n")


def _of_users() -> Iterator[tuple[str, Reader]]:
    for name, kind in (
        ("whole.json", "json"), ("changes.json", "json"), ("changes.toml", "text"), ("changes.yaml", "text")
    ):  # fmt: skip
        yield (
            f"a recipe: {name}",
            Reader(
                make=_recipes,
                file=name,
                read=_asked(name),
                kind=kind,
                about="run|optimizer|schedule|augmentation|averag|normal|prepar|transfer|execution",
            ),
        )
    for name, kind in (("names.json", "json"), ("names.txt", "text")):
        yield (
            f"classes: {name}",
            Reader(
                make=_names,
                file=name,
                read=_class_names(name),
                kind=kind,
            ),
        )


READERS: Mapping[str, Reader] = dict(
    (*_of_runs(), *_of_networks(), *_of_data(), *_of_pictures(), *_of_users())
)
