"""Keras' examples/cifar10_resnet.py, its two networks restated; runs where only TensorFlow is.

The layers are made in the example's order and have no names, so that Keras numbers them as there.
Source: keras-team/keras, commit 08f8f0a.
"""

import contextlib
from collections.abc import Callable, Iterator
from types import ModuleType

import keras
from keras import layers

SIDE = 32


@contextlib.contextmanager
def of(library: ModuleType) -> Iterator[None]:
    """Build the networks of another Keras inside: of tf_keras, which is Keras 2."""
    global keras, layers
    before = keras, layers
    keras, layers = library, library.layers
    try:
        yield
    finally:
        keras, layers = before


def _layer(
    x: keras.KerasTensor, filters: int = 16, kernel: int = 3, stride: int = 1,
    *, has_act: bool = True, has_norm: bool = True, is_conv_first: bool = True,
) -> keras.KerasTensor:  # fmt: skip
    """The example's `resnet_layer`: convolution, BN, ReLU, or BN, ReLU, convolution."""
    regular = keras.regularizers.l2(1e-4)
    conv = layers.Conv2D(
        filters, kernel, strides=stride, padding="same",
        kernel_initializer="he_normal", kernel_regularizer=regular,
    )  # fmt: skip
    x = conv(x) if is_conv_first else x
    x = layers.BatchNormalization()(x) if has_norm else x
    x = layers.Activation("relu")(x) if has_act else x
    return x if is_conv_first else conv(x)


def _answers(
    inputs: keras.KerasTensor, x: keras.KerasTensor, num_classes: int, activation: str | None
) -> keras.Model:
    """Pool of 8, and the classifier; the example has its softmax, without it logits are compared."""
    y = layers.Flatten()(layers.AveragePooling2D(pool_size=8)(x))
    dense = layers.Dense(num_classes, activation=activation, kernel_initializer="he_normal")
    return keras.Model(inputs, dense(y))


def resnet_v1(
    input_shape: tuple[int, int, int], depth: int, num_classes: int = 10, activation: str | None = None
) -> keras.Model:
    """Version 1 of depth 6n + 2."""
    inputs = layers.Input(shape=input_shape)
    x, filters = _layer(inputs), 16
    for stack in range(3):
        for block in range((depth - 2) // 6):
            is_wider = stack > 0 and block == 0
            stride = 2 if is_wider else 1
            y = _layer(_layer(x, filters, stride=stride), filters, has_act=False)
            if is_wider:
                x = _layer(x, filters, 1, stride, has_act=False, has_norm=False)
            x = layers.Activation("relu")(layers.add([x, y]))
        filters *= 2
    return _answers(inputs, x, num_classes, activation)


def resnet_v2(
    input_shape: tuple[int, int, int], depth: int, num_classes: int = 10, activation: str | None = None
) -> keras.Model:
    """Version 2 of depth 9n + 2."""
    inputs = layers.Input(shape=input_shape)
    x, inner = _layer(inputs), 16
    for stage in range(3):
        outer = inner * (4 if stage == 0 else 2)
        for block in range((depth - 2) // 9):
            is_bare = stage == 0 and block == 0
            stride = 2 if stage > 0 and block == 0 else 1
            y = _layer(x, inner, 1, stride, has_act=not is_bare, has_norm=not is_bare, is_conv_first=False)
            y = _layer(_layer(y, inner, is_conv_first=False), outer, 1, is_conv_first=False)
            if block == 0:
                x = _layer(x, outer, 1, stride, has_act=False, has_norm=False)
            x = layers.add([x, y])
        inner = outer
    x = layers.Activation("relu")(layers.BatchNormalization()(x))
    return _answers(inputs, x, num_classes, activation)


def before_softmax(model: keras.Model) -> keras.Model:
    """The same network without the classifier's softmax, whose answers would hide differences."""
    dense = model.layers[-1]
    last = layers.Dense(dense.units)
    network = keras.Model(model.inputs, last(dense.input))
    last.set_weights(dense.get_weights())
    return network


EXAMPLES: dict[str, tuple[Callable[..., keras.Model], int]] = {
    "keras_resnet20v1": (resnet_v1, 20),
    "keras_resnet20v2": (resnet_v2, 20),
    "keras_resnet110v2": (resnet_v2, 110),
}
"""The builder and the depth of each network that is compared."""
