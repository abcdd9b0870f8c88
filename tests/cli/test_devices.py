"""`--devices`: one command is made by several processes, of which a user sees nothing."""

import signal
from pathlib import Path

import pytest

from tests.kit.commands import run
from tests.kit.processes import Command
from tests.kit.worlds import free_port, place

pytestmark = pytest.mark.processes

TRAIN = (
    "train", "resnet8", "--data", "digits", "--recipe", "digits", "--batch", "16", "--device", "cpu",
    "--set", "width=0.25", "--set", "compile=off", "--checkpoint-every", "8",
)  # fmt: skip


def weights(out: Path, step: int) -> bytes:
    return (out / "checkpoints" / f"step-{step:08d}" / "model.safetensors").read_bytes()


def test_a_run_is_launched_on_devices_stopped_and_gone_on_with(tmp_path: Path) -> None:
    """One launch of each kind: the bytes of one process, a signal to the command, other devices."""
    one, two = tmp_path / "one", tmp_path / "two"
    Command(*TRAIN, "--steps", "16", "--set", "shards=2", "--no-report", "--out", str(one)).finish()

    typed = {"RESNETLAB_COMMAND": "venv/bin/resnetlab"}
    command = Command(*TRAIN, "--steps", "16", "--devices", "2", "--out", str(two), **typed)
    printed = command.finish()
    assert f"venv/bin/resnetlab eval {two}" in printed
    assert weights(two, 16) == weights(one, 16)
    assert (two / "metrics.jsonl").read_bytes() == (one / "metrics.jsonl").read_bytes()
    assert printed.count("test images right") == 1
    assert [*two.glob("eval/*/insights/insights.json")]
    assert "2, with 1 shard = 8 samples of a step each" in printed
    assert "rank" not in printed and "torchrun" not in printed

    stopped = tmp_path / "stopped"
    command = Command(*TRAIN, "--steps", "4000", "--devices", "2", "--out", str(stopped))
    assert command.wait_until((stopped / "checkpoints" / "step-00000008").exists)
    command.send(signal.SIGTERM)
    printed = command.finish(code=75)
    assert printed.count("stopped by SIGTERM after step") == 1
    assert "Go on with: resnetlab resume" in printed


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--devices", "0"), "--devices is auto or a number from 1 on, got '0'"),
        (("--devices", "some"), "got 'some'"),
        (("--devices", "2", "--device", "cuda:1"), "2 devices, and --device cuda:1, which is one"),
        (("--devices", "3", "--dry-run"), "a batch of 16 cannot be cut into 3 equal shards"),
    ],
)
def test_devices_that_cannot_be_are_refused(arguments: tuple[str, ...], told: str, tmp_path: Path) -> None:
    refused = run(*TRAIN, *arguments, "--out", str(tmp_path / "run"), code=2)

    assert told in refused.stderr
    assert not (tmp_path / "run").exists()


def test_a_dry_run_says_what_each_device_does(tmp_path: Path) -> None:
    shown = run(*TRAIN, "--devices", "4", "--dry-run", "--out", str(tmp_path / "run")).stdout

    assert "4 a batch, of 4 samples" in shown
    assert "4, with 1 shard = 4 samples of a step each" in shown
    assert "for each device about" in shown
    assert "a step: gradients and BN statistics" in shown
    assert "one for each device" in shown


def test_all_gpus_are_one_device_where_there_are_none(tmp_path: Path) -> None:
    shown = run(*TRAIN, "--devices", "auto", "--dry-run", "--out", str(tmp_path / "run")).stdout

    assert "shards                  1" in shown


def test_shards_that_a_recipe_says_stay(tmp_path: Path) -> None:
    shown = run(
        *TRAIN, "--set", "shards=8", "--devices", "2", "--dry-run", "--out", str(tmp_path / "run")
    ).stdout

    assert "2, with 4 shards = 8 samples of a step each" in shown


def test_a_verb_of_one_process_is_refused_in_several() -> None:
    refused = run("list", "models", code=2, **place(0, 2, free_port()))

    assert "is carried out by one process, and 2 were started" in refused.stderr


def test_another_number_of_devices_than_processes_is_refused() -> None:
    refused = run(*TRAIN, "--devices", "4", code=2, **place(0, 2, free_port()))

    assert "--devices 4, and 2 processes were started" in refused.stderr
