"""Processes that measure together: two at once, forked; one started as the command does; some that fail."""

import json
import sys
from pathlib import Path

import pytest

from resnetlab.errors import ResnetlabError
from resnetlab.forecast.here import Measured
from resnetlab.forecast.reduction import reduced_bytes
from resnetlab.network.catalog import model_spec
from resnetlab.recipe.named import named_recipe
from resnetlab.recipe.settings import override
from resnetlab.training.measured.together import WORKER, measure_sums, measure_together, request_for
from tests.kit.processes import Command
from tests.kit.worlds import free_port, place

RESNET8 = model_spec("resnet8")
QUICK = override(named_recipe("quick"), {"shards": 4, "val": 10, "batch": 512})
BYTES = reduced_bytes(RESNET8)


def _request(device: str = "cpu") -> str:
    return request_for(RESNET8, QUICK, samples=8, device=device, num_bytes=BYTES, seconds=0.1)


def test_two_processes_time_steps_scores_and_sums_at_once() -> None:
    port = free_port()
    workers = [Command(_request(), module=WORKER, environment=place(rank, 2, port)) for rank in range(2)]
    outputs = [worker.finish() for worker in workers]

    found = Measured(processes=2, threads=1, samples=8, **json.loads(outputs[0].splitlines()[-1]))
    assert 1e-3 < found.step < 10
    assert 0 < found.score < found.step
    assert found.small > 0
    assert 0 < found.reduction < 1
    assert outputs[1] == ""


@pytest.mark.starts_anew
def test_one_process_is_started_and_heard() -> None:
    found = measure_together(
        RESNET8, QUICK, samples=8, processes=1, threads=1, device="cpu", num_bytes=BYTES, seconds=0.1
    )

    assert (found.processes, found.threads, found.samples) == (1, 1, 8)
    assert 1e-3 < found.step < 10
    assert (found.reduction, found.small) == (0, 0)


def test_an_error_of_ours_is_one_line_and_its_exit_code() -> None:
    worker = Command(_request("nowhere"), module=WORKER)

    assert "no device 'nowhere'" in worker.finish(2)
    assert "Traceback" not in worker.output()


@pytest.mark.starts_anew
@pytest.mark.parametrize(
    ("script", "cause"),
    [("echo first >&2; echo the cause >&2; exit 3", "the cause"), ("exit 9", "exit code 9")],
)
def test_a_process_that_fails_is_told_with_its_cause(
    script: str, cause: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the place of Python stands a script that fails."""
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))

    with pytest.raises(ResnetlabError, match=f"measuring this machine failed in one of 2: {cause}"):
        measure_together(RESNET8, QUICK, samples=8, processes=2, threads=1, device="cpu", num_bytes=BYTES)


def test_two_processes_add_a_larger_tensor_in_more_time() -> None:
    found = measure_sums([8, 40_000_000], seconds=0.2)

    assert 0 < found[8] < found[40_000_000] < 10
