"""What TensorBoard itself reads of a run's event files beside the numbers."""

from pathlib import Path
from typing import Any

import pytest

import resnetlab
from resnetlab.errors import Interrupted
from resnetlab.runs.tensorboard import EventFile
from tests.kit.interrupted_runs import StopAt
from tests.kit.pictures import picture

pytest.importorskip("tensorboard")

SHORT: dict[str, Any] = {
    "data": "digits", "steps": 4, "batch": 16, "compile": "off", "device": "cpu", "report": False,
}  # fmt: skip


def read(directory: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(directory))
    events.Reload()
    return events


def test_it_has_a_runs_hyper_parameters_once_and_its_end(tmp_path: Path) -> None:
    from tensorboard.plugins.hparams import metadata

    spec = resnetlab.model_spec("resnet8").with_(width=0.25)
    with pytest.raises(Interrupted):
        resnetlab.train(spec, out=tmp_path / "run", observer=StopAt(2), **SHORT)
    begun = read(tmp_path / "run" / "tensorboard")
    resnetlab.resume(tmp_path / "run", device="cpu", observer=resnetlab.Silence())
    ended = read(tmp_path / "run" / "tensorboard")

    for events in (begun, ended):
        content = events.SummaryMetadata(metadata.SESSION_START_INFO_TAG).plugin_data.content
        values = metadata.parse_session_start_info_plugin_data(content).hparams
        assert values["batch"].number_value == 16 and values["model.classes"].number_value == 10
        assert (values["model"].string_value, values["data"].string_value) == ("resnet8", "digits")
        assert values["channels_last"].bool_value is True
        assert len(events.Tensors(metadata.SESSION_START_INFO_TAG)) == 1
    assert metadata.SESSION_END_INFO_TAG not in begun.Tags()["tensors"]
    content = ended.SummaryMetadata(metadata.SESSION_END_INFO_TAG).plugin_data.content
    assert metadata.parse_session_end_info_plugin_data(content).status == 1


def test_hyper_parameters_are_written_as_tensorboard_itself_writes_them(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.plugins.hparams import metadata
    from tensorboard.plugins.hparams.summary_v2 import hparams_pb

    values: dict[str, bool | int | float | str] = {
        "lr": 0.1,
        "ema": True,
        "batch": 128,
        "model": "resnet20 ä",
    }
    file = EventFile(tmp_path / "tensorboard", step=0)
    file.add_hyper_parameters(values)
    file.close()

    (path,) = (tmp_path / "tensorboard").iterdir()
    *_, record = RawEventFileLoader(str(path)).Load()
    (ours,) = Event.FromString(record).summary.value
    (theirs,) = hparams_pb(values).value
    start, expected = (
        metadata.parse_session_start_info_plugin_data(value.metadata.plugin_data.content)
        for value in (ours, theirs)
    )
    assert start.start_time_secs > 0
    expected.start_time_secs = start.start_time_secs
    assert start == expected
    for value in (ours, theirs):
        value.metadata.plugin_data.content = b""
    assert ours == theirs


@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("RGB", 3), ("RGBA", 4)])
def test_a_picture_comes_back_as_it_was(mode: str, channels: int, tmp_path: Path) -> None:
    png = picture(1, size=(40, 30), mode=mode, form="PNG")
    file = EventFile(tmp_path / "tensorboard", step=7)
    file.add_picture(7, "curves", png)
    file.close()

    (found,) = read(tmp_path / "tensorboard").Images("curves")
    assert (found.step, found.width, found.height) == (7, 40, 30)
    assert found.encoded_image_string == png
