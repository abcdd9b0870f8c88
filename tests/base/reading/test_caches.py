"""What is damaged in the cache is made anew or told: the answer is the same, or an error of ours."""

import dataclasses
import gzip
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from resnetlab.base.machine.remembered import remembered
from resnetlab.data.archives.unzipped import unzipped
from resnetlab.data.records.record_index import index_shard
from resnetlab.data.records.tfrecord import index_tfrecord
from resnetlab.data.sources.choices import LEFT_OPEN
from tests.kit.damage import Damage, of_bytes, of_json, places
from tests.kit.tfrecords import write_shards
from tests.kit.watched import faults_of

pytestmark = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux")

ANSWER = {"eager": {"make": 0.25, "image": 1.5e-3}, "ways": [["on", "bf16"], 7, None]}


def _index(folder: Path) -> list[object]:
    path = folder / "train-00000-of-00002"
    if not path.exists():
        write_shards(folder, "train", [1, 2, 1, 2])
    index = index_shard(path, "as it is", lambda path: index_tfrecord(path, LEFT_OPEN))
    fields = [getattr(index, field.name) for field in dataclasses.fields(index)]
    return [
        each.tolist() if isinstance(each, np.ndarray) else getattr(each, "joined", each) for each in fields
    ]


def _unzipped(folder: Path) -> bytes:
    path = folder / "a.tar.gz"
    if not path.exists():
        path.write_bytes(gzip.compress(bytes(range(256)) * 1000))
    return unzipped(path).read_bytes()


@dataclass(frozen=True)
class Cache:
    """Something that is kept, and how it is asked for."""

    ask: Callable[[Path], object]
    """Given a folder for what it is made of."""
    file: str
    """Which of the files in the cache is damaged."""
    contents: Callable[[bytes, random.Random, int], Iterator[Damage]]
    """What can be wrong in it."""


CACHES = {
    "what was measured": Cache(
        lambda folder: remembered("rates", {"size": 3}, lambda: ANSWER), "measured/rates/*.json", of_json
    ),
    "its bytes": Cache(
        lambda folder: remembered("rates", {"size": 3}, lambda: ANSWER), "measured/rates/*.json", of_bytes
    ),
    "where records lie": Cache(_index, "shards/*", of_bytes),
    "what was unpacked": Cache(_unzipped, "unzipped/*/a.tar.gz", of_bytes),
    "what is noted of that": Cache(_unzipped, "unzipped/*/a.tar.gz.note", of_bytes),
}


@pytest.mark.parametrize("name", CACHES)
def test_what_is_damaged_in_the_cache_is_made_anew_or_told(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed = random.SystemRandom().randrange(10**6)
    cache, kept, folder = CACHES[name], tmp_path / "cache", tmp_path / "here"
    monkeypatch.setenv("RESNETLAB_CACHE", str(kept))
    folder.mkdir()
    answer = cache.ask(folder)
    (file,) = kept.glob(cache.file)
    content = file.read_bytes()
    shutil.copytree(kept, tmp_path / "whole")

    def prepare(damage: Damage) -> Path:
        shutil.rmtree(kept)
        shutil.copytree(tmp_path / "whole", kept)
        damage.do(file)
        return file

    def ask() -> None:
        assert cache.ask(folder) == answer

    damages = [*places(content), *cache.contents(content, random.Random(seed), 200)]
    assert len(damages) > 10
    assert faults_of(damages, prepare, ask, "cache") == [], f"seed {seed}"
