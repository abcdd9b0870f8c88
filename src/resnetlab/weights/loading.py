"""load_weights: a foreign file into a network of ours, with nothing silent."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from resnetlab.base.plaindata import to_plain
from resnetlab.base.units import first_of
from resnetlab.errors import CheckpointError, ResnetlabError, UsageError
from resnetlab.models import ResNet, build
from resnetlab.network.spec import ModelSpec
from resnetlab.weights.adapting import Head, fit_channels, fit_head
from resnetlab.weights.converting import convert
from resnetlab.weights.facts.architecture import CONFIG, heed
from resnetlab.weights.facts.label_names import names_beside
from resnetlab.weights.facts.naming import COMPUTES, NEARLY, InputFacts, Naming
from resnetlab.weights.facts.normalisers import heed_own
from resnetlab.weights.facts.preprocessings import beside
from resnetlab.weights.facts.published import classes_by_name, told_by_name
from resnetlab.weights.files.hub import locate
from resnetlab.weights.files.reading import WeightFile, read_weight_file, shard_hint
from resnetlab.weights.recognising import describe_spec, recognise, shapes_of
from resnetlab.weights.report import WeightsReport

# Knobs that change which numbers a network has.
_SHAPES = ("blocks", "widths", "out_channels", "unit", "stem", "stem_width", "stem_norm", "projection_norm")
_HEADS = ("strict", "reset", "keep-shared")


@dataclass(frozen=True)
class OpenedWeights:
    """A weight file that was read and recognised, before it is fitted to a network."""

    path: Path
    file: WeightFile
    naming: Naming
    preprocessing: InputFacts
    notes: tuple[str, ...] = ()
    class_names: tuple[str, ...] = ()
    """Of the logits, if they lie beside the file."""
    otherwise: tuple[str, ...] = ()
    """What is said of the file's own answers that no network of ours computes."""


def open_weights(
    path: Path | str,
    *,
    prefix: str | None = None,
    ignore: Sequence[str] = (),
    knobs: Mapping[str, object] | None = None,
) -> OpenedWeights:
    """Read a weight file and recognise the network that it holds.

    Args:
        path: A file, a folder of the Hugging Face hub's form, a TensorFlow checkpoint's prefix, or a
            name of published weights (`hub.locate`): "hf:timm/resnet50.a1_in1k".
        prefix: Where in the file the network lies, where it holds several: "encoder_q".
        ignore: Patterns of names, as "projection_head.*", that are no part of the network.
        knobs: What the file does not tell of its network: {"stride_on": "first"}.

    Raises:
        UsageError: If the file is not there, an extra is missing, no network lies under the prefix, or
            the file tells otherwise what `knobs` says.
        CheckpointError: If the file is damaged, holds no network of ours or several, what lies beside
            it says so, or it cannot be downloaded.
    """
    name, path = path, locate(path)
    file = read_weight_file(path, prefix or "")
    tensors = file.tensors

    def are_alike(names: Mapping[str, str]) -> bool:
        return bool(names) and all(torch.equal(tensors[a], tensors[b]) for a, b in names.items())

    try:
        told = heed(name, path, file.told)
        naming = recognise(shapes_of(tensors), prefix=prefix, ignore=ignore, are_alike=are_alike)
        naming = set_knobs(naming, told.knobs, where=CONFIG)
        naming = set_knobs(naming, file.knobs, where="the file itself")
        naming = set_knobs(naming, knobs or {})
    except (CheckpointError, UsageError) as error:
        raise _at(path, error, shard_hint(path)) from error
    by_name, remark = told_by_name(path, naming.preprocessing)
    preprocessing, note = beside(path, by_name, file.described.get("preprocessing"))
    naming, preprocessing, inside = heed_own(tensors, naming, file.images, preprocessing)
    notes = [*naming.remarks, remark, inside or note]
    notes += [
        f"{text}, a name that is not known: taken is what names and shapes tell" for text in told.unknown
    ]
    if preprocessing.normalise == "per-pixel-mean" and not preprocessing.mean_image:
        notes.append(naming.dialect.without_mean_image)
    names, named = names_beside(path, naming, file.class_names, described=file.described.get("class_names"))
    notes.append(named)
    if not names and naming.has_head:
        names, named = classes_by_name(path, naming.spec.classes)
        notes.append(named)
    otherwise = (*file.otherwise, *told.otherwise)
    return OpenedWeights(path, file, naming, preprocessing, tuple(filter(None, notes)), names, otherwise)


