"""What a run's directory is taken for, and what it records of the machine."""

from pathlib import Path

import pytest

from resnetlab.errors import UsageError
from resnetlab.runs.directory import BAD_SAMPLE, RunDirectory, broken_images, claim_new, is_run, runs_in
from resnetlab.runs.environment import NEEDED, describe_environment
from resnetlab.runs.journal import Journal


def test_a_run_is_a_directory_that_holds_a_recipe(tmp_path: Path) -> None:
    for name in ("b/recipe.json", "a/recipe.json", "photos/cat.png", "odd/recipe.json/cat.png"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()

    assert is_run(tmp_path / "a")
    assert not any(is_run(tmp_path / name) for name in ("photos", "odd", "nothing", "a/recipe.json"))
    assert not is_run(tmp_path / ("x" * 5000))  # a name that no file system takes
    assert runs_in(tmp_path) == ["a", "b"]


def test_who_would_take_a_runs_directory_is_told_of_a_free_one(tmp_path: Path) -> None:
    for name in ("first", "first-2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "recipe.json").touch()
    with pytest.raises(UsageError, match="already holds an unfinished run") as refused:
        claim_new(tmp_path / "first")

    assert f"--out {tmp_path / 'first-3'} (in Python out=) is free" in refused.value.hint
    assert not (tmp_path / "first-3").exists()


def test_broken_images_are_listed_in_the_order_of_the_data(tmp_path: Path) -> None:
    """One process meets them as it draws them, several as they tell each other."""
    run = RunDirectory(tmp_path)
    journal = Journal(run.events)
    for part, sample in (("val", 1), ("train", 9), ("train", 10), ("train", 2)):
        journal.add({"event": BAD_SAMPLE, "part": part, "sample": sample, "problem": "torn"})
    journal.close()

    assert [*broken_images(run)] == [("train", 2), ("train", 9), ("train", 10), ("val", 1)]


def test_the_versions_of_all_that_every_run_needs_are_recorded() -> None:
    packages = describe_environment(device="cpu", threads=1)["packages"]

    assert all(packages[name] for name in NEEDED.values())
