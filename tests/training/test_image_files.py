"""Training on image files: the same bytes whatever the number of workers and the interruptions."""

import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from resnetlab.base.plaindata import to_plain
from resnetlab.base.units import Duration
from resnetlab.data.images.image import EncodedImage
from resnetlab.data.records.tfrecord import open_tfrecord
from resnetlab.data.sources.encoded import EncodedSource, EncodedSplit
from resnetlab.errors import DataError, Interrupted
from resnetlab.network.catalog import model_spec
from resnetlab.recipe import Optimizer
from resnetlab.recipe.named import list_recipes, named_recipe
from resnetlab.recipe.settings import override, recipe_from_json
from resnetlab.runs.directory import RunDirectory, claim_new
from resnetlab.runs.journal import read_rows
from resnetlab.runs.records import read_records
from resnetlab.trained.evaluate import evaluate
from resnetlab.training.observer import Observer
from resnetlab.training.planning import make_plan, open_for, plan_of
from resnetlab.training.recorded.programs import HostSteps
from resnetlab.training.run import read_result, resume_run, train_plan
from resnetlab.training.session import resume, start
from resnetlab.training.step.batch import LabelledBatch
from resnetlab.training.step.losses import binary_loss
from resnetlab.training.step.optim import build_optimizer, set_rate
from tests.kit.interrupted_runs import StopAt, interrupt
from tests.kit.photographs import STEPS, open_photographs, photograph_plan, write_photographs
from tests.kit.pictures import picture
from tests.kit.small_runs import CPU, final_bytes, small_plan, train
from tests.kit.tfrecords import framed, imagenet_example, write_shards


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> EncodedSource:
    return open_photographs(write_photographs(tmp_path_factory.mktemp("photographs")))


def run_whole(out: Path, source: EncodedSource, *, workers: int = 0, **changes: Any) -> RunDirectory:
    with claim_new(out):
        trainer = start(photograph_plan(source, workers=workers, **changes), RunDirectory(out), StopAt(-1))
        train(trainer)
        trainer.close()
    return RunDirectory(out)


