"""Keras' examples/cifar10_resnet.py, whose layers have no names but Keras' own: conv2d_7, dense_1.

Their numbers are the order of making and begin anywhere: at none in a fresh process of tf.keras, at 1 in
one of Keras 2.2, later in a process that made networks before. In a unit the branch comes before the
projection, which has no BN; every convolution has a bias. Source: keras-team/keras, commit 08f8f0a.
"""

import re
from collections.abc import Iterator

from resnetlab.errors import CheckpointError
from resnetlab.network.catalog import model_spec
from resnetlab.network.layers import Conv, Layer, Linear, Norm
from resnetlab.network.plan import Plan
from resnetlab.weights.facts.naming import Dialect, Match, Shapes, rename_leaf
from resnetlab.weights.facts.preprocessings import KERAS_EXAMPLE

_LAYER = re.compile(r"(conv2d|batch_normalization)(?:_(\d{1,9}))?/(kernel|gamma)")


def _numbered(shapes: Shapes, kind: str) -> list[str]:
    """Return the layers of a kind in the order of making."""
    found = {}
    for name in shapes:
        match = _LAYER.fullmatch(name)
        if match and match[1] == kind:
            found[int(match[2] or 0)] = name.rpartition("/")[0]
    return [found[number] for number in sorted(found)]


def _match(shapes: Shapes) -> Match | None:
    convs, norms = _numbered(shapes, "conv2d"), _numbered(shapes, "batch_normalization")
    if not convs or len(shapes.get(f"{convs[0]}/kernel", ())) != 4 or f"{convs[0]}/bias" not in shapes:
        return None
    size = shapes[f"{convs[0]}/kernel"]
    version = next(
        (v for v, per, more in ((1, 6, 3), (2, 9, 4)) if _is_version(convs, norms, per, more)), None
    )
    if version is None or size[:2] != (3, 3):
        raise CheckpointError(
            f"it is a Keras model whose layers are not named ({len(convs)} convolutions and"
            f" {len(norms)} batch normalisations, called conv2d_7 and the like), and Keras' example for"
            " CIFAR-10, whose layers have no names either, is none of such numbers"
        )
    depth = len(convs) - (1 if version == 1 else 2)
    spec = model_spec(f"keras_resnet{depth}v{version}").with_(in_channels=size[2])
    places = list(keras_example_places(spec.plan()))
    ours = {
        **dict(zip(convs, (path for path, layer in places if isinstance(layer, Conv)), strict=True)),
        **dict(zip(norms, (path for path, layer in places if isinstance(layer, Norm)), strict=True)),
    }
    keys = {name: key for name in shapes if (key := rename_leaf(name, ours.get)) is not None}
    return Match(keys, spec, KERAS_EXAMPLE)


def _is_version(convs: list[str], norms: list[str], per_stage_unit: int, more: int) -> bool:
    """Return whether the counts are those of a version: 6n + 3 and 6n + 1, or 9n + 4 and 9n + 1."""
    count, rest = divmod(len(convs) - more, per_stage_unit)
    return count > 0 and rest == 0 and len(norms) == per_stage_unit * count + 1


def keras_example_places(plan: Plan) -> Iterator[tuple[str, Layer]]:
    """Give every layer with its path, in the order of making."""
    yield from ((layer.name, layer) for layer in plan.stem)
    for unit in plan.units:
        for layer in (*unit.before, *unit.branch, *(unit.shortcut or ()), *unit.after):
            yield f"{unit.name}.{layer.name}", layer
    yield from ((layer.name, layer) for layer in plan.tail)


def keras_example_layers(plan: Plan) -> list[str]:
    """Return the paths of all convolutions and BN as `model.layers` of Keras has them.

    A projection stands beside the branch's last convolution there: in version 1 behind it, before its BN,
    in version 2 before it. Seen in files that Keras 3 wrote; version 2's of Keras order layers alike.
    """
    order = [plan.stem[0].name, *(layer.name for layer in plan.stem[1:] if isinstance(layer, Norm))]
    for unit in plan.units:
        branch = [layer for layer in (*unit.before, *unit.branch) if isinstance(layer, Conv | Norm)]
        last = max(index for index, layer in enumerate(branch) if isinstance(layer, Conv))
        at = last + 1 if isinstance(branch[-1], Norm) else last
        projection = [layer for layer in unit.shortcut or () if isinstance(layer, Conv)]
        order += [f"{unit.name}.{layer.name}" for layer in (*branch[:at], *projection, *branch[at:])]
    return order + [layer.name for layer in plan.tail if isinstance(layer, Norm)]


def keras_example_names(plan: Plan) -> Iterator[tuple[str, str]]:
    """Give (their layer, ours) as `model.layers` of Keras has them, with the names of a fresh process."""
    names: dict[str, str] = {}
    for kind, base in ((Conv, "conv2d"), (Norm, "batch_normalization")):
        made = [path for path, layer in keras_example_places(plan) if isinstance(layer, kind)]
        names |= {path: f"{base}_{number}" if number else base for number, path in enumerate(made)}
    yield from ((names[path], path) for path in keras_example_layers(plan))
    yield from (("dense", layer.name) for layer in plan.tail if isinstance(layer, Linear))


WITHOUT_MEAN_IMAGE = (
    "It was trained on pixels from 0 to 1 less the mean image of CIFAR-10's training images, which the"
    " file does not hold: give the data (--mean-image cifar10), or the channels' means, which are near"
    " (--mean 0.4914,0.4822,0.4465 --std 1,1,1)."
)

KERAS_EXAMPLE_NAMES = Dialect(
    "keras-example",
    "Keras' example cifar10_resnet.py",
    "tensorflow",
    _match,
    r"conv2d(_\d+)?/bias",
    r"(conv2d|batch_normalization)(_\d+)?/\w+",
    without_mean_image=WITHOUT_MEAN_IMAGE,
)
