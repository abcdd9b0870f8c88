"""T22 of the fault list: the same bytes wherever and by whomever a run is made; and with more threads."""

import contextlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from resnetlab.runs.journal import read_rows
from tests.kit.commands import run as run_here
from tests.kit.processes import Command
from tests.kit.remains import what_remains

pytestmark = pytest.mark.processes

TRAIN = (
    "train", "resnet8", "--data", "digits", "--recipe", "digits", "--steps", "6", "--batch", "16",
    "--checkpoint-every", "3", "--set", "width=0.25", "--set", "ema_decay=0.9", "--set", "compile=off",
    "--set", "log_every=1", "--set", "eval_every=3st", "--no-report",
)  # fmt: skip
OF_THREADS = 1e-6
"""By how much, as a share, a first loss may differ with more threads: sums are added in another order. From
there on that grows, as from any change so small, to some per cent of a weight in six steps of this net."""


def train(out: Path, *more: str, starts_anew: bool = False, **environment: str) -> dict[str, Any]:
    """Train in a process of its own in the run's parent; return what that process was like."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.chdir(out.parent):
        command = Command(
            *TRAIN,
            "--out",
            out.name,
            *more,
            module="tests.kit.elsewhere",
            starts_anew=starts_anew,
            **environment,
        )
        (found,) = re.findall(r"^found: (.*)$", command.finish(), re.MULTILINE)
    return dict(json.loads(found))


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    out = tmp_path_factory.mktemp("here") / "run"
    return out, train(out, TZ="UTC", LC_ALL="C.UTF-8")


def test_elsewhere_a_run_has_the_same_bytes(here: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    """Another folder, time zone, language, encoding, home, width of the terminal, and order of sets."""
    run, found = here
    other = tmp_path / "Prüfung №1 $HOME" / "run"

    found_there = train(
        other, starts_anew=True, TZ="Asia/Kathmandu", LC_ALL="C", PYTHONCOERCECLOCALE="0", PYTHONUTF8="0",
        PYTHONHASHSEED="12345", HOME=str(tmp_path), COLUMNS="40",
    )  # fmt: skip

    assert [name for name in found if found[name] == found_there[name]] == []
    assert what_remains(other) == what_remains(run)
    assert len(what_remains(run)) > 8
    for each in (run, other):
        run_here("report", str(each), "-o", str(each.parent / "curves.svg"))
    assert (run.parent / "curves.svg").read_bytes() == (other.parent / "curves.svg").read_bytes()


def test_with_more_threads_a_run_differs_by_roundings_alone(
    here: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    run, _ = here
    train(tmp_path / "run", "--threads", "2")

    assert json.loads((tmp_path / "run" / "environment.json").read_text())["threads"] == 2
    one, two = (read_rows(each / "metrics.jsonl") for each in (run, tmp_path / "run"))
    assert two[0]["train_loss"] == pytest.approx(one[0]["train_loss"], rel=OF_THREADS)
    assert [row["step"] for row in two] == [row["step"] for row in one]
    assert two != one
