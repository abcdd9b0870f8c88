"""Keras loads what we exported and gives our logits; runs where only TensorFlow is: see `make test-parity`.

    python tests/parity/load_keras.py FOLDER

Both sides compute in float32, in other orders: 1e-4 of the largest logit.
"""

import sys
from pathlib import Path

import keras
import numpy as np

TOLERANCE = 1e-4


def main(folder: Path) -> None:
    for name in ("ResNet50", "ResNet50V2"):
        saved = np.load(folder / f"exported_{name}.npz")
        images = saved["images"]
        network = getattr(keras.applications, name)(
            weights=str(folder / f"exported_{name}.h5"),
            classes=7,
            input_shape=images.shape[1:],
            classifier_activation=None,
        )
        given = images if name.endswith("V2") else images[..., ::-1]  # ResNet50 reads blue, green, red
        found = network(given, training=False).numpy()
        difference = np.abs(found - saved["logits"]).max() / np.abs(saved["logits"]).max()
        print(f"{name}: Keras' logits of our file differ by {difference:.1e} of the largest")
        if not difference <= TOLERANCE:
            sys.exit(f"{name}: more than {TOLERANCE}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
