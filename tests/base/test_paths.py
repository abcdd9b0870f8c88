"""Paths in commands that are told: typed as they stand, they mean what they meant."""

import shlex
from pathlib import Path

import pytest

from resnetlab.base.paths import as_word, user_path
from tests.kit.commands import run
from tests.kit.small_runs import small_plan, train_whole


@pytest.mark.parametrize(
    "name", ["runs/a", "my run", "-dash", "--out", "~nobody", "a'b", "$HOME", "hf:x", "né [1]"]
)
def test_a_word_is_the_same_path_again_and_no_flag(name: str) -> None:
    (word,) = shlex.split(as_word(Path(name)))

    assert user_path(word) == Path(name)
    assert not word.startswith("-")


def test_the_command_that_is_told_of_a_run_with_a_dash_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    train_whole(Path("-dash"), small_plan(length="1st"))
    told = run("show", "./-dash").stdout.split("resnetlab show ")[1].split(" --full")[0]

    assert "every" not in told and "-dash" in run("show", *shlex.split(told), "--full").stdout
