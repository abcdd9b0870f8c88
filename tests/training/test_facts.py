"""What is said of the data before a run starts, kept in the run, and told to whoever watches."""

import json
from dataclasses import replace

import pytest

from resnetlab.cli import main
from resnetlab.training.facts import describe_plan
from resnetlab.training.observer import Observer
from resnetlab.training.run import resume_run, train_plan
from tests.kit.pictures import write_folder
from tests.kit.small_runs import small_plan

SHORT = ("--steps", "2", "--batch", "4", "--set", "width=0.25", "--device", "cpu")


class Listener(Observer):
    def begin(self, facts, *, step, num_steps):
        self.facts = dict(facts)


@pytest.fixture
def pets(tmp_path):
    folder = write_folder(tmp_path / "pets", {"train": {"cat": 4, "dog": 4}, "val": {"cat": 2, "dog": 2}})
    (folder / "train/cat/a.txt").write_text("not a picture")
    return folder


def noted(source_notes, **changes):
    plan = small_plan(length="2st", **changes)
    return replace(plan, source=replace(plan.source, notes=source_notes))


def test_training_says_the_classes_and_what_describe_notes_and_keeps_the_notes(pets, tmp_path, capsys):
    assert main(["data", "describe", str(pets), "--json"]) == 0
    notes = json.loads(capsys.readouterr().out)["notes"]
    assert len(notes) == 2

    assert main(["train", "resnet8", "--data", str(pets), "--out", str(tmp_path / "run"), *SHORT]) == 0

    said = {tuple(line.split("  ", 1)) for line in capsys.readouterr().out.splitlines() if "  " in line}
    said = {(title, text.strip()) for title, text in said}
    assert {("classes", "2: cat, dog"), *((f"note {n}", note) for n, note in enumerate(notes, 1))} <= said
    assert json.loads((tmp_path / "run/data.json").read_bytes())["notes"] == notes


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_a_study_says_them_too(pets, tmp_path, capsys, more):
    line = ["train", "resnet8", "--seeds", "2", "--data", str(pets), "--out", str(tmp_path / "study")]

    assert main([*line, *SHORT, *more]) == 0

    captured = capsys.readouterr()
    said = captured.err if more else captured.out
    assert "2: cat, dog" in said and "no pictures, not read" in said


def test_whoever_watches_is_told_at_the_start_and_on_resume_and_runs_without_notes_resume(tmp_path):
    listener, plan = Listener(), noted(("something odd",))
    train_plan(plan, tmp_path / "run", listener)
    assert listener.facts["note 1"] == "something odd"
    assert listener.facts["classes"] == "3: a, b, c"

    data = tmp_path / "run/data.json"
    old = json.loads(data.read_bytes())
    del old["notes"]  # as versions before wrote it
    data.write_text(json.dumps(old))
    assert resume_run(tmp_path / "run", listener).step == 2


def test_many_and_odd_class_names_stay_one_line():
    plan = noted(())
    names = ("line\nbreak", "x" * 100, "caf\udce9", *map(str, range(20)))
    plan = replace(plan, source=replace(plan.source, class_names=names, is_partial=True, notes=("a\tb",)))

    facts = describe_plan(plan)

    assert facts["classes"] == f"23: line\\nbreak, {'x' * 37}..., caf\udce9, 0, 1, 2, 3, 4, 5, 6 and 13 more"
    assert facts["note 1"] == "a\\tb"


def test_microbatches_are_told_to_be_those_of_a_shard():
    assert describe_plan(small_plan(shards=4))["length"].endswith("; each shard in 2 microbatches")
    assert describe_plan(small_plan())["length"].endswith("; each batch in 2 microbatches")