def set_knobs(naming: Naming, knobs: Mapping[str, object], where: str = "") -> Naming:
    """Return the naming with the network as these knobs have it, which the file leaves open.

    Args:
        naming: What was recognised.
        knobs: Their values.
        where: What says so; empty if it is the user.

    Raises:
        UsageError: If there is no such knob, or the file tells it.
    """
    changed = {knob: value for knob, value in knobs.items() if getattr(naming.spec, knob, None) != value}
    spec = naming.spec.with_(**changed)  # of a knob that is none: an error
    told = [knob for knob in changed if knob not in naming.dialect.open_knobs and not where]
    if told:
        can = ", ".join(sorted(naming.dialect.open_knobs)) or "nothing"
        raise UsageError(
            f"the file tells {', '.join(told)}: it holds {describe_spec(naming.spec)}",
            hint=f"What it leaves open, and what can be said: {can}.",
        )
    assumed = {knob: text for knob, text in naming.assumed.items() if knob not in knobs}
    texts = ", ".join(f"{knob}={value}" for knob, value in knobs.items())
    remark = (f"{texts}, as {where} says" if where else f"{texts}, as asked",) if knobs else ()
    return replace(naming, spec=spec, assumed=assumed, remarks=(*naming.remarks, *remark))


def load_weights(
    model_or_spec: ResNet | ModelSpec | None,
    path: Path | str,
    *,
    head: Head = "strict",
    class_names: Sequence[str] = (),
    file_class_names: Sequence[str] = (),
    adapt_channels: bool = False,
    prefix: str | None = None,
    ignore: Sequence[str] = (),
    knobs: Mapping[str, object] | None = None,
) -> tuple[dict[str, Tensor], WeightsReport]:
    """Return a state dict that `load_state_dict` takes whole, and what became of every tensor.

    Args:
        model_or_spec: The network. What is reset stays as the model has it now; for a
            specification it begins as `create_model(spec, seed=0)` does. None takes the network
            that the file holds (report.spec), class count included.
        path: As for `open_weights`.
        head: "strict": the classifier must fit (of TensorFlow's 1001 classes the background is left
            out for 1000); "reset": it begins anew; "keep-shared": the rows of the class names that
            both have are kept, the others begin anew.
        class_names: The network's, for keep-shared.
        file_class_names: The file's, for keep-shared.
        adapt_channels: Let the first convolution be summed or repeated for images of other channels.
        prefix: As for `open_weights`.
        ignore: As for `open_weights`.
        knobs: As for `open_weights`.

    Raises:
        UsageError: If the arguments do not allow it, the file is not there, or an extra is missing.
        CheckpointError: If the file is damaged, or its network another one, saying which.
    """
    if head not in _HEADS:
        raise UsageError(f"head is one of {', '.join(_HEADS)}, got {head!r}")
    return fit_weights(
        open_weights(path, prefix=prefix, ignore=ignore, knobs=knobs),
        model_or_spec,
        head=head,
        class_names=class_names,
        file_class_names=file_class_names,
        adapt_channels=adapt_channels,
    )


def fit_weights(
    opened: OpenedWeights,
    model_or_spec: ResNet | ModelSpec | None,
    *,
    head: Head = "strict",
    class_names: Sequence[str] = (),
    file_class_names: Sequence[str] = (),
    adapt_channels: bool = False,
) -> tuple[dict[str, Tensor], WeightsReport]:
    """Do what `load_weights` does with a file that is open; see there."""
    model = model_or_spec if isinstance(model_or_spec, ResNet) else None
    given = model_or_spec.spec if isinstance(model_or_spec, ResNet) else model_or_spec
    naming = opened.naming
    spec = given or naming.spec
    try:
        if head == "strict":
            _refuse_more(naming)
            _refuse_otherwise(opened.otherwise)
        compared = _compare(naming, spec)
        converted = convert(opened.file.tensors, naming, spec)
        initial = _initial(model, spec)
        fit_channels(converted, naming, spec, can_adapt=adapt_channels)
        fit_head(
            converted,
            naming,
            spec,
            head=head,
            class_names=class_names,
            file_class_names=file_class_names,
            initial=initial,
        )
    except (CheckpointError, UsageError) as error:
        raise _at(opened.path, error) from error
    ledger = converted.ledger
    report = WeightsReport(
        path=str(opened.path),
        kind=opened.file.kind,
        naming=naming,
        spec=spec,
        matched=ledger.matched,
        derived=ledger.derived,
        reset=ledger.reset,
        unused=ledger.unused,
        notes=(*opened.file.notes, *compared, *ledger.notes, *opened.notes, *_left_out(opened, head)),
        preprocessing=opened.preprocessing,
    )
    return {key: converted.tensors[key] for key in initial}, report


