"""A network of Keras' example cifar10_resnet.py as its layers and what joins them: a model's configuration.

With it an .h5 is a whole model, as the example's own callback saves it after an epoch, and Keras loads it
without the example's script. The form is that of Keras 2, which Keras 3 reads too.

Source: keras-team/keras, examples/cifar10_resnet.py, commit 08f8f0a; of Keras 3
src/legacy/saving/legacy_h5_format.py, and `functional_from_config` in src/models/functional.py.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from resnetlab.errors import UsageError
from resnetlab.network.layers import Act, Conv, Layer, Linear, Norm, Pool
from resnetlab.network.plan import Plan, Unit
from resnetlab.network.spec import ModelSpec
from resnetlab.weights.namings.keras_example import keras_example_names

INPUT = "input_1"
_L2 = 1e-4  # the example's, of convolutions alone
_ADAM = {"learning_rate": 1e-3, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7}
_COUNTED = {
    "Activation": "activation",
    "Add": "add",
    "AveragePooling2D": "average_pooling2d",
    "Flatten": "flatten",
}


@dataclass(frozen=True)
class KerasModel:
    """What a file of a whole model holds beside its weights."""

    config: str
    """The model's configuration, JSON."""
    training: str
    """How the example compiles it, JSON: its loss, its optimizer, accuracy."""
    layers: tuple[str, ...]
    """All layers, as `model.layers` of Keras has them."""


def keras_model(spec: ModelSpec, image_shape: tuple[int, int, int], name: str) -> KerasModel:
    """Return the model of a network of Keras' example, with its softmax; of one logit, with a sigmoid.

    Args:
        spec: The network as the example has it.
        image_shape: Height, width and channels.
        name: The model's.
    """
    graph = _Graph({ours: theirs for theirs, ours in keras_example_names(spec.plan())})
    height, width, _ = image_shape
    value = graph.add("InputLayer", INPUT, (), batch_input_shape=[None, *image_shape], sparse=False)
    value = _body(graph, spec.plan(), value)
    *before, pool, last = spec.shapes(height, width)
    for traced in before:
        if traced.place == "tail":
            value = graph.layer(traced.layer, traced.path, (value,))
    assert isinstance(pool.layer, Pool) and isinstance(last.layer, Linear)
    size = [*pool.input[1:]]
    value = graph.counted("AveragePooling2D", (value,), pool_size=size, strides=size, padding="valid")
    value = graph.counted("Flatten", (value,))
    is_one = spec.classes == 1
    value = graph.add(
        "Dense",
        graph.names[last.path],
        (value,),
        units=spec.classes,
        activation="sigmoid" if is_one else "softmax",
        kernel_initializer="he_normal",
    )
    ends = {"input_layers": [[INPUT, 0, 0]], "output_layers": [[value, 0, 0]]}
    config = {"class_name": "Functional", "config": {"name": name, "layers": graph.layers, **ends}}
    training = {
        "loss": "binary_crossentropy" if is_one else "categorical_crossentropy",
        "metrics": ["accuracy"],
        "loss_weights": None,
        "sample_weight_mode": None,
        "optimizer_config": {"class_name": "Adam", "config": {"name": "Adam", **_ADAM}},
    }
    return KerasModel(json.dumps(config), json.dumps(training), tuple(each["name"] for each in graph.layers))


@dataclass
class _Graph:
    """Layers in the making, each with what it reads."""

    names: dict[str, str]
    """Our paths of layers with weights to Keras' names."""
    layers: list[dict[str, Any]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, kind: str, name: str, inputs: Sequence[str], **config: object) -> str:
        """Append a layer and return its name."""
        nodes = [[[each, 0, 0, {}] for each in inputs]] if inputs else []
        own = {"name": name, "dtype": "float32", **config}
        if inputs:  # Keras 2 refuses it of an input
            own["trainable"] = True
        self.layers.append({"class_name": kind, "name": name, "config": own, "inbound_nodes": nodes})
        return name

    def counted(self, kind: str, inputs: Sequence[str], **config: object) -> str:
        """Append a layer without weights, which is named by its number."""
        number = self.counts.get(kind, 0)
        self.counts[kind] = number + 1
        return self.add(kind, f"{_COUNTED[kind]}_{number}" if number else _COUNTED[kind], inputs, **config)

    def layer(self, layer: Layer, path: str, inputs: Sequence[str]) -> str:
        """Append a layer of a plan and return its name."""
        match layer:
            case Conv():
                return self.add(
                    "Conv2D",
                    self.names[path],
                    inputs,
                    filters=layer.out_channels,
                    kernel_size=[layer.kernel] * 2,
                    strides=[layer.stride] * 2,
                    padding="same",
                    data_format="channels_last",
                    use_bias=True,
                    kernel_initializer="he_normal",
                    kernel_regularizer={"class_name": "L1L2", "config": {"l1": 0.0, "l2": _L2}},
                )
            case Norm():
                keeps = {"momentum": round(1 - layer.momentum, 9), "epsilon": layer.eps}
                return self.add("BatchNormalization", self.names[path], inputs, axis=-1, **keeps)
            case Act(slope=0):
                return self.counted("Activation", inputs, activation="relu")
        raise UsageError(f"{path} is no layer of Keras' example cifar10_resnet.py")


def _body(graph: _Graph, plan: Plan, value: str) -> str:
    for layer in plan.stem:
        value = graph.layer(layer, layer.name, (value,))
    for unit in plan.units:
        value = _unit(graph, unit, value)
    return value


def _unit(graph: _Graph, unit: Unit, value: str) -> str:
    """Append a unit; a projection stands beside the branch's last convolution, as in `model.layers`."""
    shortcut, branch = value, value
    layers = (*unit.before, *unit.branch)
    last = max(index for index, layer in enumerate(layers) if isinstance(layer, Conv))
    projects_at = last + 1 if isinstance(layers[-1], Norm) else last
    for index, layer in enumerate(layers):
        if index == projects_at:
            shortcut = _chain(graph, unit, unit.shortcut or (), shortcut)
        branch = graph.layer(layer, f"{unit.name}.{layer.name}", (branch,))
    return _chain(graph, unit, unit.after, graph.counted("Add", (shortcut, branch)))


def _chain(graph: _Graph, unit: Unit, layers: Sequence[Layer], value: str) -> str:
    for layer in layers:
        value = graph.layer(layer, f"{unit.name}.{layer.name}", (value,))
    return value
