"""Weights and logits made by TensorFlow itself; runs where only TensorFlow is: see `make test-parity`.

    python tests/parity/generate.py FOLDER

Keras' networks are Keras' own. The official, chao-ji's and the research networks are restated here
in TensorFlow operations from their facts; their variables are created in the originals' order and
by the originals' names, and TensorFlow's own savers write them.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import keras
import numpy as np
import tensorflow as tf
from keras.src.legacy.saving import legacy_h5_format
from keras_example import EXAMPLES, before_softmax

IMAGENET = {50: (3, 4, 6, 3), 18: (2, 2, 2, 2)}


def images(size: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 1, (2, size, size, 3)).astype(np.float32)


def random_value(leaf: str, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Give every kind of number a value that shows when it is lost, or misplaced."""
    if len(shape) > 1:
        value = rng.normal(0, np.sqrt(0.5 / np.prod(shape[:-1])), shape)  # activations stay near 1
    elif leaf in ("gamma", "moving_variance"):
        value = rng.uniform(0.5, 1.5, shape)
    else:
        value = rng.normal(0, 0.3, shape)
    return value.astype(np.float32)


class Maker:
    """Variables by name, made at the first use; those of a second pass are the first's."""

    def __init__(self, seed: int) -> None:
        self.values: dict[str, np.ndarray] = {}
        self.rng = np.random.default_rng(seed)
        self.counts: dict[str, int] = {}

    def numbered(self, kind: str) -> str:
        count = self.counts.get(kind, 0)
        self.counts[kind] = count + 1
        return f"{kind}_{count}" if count else kind

    def get(self, name: str, *shape: int) -> tf.Tensor:
        if name not in self.values:
            self.values[name] = random_value(name.rpartition("/")[2], shape, self.rng)
        return tf.constant(self.values[name])

    def norm(self, scope: str, x: tf.Tensor, eps: float, has_gamma: bool = True) -> tf.Tensor:
        c = x.shape[-1]
        gamma = self.get(f"{scope}/gamma", c) if has_gamma else None
        beta, mean, var = (self.get(f"{scope}/{s}", c) for s in ("beta", "moving_mean", "moving_variance"))
        return tf.nn.batch_normalization(x, mean, var, beta, gamma, eps)


# The official networks ---------------------------------------------------------------------------