def _refuse_more(naming: Naming) -> None:
    """Raise if the file holds more than the network, which may compute something.

    Raises:
        CheckpointError: If so, naming the groups of tensors.
    """
    if naming.own_head:
        raise CheckpointError(
            "its classifier is not one linear layer that reads the features: "
            f"{first_of(naming.own_head, _MOST)}",
            hint="`finetune` puts a new classifier on its body (head=reset in Python). What of these the"
            " network does without: --ignore 'NAME.*', ignore=['NAME.*'] in Python.",
        )
    if naming.besides:
        groups: dict[str, int] = {}
        for name in naming.besides:
            groups[_group(name)] = groups.get(_group(name), 0) + 1
        told = [f"{group} ({count} tensor{'s' * (count > 1)})" for group, count in groups.items()]
        flags = " ".join(f"--ignore '{group}'" for group in [*groups][:_MOST])
        raise CheckpointError(
            f"besides the whole network it holds {first_of(told, _MOST)}",
            hint=f"If the network's answers do without: {flags} (in Python ignore=[...]). `finetune` leaves"
            " them out by itself.",
        )


def _left_out(opened: OpenedWeights, head: Head) -> tuple[str, ...]:
    """Return what to say of a body whose file computes more around it."""
    if head == "strict" or not opened.otherwise:
        return ()
    return (
        f"the file's network computes otherwise, which the body alone does not: {first_of(opened.otherwise)}",
    )


def _refuse_otherwise(otherwise: Sequence[str]) -> None:
    """Raise if the answers of the file's network are not what ours would be.

    Raises:
        CheckpointError: If so, saying by what.
    """
    if otherwise:
        raise CheckpointError(
            f"says of itself that it computes otherwise than a network of ours: {first_of(otherwise)}",
            hint="`finetune --weights FILE` takes its body and begins a new classifier.",
        )


_MOST = 4


def _group(name: str) -> str:
    """Return the pattern of names such as this: projection_head.* for projection_head.0.weight."""
    name = re.sub(r"^((module|model|net|network)\.)+", "", name)
    first = re.match(r"[^./]+[./]", name)
    return f"{first[0]}*" if first else name


def _initial(model: ResNet | None, spec: ModelSpec) -> Mapping[str, Tensor]:
    """Return the state from which the network starts, on the CPU."""
    if model is None or any(tensor.is_meta for tensor in model.state_dict().values()):
        model = build(spec, seed=0)
    return {key: tensor.detach().cpu() for key, tensor in model.state_dict().items()}


def _compare(naming: Naming, spec: ModelSpec) -> list[str]:
    """Return what to say of the file's network beside `spec`.

    Raises:
        CheckpointError: If they are two networks.
    """
    own, theirs = to_plain(spec), to_plain(naming.spec)
    notes = []
    if spec == naming.spec:
        notes += [naming.dialect.note] if naming.dialect.note else []
        notes += [_assumed(naming)] if naming.assumed else []
    knobs = [knob for knob in (*_SHAPES, *COMPUTES) if own[knob] != theirs[knob]]
    wrong = [knob for knob in knobs if knob not in naming.dialect.open_knobs]
    if wrong:
        told = "; ".join(f"{knob}: the file's {theirs[knob]}, yours {own[knob]}" for knob in wrong)
        raise CheckpointError(
            f"holds {describe_spec(naming.spec)}, another network than {describe_spec(spec)} ({told})",
            hint="Load it without naming a network, or as the one that it holds.",
        )
    assumed = [knob for knob in (*knobs, *NEARLY) if own[knob] != theirs[knob]]
    for knob in assumed:
        if knob in naming.dialect.open_knobs:
            notes.append(f"the file does not tell {knob}: taken as your network has it, {own[knob]}")
        else:
            notes.append(f"not exact: the file's network has {knob} {theirs[knob]}, yours {own[knob]}")
    return notes


def _assumed(naming: Naming) -> str:
    """Return what was taken where names and shapes do not tell."""
    return (
        f"Names and shapes do not tell all; taken is: {', '.join(naming.assumed.values())}."
        f" If it is otherwise, say {', '.join(naming.assumed)} (--set KNOB=VALUE)."
    )


def _at(path: Path, error: ResnetlabError, hint: str = "") -> ResnetlabError:
    """Return the error with the file's name before it, and a hint that goes before its own."""
    message = str(error.args[0])
    if message.startswith(str(path)) and not hint:
        return error
    return type(error)(f"{path}: {message}", hint=hint or error.hint)
