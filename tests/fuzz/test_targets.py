"""T23, T25, T31: parsers of bytes from outside, fuzzed: each reads or says why not, and soon.

`make test` gives each parser some inputs, `make fuzz` as many as there is time for. Whatever was found lies
in `found`, by the parser's name, and stays mended.
"""

from pathlib import Path

import pytest

from tests.fuzz.fuzzing import again, fuzz, slug
from tests.fuzz.targets import TARGETS
from tests.kit.rounds import drawn

SOME, SECONDS = 200, 0.1
FOUND = sorted(path.name for path in Path(__file__).with_name("found").iterdir())

pytestmark = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RESNETLAB_CACHE", str(tmp_path / "cache"))
    (tmp_path / "here").mkdir()
    return tmp_path / "here"


@pytest.mark.parametrize("name", TARGETS)
def test_some_inputs(folder: Path, name: str) -> None:
    seed = drawn().randrange(10**6)

    report = fuzz(name, TARGETS[name], folder, seed=seed, seconds=SECONDS, executions=SOME)

    assert report.executions
    assert report.found == {}


@pytest.mark.parametrize("file", FOUND)
def test_what_was_found_stays_mended(folder: Path, file: str) -> None:
    (name,) = (name for name in TARGETS if slug(name) == file.partition(".")[0])
    content = Path(__file__).with_name("found").joinpath(file).read_bytes()

    assert again(name, TARGETS[name], folder, content).found == {}


def test_parsers_have_names_of_their_own() -> None:
    assert len({*map(slug, TARGETS)}) == len(TARGETS)
