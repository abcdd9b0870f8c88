"""T23, T25, T31, T33: every reader of bytes from outside, with damaged files: it reads, or says why not.

That is: an error of ours that names the file, within two seconds, and below 256 MiB. `make test` tries a few
damages of each kind, `make faults` many more.
"""

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kit.damage import Damage, of_bytes, of_json, places
from tests.kit.outside import READERS, Reader
from tests.kit.watched import Fault, faults_of

SEED = 19
FEW, FEW_OF_SLOW, MANY = 12, 4, 40

pytestmark = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux")


def damages(reader: Reader, content: bytes, rng: random.Random, count: int) -> list[Damage]:
    found = [each for each in places(content) if not (reader.waits_for_pipes and each.name == "a pipe")]
    if reader.kind == "json":
        found += of_json(content, rng, count)
    return [*found, *of_bytes(content, rng, count // 2 if reader.kind == "json" else count)]


def tried(
    reader: Reader, folder: Path, chosen: Callable[[list[Damage]], list[Damage]], seed: int, count: int
) -> list[Fault]:
    """Make the files, see that they are read, and return what is wrong with the answers to damage."""
    reader.make(folder)
    content = (folder / reader.file).read_bytes()
    reader.fit(folder)
    reader.read(folder)

    def prepare(damage: Damage) -> Path:
        for each in folder.iterdir():
            shutil.rmtree(each) if each.is_dir() and not each.is_symlink() else each.unlink()
        shutil.copytree(whole, folder, dirs_exist_ok=True)
        damage.do(folder / reader.file)
        reader.fit(folder)
        return folder / reader.file

    whole = folder.with_name(f"{folder.name}-whole")
    whole.mkdir()
    reader.make(whole)
    found = damages(reader, content, random.Random(seed), count)
    return faults_of(
        chosen(found), prepare, lambda: reader.read(folder), reader.about or Path(reader.file).name
    )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RESNETLAB_CACHE", str(tmp_path / "cache"))
    (tmp_path / "here").mkdir()
    return tmp_path / "here"


@pytest.mark.faults
@pytest.mark.parametrize("name", READERS)
def test_every_damage_is_told(folder: Path, name: str) -> None:
    count = MANY // 10 if READERS[name].is_slow else MANY
    assert tried(READERS[name], folder, lambda found: found, SEED, count) == []
