"""How the files of this folder were made, by resnetlab 0.1.0 (the commit 061921d), in an empty folder."""

import contextlib
import os
import signal
from pathlib import Path

import numpy as np
from PIL import Image

import resnetlab
from resnetlab.cli import main
from resnetlab.errors import Interrupted
from resnetlab.training.observer import Observer


def write_photos(folder: Path) -> None:
    """Two classes of striped pictures of 80x72 pixels."""
    draws = np.random.default_rng(0)
    for part, count in (("train", 6), ("test", 3)):
        for name, period in (("broad", 16), ("narrow", 4)):
            (folder / part / name).mkdir(parents=True, exist_ok=True)
            for number in range(count):
                stripes = (np.arange(80) + draws.integers(period)) % period < period // 2
                grey = np.broadcast_to(np.where(stripes, 200, 60), (72, 80))
                pixels = np.stack([grey, grey // 2, 255 - grey], axis=-1).astype(np.uint8)
                Image.fromarray(pixels).save(folder / part / name / f"{number}.png", optimize=True)


class StopAfter(Observer):
    """Sends Ctrl-C after so many steps."""

    def __init__(self, step: int) -> None:
        self.step = step

    def progress(self, step: int, *, samples: int, seconds: float) -> None:
        if step == self.step:
            os.kill(os.getpid(), signal.SIGINT)


VALUES = ("width=0.125", "log_every=2", "eval_every=8st", "keep_checkpoints=1")
SMALL = ["--device", "cpu", *(word for value in VALUES for word in ("--set", value))]
DIGITS = ["resnet8", "--data", "digits", "--batch", "16", "--steps", "8", *SMALL]

PHOTOS = "/photos"  # its place is written in data.json
write_photos(Path(PHOTOS))
main(["train", *DIGITS, "--val", "64", "--set", "ema_decay=0.5", "--out", "run"])
main(["eval", "run"])
main(["train", "resnet8", "--data", PHOTOS, "--batch", "4", "--steps", "8", *SMALL,
      "--set", "image_size=24", "--set", "train_size=16", "--out", "run-on-files"])  # fmt: skip
main(["export", "run", "--to", "folder", "-o", "folder"])
main(["export", "run-on-files", "--to", "folder", "-o", "folder-of-files"])
main(["export", "run", "--to", "safetensors", "-o", "net.safetensors"])
main(["export", "run", "--to", "onnx", "-o", "net.onnx"])
spec = resnetlab.model_spec("resnet8").with_(width=0.125, classes=10)
with contextlib.suppress(Interrupted):
    resnetlab.train(
        spec, data="digits", out="interrupted", device="cpu", observer=StopAfter(5),
        steps=10, batch=16, val=64, log_every=2, keep_checkpoints=1, mixup=0.2,
    )  # fmt: skip
