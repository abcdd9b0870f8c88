"""A network as a model of the NVIDIA Triton Inference Server: a folder with numbered versions, pixels in.

    FOLDER/  config.pbtxt       what goes in and comes out, how many images at a time
             labels.txt         the classes' names, one a line
             README.md          how it is served and asked
             1/model.onnx       a version: uint8 images (N, H, W, C) to probabilities (N, K)
             2/model.onnx       the next one, which a later export adds; the server takes the newest

Source: Triton's docs/user_guide/model_repository.md and model_configuration.md. What reads ONNX alone, as
ONNX Runtime, takes the newest version's file.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from resnetlab.base import files
from resnetlab.base.reading.plain import read_plain, read_text
from resnetlab.errors import UsageError
from resnetlab.trained.artefact.card import describe_preprocessing
from resnetlab.trained.artefact.model import Artefact
from resnetlab.trained.artefact.onnx_model import PROBABILITIES
from resnetlab.trained.artefact.places import looking_at, refuse_taken

CONFIG, LABELS, MODEL = "config.pbtxt", "labels.txt", "model.onnx"
MOST_IMAGES = 64
"""That the server puts together into one batch."""
_MOST_BYTES = 2**24
"""Of the files of an earlier version that are read."""
_DIMS = re.compile(r"\bdims\s*:\s*\[([^\]]*)\]")


def next_version(out: Path, artefact: Artefact) -> int:
    """Return the number of the version that an export into a folder makes: 1 if the folder is new.

    Raises:
        UsageError: If something else lies there, a model of other images or other classes, or files that
            cannot be read.
    """
    with looking_at(out):
        if not (out / CONFIG).is_file():
            refuse_taken(out)
            return 1
        try:
            config = read_text(out / CONFIG, most=_MOST_BYTES, errors="replace")
            labels = read_plain(out / LABELS, most=_MOST_BYTES) if (out / LABELS).is_file() else b""
        except ValueError as error:
            raise UsageError(f"{out}: its {CONFIG} or {LABELS} cannot be read: {error}") from error
        versions = [int(each.name) for each in out.iterdir() if each.name.isdecimal() and each.is_dir()]
    if _dims(config) != _dims(_config(artefact)) or labels != _labels(artefact):
        raise UsageError(
            f"{out} holds a model of other images or other classes: a new version would surprise its clients",
            hint="Choose another folder with -o.",
        )
    return max(versions, default=0) + 1


def write_version(out: Path, artefact: Artefact, content: bytes, version: int) -> None:
    """Write a version of a model, and with the first one the model's folder; whole or not at all.

    Raises:
        WriteError: If it cannot be written.
    """
    if version > 1 or (out / CONFIG).is_file():  # what is there, and may have been edited, stays
        files.commit_directory((out / str(version)).absolute(), {MODEL: content})
        return
    with files.growing_directory(out.absolute()) as growing:
        for name, each in _new(out.name, artefact).items():
            files.write_part(growing / name, each)
        files.write_part(growing / str(version) / MODEL, content)


def _new(name: str, artefact: Artefact) -> Mapping[str, bytes]:
    return {CONFIG: _config(artefact).encode(), LABELS: _labels(artefact), "README.md": _card(name, artefact)}


def _dims(config: str) -> list[list[str]]:
    return [re.findall(r"-?\d+", each) for each in _DIMS.findall(config)]


def _labels(artefact: Artefact) -> bytes:
    """Return a line for each class; a line's end within a name becomes a space."""
    lines = (" ".join(name.splitlines()) for name in artefact.class_names)
    return "".join(f"{line}\n" for line in lines).encode(errors="surrogateescape")


def _config(artefact: Artefact) -> str:
    height, width, channels = artefact.image_shape
    given = f'name: "images" data_type: TYPE_UINT8 dims: [ {height}, {width}, {channels} ]'
    made = f'name: "{PROBABILITIES}" data_type: TYPE_FP32 dims: [ {len(artefact.class_names)} ]'
    return f"""backend: "onnxruntime"
max_batch_size: {MOST_IMAGES}
input [
  {{ {given} }}
]
output [
  {{ {made} label_filename: "{LABELS}" }}
]
dynamic_batching {{ }}
"""


def _card(name: str, artefact: Artefact) -> bytes:
    height, width, channels = artefact.image_shape
    count = len(artefact.class_names)
    return f"""# {name}

{artefact.spec.name}, {count} classes, from {artefact.origin}. Written by resnetlab for NVIDIA's Triton.

In: `images`, uint8, (N, {height}, {width}, {channels}): {"red, green, blue" if channels == 3 else "grey"},
values from 0 to 255 as they are. Out: `{PROBABILITIES}`, float32, (N, {count}), in the order of `labels.txt`.

What was done to pictures in evaluation is: {describe_preprocessing(artefact.preprocessing)}.
The sizes are the client's part, the numbers are in the model.

    docker run --rm -p 8000:8000 -v "$(dirname "$PWD"):/models" nvcr.io/nvidia/tritonserver:XX.YY-py3 \\
        tritonserver --model-repository=/models

```python
import numpy as np
import tritonclient.http as triton  # pip install "tritonclient[http]"

picture = np.zeros((1, {height}, {width}, {channels}), np.uint8)
images = triton.InferInput("images", picture.shape, "UINT8")
images.set_data_from_numpy(picture)
wanted = triton.InferRequestedOutput("{PROBABILITIES}", class_count={min(5, count)})  # with their names
answer = triton.InferenceServerClient("localhost:8000").infer("{name}", [images], outputs=[wanted])
print(answer.as_numpy("{PROBABILITIES}"))
```

Without Triton: `onnxruntime.InferenceSession("1/model.onnx").run(None, {{"images": picture}})`.
""".encode(errors="surrogateescape")
