"""T23, T25, T31, T33: every reader of bytes from outside, with damaged files: it reads, or says why not.

That is: an error of ours that names the file, within two seconds, and below 256 MiB. `make test` tries a few
damages of each kind, `make faults` many more.
"""

import functools
import os
import random
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from resnetlab.base.reading import process
from tests.kit.damage import Damage, at, doubled, of_bytes, of_json, place, places, value
from tests.kit.outside import READERS, Reader
from tests.kit.watched import Fault, faults_of

SEED = 19
MANY, MANY_OF_SLOW = 2000, 200

_MADE = tempfile.TemporaryDirectory(dir=os.environ.get("PYTEST_DEBUG_TEMPROOT"))

pytestmark = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux")


def damages(reader: Reader, content: bytes, rng: random.Random, count: int) -> list[Damage]:
    found = [*of_bytes(content, rng, count)]
    if reader.kind == "json":
        found = [*of_json(content, rng, count), *of_bytes(content, rng, count // 4)]
    return found


def faults(
    reader: Reader,
    folder: Path,
    choose: Callable[[list[Damage], list[Damage]], list[Damage]],
    seed: int,
    count: int,
) -> list[Fault]:
    """Make the files, see that they are read, and return what is wrong with the answers to damages.

    Args:
        reader: Who reads.
        folder: An empty one.
        choose: Returns which of the places and of the contents are tried.
        seed: Of the damages.
        count: How many of a kind there are to choose from.
    """
    whole = _made(reader.make)
    shutil.copytree(whole, folder, dirs_exist_ok=True)
    reader.fit(folder)
    reader.read(folder)
    content = (whole / reader.file).read_bytes()

    def prepare(damage: Damage) -> Path:
        for each in folder.iterdir():
            shutil.rmtree(each) if each.is_dir() and not each.is_symlink() else each.unlink()
        shutil.copytree(whole, folder, dirs_exist_ok=True)
        damage.do(folder / reader.file)
        reader.fit(folder)
        return folder / reader.file

    at_places = [each for each in places(content) if not (reader.waits_for_pipes and each.name == "a pipe")]
    chosen = choose(at_places, damages(reader, content, random.Random(seed), count))
    return faults_of(
        chosen,
        prepare,
        lambda: reader.read(folder),
        f"{re.escape(Path(reader.file).name)}|{reader.about or '$^'}",
    )


@functools.cache
def _made(make: Callable[[Path], object]) -> Path:
    """Return what several readers read of, made once."""
    whole = Path(_MADE.name) / str(len(list(Path(_MADE.name).iterdir())))
    whole.mkdir()
    make(whole)
    return whole


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RESNETLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(process, "FREE_SECONDS", 1.0)
    (tmp_path / "here").mkdir()
    return tmp_path / "here"


@pytest.mark.parametrize("name", READERS)
def test_some_damages_are_told(folder: Path, name: str) -> None:
    reader = READERS[name]
    rng = random.Random(f"{SEED} {name}")
    of_places, of_contents = (1, 2) if reader.is_slow else (2, 5)

    def choose(places: list[Damage], contents: list[Damage]) -> list[Damage]:
        return [*rng.sample(places, of_places), *rng.sample(contents, of_contents)]

    assert faults(reader, folder, choose, SEED, 20) == []


TOO_LARGE = Damage(
    "an error of 1e999",
    lambda path: path.write_text(re.sub(r'("train_error": ?)[\d.]+', r"\g<1>1e999", path.read_text())),
)
FOUND = {
    "a number beyond all numbers": ("a record", TOO_LARGE),
    "a size that is none": ("hub: preprocessor_config.json", value(1e308, "size")),
    "more sizes than bytes": ("MNIST: t10k-labels-idx1-ubyte", at(3, b"\xff")),
    "a link to itself beside classes": ("a list of a split", place("a link to itself")),
    "an accuracy in words": ("network: RESULT.json", value("text", "accuracy")),
    "a mean that is none": ("resume: data.json", value(True, "preprocessing", "mean")),
    "no mean": ("resume: data.json", value({}, "preprocessing")),
    "a setting that is none": ("resume: recipe.json", value(1e308, "execution", "accumulate")),
    "a stage that is none": ("network: spec.json", value([[[]]], "blocks")),
    "a trillion units": ("our safetensors: its description", value(10**12, "spec", "blocks", 2)),
    "10,000 units": ("our safetensors: its description", value(10**4, "spec", "blocks", 2)),
    "a pipe in a Hugging Face folder": ("Hugging Face: arrow", place("a pipe")),
    "a large hole as a tar": ("CIFAR: cifar.tar", place("8 GiB, never written")),
    "a large hole behind a gzip": ("CIFAR: cifar.tar.gz", place("8 GiB, hardly written")),
    "a large hole as safetensors": ("our safetensors", place("8 GiB, hardly written")),
    "a large hole as ONNX": ("our ONNX", place("8 GiB, hardly written")),
    "a large hole as an ONNX graph": ("an ONNX graph", place("8 GiB, never written")),
    "a large hole as state.json": ("Hugging Face: hf/train/state.json", place("8 GiB, never written")),
    "a device as a picture": ("a picture in a folder", place("zeros for ever")),
    "a pipe as answers": ("answers.npz", place("a pipe")),
    "a device as names of classes": ("classes: names.txt", place("zeros for ever")),
    "bytes on which SciPy's reader ends the process": ("ImageNet: meta.mat", doubled(495, 4)),
    "a large hole as a server's configuration": (
        "a server's folder: config.pbtxt",
        place("8 GiB, never written"),
    ),
    "weights.json without its report": ("first weights: weights.json", value(None, "report")),
    "a score that is a text": (
        "curve: scores.jsonl",
        Damage(
            "a step in words",
            lambda path: path.write_text(path.read_text().replace('"step": 8', '"step": "8"')),
        ),
    ),
    "a pipe as a checkpoint of TensorFlow": ("TensorFlow: net.ckpt.index", place("a pipe")),
}
"""What was found by such damages, and mended: the reader, and what was wrong."""


@pytest.mark.parametrize("name", FOUND)
def test_what_was_found_stays_mended(folder: Path, name: str) -> None:
    reader, damage = FOUND[name]

    assert faults(READERS[reader], folder, lambda places, contents: [damage], SEED, 1) == []


@pytest.mark.faults
@pytest.mark.parametrize("name", READERS)
def test_every_damage_is_told(folder: Path, name: str) -> None:
    seed = random.SystemRandom().randrange(10**6)
    count = MANY_OF_SLOW if READERS[name].is_slow else MANY

    found = faults(READERS[name], folder, lambda places, contents: [*places, *contents], seed, count)

    assert found == [], f"seed {seed}"
