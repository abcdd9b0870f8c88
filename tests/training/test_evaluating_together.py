"""An evaluation that several processes of a run make together: its bytes, and a signal in its midst."""

from pathlib import Path

import pytest

from resnetlab.runs.directory import RunDirectory
from resnetlab.runs.journal import read_rows
from tests.kit.small_runs import final_bytes
from tests.kit.worlds import results, world

pytestmark = pytest.mark.processes

TEST_SAMPLES = 30  # in 6 batches of 5


def everything(run: RunDirectory) -> dict[str, bytes]:
    """The final bytes, and those of the answers, but for the run's own place."""
    (folder,) = run.path.glob("eval/*-test")
    kept = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    assert {"answers.npz", "answers.csv", "calibration.json", "scores.json"} <= {*kept}
    return final_bytes(run) | {name: each.replace(bytes(run.path), b"RUN") for name, each in kept.items()}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What one process leaves, which nobody interrupts."""
    out = tmp_path_factory.mktemp("alone") / "run"
    results(1, "train", str(out))
    return everything(RunDirectory(out))


@pytest.mark.parametrize(
    ("where", "at", "evaluated", "resumed_by"), [(0, 1, [], 2), (1, 2, [], 1), (1, 3, [8], 2)]
)
def test_a_signal_to_one_process_ends_the_evaluation_of_all_and_it_is_made_on_resume(
    where: int, at: int, evaluated: list[int], resumed_by: int, alone: dict[str, bytes], tmp_path: Path
) -> None:
    """It comes while that process scores one of its 3 batches; with the last, nothing is left to be ended."""
    run = RunDirectory(tmp_path / "run")
    with world(2, "train", str(run.path), str(where), str(at)) as members:
        told = [member.finish(75) for member in members]
    assert any("stopped by SIGTERM" in each for each in told)
    rows = [row for row in read_rows(run.metrics) if row["kind"] == "test"]
    assert [(row["step"], row["seen"]) for row in rows] == [(step, TEST_SAMPLES) for step in evaluated]

    results(resumed_by, "train", str(run.path))

    assert everything(run) == alone
