"""One network that has learned the digits, for all tests of this room."""

from pathlib import Path

import pytest

import resnetlab


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 100 steps, some of whose training images are held out."""
    out = tmp_path_factory.mktemp("int8") / "digits"
    resnetlab.train(
        "resnet8", data="digits", out=out, steps=100, val="100", compile="off", report=False, device="cpu",
        observer=resnetlab.Silence(),
    )  # fmt: skip
    return out
