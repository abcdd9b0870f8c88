"""The trackers themselves, without a network: what they keep of a run is read back by their own packages.

Each test is skipped where its package is not installed: they are extras, and large.
"""

import json
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import resnetlab
from resnetlab.errors import Interrupted
from tests.kit.interrupted_runs import StopAt

SHORT: dict[str, Any] = {
    "data": "digits", "steps": 6, "batch": 16, "compile": "off", "device": "cpu", "eval_every": "3st",
    "log_every": 2, "report": False,
}  # fmt: skip
TINY = resnetlab.model_spec("resnet8").with_(width=0.25)
QUIET = resnetlab.Silence()


def interrupted_and_resumed(run: Path, track: str) -> Any:
    with pytest.raises(Interrupted):
        resnetlab.train(TINY, out=run, track=track, observer=StopAt(4), **SHORT)
    return resnetlab.resume(run, device="cpu", observer=QUIET)


def test_mlflow_keeps_a_run_in_a_file_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow", reason="an extra: pip install 'resnetlab[mlflow]'")
    monkeypatch.chdir(tmp_path)  # where it keeps pictures
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")

    result = interrupted_and_resumed(tmp_path / "run", "mlflow:digits")

    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name("digits")
    (found,) = client.search_runs([experiment.experiment_id])
    assert found.info.status == "FINISHED" and found.info.run_name == "run"
    assert found.data.params["batch"] == "16" and found.data.params["model"] == "resnet8"
    assert found.data.metrics["test/accuracy"] == found.data.metrics["final/accuracy"] == result.accuracy
    history = client.get_metric_history(found.info.run_id, "train_loss")
    assert [each.step for each in history] == [2, 4, 6]
    assert {each.path for each in client.list_artifacts(found.info.run_id)} == {"curves.png", "confusion.png"}


def test_wandb_keeps_a_run_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb", reason="an extra: pip install 'resnetlab[wandb]'")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))

    result = interrupted_and_resumed(tmp_path / "run", "wandb:digits")

    folders = sorted((tmp_path / "wandb").glob("offline-run-*"))
    assert len({folder.name.rpartition("-")[2] for folder in folders}) == 1  # the same run, twice
    told = [row for folder in folders for row in wandb_rows(folder)]
    steps = [row["_step"] for row in told if "train_loss" in row]
    assert steps == [2, 4, *(2, 4, 6)]  # offline it cannot know what it had; its server passes over those
    assert [row["test/accuracy"] for row in told if "test/accuracy" in row][-1] == result.accuracy


def wandb_rows(folder: Path) -> list[Mapping[str, Any]]:
    """The rows of history in what W&B writes offline."""
    from wandb.proto import wandb_internal_pb2

    (path,) = folder.glob("*.wandb")
    rows = []
    for data in leveldb_records(path.read_bytes()):
        record = wandb_internal_pb2.Record.FromString(data)
        if record.HasField("history"):
            items = record.history.item
            rows.append(
                {each.key or ".".join(each.nested_key): json.loads(each.value_json) for each in items}
            )
    return rows


def leveldb_records(content: bytes) -> Iterator[bytes]:
    """The records of a log of LevelDB behind 7 bytes: blocks of 32 KiB, parts in them."""
    place, begun = 7, b""
    while place + 7 <= len(content):
        if (left := -place % 2**15) and left < 7:
            place += left  # the end of a block
            continue
        _, length, kind = struct.unpack_from("<IHB", content, place)
        begun += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield begun
            begun = b""


def test_trackio_keeps_a_run_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    trackio = pytest.importorskip("trackio", reason="an extra: pip install 'resnetlab[trackio]'")

    from trackio.sqlite_storage import SQLiteStorage

    result = interrupted_and_resumed(tmp_path / "run", "trackio:digits")

    (found,) = trackio.Api().runs("digits")
    assert found.config["model"] == "resnet8"
    told = SQLiteStorage.get_logs("digits", found.name)
    assert [row["step"] for row in told if "train_loss" in row] == [2, 4, 6]
    assert [row["test/accuracy"] for row in told if "test/accuracy" in row][-1] == result.accuracy


def test_tensorboard_reads_hyper_parameters_and_pictures(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import metadata

    resnetlab.train(TINY, out=tmp_path / "run", track="tensorboard", observer=QUIET, **SHORT)

    events = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    events.Reload()
    assert sorted(events.Tags()["images"]) == ["confusion", "curves", "training_images"]
    assert {event.step for event in events.Images("curves")} == {6}
    assert [event.step for event in events.Scalars("train_loss")] == [2, 4, 6]
    content = events.SummaryMetadata(metadata.SESSION_START_INFO_TAG).plugin_data.content
    values = metadata.parse_session_start_info_plugin_data(content).hparams
    assert values["batch"].number_value == 16 and values["model"].string_value == "resnet8"
    content = events.SummaryMetadata(metadata.SESSION_END_INFO_TAG).plugin_data.content
    assert metadata.parse_session_end_info_plugin_data(content).status == 1
