"""Training steps by TensorFlow: two of each original, at two rates, one of Keras'; see `make test-parity`.

    python tests/parity/steps.py FOLDER

The networks are those of generate.py with variables that learn; gradients and optimizers are TensorFlow's
own, and Keras' example is compiled and trained by Keras 2 (tf_keras). What is added to the loss is written
down here a second time. Weights before are saved as checkpoints and .h5, what each step changes by
TensorFlow's names.

All is computed in double precision: in single, some activations are rounded to the other side of a ReLU's
zero, and weights near 1 hide a change of 1e-4 behind their last digit.
"""

import itertools
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import generate
import keras_example
import numpy as np
import tensorflow as tf
import tf_keras

RATES = (0.01, 0.1)
"""Of the two steps: with another rate, it matters whether momentum holds it."""
KERAS_RATE = 1e-3
SEED = 4


def batch(size: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(SEED)
    return rng.normal(0, 1, (8, size, size, 3)).astype(np.float32), rng.integers(0, classes, 8)


def unbiased(x: tf.Tensor) -> float:
    """What makes a batch's variance the unbiased one, which TensorFlow's fused BN keeps."""
    count = float(np.prod(x.shape[:-1]))
    return count / (count - 1)


class Learner(generate.Maker):
    """Variables that learn; BN goes by the batch, and its moving statistics follow."""

    def __init__(self, seed: int, decay: Callable[[str], float], *, by_hand: bool) -> None:
        super().__init__(seed)
        self.variables: dict[str, tf.Variable] = {}
        self.moving: dict[str, tf.Tensor] = {}
        self.decay, self.by_hand = decay, by_hand

    def get(self, name: str, *shape: int) -> tf.Variable:
        if name not in self.variables:
            value = tf.cast(super().get(name, *shape), tf.float64)
            self.variables[name] = tf.Variable(value, trainable="moving_" not in name)
        return self.variables[name]

    def norm(self, scope: str, x: tf.Tensor, eps: float, has_gamma: bool = True) -> tf.Tensor:
        c = x.shape[-1]
        gamma = self.get(f"{scope}/gamma", c) if has_gamma else None
        beta, mean, var = (self.get(f"{scope}/{s}", c) for s in ("beta", "moving_mean", "moving_variance"))
        of_batch = tf.nn.moments(x, [0, 1, 2])
        y = tf.nn.batch_normalization(x, *of_batch, beta, gamma, eps)
        if not self.by_hand:
            of_batch = of_batch[0], of_batch[1] * unbiased(x)
        keep = self.decay(scope)
        for variable, found, leaf in zip((mean, var), of_batch, ("mean", "variance"), strict=True):
            self.moving[f"{scope}/moving_{leaf}"] = variable * keep + found * (1 - keep)
        return y

    @property
    def learning(self) -> dict[str, tf.Variable]:
        return {name: variable for name, variable in self.variables.items() if variable.trainable}


@dataclass(frozen=True)
class Case:
    """How one original trains."""

    forward: Callable[[generate.Maker, np.ndarray], tf.Tensor]
    l2: Callable[[str], float]
    """What half the square of a variable counts in the loss, by the variable's name."""
    size: int = 32
    classes: int = 10
    decay: Callable[[str], float] = lambda scope: 0.99
    by_hand: bool = False
    """research/resnet/resnet_model.py has its own BN, which keeps the biased variance."""
    is_keras: bool = False
    """Whether the optimizer is Keras' SGD, which keeps the rate in the velocity; saved is an object graph."""


def is_official_norm(name: str) -> bool:
    return "batch_normalization" in name


CASES = {
    "chaoji_tf1": Case(
        generate.chaoji(20, generate.CHAOJI_TF1, tf1=True),
        lambda name: 2e-4 * name.endswith("/weights"),
        decay=lambda scope: 0.99 if scope.endswith("BatchNorm") else 0.999,  # slim's default where not said
    ),
    "chaoji_tf2": Case(
        generate.chaoji(20, generate.CHAOJI_TF2, tf1=False),
        lambda name: 2 * 2e-4 * name.endswith("/kernel"),  # Keras' l2 has no half
        is_keras=True,
    ),
    "official_cifar_v1": Case(
        generate.official(20, 1, cifar=True), lambda name: 2e-4, decay=lambda scope: 0.997
    ),
    "official_cifar_v2": Case(
        generate.official(20, 2, cifar=True), lambda name: 2e-4, decay=lambda scope: 0.997
    ),
    "official_18_v1": Case(
        generate.official(18, 1, cifar=False),
        lambda name: 0.0 if is_official_norm(name) else 1e-4,
        size=64,
        classes=1001,
        decay=lambda scope: 0.997,
    ),
    "official_50_v2": Case(
        generate.official(50, 2, cifar=False),
        lambda name: 0.0 if is_official_norm(name) else 1e-4,
        size=64,
        classes=1001,
        decay=lambda scope: 0.997,
    ),
    "research": Case(
        generate.research(3), lambda name: 2e-4 * ("DW" in name), decay=lambda scope: 0.9, by_hand=True
    ),
}


Values = dict[str, np.ndarray]


def save_changes(path: Path, states: list[Values]) -> None:
    """Save what each step changed, as STEP/NAME."""
    pairs = enumerate(itertools.pairwise(states))
    np.savez(
        path, **{f"{n}/{key}": after[key] - value for n, (old, after) in pairs for key, value in old.items()}
    )


def make_restated(folder: Path, name: str, case: Case) -> None:
    images, labels = batch(case.size, case.classes)
    net = Learner(7, case.decay, by_hand=case.by_hand)
    case.forward(net, images.astype(np.float64))
    rate = tf.Variable(0.0, dtype=tf.float64)
    optimizer = (
        tf_keras.optimizers.legacy.SGD(rate, momentum=0.9)
        if case.is_keras
        else tf.compat.v1.train.MomentumOptimizer(lambda: rate, 0.9)
    )
    save = generate.save_v2 if case.is_keras else generate.save_v1
    save(net.values, folder / f"step_{name}")
    states = [{key: value.numpy() for key, value in net.variables.items()}]
    for lr in RATES:
        rate.assign(lr)
        with tf.GradientTape() as tape:
            logits = case.forward(net, images.astype(np.float64))
            each = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            added = [case.l2(key) * tf.nn.l2_loss(value) for key, value in net.learning.items()]
            loss = tf.reduce_mean(each) + tf.add_n(added)
        values = list(net.learning.values())
        optimizer.apply_gradients(zip(tape.gradient(loss, values), values, strict=True))
        for key, value in net.moving.items():
            net.variables[key].assign(value)
        states.append({key: value.numpy() for key, value in net.variables.items()})
        print(name, lr, float(loss))
    save_changes(folder / f"step_{name}.npz", states)


def make_keras(folder: Path, name: str) -> None:
    """The example as it stands: compiled with Adam and its L2, trained on a batch."""
    images, labels = batch(32, 10)
    build, depth = keras_example.EXAMPLES[name]
    tf_keras.backend.set_floatx("float64")
    with keras_example.of(tf_keras):
        model = build((32, 32, 3), depth, activation="softmax")
        model.compile(loss="categorical_crossentropy", optimizer=tf_keras.optimizers.Adam(KERAS_RATE))
    rng = np.random.default_rng(7)
    leaves = [variable.name.rpartition("/")[2].partition(":")[0] for variable in model.weights]
    shapes = [tuple(variable.shape) for variable in model.weights]
    model.set_weights([generate.random_value(*each, rng) for each in zip(leaves, shapes, strict=True)])
    model.save_weights(folder / f"step_{name}.h5")
    before = state_of(model)
    print(name, model.train_on_batch(images, np.eye(10)[labels]))
    after = state_of(model)
    keep_unbiased(model, before, after)
    save_changes(folder / f"step_{name}.npz", [before, after])


def state_of(model: tf_keras.Model) -> Values:
    return {variable.name.partition(":")[0]: variable.numpy() for variable in model.weights}


def keep_unbiased(model: tf_keras.Model, before: Values, after: Values) -> None:
    """Make of the moving variances what Keras' fused BN does, which there is none of in double precision."""
    for layer in model.layers:
        if isinstance(layer, tf_keras.layers.BatchNormalization):
            key, count = f"{layer.name}/moving_variance", 8 * layer.input.shape[1] * layer.input.shape[2]
            of_batch = (after[key] - before[key] * layer.momentum) / (1 - layer.momentum)
            after[key] = before[key] * layer.momentum + of_batch * count / (count - 1) * (1 - layer.momentum)


def main(folder: Path) -> None:
    for name, case in CASES.items():
        make_restated(folder, name, case)
    for name in ("keras_resnet20v1", "keras_resnet20v2"):
        make_keras(folder, name)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    main(target)
