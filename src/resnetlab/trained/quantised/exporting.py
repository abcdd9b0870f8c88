"""export_int8: a trained network as an ONNX file in int8."""

from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, NamedTuple

from resnetlab.data.sources.choices import Choices
from resnetlab.errors import UsageError
from resnetlab.trained.artefact.model import INT8, Artefact
from resnetlab.trained.artefact.onnx_model import OnnxModel, need
from resnetlab.trained.artefact.opening import open_artefact
from resnetlab.trained.export.exporting import Exported, Remade, export_model
from resnetlab.trained.predict import Classifier
from resnetlab.trained.quantised.calibration import IMAGES, SEED, Calibration, choose_images, read
from resnetlab.trained.quantised.graph import METHOD, described, quantised
from resnetlab.trained.quantised.verdict import Verdict, compare, judge
from resnetlab.trained.scored_network import ScoredNetwork, load_network

_OF_FP32 = ("accuracy", "correct", "seen", "loss")
"""Facts of a run's end that are not int8's."""


class Opened(NamedTuple):
    """A network that is to be written in int8."""

    trained: ScoredNetwork
    """Which knows its data."""

    artefact: Artefact


def open_network(run: str | Path, weights: str = "auto") -> Opened:
    """Return the network that a run, a checkpoint, a model folder or weights of another program are.

    Raises:
        UsageError: If there is none, or no such weights; or it is an ONNX file.
        CheckpointError: If it is damaged.
        DataError: If a run is not whole.
    """
    trained = load_network(str(run), weights, "cpu")
    described = trained.classifier.description
    if not isinstance(described, Artefact):
        described = open_artefact(run)  # which says that an ONNX file holds no weights for this
    return Opened(trained, described)


def export_int8(
    run: str | Path | Opened,
    path: str | Path | None = None,
    *,
    calibrate: str | Path | None = None,
    data_set: Mapping[str, str] | None = None,
    calibration_images: int = IMAGES,
    weights: str = "auto",
    takes_pixels: bool = False,
    size: int | Literal["any"] | None = None,
    replaces: bool = False,
    is_timed: bool = False,
) -> Exported:
    """Write a network as an ONNX file in int8, compared with the fp32 network on images before it is kept.

    Args:
        run: A run, a checkpoint, a model folder, or weights of another program.
        path: The file; None makes a name here.
        calibrate: The data whose images calibrate, whatever `evaluate` takes; None is the run's own. Of what
            it was trained on it is the training images, never the test images.
        data_set: What the data leaves open, see `Choices`.
        calibration_images: How many calibrate; up to 2,000 others are what it is compared on.
        weights: Of a run: "plain", "averaged", or "auto": averaged if there are any.
        takes_pixels: As `export_model`.
        size: As `export_model`.
        replaces: As `export_model`.
        is_timed: As `export_model`.

    Returns:
        What was written; `more["int8"]` holds what calibrated it, what it costs and what it gives.

    Raises:
        UsageError: As `export_model`; if it is not known where the data lies; or if the network has no layer
            that can be quantised.
        DataError: If the data is damaged, or no images that the network takes.
        ResnetlabError: If more than 5 % of the answers turn wrong, or it answers otherwise than PyTorch in
            fp32; nothing is written then.
        WriteError: If it cannot be written.
    """
    need("onnxruntime", "int8")
    trained, artefact = run if isinstance(run, Opened) else open_network(run, weights)
    choices, place = Choices.of(data_set), None if calibrate is None else str(calibrate)

    def remake(sized: Artefact, content: bytes) -> Remade:
        network = replace(trained, classifier=Classifier.of(sized, device="cpu"))
        chosen = choose_images(network, place, choices, calibration_images)
        return _remade(network, sized, content, chosen)

    return export_model(
        artefact,
        "onnx",
        path,
        takes_pixels=takes_pixels,
        replaces=replaces,
        size=size,
        remake=remake,
        is_timed=is_timed,
    )


def _remade(trained: ScoredNetwork, artefact: Artefact, content: bytes, chosen: Calibration) -> Remade:
    """Return an fp32 file in int8, as far as its answers allow it."""
    fp32 = OnnxModel(content, artefact.origin)
    preprocessing = fp32.preprocessing
    images = read(trained, chosen.calibrating, preprocessing, chosen.origin)
    graph = quantised(content, (fp32.own_form(batch.images_NCHW).numpy() for batch in images))
    int8 = OnnxModel(described(graph, artefact.to_texts()), artefact.origin)
    verdict = compare(
        fp32,
        int8,
        read(trained, chosen.comparing, preprocessing, chosen.origin),
        has_labels=chosen.has_labels,
        sizes=(len(content), len(graph)),
    )
    said = judge(verdict)
    told = _facts(chosen, verdict)
    final = described(graph, replace(artefact, facts=_in_int8(artefact.facts, told)).to_texts())
    calibrated = f"calibrated on {len(chosen.calibrating):,} images of {chosen.data} ({chosen.split})"
    return Remade(final, (*said, calibrated, *chosen.notes), {INT8: told | _measured(verdict)})


def _facts(chosen: Calibration, verdict: Verdict) -> dict[str, Any]:
    return {
        "method": METHOD,
        "data": chosen.data,
        "fingerprint": chosen.fingerprint,
        "split": chosen.split,
        "images": len(chosen.calibrating),
        "seed": SEED,
        "onnxruntime": version("onnxruntime"),
        **verdict.to_json(),
    }


def _measured(verdict: Verdict) -> dict[str, Any]:
    return {
        "bytes": verdict.size,
        "bytes_fp32": verdict.size_fp32,
        "times_as_fast": round(verdict.times_as_fast, 3),
    }


def _in_int8(facts: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts of the network in int8: scores that are the fp32 network's stand under its name."""
    fp32 = {name: facts[name] for name in _OF_FP32 if name in facts}
    own = {name: value for name, value in facts.items() if name not in _OF_FP32}
    weights = f"{facts.get('weights', 'weights')} in int8"
    return {**own, "weights": weights, INT8: {**told, **({"fp32": fp32} if fp32 else {})}}


def refuse_without_int8(target: str, *, int8: bool, given: Mapping[str, object]) -> None:
    """Raise UsageError if int8 is asked for another target, or what belongs to it without it.

    Args:
        target: The export's.
        int8: Whether it is asked for.
        given: What belongs to int8, by its name; None and what is empty was not given.
    """
    if int8 and target != "onnx":
        raise UsageError(f"int8 is written as onnx alone, not as {target}", hint="Give --to onnx.")
    names = [name for name, value in given.items() if value not in (None, [], {})]
    if names and not int8:
        raise UsageError(
            f"{' and '.join(names)}: only with int8, which calibrates on images", hint="Give --int8."
        )
