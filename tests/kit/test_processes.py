"""A command that is forked from a process with torch in it does what one that was started anew does."""

import re
from pathlib import Path

import pytest

from tests.kit.processes import Command

TRAIN = (
    "train",
    "resnet8",
    "--data",
    "digits",
    "--steps",
    "3",
    "--batch",
    "16",
    "--set",
    "width=0.25",
    "--out",
)
REFUSED = ("train", "resnet8", "--data", "/nowhere/at/all")


@pytest.mark.parametrize(("arguments", "code"), [(TRAIN, 0), (REFUSED, 3)], ids=["trains", "is refused"])
def test_a_forked_command_is_one_that_was_started_anew(
    arguments: tuple[str, ...], code: int, tmp_path: Path
) -> None:
    """The same end, lines and files; of the lines all but times, rates and memory."""
    shown, files = [], []
    for starts_anew in (True, False):
        out = tmp_path / str(starts_anew) / "run"
        given = [*arguments, str(out)] if code == 0 else arguments
        text = Command(*given, starts_anew=starts_anew).finish(code)
        assert ("no such file or folder" in text, "Traceback" in text) == (code == 3, False)
        shown.append(re.sub(r"\d[\d,.]*( [KMG]iB)?", "0", text.replace(str(out), "OUT")).split())
        named = ("model.safetensors", "optimizer.safetensors", "metrics.jsonl", "recipe.json", "data.json")
        files.append({p.name: p.read_bytes() for p in out.rglob("*") if p.name in named})

    assert shown[0] == shown[1]
    assert files[0] == files[1]
    assert len(files[0]) == (5 if code == 0 else 0)
