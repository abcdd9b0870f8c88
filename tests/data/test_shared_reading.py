"""Of every container, each process of a run reads its own shards alone, and all of them every sample once."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import pytest
import torch

from resnetlab.base.share import Share
from resnetlab.base.units import Duration
from resnetlab.data.batches.batches import Batches
from resnetlab.data.batches.loaded import LoadedBatches
from resnetlab.data.feeding import Reading, fit
from resnetlab.data.images.image import EncodedImage
from resnetlab.data.open import open_source
from resnetlab.data.sources.encoded import AnySplit, EncodedSplit, Reader
from resnetlab.recipe.named import named_recipe
from resnetlab.recipe.settings import override
from resnetlab.recipe.timeline import Timeline
from tests.kit.pictures import picture, write_folder
from tests.kit.tars import write_tar
from tests.kit.tfrecords import write_shards

CPU = torch.device("cpu")
SAMPLES, BATCH, SHARDS, EPOCHS = 22, 8, 4, 4  # epochs end in mid-batch; 4 of them are 11 steps
LABELS = [number % 2 for number in range(SAMPLES)]


def folder(root: Path) -> Path:
    return write_folder(root / "folder", {"train": {"a": 12, "b": 10}, "val": {"a": 1, "b": 1}})


def table(root: Path) -> Path:
    files = folder(root)
    rows = [f"{path.relative_to(files)},{path.parent.name},{path.parts[-3]}" for path in files.rglob("*.jpg")]
    (files / "list.csv").write_text("\n".join(["path,label,split", *sorted(rows)]) + "\n")
    return files / "list.csv"


def tfrecord(root: Path) -> Path:
    write_shards(root / "records", "train", [label + 1 for label in LABELS], num_shards=3)
    write_shards(root / "records", "validation", [1, 2])
    return root / "records"


def webdataset(root: Path) -> Path:
    for part, labels, shards in (("train", LABELS, 3), ("val", [0, 1], 1)):
        for shard in range(shards):
            members = {}
            for number, label in [*enumerate(labels)][shard::shards]:
                members |= {f"{number:03}.jpg": picture(number), f"{number:03}.cls": b"%d" % label}
            write_tar(root / "tars" / f"{part}-{shard:06}.tar", members)
    return root / "tars"


def hugging_face(root: Path) -> Path:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["a", "b"])})

    def of(labels: Sequence[int]) -> object:
        images = [{"bytes": picture(number), "path": None} for number in range(len(labels))]
        return datasets.Dataset.from_dict({"image": images, "label": labels}, features=features)

    datasets.DatasetDict({"train": of(LABELS), "test": of([0, 1])}).save_to_disk(str(root / "hf"))
    return root / "hf"


CONTAINERS = {each.__name__: each for each in (folder, table, tfrecord, webdataset, hugging_face)}


@dataclass(frozen=True)
class Noting:
    """A reader that notes, in a file for worker processes too, which images are really read."""

    reader: Reader
    log: Path

    def __len__(self) -> int:
        return len(self.reader)

    def read(self, index: int) -> EncodedImage:
        """Read and note it."""
        with self.log.open("a") as stream:
            stream.write(f"{index}\n")
        return self.reader.read(index)

    def place(self, index: int) -> str:
        return self.reader.place(index)

    def size(self, index: int) -> int:
        return self.reader.size(index)

    def noted(self) -> list[int]:
        """Return the images that were read."""
        return [int(line) for line in self.log.read_text().split()]


def batches_of(split: AnySplit, share: Share, workers: int = 0) -> Batches | LoadedBatches:
    """The training batches as a run makes them, those of one process."""
    values = {"length": Duration(EPOCHS, "ep"), "batch": BATCH, "shards": share.of, "normalise": "none"}
    sizes = {"image_size": 24, "train_crop": "random-resized", "crop_padding": 0} if split.reads_files else {}
    recipe = override(named_recipe("quick"), values | sizes)
    reading = Reading(
        preprocessing=fit(split, recipe, 3),
        recipe=recipe, device=CPU, size=(24, 24), workers=workers, share=share,
    )  # fmt: skip
    return reading.training_batches(
        split, Timeline(num_samples=len(split), batch=BATCH, length=recipe.run.length)
    )


def sampled(batches: Batches | LoadedBatches) -> list[list[int]]:
    """The samples of each step."""
    steps = range(batches.timeline.num_steps)
    found = [batches.at(step).samples.tolist() for step in steps]
    batches.close()
    return found


def shares(processes: int) -> list[Share]:
    count = SHARDS // processes
    return [Share(rank * count, count, SHARDS) for rank in range(processes)]


def check_division(split: AnySplit, own_of: Callable[[Share], list[list[int]]]) -> None:
    """Hold what processes sample against each other: each batch once, each epoch every sample once."""
    (whole,) = map(own_of, shares(1))
    order = [sample for step in whole for sample in step]
    epochs = [order[start : start + len(split)] for start in range(0, len(order), len(split))]
    assert [sorted(epoch) for epoch in epochs] == [[*range(len(split))]] * EPOCHS
    for processes in (2, 4):
        parts = [own_of(share) for share in shares(processes)]
        assert [[*chain.from_iterable(step)] for step in zip(*parts, strict=True)] == whole
        assert {len(step) for part in parts for step in part} == {BATCH // processes}


@pytest.mark.parametrize("container", CONTAINERS)
def test_each_process_reads_its_own_images_alone_and_together_all(
    container: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESNETLAB_CACHE", str(tmp_path / "cache"))
    train = open_source(str(CONTAINERS[container](tmp_path)), holds_small=False).train
    assert isinstance(train, EncodedSplit) and len(train) == SAMPLES

    def own_of(share: Share) -> list[list[int]]:
        reader = Noting(train.reader, tmp_path / f"read {share.first} of {share.count}")
        found = sampled(batches_of(replace(train, reader=reader), share))
        assert reader.noted() == [train.indices[sample] for step in found for sample in step]
        return found

    check_division(train, own_of)


def test_workers_read_what_their_process_needs_alone(tmp_path: Path) -> None:
    train = open_source(str(folder(tmp_path)), holds_small=False).train
    assert isinstance(train, EncodedSplit)
    reader = Noting(train.reader, tmp_path / "read")
    found = sampled(batches_of(replace(train, reader=reader), Share(1, 2, SHARDS), workers=2))

    assert Counter(reader.noted()) == Counter(train.indices[sample] for step in found for sample in step)


def test_arrays_in_memory_are_divided_alike(cifar10, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    cifar10.write(tmp_path, "python")
    train = open_source(str(tmp_path)).train.take(torch.arange(SAMPLES).numpy())

    check_division(train, lambda share: sampled(batches_of(train, share)))
