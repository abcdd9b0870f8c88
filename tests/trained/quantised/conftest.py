"""One network that has learned the digits, for all tests of this room."""

from pathlib import Path

import pytest

import resnetlab
from tests.kit.commands import Done, run


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 100 steps, some of whose training images are held out."""
    out = tmp_path_factory.mktemp("int8") / "digits"
    resnetlab.train(
        "resnet8", data="digits", out=out, steps=100, val="100", compile="off", report=False, device="cpu",
        observer=resnetlab.Silence(),
    )  # fmt: skip
    return out


@pytest.fixture(scope="session")
def small(digits: Path) -> tuple[Path, Done]:
    """Its network in int8, 200 images of which calibrated it, and what the command said."""
    file = digits.parent / "small.onnx"
    return file, run(
        "export", str(digits), "--to", "onnx", "--int8", "--calibration-images", "200", "-o", str(file)
    )
