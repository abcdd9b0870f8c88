"""What a page supposes its reader to have already: laid into the page's folder before it is run."""

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import safetensors.torch

from resnetlab import create_model
from resnetlab.base.download import cache_folder
from resnetlab.weights.facts import published
from tests.kit.hub_server import Site
from tests.kit.photographs import write_photographs
from tests.kit.pictures import picture
from tests.kit.tars import write_tar
from tests.kit.tfrecords import framed, imagenet_example
from tests.kit.torch_files import save

# What timm publishes beside its resnet18.a1_in1k, shortened.
TIMM = {
    "architecture": "resnet18",
    "num_classes": 1000,
    "pretrained_cfg": {
        "tag": "a1_in1k",
        "input_size": [3, 224, 224],
        "interpolation": "bicubic",
        "crop_pct": 0.95,
        "mean": [0.485, 0.456, 0.406],
        "std": [0.229, 0.224, 0.225],
    },
}


@pytest.fixture
def photographs_and_weights(empty_folder: Path, hub: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """photos/; resnet18.a1_in1k on a hub of this machine, torchvision's resnet18 in the cache: both narrow.

    No server but this machine's is to be reached. A file in the cache is compared with its publisher's hash:
    here that of the narrow one stands in its place.
    """
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    write_photographs(empty_folder / "photos")
    state = create_model("resnet18", seed=0, width=0.125).state_dict()
    files = {"model.safetensors": safetensors.torch.save(state), "config.json": json.dumps(TIMM).encode()}
    hub.add_repository("timm/resnet18.a1_in1k", files)
    save(state, empty_folder / "narrow.pth")  # as torchvision's are
    digest = hashlib.sha256((empty_folder / "narrow.pth").read_bytes()).hexdigest()
    file = replace(published.find("torchvision:resnet18"), digest=digest)
    monkeypatch.setitem(cast("Any", published.PUBLISHERS["torchvision"]), "resnet18", file)
    downloaded = cache_folder() / "weights" / digest / file.url.rpartition("/")[2]
    downloaded.parent.mkdir(parents=True)
    (empty_folder / "narrow.pth").rename(downloaded)


@pytest.fixture
def archives_and_shards(empty_folder: Path, imagenet_tars: Path) -> None:
    """imagenet-tfrecords/ with a picture of each of 1,000 classes, imagenet-shards/, and downloads/."""
    pictures = [picture(seed, size=(48 + 7 * seed, 90 - 5 * seed)) for seed in range(8)]
    write_tfrecords(empty_folder / "imagenet-tfrecords", pictures)
    for part, number in {"train": 12, "val": 3}.items():
        members = {}
        for index in range(number):
            members[f"{index:06}.jpg"] = pictures[index % len(pictures)]
            members[f"{index:06}.cls"] = str(index % 3).encode()
        write_tar(empty_folder / f"imagenet-shards/imagenet-{part}-000000.tar", members)
    shutil.move(imagenet_tars, empty_folder / "downloads")


def write_tfrecords(folder: Path, pictures: list[bytes]) -> None:
    """Write 1,000 training and 10 validation records into four shards and one."""
    folder.mkdir()
    for part, labels, shards in (("train", range(1, 1001), 4), ("validation", range(1, 1001, 100), 1)):
        for shard in range(shards):
            records = (
                imagenet_example(
                    label,
                    image__class__synset=f"n{label:08}".encode(),
                    image__encoded=pictures[label % len(pictures)],
                )
                for label in labels[shard::shards]
            )
            name = f"{part}-{shard:05}-of-{shards:05}"
            (folder / name).write_bytes(b"".join(map(framed, records)))
