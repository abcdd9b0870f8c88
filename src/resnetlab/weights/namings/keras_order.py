"""Keras' checkpoints of objects, `model.save_weights("cp.ckpt")` and SavedModels: layers by number alone.

layer_with_weights-N is the N-th of `model.layers` that has weights, _operations/N the N-th of all. Which
kind of layer follows which tells the network: Keras Applications' two, or the example for CIFAR-10.
"""

import re
from collections.abc import Callable, Iterable, Mapping

from resnetlab.errors import CheckpointError
from resnetlab.network.catalog import model_spec
from resnetlab.network.layers import Conv
from resnetlab.network.spec import ModelSpec
from resnetlab.weights.facts.measure import measure, to_torch_shapes
from resnetlab.weights.facts.naming import Dialect, InputFacts, Match, Shapes, rename_leaf
from resnetlab.weights.facts.preprocessings import KERAS_CAFFE, KERAS_EXAMPLE, KERAS_TF
from resnetlab.weights.namings.keras_applications import (
    depth_of,
    keras_v1_spec,
    keras_v2_spec,
    v1_layers,
    v2_layers,
)
from resnetlab.weights.namings.keras_example import WITHOUT_MEAN_IMAGE, keras_example_layers

_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
# Keras 2 counts the layers with weights, Keras 3 all.
_NAME = re.compile(rf"(?:layer_with_weights-|_operations/)(\d{{1,6}})/_?(\w+){re.escape(_VALUE)}")
_KINDS = {"kernel": "C", "gamma": "B"}
# A unit of each network by the kinds of its layers, C a convolution and B a BN, the first of a stage in
# front; see keras_out.
_V1 = (re.compile(r"CB((?:CBCBCCBB|CBCBCB)+)"), re.compile(r"CBCBCCBB|CBCBCB"), "CBCBCCBB")
_V2 = (re.compile(r"C((?:BCBCBCC|BCBCBC)+)B"), re.compile(r"BCBCBCC|BCBCBC(?!C)"), "BCBCBCC")


def _layers(shapes: Shapes) -> dict[int, str]:
    """Return the kind of each layer of the body by its number."""
    kinds: dict[int, str] = {}
    for name, shape in shapes.items():
        match = _NAME.fullmatch(name)
        if match and match[2] in _KINDS and (match[2] == "gamma" or len(shape) == 4):
            kinds[int(match[1])] = _KINDS[match[2]]
    return dict(sorted(kinds.items()))


def _stem_kernel(shapes: Shapes) -> int:
    return next(
        (
            shape[0]
            for name, shape in shapes.items()
            if _NAME.fullmatch(name) and len(shape) == 4 and shape[0] > 1
        ),
        0,
    )


def _blocks(kinds: str, grammar: tuple[re.Pattern[str], re.Pattern[str], str]) -> tuple[int, ...] | None:
    """Return the units of each stage; None if it is another network."""
    whole, unit, first = grammar
    match = whole.fullmatch(kinds)
    units = unit.findall(match[1]) if match else []
    if not units or units[0] != first:
        return None
    starts = [index for index, each in enumerate(units) if each == first]
    return tuple(b - a for a, b in zip(starts, [*starts[1:], len(units)], strict=True))


def _keys(shapes: Shapes, numbers: Iterable[int], ours: Iterable[str]) -> dict[str, str]:
    """Return their names to ours, the layers being in the same order."""
    places = {str(number): path for number, path in zip(numbers, ours, strict=True)}
    found = {
        name: rename_leaf(f"{match[1]}/{match[2]}", places.get)
        for name in shapes
        if (match := _NAME.fullmatch(name))
    }
    return {name: key for name, key in found.items() if key is not None}


def _applications(
    grammar: tuple[re.Pattern[str], re.Pattern[str], str],
    layers_of: Callable[[tuple[int, ...]], Iterable[tuple[str, str]]],
    network: Callable[[int], ModelSpec],
    facts: InputFacts,
) -> Callable[[Shapes], Match | None]:
    def match(shapes: Shapes) -> Match | None:
        kinds = _layers(shapes)
        blocks = _blocks("".join(kinds.values()), grammar)
        if blocks is None or _stem_kernel(shapes) != 7:
            return None
        ours = [path for _, path in layers_of(blocks) if path not in ("fc", "head.fc")]
        keys = _keys(shapes, kinds, ours)
        measured = measure(to_torch_shapes(keys, shapes, "tensorflow"))
        return Match(keys, measured.apply(network(depth_of(measured))), facts)

    return match


def _example(shapes: Shapes) -> Match | None:
    kinds = _layers(shapes)
    text = "".join(kinds.values())
    for version, per, more in ((1, 6, 3), (2, 9, 4)):
        count, rest = divmod(text.count("C") - more, per)
        if rest or count < 1 or text.count("B") != per * count + 1 or _stem_kernel(shapes) != 3:
            continue
        spec = model_spec(f"keras_resnet{per * count + 2}v{version}")
        kinds_of = {path: "C" if isinstance(layer, Conv) else "B" for path, _, layer in spec.plan().placed()}
        order = keras_example_layers(spec.plan())
        if "".join(kinds_of[path] for path in order) == text:
            return Match(_keys(shapes, kinds, order), spec, KERAS_EXAMPLE)
    raise CheckpointError(
        f"it is a Keras model whose layers have numbers alone, {text.count('C')} convolutions and"
        f" {text.count('B')} batch normalisations in an order that no network of ours has",
        hint="model.save('FILE.h5') in Keras keeps the layers' names.",
    )


_IGNORED: Mapping[str, str] = {
    rf".*/\.OPTIMIZER_SLOT/.*{re.escape(_VALUE)}": "the optimizer's",
    rf"(.*/)?(optimizer|keras_api|_optimizer)/.*{re.escape(_VALUE)}": "the optimizer's",
    rf"(.*/)?save_counter{re.escape(_VALUE)}": "the count of saved checkpoints",
    rf"(.*/)?keras_api/metrics/.*{re.escape(_VALUE)}": "a metric's",
}


def _dialect(
    name: str,
    title: str,
    match: Callable[[Shapes], Match | None],
    *,
    is_bgr: bool,
    without_mean_image: str = "",
) -> Dialect:
    return Dialect(
        name,
        title,
        "tensorflow",
        match,
        rf"(layer_with_weights-0/kernel|_operations/1/_kernel){re.escape(_VALUE)}",
        "(?!)",  # what is no layer of the body is seen by the order of all
        suffix=_VALUE,
        ignored=_IGNORED,
        is_bgr=is_bgr,
        without_mean_image=without_mean_image,
    )


APPLICATIONS_ORDER = _dialect(
    "keras-applications-order",
    "Keras Applications' ResNet, its layers by number",
    _applications(_V1, v1_layers, keras_v1_spec, KERAS_CAFFE),
    is_bgr=True,
)
APPLICATIONS_V2_ORDER = _dialect(
    "keras-applications-v2-order",
    "Keras Applications' ResNetV2, its layers by number",
    _applications(_V2, v2_layers, keras_v2_spec, KERAS_TF),
    is_bgr=False,
)
EXAMPLE_ORDER = _dialect(
    "keras-example-order",
    "Keras' example cifar10_resnet.py, its layers by number",
    _example,
    is_bgr=False,
    without_mean_image=WITHOUT_MEAN_IMAGE,
)