@pytest.fixture(scope="module")
def uninterrupted(photographs: EncodedSource, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The truth: 12 steps in one go, in one process."""
    return final_bytes(run_whole(tmp_path_factory.mktemp("whole") / "run", photographs), STEPS)


@pytest.mark.parametrize(("step", "workers", "workers_after"), [(1, 2, 0), (5, 0, 1), (8, 1, 2), (11, 0, 0)])
def test_workers_and_interruptions_change_no_byte(
    step: int,
    workers: int,
    workers_after: int,
    photographs: EncodedSource,
    uninterrupted: dict[str, bytes],
    tmp_path: Path,
) -> None:
    out = tmp_path / "run"
    observer = StopAt(step)
    with claim_new(out):
        plan = photograph_plan(photographs, workers=workers)
        interrupt(start(plan, RunDirectory(out), observer), observer)
    run = RunDirectory(out)

    trainer = resume(run, plan_of(read_records(run), photographs, CPU, workers_after), StopAt(-1))
    train(trainer)
    trainer.close()

    assert final_bytes(run, STEPS) == uninterrupted


def test_evaluating_the_finished_run_finds_what_training_found(
    photographs: EncodedSource, tmp_path: Path
) -> None:
    plan = photograph_plan(photographs, stop_at=0.0, ema_decay=0.0)
    result = train_plan(plan, tmp_path / "run", StopAt(-1))

    evaluation = evaluate(tmp_path / "run", workers=1)

    assert (evaluation.scores.correct, evaluation.scores.seen) == (result.correct, 9)
    assert result.wait_share is not None
    assert 0 < result.wait_share < 1
    preprocessing = RunDirectory(tmp_path / "run").read("data")["preprocessing"]
    assert (preprocessing["image_size"], preprocessing["resize"]) == (32, 37)
    assert resume_run(tmp_path / "run", StopAt(-1)) == result


def test_broken_images_within_their_share_are_left_out_counted_and_listed(tmp_path: Path) -> None:
    root = write_photographs(tmp_path / "photographs")
    for place in ("train/cat/3.jpg", "val/owl/1.jpg"):
        (root / place).write_bytes(b"<!doctype html><title>404</title>")
    source = open_photographs(root)
    with pytest.raises(DataError, match=r"train/cat/3\.jpg: not an image.*an HTML page"):
        train_plan(photograph_plan(source), tmp_path / "refused", StopAt(-1))

    out = tmp_path / "run"
    result = train_plan(photograph_plan(source, bad_samples=0.2), out, StopAt(-1))

    assert result.seen == 8
    assert sorted(text.partition(":")[0] for text in result.bad_samples) == [
        "train/cat/3.jpg",
        "val/owl/1.jpg",
    ]
    events = [row for row in read_rows(RunDirectory(out).events) if row["event"] == "bad-sample"]
    assert sorted((row["part"], row["sample"]) for row in events) == [("test", 7), ("train", 3)]
    assert read_result(RunDirectory(out)) == result


def test_a_folder_with_a_validation_split_of_its_own_is_watched_on_it(tmp_path: Path) -> None:
    root = write_photographs(tmp_path / "photographs")
    (root / "val").rename(root / "test")
    shutil.copytree(root / "train", root / "val")
    run = run_whole(tmp_path / "run", open_photographs(root), length="3st")

    rows = read_rows(run.metrics)

    assert {row["kind"] for row in rows} == {"train", "val"}
    assert next(row["seen"] for row in rows if row["kind"] == "val") == 24
    assert evaluate(run.path, split="val").scores.seen == 24
    assert evaluate(run.path, split="test").scores.seen == 9


def test_a_plan_reads_no_pixels(photographs: EncodedSource) -> None:
    class Unreadable:
        def __len__(self) -> int:
            return 24

        def read(self, index: int) -> EncodedImage:
            raise AssertionError("a plan needs no image")

        def place(self, index: int) -> str:
            return str(index)

        def size(self, index: int) -> int:
            return 1

    split = EncodedSplit(Unreadable(), np.arange(24), photographs.train.labels)
    source = EncodedSource(name="n", class_names=photographs.class_names, train=split, test=split)

    plan = photograph_plan(source)

    assert (plan.image_shape, [*plan.training_sizes]) == ((32, 32, 3), [(24, 24), (32, 32)])


def test_a_recipe_of_a_run_from_before_there_were_files_still_loads() -> None:
    plain = to_plain(named_recipe("he2015", 20))
    del plain["preparation"], plain["run"]["loss"], plain["augmentation"]["erasing"]

    assert recipe_from_json(plain) == named_recipe("he2015", 20)


MODERN = [name for name in list_recipes() if named_recipe(name, 50).preparation.image_size]


@pytest.mark.parametrize("name", MODERN)
def test_every_recipe_for_photographs_trains_on_a_folder_and_on_records(
    name: str, photographs: EncodedSource, tmp_path: Path
) -> None:
    """Of the network's size alone the recipe is changed, so that it is quick."""
    write_shards(tmp_path / "shards", "train", [1, 2, 3] * 4)
    write_shards(tmp_path / "shards", "validation", [1, 2, 3])
    recipe = named_recipe(name, 50)
    config = recipe.preparation
    scale = {
        n: v // 8 for n in ("image_size", "train_size", "grow_to", "resize") if (v := getattr(config, n))
    }
    recipe = override(recipe, scale | {"length": Duration(3, "st"), "batch": 4, "compile": "off"})
    for number, source in enumerate((photographs, open_tfrecord(tmp_path / "shards"))):
        spec = model_spec("resnet8").with_(classes=3, width=0.5)
        plan = make_plan(spec, source, "", recipe, CPU, 0)

        result = train_plan(plan, tmp_path / str(number), StopAt(-1))

        assert result.step == 3
        assert result.seen == len(source.test)


def test_lamb_is_its_definition(tmp_path: Path) -> None:
    """Two updates of one kernel and one bias, by hand in float64."""
    weight, bias = torch.tensor([[3.0, 4.0]]), torch.tensor([1.0])
    layer = torch.nn.Linear(2, 1)
    layer.load_state_dict({"weight": weight, "bias": bias})
    config = Optimizer(optimizer="lamb", weight_decay=0.1, decay_scope="kernels", adam_eps=1e-6)
    optimizer = build_optimizer(layer, config)
    gradients = [(np.array([0.3, -0.2]), np.array([0.1])), (np.array([3.0, 0.0]), np.array([4.0]))]
    values = [np.array([3.0, 4.0]), np.array([1.0])]
    means = [np.zeros(2), np.zeros(1)]
    squares = [np.zeros(2), np.zeros(1)]
    for step, pair in enumerate(gradients, start=1):
        norm = math.sqrt(sum((g**2).sum() for g in pair))
        for index, gradient in enumerate(pair):
            g = gradient / max(norm, 1)
            means[index] = 0.9 * means[index] + 0.1 * g
            squares[index] = 0.999 * squares[index] + 0.001 * g**2
            update = means[index] / (1 - 0.9**step) / (np.sqrt(squares[index] / (1 - 0.999**step)) + 1e-6)
            if index == 0:
                update = update + 0.1 * values[0]
                update = update * np.linalg.norm(values[0]) / np.linalg.norm(update)
            values[index] = values[index] - 0.01 * update
        layer.weight.grad = torch.tensor(pair[0][None], dtype=torch.float32)
        layer.bias.grad = torch.tensor(pair[1], dtype=torch.float32)
        set_rate(optimizer, config, 0.01)
        optimizer.step()

    np.testing.assert_allclose(values[0], layer.weight.detach()[0].numpy(), rtol=1e-5)
    np.testing.assert_allclose(values[1], layer.bias.detach().numpy(), rtol=1e-5)


def test_lamb_moves_a_kernel_that_is_zero_by_the_rate_alone() -> None:
    layer = torch.nn.Linear(2, 1, bias=False)
    torch.nn.init.zeros_(layer.weight)
    config = Optimizer(optimizer="lamb", weight_decay=0.1, decay_scope="kernels", adam_eps=1e-6)
    optimizer = build_optimizer(layer, config)
    layer.weight.grad = torch.tensor([[0.3, -0.2]])
    set_rate(optimizer, config, 0.01)
    optimizer.step()

    torch.testing.assert_close(layer.weight.detach(), torch.tensor([[-0.01, 0.01]]), rtol=1e-4, atol=0)


def test_a_run_with_lamb_and_the_binary_loss_resumes_exactly(
    photographs: EncodedSource, tmp_path: Path
) -> None:
    changes = {"optimizer": "lamb", "loss": "binary", "label_smoothing": 0.1}
    whole = final_bytes(run_whole(tmp_path / "whole", photographs, **changes), STEPS)
    observer = StopAt(7)
    with claim_new(tmp_path / "run"):
        plan = photograph_plan(photographs, **changes)
        interrupt(start(plan, RunDirectory(tmp_path / "run"), observer), observer)
    run = RunDirectory(tmp_path / "run")

    trainer = resume(run, plan_of(read_records(run), photographs, CPU), StopAt(-1))
    train(trainer)
    trainer.close()

    assert final_bytes(run, STEPS) == whole


def test_the_binary_loss_counts_both_classes_of_a_mixed_image() -> None:
    logits = torch.tensor([[2.0, -1.0, 0.5], [0.0, 1.0, -3.0]])
    labels, others = torch.tensor([0, 1]), torch.tensor([2, 1])
    targets = [[0.9 + 0.1 / 3, 0.1 / 3, 0.9 + 0.1 / 3], [0.1 / 3, 0.9 + 0.1 / 3, 0.1 / 3]]

    expected = [
        -(t * math.log(1 / (1 + math.exp(-x))) + (1 - t) * math.log(1 - 1 / (1 + math.exp(-x))))
        for row, wanted in zip(logits.tolist(), targets, strict=True)
        for x, t in zip(row, wanted, strict=True)
    ]
    found = float(binary_loss(logits, labels, others, 0.1))
    assert found == pytest.approx(sum(expected) / 6, rel=1e-6)


def test_records_of_fewer_classes_than_the_network_imposes_name_the_way_out(tmp_path: Path) -> None:
    """Networks with ImageNet's background class decide how records are read."""
    for part in ("train", "validation"):
        records = [imagenet_example(label, image__encoded=picture(label)) for label in (1, 2, 3)]
        (tmp_path / f"{part}-00000-of-00001").write_bytes(b"".join(map(framed, records)))
    spec = model_spec("tfofficial_resnet50v1")

    with pytest.raises(DataError, match="has no image of") as raised:
        open_for(spec, str(tmp_path))

    assert "--set classes=N" in raised.value.hint
    assert len(open_for(spec.with_(classes=4), str(tmp_path), ["classes"]).class_names) == 4


def test_a_signal_to_all_processes_that_ended_the_readers_first_saves_and_leaves(tmp_path: Path) -> None:
    """Slurm and others signal the whole group: what reads images may be gone before the flag is seen."""
    run = RunDirectory(tmp_path / "run")
    with claim_new(run.path):
        trainer = start(small_plan(), run, Observer())
        batches = trainer.batches

        class Ended:
            def at(self, step: int) -> LabelledBatch:
                if step == 5:
                    trainer.interrupt.signal_name = "SIGTERM"
                    raise DataError("a process that loads images ended")
                return batches.at(step)

            def close(self) -> None:
                batches.close()

        trainer.program = HostSteps(trainer.state, Ended(), trainer.rate, trainer.step_function)
        with pytest.raises(Interrupted, match="SIGTERM after step 5 of 40"):
            trainer.train()
        trainer.close()

    assert [path.name for path in run.checkpoints.iterdir()] == ["step-00000005"]


def test_broken_test_images_are_recorded_of_a_run_with_validation_samples_too(tmp_path: Path) -> None:
    """The test set is scored three times at the end: averaged, plain and best weights."""
    root = write_photographs(tmp_path / "photographs")
    for name in ("val/owl/0.jpg", "val/owl/1.jpg"):
        (root / name).write_bytes(b"\xff\xd8\xff no picture")
    source = open_photographs(root)
    notes: list[str] = []

    class Listen(StopAt):
        def note(self, text: str) -> None:
            notes.append(text)

    out = tmp_path / "run"
    plan = photograph_plan(source, bad_samples=0.3, val=4, eval_every=Duration(3, "st"))
    result = train_plan(plan, out, Listen(-1))

    assert result.seen == 7
    assert result.best_test_accuracy is not None and result.plain_accuracy is not None
    broken = [f"val/owl/{number}.jpg" for number in (0, 1)]
    assert sorted(text.partition(":")[0] for text in result.bad_samples) == broken
    events = [row for row in read_rows(RunDirectory(out).events) if row["event"] == "bad-sample"]
    assert sorted((row["part"], row["problem"].partition(":")[0]) for row in events) == [
        ("test", name) for name in broken
    ]
    assert len([note for note in notes if "a broken test image" in note]) == 2
    (out / "RESULT.json").unlink()
    assert resume_run(out, StopAt(-1)).bad_samples == result.bad_samples


def test_another_decoder_is_told_when_a_run_on_image_files_goes_on(
    photographs: EncodedSource, tmp_path: Path
) -> None:
    """Pixels of a JPEG are not the same in all versions of what reads it."""
    run = run_whole(tmp_path / "run", photographs, length="1st")
    environment = run.read("environment")
    run.write("environment", environment | {"packages": environment["packages"] | {"pillow": "1.0"}})

    resume(run, plan_of(read_records(run), photographs, CPU, 0), Observer()).close()

    (resumed,) = (row for row in read_rows(run.events) if row["event"] == "resume")
    assert resumed["differing"] == [f"pillow was 1.0, is {environment['packages']['pillow']}"]
