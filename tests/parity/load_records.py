"""TensorFlow reads the TFRecords that we packed, as its official trainer does; see `make test-parity`.

python tests/parity/load_records.py FOLDER
"""

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

SIDES = ("ymin", "xmin", "ymax", "xmax")
# official/r1/resnet/imagenet_main.py, `_parse_example_proto`.
FEATURES = {
    "image/encoded": tf.io.FixedLenFeature([], tf.string, ""),
    "image/class/label": tf.io.FixedLenFeature([], tf.int64, -1),
    "image/class/text": tf.io.FixedLenFeature([], tf.string, ""),
    "image/height": tf.io.FixedLenFeature([], tf.int64),
    "image/width": tf.io.FixedLenFeature([], tf.int64),
    **{f"image/object/bbox/{side}": tf.io.VarLenFeature(tf.float32) for side in SIDES},
}


def main(folder: Path) -> None:
    expected = np.load(folder / "packed.npz")
    shards = sorted(str(path) for path in (folder / "packed").glob("train-*-of-00004"))
    found = {}
    for record in tf.data.TFRecordDataset(shards):
        example = tf.io.parse_single_example(record, FEATURES)
        picture = tf.io.decode_jpeg(example["image/encoded"], 3, dct_method="INTEGER_ACCURATE").numpy()
        assert picture.shape[:2] == (int(example["image/height"]), int(example["image/width"]))
        sides = [tf.sparse.to_dense(example[f"image/object/bbox/{side}"]).numpy() for side in SIDES]
        boxes = np.stack(sides, axis=-1)
        found[round(float(boxes[0, 0]) * 1e6)] = (int(example["image/class/label"]), picture, boxes)
    labels, pictures, boxes = (expected[name] for name in ("labels", "pixels", "boxes"))
    if len(found) != len(labels):
        sys.exit(f"{len(found)} records of {len(labels)}")
    for label, picture, box in zip(labels, pictures, boxes, strict=True):
        own = found[round(float(box[0]) * 1e6)]
        if (
            own[0] != label
            or np.abs(own[1].astype(int) - picture).max() > 3
            or not np.allclose(own[2], [box])
        ):
            sys.exit(f"a record of class {label} is another one")
    names = sorted(path.name for path in (folder / "packed").iterdir())
    print(f"TensorFlow reads our TFRecords: {len(found)} images in {len(shards)} shards of {names}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
