"""Keras loads what we exported and gives our logits; runs where only TensorFlow is: see `make test-parity`.

    python tests/parity/load_keras.py FOLDER

Both sides compute in float32, in other orders: 1e-4 of the largest logit.
"""

import sys
from pathlib import Path

import h5py
import keras
import numpy as np
import tf_keras
from keras_example import EXAMPLES, before_softmax

TOLERANCE = 1e-4
CLASSES = 7


def main(folder: Path) -> None:
    for name in ("ResNet50", "ResNet50V2"):
        saved = np.load(folder / f"exported_{name}.npz")
        images = saved["images"]
        network = getattr(keras.applications, name)(
            weights=str(folder / f"exported_{name}.h5"),
            classes=CLASSES,
            input_shape=images.shape[1:],
            classifier_activation=None,
        )
        given = images if name.endswith("V2") else images[..., ::-1]  # ResNet50 reads blue, green, red
        compare(name, network, given, saved["logits"])
    for name, (build, depth) in EXAMPLES.items():
        saved, file = np.load(folder / f"exported_{name}.npz"), folder / f"exported_{name}.h5"
        for by_name in (False, True):  # the example's own script loads by order
            keras.backend.clear_session()  # so that names count from the beginning, as in its process
            network = build(saved["images"].shape[1:], depth, CLASSES)
            network.load_weights(str(file), by_name=by_name)
            compare(f"{name}, by {'name' if by_name else 'order'}", network, saved["images"], saved["logits"])
        load_whole(name, folder / f"exported_whole_{name}.h5", saved["images"], saved["logits"])
        with h5py.File(file) as content:
            names = [str(each) for each in content.attrs["layer_names"].astype(str)]
        if names != [layer.name for layer in network.layers if layer.weights]:
            sys.exit(f"{name}: the layers are in another order, or have other names")


def load_whole(name: str, file: Path, images: np.ndarray, logits: np.ndarray) -> None:
    """A whole model answers without the example's script, is compiled, and has Keras' own order of layers."""
    keras.backend.clear_session()
    network = keras.models.load_model(file)
    compare(f"{name}, whole", before_softmax(network), images, logits)
    _, accuracy = network.evaluate(images, np.eye(CLASSES)[logits.argmax(1)], verbose=0)
    compare(f"{name}, whole, in Keras 2", tf_keras.models.load_model(file), images, softmax(logits))
    with h5py.File(file) as content:
        names = [str(each) for each in content["model_weights"].attrs["layer_names"].astype(str)]
    if accuracy != 1 or names != [layer.name for layer in network.layers]:
        sys.exit(f"{name}, whole: not compiled as the example's, or its layers are in another order")


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def compare(name: str, network: keras.Model, images: np.ndarray, logits: np.ndarray) -> None:
    found = network(images, training=False).numpy()
    difference = np.abs(found - logits).max() / np.abs(logits).max()
    print(f"{name}: Keras' logits of our file differ by {difference:.1e} of the largest")
    if not difference <= TOLERANCE:
        sys.exit(f"{name}: more than {TOLERANCE}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