def official(depth: int, version: int, *, cifar: bool) -> Callable[[Maker, np.ndarray], tf.Tensor]:
    """tensorflow/models official/r1/resnet/resnet_model.py, version 1 or 2."""

    def conv(net: Maker, x: tf.Tensor, filters: int, kernel: int, stride: int) -> tf.Tensor:
        name = f"resnet_model/{net.numbered('conv2d')}/kernel"
        weight = net.get(name, kernel, kernel, x.shape[-1], filters)
        if stride > 1:
            before = (kernel - 1) // 2
            after = kernel - 1 - before
            x = tf.pad(x, [[0, 0], [before, after], [before, after], [0, 0]])
        return tf.nn.conv2d(x, weight, stride, "VALID" if stride > 1 else "SAME")

    def norm(net: Maker, x: tf.Tensor) -> tf.Tensor:
        return net.norm(f"resnet_model/{net.numbered('batch_normalization')}", x, 1e-5)

    def norm_relu(net: Maker, x: tf.Tensor) -> tf.Tensor:
        return tf.nn.relu(norm(net, x))

    def block(net: Maker, x: tf.Tensor, filters: int, stride: int, is_first: bool, big: bool) -> tf.Tensor:
        outputs = 4 * filters if big else filters
        shortcut = x
        if version == 2:
            x = norm_relu(net, x)
        if is_first:
            shortcut = conv(net, x, outputs, 1, stride)
            shortcut = norm(net, shortcut) if version == 1 else shortcut
        steps = [(1, 1, filters), (3, stride, filters), (1, 1, outputs)]
        steps = steps if big else [(3, stride, filters), (3, 1, filters)]
        for index, (kernel, step, width) in enumerate(steps):
            if version == 2 and index:
                x = norm_relu(net, x)
            x = conv(net, x, width, kernel, step)
            if version == 1:
                x = norm(net, x)
                x = tf.nn.relu(x) if index < len(steps) - 1 else x
        return tf.nn.relu(x + shortcut) if version == 1 else x + shortcut

    def forward(net: Maker, x: np.ndarray) -> tf.Tensor:
        net.counts = {}
        x = conv(net, tf.constant(x), 16 if cifar else 64, 3 if cifar else 7, 1 if cifar else 2)
        x = norm_relu(net, x) if version == 1 else x
        x = x if cifar else tf.nn.max_pool2d(x, 3, 2, "SAME")
        sizes = ((depth - 2) // 6,) * 3 if cifar else IMAGENET[depth]
        for stage, count in enumerate(sizes):
            for index in range(count):
                stride = 2 if stage and not index else 1
                filters = (16 if cifar else 64) * 2**stage
                x = block(net, x, filters, stride, not index, not cifar and depth >= 50)
        x = norm_relu(net, x) if version == 2 else x
        x, classes = tf.reduce_mean(x, [1, 2]), 10 if cifar else 1001
        kernel = net.get("resnet_model/dense/kernel", x.shape[-1], classes)
        return x @ kernel + net.get("resnet_model/dense/bias", classes)

    return forward


# chao-ji's and the research networks -------------------------------------------------------------


def halved(x: tf.Tensor, filters: int) -> tf.Tensor:
    """Average pooling, and zero channels on both sides."""
    x = tf.nn.avg_pool2d(x, 2, 2, "VALID")
    half = (filters - x.shape[-1]) // 2
    return tf.pad(x, [[0, 0], [0, 0], [0, 0], [half, half]])


def chaoji(depth: int, names: dict[str, str], *, tf1: bool) -> Callable[[Maker, np.ndarray], tf.Tensor]:
    """BN-ReLU-conv twice; the very first shortcut leaves after the first activation."""

    def conv(net: Maker, name: str, x: tf.Tensor, filters: int, kernel: int, stride: int) -> tf.Tensor:
        weight = net.get(f"{name}/{names['kernel']}", kernel, kernel, x.shape[-1], filters)
        return tf.nn.conv2d(x, weight, stride, "SAME")

    def forward(net: Maker, x: np.ndarray) -> tf.Tensor:
        count = (depth - 2) // 6
        x = conv(net, names["init"], tf.constant(x), 16, 3, 1)
        for block, filters in enumerate((16, 32, 64), 1):
            for unit in range(count):
                at = names["unit"].format(block=block, unit=unit + int(tf1), index=unit)
                stride = 2 if block > 1 and unit == 0 else 1
                p = tf.nn.relu(net.norm(f"{at}/{names['norm1']}", x, 1e-3, not tf1))
                y = conv(net, f"{at}/{names['conv1']}", p, filters, 3, stride)
                y = tf.nn.relu(net.norm(f"{at}/{names['norm2']}", y, 1e-3))
                y = conv(net, f"{at}/{names['conv2']}", y, filters, 3, 1)
                shortcut = p if (block, unit) == (1, 0) else x
                x = y + (shortcut if stride == 1 else halved(shortcut, filters))
        x = tf.nn.relu(net.norm(names["last"], x, 1e-3, not tf1))
        x = conv(net, names["head"], tf.reduce_mean(x, [1, 2], keepdims=True), 10, 1, 1)
        return tf.squeeze(x, [1, 2]) + net.get(f"{names['head']}/{names['bias']}", 10)

    return forward


TF1 = "Resnet_v2_Cifar10_20/"
CHAOJI_TF1 = {
    "init": TF1 + "init_conv",
    "unit": TF1 + "block{block}/unit_{unit}/unit_fn_v2",
    "norm1": "preact",
    "conv1": "conv1",
    "norm2": "conv1/BatchNorm",
    "conv2": "conv2",
    "last": TF1 + "postnorm",
    "head": TF1 + "logits",
    "kernel": "weights",
    "bias": "biases",
}
CHAOJI_TF2 = {
    "init": "model/_init_conv",
    "unit": "model/_block{block}/layer_with_weights-{index}",
    "norm1": "_bn1",
    "conv1": "_conv1",
    "norm2": "_bn2",
    "conv2": "_conv2",
    "last": "model/_final_bn",
    "head": "model/_final_conv",
    "kernel": "kernel",
    "bias": "bias",
}


def research(units: int) -> Callable[[Maker, np.ndarray], tf.Tensor]:
    """tensorflow/models research/resnet, basic units, leaky ReLU of slope 0.1."""

    def act(net: Maker, name: str, x: tf.Tensor) -> tf.Tensor:
        return tf.nn.leaky_relu(net.norm(name, x, 1e-3), 0.1)

    def conv(net: Maker, name: str, x: tf.Tensor, filters: int, stride: int) -> tf.Tensor:
        return tf.nn.conv2d(x, net.get(f"{name}/DW", 3, 3, x.shape[-1], filters), stride, "SAME")

    def forward(net: Maker, x: np.ndarray) -> tf.Tensor:
        x = conv(net, "init/init_conv", tf.constant(x), 16, 1)
        for group, filters in enumerate((16, 32, 64), 1):
            for unit in range(units):
                at, stride = f"unit_{group}_{unit}", 2 if group > 1 and unit == 0 else 1
                is_shared = group == 1 and unit == 0
                scope = "shared_activation" if is_shared else "residual_only_activation"
                p = act(net, f"{at}/{scope}/init_bn", x)
                y = conv(net, f"{at}/sub1/conv1", p, filters, stride)
                y = conv(net, f"{at}/sub2/conv2", act(net, f"{at}/sub2/bn2", y), filters, 1)
                shortcut = p if is_shared else x
                x = y + (shortcut if stride == 1 else halved(shortcut, filters))
        x = tf.reduce_mean(act(net, "unit_last/final_bn", x), [1, 2])
        return x @ net.get("logit/DW", 64, 10) + net.get("logit/biases", 10)

    return forward


# Saving ------------------------------------------------------------------------------------------


def save_v1(values: dict[str, np.ndarray], prefix: Path) -> None:
    """As TensorFlow 1 trainers did: a Saver, the step counter, a slot of the optimizer."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        for name, value in values.items():
            tf.compat.v1.get_variable(name, initializer=value)
        slot = next(name for name in values if "conv" in name)
        tf.compat.v1.get_variable(f"{slot}/Momentum", initializer=values[slot])
        tf.compat.v1.get_variable("global_step", initializer=np.int64(7))
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.train.Saver().save(session, str(prefix), write_meta_graph=False)


def save_v2(values: dict[str, np.ndarray], prefix: Path) -> None:
    """As TensorFlow 2 trainers do: an object graph under tf.train.Checkpoint."""
    root = tf.Module()
    for name, value in values.items():
        *path, leaf = name.split("/")
        node = root
        for part in path:
            if not hasattr(node, part):
                setattr(node, part, tf.Module())
            node = getattr(node, part)
        setattr(node, leaf, tf.Variable(value))
    tf.train.Checkpoint(model=root.model).save(str(prefix))


def make_restated(folder: Path) -> None:
    cases = {
        "official_50_v1": (official(50, 1, cifar=False), save_v1, (224, 197)),
        "official_50_v2": (official(50, 2, cifar=False), save_v1, (224, 197)),
        "official_18_v1": (official(18, 1, cifar=False), save_v1, (97,)),
        "official_cifar_20_v1": (official(20, 1, cifar=True), save_v1, (32,)),
        "official_cifar_20_v2": (official(20, 2, cifar=True), save_v1, (32,)),
        "chaoji_tf1_20": (chaoji(20, CHAOJI_TF1, tf1=True), save_v1, (32,)),
        "chaoji_tf2_20": (chaoji(20, CHAOJI_TF2, tf1=False), save_v2, (32,)),
        "research_20": (research(3), save_v1, (32,)),
    }
    for seed, (name, (forward, save, sizes)) in enumerate(cases.items()):
        net = Maker(seed)
        logits = {str(size): forward(net, images(size)).numpy() for size in sizes}
        save(net.values, folder / name)
        np.savez(folder / f"{name}.npz", **logits)
        print(name, {size: float(np.abs(each).max()) for size, each in logits.items()})


def make_keras(folder: Path) -> None:
    for name in ("ResNet50", "ResNet50V2"):
        logits = {}
        values: list[np.ndarray] = []
        for size in (224, 197):
            build = getattr(keras.applications, name)
            model = build(weights=None, input_shape=(size, size, 3), classifier_activation=None)
            if not values:
                rng = np.random.default_rng(5)
                values = [random_value(v.name, tuple(v.shape), rng) for v in model.weights]
            model.set_weights(values)
            logits[str(size)] = np.asarray(model(images(size), training=False))
        np.savez(folder / f"{name}.npz", **logits)
        model.save(folder / f"{name}.keras")
        model.save(folder / f"{name}.h5")
        if name == "ResNet50":
            with h5py.File(folder / f"{name}_old_layout.h5", "w") as file:
                legacy_h5_format.save_weights_to_hdf5_group(file, model)
        else:
            model.save_weights(folder / f"{name}.weights.h5")
        print(name, {size: float(np.abs(each).max()) for size, each in logits.items()})


def make_keras_example(folder: Path) -> None:
    """The example's networks as its callback saves them: whole, compiled, with the optimizer's state."""
    for seed, (name, (build, depth)) in enumerate(EXAMPLES.items()):
        keras.backend.clear_session()
        model = build((32, 32, 3), depth, activation="softmax")
        model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
        model.train_on_batch(images(32), np.eye(10)[[1, 2]])  # so that Adam has a state to save
        rng = np.random.default_rng(seed)
        of_layers = [variable for layer in model.layers for variable in layer.weights]
        for variable in of_layers:  # model.weights has the metrics' too
            variable.assign(random_value(variable.name, tuple(variable.shape), rng))
        np.savez(folder / f"whole_{name}.npz", np.asarray(before_softmax(model)(images(32), training=False)))
        model.save(folder / f"whole_{name}.h5")
        print(name, "saved whole")


def make_keras_of_pixels(folder: Path) -> None:
    """Networks that prepare pixels themselves, as people write it."""
    side = 64
    pixels = np.random.default_rng(7).integers(0, 256, (3, side, side, 3)).astype(np.uint8)
    normalization = keras.layers.Normalization()
    normalization.adapt(pixels.astype(np.float32))
    ways = {
        "rescaling": keras.layers.Rescaling(1 / 127.5, offset=-1),
        "normalization": normalization,
        "division": lambda x: x / 255.0,
        "preprocess_input": keras.applications.resnet.preprocess_input,
    }
    for seed, (name, way) in enumerate(ways.items()):
        inputs = keras.Input((side, side, 3))
        body = keras.applications.ResNet50(
            weights=None, include_top=False, pooling="avg", input_shape=(side, side, 3)
        )
        x = body(way(keras.layers.RandomFlip()(inputs)))
        model = keras.Model(inputs, keras.layers.Dense(5)(x))
        rng = np.random.default_rng(seed)
        for variable in (*body.weights, *model.layers[-1].weights):
            variable.assign(random_value(variable.name, tuple(variable.shape), rng))
        logits = np.asarray(model(pixels.astype(np.float32), training=False))
        np.savez(folder / f"pixels_{name}.npz", pixels=pixels, logits=logits)
        model.save(folder / f"pixels_{name}.keras")
        model.save(folder / f"pixels_{name}.h5")


def make_records(folder: Path) -> None:
    """TFRecords in ImageNet's layout, JPEGs and all by TensorFlow."""
    (folder / "records").mkdir(exist_ok=True)
    rng = np.random.default_rng(11)
    labels, boxes, pixels = np.array([2, 1, 3, 1, 2, 3, 1, 2]), rng.uniform(0, 0.5, (8, 4)), []
    boxes[:, 2:] += 0.5  # (ymin, xmin, ymax, xmax)
    for part, chosen in (("train", range(8)), ("validation", range(3))):
        with tf.io.TFRecordWriter(str(folder / "records" / f"{part}-00000-of-00001")) as writer:
            for index in chosen:
                smooth = tf.image.resize(rng.uniform(0, 255, (4, 5, 3)), (48, 64), "bicubic")
                jpeg = tf.io.encode_jpeg(tf.cast(tf.clip_by_value(smooth, 0, 255), tf.uint8), quality=95)
                if part == "train":
                    pixels.append(tf.io.decode_jpeg(jpeg, dct_method="INTEGER_ACCURATE").numpy())
                sides = dict(zip(("ymin", "xmin", "ymax", "xmax"), boxes[index], strict=True))
                feature = {
                    "image/encoded": tf.train.Feature(bytes_list=tf.train.BytesList(value=[jpeg.numpy()])),
                    "image/class/label": tf.train.Feature(
                        int64_list=tf.train.Int64List(value=[labels[index]])
                    ),
                    **{
                        f"image/object/bbox/{name}": tf.train.Feature(
                            float_list=tf.train.FloatList(value=[value])
                        )
                        for name, value in sides.items()
                    },
                }
                writer.write(
                    tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()
                )
    np.savez(folder / "records.npz", labels=labels, boxes=boxes.astype(np.float32), pixels=np.stack(pixels))


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    make_restated(target)
    make_keras(target)
    make_keras_example(target)
    make_keras_of_pixels(target)
    make_records(target)
