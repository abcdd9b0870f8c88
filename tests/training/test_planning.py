"""What network, data and recipe make of each other before a run, and what they refuse."""

from pathlib import Path

import pytest

import resnetlab
from resnetlab.runs.directory import RunDirectory
from resnetlab.training.run import resume_run
from tests.predict.made import write_pictures
from tests.training.test_resume import StopAt


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """12 training and 6 test images of 80x80 px: files of one size."""
    for name in ("fox", "owl"):
        write_pictures(tmp_path / "photos" / "train" / name, 6, (80, 80))
        write_pictures(tmp_path / "photos" / "test" / name, 3, (80, 80))
    return tmp_path / "photos"


@pytest.mark.parametrize("side", [0, 32])
def test_grey_networks_learn_from_coloured_files(photos: Path, tmp_path: Path, side: int) -> None:
    """Files are read as the network takes them, from the first step to the export and the next training."""
    spec = resnetlab.model_spec("resnet8").with_(width=0.25, in_channels=1, classes=2)
    given = {"batch": 6, "device": "cpu", "workers": 0, "recipe": "quick", "image_size": side}
    run = tmp_path / "run"
    with pytest.raises(resnetlab.errors.Interrupted):
        resnetlab.train(spec, data=str(photos), out=run, steps=4, observer=StopAt(2), **given)

    result = resume_run(run, StopAt(-1), device="cpu", workers=0)

    shape = (side or 80, side or 80, 1)
    assert RunDirectory(run).read("data")["preprocessing"]["channels"] == 1
    assert resnetlab.evaluate(run, device="cpu", workers=0).scores.correct == result.correct
    artefact = resnetlab.load_artefact(run)
    assert artefact.image_shape == shape and artefact.preprocessing.channels == 1
    resnetlab.Classifier.load(run, device="cpu").predict(photos / "test/fox/0.png")
    out = resnetlab.export_model(artefact, "folder", tmp_path / "folder").path
    tuned = resnetlab.finetune(
        out, data=str(photos), out=tmp_path / "tuned", steps=2, batch=4, device="cpu", workers=0
    )
    assert tuned.step == 2
