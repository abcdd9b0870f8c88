"""What goes out to TensorFlow, for load_*.py: networks with their logits, records; see `make test-parity`.

python tests/parity/export.py FOLDER
"""

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from resnetlab import create_model
from resnetlab.data.batches.normalise import Normaliser
from resnetlab.data.batches.preprocessing import Geometry, Preprocessing
from resnetlab.data.records.tfrecord import open_tfrecord
from resnetlab.data.tools.pack_tfrecord import pack_tfrecord
from resnetlab.network.catalog import model_spec
from resnetlab.network.spec import ModelSpec
from resnetlab.trained.artefact import Artefact
from resnetlab.trained.export.exporting import export_model
from resnetlab.weights.namings.keras_applications import keras_v2_spec

SIDE = 97
NETWORKS: dict[str, ModelSpec] = {
    "ResNet50": replace(model_spec("resnet50_v1"), conv_bias=True, bn_eps=1e-3),
    "ResNet50V2": replace(keras_v2_spec(50), bn_eps=1e-5),
    **{name: model_spec(name) for name in ("keras_resnet20v1", "keras_resnet20v2", "keras_resnet110v2")},
}


def artefact(spec: ModelSpec, side: int) -> Artefact:
    """A network of 7 classes all of whose numbers show."""
    model = create_model(spec, seed=0, classes=7)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for key, tensor in model.state_dict().items():
            if key.endswith("running_var"):
                tensor.uniform_(0.5, 1.5, generator=generator)
            elif tensor.dim() == 1:
                tensor.add_(torch.randn(tensor.shape, generator=generator) * 0.1)
    return Artefact(
        spec=model.spec,
        class_names=tuple("abcdefg"),
        preprocessing=Preprocessing(Normaliser("none", 255), Geometry(side, side)),
        image_shape=(side, side, 3),
        origin="made here",
        facts={},
        tensors=model.state_dict(),
    )


def main(folder: Path) -> None:
    for name, spec in NETWORKS.items():
        side = 32 if name.startswith("keras_") else SIDE
        images = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(3))
        made = artefact(spec, side)
        export_model(made, "keras", folder / f"exported_{name}.h5")
        if side == 32:
            export_model(made, "keras-cifar10", folder / f"exported_whole_{name}.h5")
        with torch.no_grad():
            logits = made.model()(images)
        np.savez(
            folder / f"exported_{name}.npz", images=images.permute(0, 2, 3, 1).numpy(), logits=logits.numpy()
        )


def pack(folder: Path) -> None:
    """Pack TensorFlow's own records anew, as they are."""
    pack_tfrecord(open_tfrecord(folder / "records"), folder / "packed", side=None, shards=4)
    shutil.copy(folder / "records.npz", folder / "packed.npz")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
    pack(Path(sys.argv[1]))
