"""Several processes score one network: the numbers and files of one, whatever the remainder."""

import hashlib
import json
import shutil
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from resnetlab.cli.stopping import TERMINATED
from resnetlab.parallel.launch import note_on
from resnetlab.runs.directory import RunDirectory
from resnetlab.trained.artefact import load_artefact
from resnetlab.trained.export.exporting import export_model
from tests.kit.processes import Command
from tests.kit.worlds import results, world

pytestmark = pytest.mark.processes

BATCH = 5
COUNTS = {"a": 12, "b": 11, "c": 9}  # 32 images: 6 batches and a remainder of 2
IN_MEMORY, IN_FILES = 16, 70


def write(root: Path, side: int, times: int = 1) -> Path:
    """A folder of images that is no split; those of 16 pixels are held in memory, larger ones stay files."""
    for label, (name, count) in enumerate(COUNTS.items()):
        (root / name).mkdir(parents=True)
        for number in range(count * times):
            pixels = np.random.default_rng([label, number]).integers(0, 255, (side, side, 3), np.uint8)
            Image.fromarray(pixels).save(root / name / f"{number:02d}.png")
    return root


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """The two folders, by the side of their images."""
    root = tmp_path_factory.mktemp("data")
    return {side: write(root / str(side), side) for side in (IN_MEMORY, IN_FILES)}


def scored(processes: int, *given: dict[str, Any], batch: int = BATCH) -> list[Any]:
    """What each of the processes found, or what it raised."""
    return results(processes, "evaluate", str(batch), *(json.dumps(each, default=str) for each in given))


def hashes(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file of the scores; the folder's own name counts for nothing."""
    return {
        path.name: hashlib.sha256(path.read_bytes().replace(str(folder).encode(), b"OUT")).hexdigest()
        for path in sorted(folder.iterdir())
        if path.is_file()
    }


def looked_at(folder: Path) -> set[str]:
    return {path.name for path in (folder / "insights").iterdir()}


@pytest.mark.parametrize(
    ("processes", "side", "batch"), [(2, IN_FILES, 5), (3, IN_FILES, 5), (3, IN_FILES, 20), (3, IN_MEMORY, 5)]
)
def test_the_numbers_and_files_are_those_of_one_process(
    processes: int, side: int, batch: int, run: RunDirectory, data: dict[int, Path], tmp_path: Path
) -> None:
    """7 batches, of which not all processes have as many; or 2, and one of 3 processes has none."""
    given = {"run": run.path, "data": data[side], "insights": 60 if side == IN_MEMORY else 0}
    (expected,) = scored(1, given | {"out": tmp_path / "one"}, batch=batch)
    found = scored(processes, given | {"out": tmp_path / "many"}, batch=batch)

    assert expected["row"]["seen"] == sum(COUNTS.values())
    for each in found:
        assert each["out"] == str(tmp_path / "many")
        for key in ("row", "confusion", "notes", "bad", "files"):
            assert each[key] == expected[key]
    assert hashes(tmp_path / "many") == hashes(tmp_path / "one")
    if side == IN_MEMORY:
        assert looked_at(tmp_path / "many") == looked_at(tmp_path / "one") > {"insights.json", "filters.png"}
    if side == IN_FILES:
        every = expected["decoded"]
        batches = [every[start : start + batch] for start in range(0, len(every), batch)]
        own = [[*chain.from_iterable(batches[rank::processes])] for rank in range(processes)]
        assert [each["decoded"] for each in found] == own


@pytest.mark.parametrize("views", ["single", "10crop"])
def test_processes_have_one_engine_and_its_numbers(
    views: str, run: RunDirectory, data: dict[int, Path], tmp_path: Path
) -> None:
    """Of three processes one has no batch of single images; of those with ten views there are 8."""
    given = {"run": run.path, "data": data[IN_MEMORY], "engine": "torch", "views": views}
    (expected,) = scored(1, given | {"out": tmp_path / "one"}, batch=20)
    found = scored(3, given | {"out": tmp_path / "many"}, batch=20)

    assert json.loads((tmp_path / "many" / "scores.json").read_text())["engine"] == "torch"
    assert [each["row"] for each in found] == [expected["row"]] * 3
    assert hashes(tmp_path / "many") == hashes(tmp_path / "one")


def test_broken_images_are_left_out_and_told_once_whoever_meets_them(
    run: RunDirectory, data: dict[int, Path], tmp_path: Path
) -> None:
    """Of the third batch, which the first process has, every image is broken, and some of the others'."""
    root = shutil.copytree(data[IN_FILES], tmp_path / "data")
    for name, number in [("a", 0), ("a", 8), ("a", 10), ("a", 11), ("b", 0), ("b", 1), ("b", 2), ("c", 1)]:
        (root / name / f"{number:02d}.png").write_bytes(b"")
    given = {"run": run.path, "data": root, "bad_samples": "25%"}
    (expected,) = scored(1, given | {"out": tmp_path / "one"})
    found = scored(2, given | {"out": tmp_path / "two"})

    assert (expected["row"]["seen"], len(expected["bad"])) == (24, 8)
    for each in found:
        for key in ("row", "confusion", "notes", "bad"):
            assert each[key] == expected[key]
    assert hashes(tmp_path / "two") == hashes(tmp_path / "one")
    refused = scored(2, given | {"out": tmp_path / "no", "bad_samples": "24%"})
    assert [kind for kind, _, _ in refused] == ["DataError"] * 2
    assert all("8 of 32 images are broken, more than 24 %" in message for _, message, _ in refused)
    assert not (tmp_path / "no").exists()


def test_the_first_alone_reads_the_network_and_writes_its_scores(
    run: RunDirectory, data: dict[int, Path], tmp_path: Path
) -> None:
    first, second = scored(
        2,
        {"run": run.path, "data": data[IN_MEMORY], "out": tmp_path / "out"},
        {"run": "nowhere", "data": data[IN_MEMORY], "out": tmp_path / "not here"},
    )

    assert first == second | {"decoded": first["decoded"]}
    assert first["out"] == str(tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_onnx_file_is_scored_together_too(
    run: RunDirectory, data: dict[int, Path], tmp_path: Path
) -> None:
    pytest.importorskip("onnxruntime")
    for name in ("net", "other"):
        export_model(
            load_artefact(run.path, weights="auto" if name == "net" else "plain"),
            "onnx",
            tmp_path / f"{name}.onnx",
        )
    given = {"run": tmp_path / "net.onnx", "data": data[IN_FILES]}
    (expected,) = scored(1, given | {"out": tmp_path / "one"})
    found = scored(2, given | {"out": tmp_path / "two"})

    assert [each["row"] for each in found] == [expected["row"]] * 2
    assert hashes(tmp_path / "two") == hashes(tmp_path / "one")
    refused = scored(2, given, given | {"run": tmp_path / "other.onnx"})
    assert all("process 1 of 2" in message and "SHA-256" in message for _, message, _ in refused)


def test_processes_that_see_other_data_are_refused(
    run: RunDirectory, data: dict[int, Path], tmp_path: Path
) -> None:
    other = shutil.copytree(data[IN_MEMORY], tmp_path / "16")
    shutil.copy(other / "a" / "00.png", other / "b" / "00.png")
    given = {"run": run.path, "out": tmp_path / "out"}
    found = scored(2, given | {"data": data[IN_MEMORY]}, given | {"data": other})

    assert found[0] == found[1]
    kind, message, code = found[0]
    assert (kind, code) == ("UsageError", 2)
    assert "process 1 of 2" in message and "the data is 16, fingerprint" in message
    assert not (tmp_path / "out").exists()


def test_processes_with_other_threads_are_refused_as_their_sums_differ(
    run: RunDirectory, data: dict[int, Path], tmp_path: Path
) -> None:
    given = {"run": run.path, "out": tmp_path / "out", "data": data[IN_MEMORY]}
    found = scored(2, given, given | {"threads": 2})

    assert found[0] == found[1]
    kind, message, _ = found[0]
    assert kind == "UsageError"
    assert "threads is 2, and 1 at process 0 of 2" in message


def test_scores_that_cannot_be_written_are_an_error_of_all(
    run: RunDirectory, data: dict[int, Path], tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"")
    found = scored(2, {"run": run.path, "data": data[IN_MEMORY], "out": tmp_path / "file" / "out"})

    assert found[0] == found[1]
    kind, message, code = found[0]
    assert (kind, code) == ("NotKept", 74)
    assert "of 32; 95 % interval" in message and "The scores are whole" in message


def test_the_command_scores_on_devices_and_shows_and_writes_what_it_does_on_one(
    run: RunDirectory, tmp_path: Path
) -> None:
    """1,120 images are two batches of 500 and a remainder."""
    data = write(tmp_path / "data", IN_MEMORY, times=35)
    line = ("eval", str(run.path), "--data", str(data), "--device", "cpu", "--out", str(tmp_path / "out"))
    shown = Command(*line).finish()
    files = hashes(tmp_path / "out")
    shutil.rmtree(tmp_path / "out")

    assert "of 1,120; 95 % interval" in shown
    beside = f"resnetlab: {note}\n" if (note := note_on(2, "cpu")) else ""  # on a machine of one core
    assert Command(*line, "--devices", "2").finish() == beside + shown
    assert hashes(tmp_path / "out") == files


def test_each_process_of_the_command_says_what_only_it_meets(run: RunDirectory, tmp_path: Path) -> None:
    """An image of the second batch, which is the second process's, is broken, and none may be."""
    data = write(tmp_path / "data", IN_MEMORY, times=17)
    (data / "c" / "98.png").write_bytes(b"")
    line = ("eval", run.path, "--data", data, "--workers", "0", "--out", tmp_path / "out")
    with world(2, *map(str, line), module="resnetlab") as members:
        codes = [member.end() for member in members]
    told = "".join(member.output() for member in members)

    assert codes == [3, 3]
    assert told.count("process 1 of 2") == 1
    assert told.count("c/98.png: an empty file") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("where", [0, 1])
def test_a_signal_to_one_process_ends_all_as_it_does_one(
    where: int, run: RunDirectory, data: dict[int, Path], tmp_path: Path
) -> None:
    """Nothing of an evaluation is kept that was not made to its end."""
    given: list[dict[str, Any]] = [
        {"run": run.path, "data": data[IN_FILES], "out": tmp_path / "out"} for _ in range(2)
    ]
    given[where] |= {"terminate_at": 2}
    texts = [json.dumps(each, default=str) for each in given]
    with world(2, "evaluate", str(BATCH), *texts) as members:
        told = "".join(member.finish(TERMINATED) for member in members)

    assert "stopped" in told
    assert not (tmp_path / "out").exists()
