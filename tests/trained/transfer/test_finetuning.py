"""Fine-tuning: what is kept, what moves, what is refused, and that it survives a restart."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from resnetlab import create_model
from resnetlab.base.units import Duration
from resnetlab.cli import main
from resnetlab.data.batches.normalise import Normaliser
from resnetlab.data.sources.source import Split
from resnetlab.errors import CheckpointError, UsageError
from resnetlab.network.catalog import model_spec
from resnetlab.recipe import Recipe
from resnetlab.recipe.named import named_recipe
from resnetlab.recipe.settings import override
from resnetlab.runs.checkpoint import load_newest
from resnetlab.runs.directory import RunDirectory
from resnetlab.runs.journal import read_rows
from resnetlab.trained.artefact import write_folder
from resnetlab.trained.evaluate import evaluate
from resnetlab.trained.transfer import Trained, open_trained, plan_finetuning
from resnetlab.training.observer import Observer
from resnetlab.training.run import resume_run, train_plan
from tests.kit.artefacts import small_artefact
from tests.kit.pictures import write_pictures
from tests.kit.small_finetunings import suggested, tuned
from tests.kit.small_runs import CPU, small_source, train_whole


def newest(run: RunDirectory) -> dict[str, Tensor]:
    checkpoint, problems = load_newest(run.checkpoints)
    assert checkpoint is not None and not problems
    return dict(checkpoint.tensors["model"])


def moved(run: RunDirectory, trained: Trained) -> set[str]:
    """The kept tensors that training has changed, the count of batches aside."""
    before, after = trained.weights.file.tensors, newest(run)
    own = (name for name in before if not name.startswith("fc.") and "num_batches" not in name)
    return {name for name in own if not torch.equal(before[name], after[name])}


def test_all_weights_and_bn_statistics_are_kept_and_the_classifier_fits_the_data(
    folder: Path, tmp_path: Path
) -> None:
    trained = open_trained(folder)
    plan = tuned(trained)

    assert plan.beginning is not None
    assert plan.spec.classes == 3 and plan.source.class_names == ("a", "b", "c")
    for name, tensor in trained.weights.file.tensors.items():
        assert torch.equal(plan.beginning.tensors[name], tensor) is not name.startswith("fc."), name


@pytest.mark.parametrize(
    ("transfer", "may_move"),
    [
        ({"freeze": "body", "bn": "train"}, ()),
        ({"freeze": "stage2", "bn": "train"}, ("layer3.",)),
        ({"freeze": "body", "frozen_bn": "moving"}, ("running",)),
        ({"freeze": "stage2", "frozen_bn": "moving"}, ("layer3.", "running")),
        ({"bn": "frozen"}, ("conv",)),
        ({"bn": "frozen-statistics"}, ("weight", "bias")),
        ({"bn": "train"}, ("",)),
    ],
)
def test_only_what_learns_moves(
    folder: Path, tmp_path: Path, transfer: dict[str, str], may_move: tuple[str, ...]
) -> None:
    trained = open_trained(folder)

    run = train_whole(tmp_path / "run", tuned(trained, body_rate=1.0, **transfer))

    found = moved(run, trained)
    names = {n for n in trained.weights.file.tensors if not n.startswith("fc.") and "num_batches" not in n}
    assert found == {name for name in names if any(part in name for part in may_move)}


def test_parts_learn_at_their_share_of_the_rate(folder: Path, tmp_path: Path) -> None:
    trained = open_trained(folder)
    plain = {"steps": 1, "momentum": 0.0, "nesterov": False, "warmup": Duration(0, "st"), "weight_decay": 0.0}

    full, shared = (
        newest(train_whole(tmp_path / name, tuned(trained, **plain, body_rate=rate, stage_rate=stage)))
        for name, rate, stage in (("full", 1.0, 1.0), ("shared", 0.5, 0.25))
    )

    for name, share in (("layer3.0.conv1.weight", 0.5), ("layer2.0.conv1.weight", 0.125), ("fc.weight", 1)):
        begun = plan_start(trained, name)
        expected = (full[name] - begun) * share
        assert torch.allclose(shared[name] - begun, expected, rtol=1e-2, atol=1e-7), name


def plan_start(trained: Trained, name: str) -> Tensor:
    beginning = tuned(trained).beginning
    assert beginning is not None
    return beginning.tensors[name]


def test_rows_of_shared_class_names_are_kept_when_asked(folder: Path) -> None:
    trained, source = open_trained(folder), small_source()
    source = replace(source, class_names=("bee", "dog", "ant"))

    plan = tuned(trained, source, head="keep-shared")

    assert plan.beginning is not None
    theirs, ours = trained.weights.file.tensors["fc.weight"], plan.beginning.tensors["fc.weight"]
    assert torch.equal(ours[0], theirs[1]) and torch.equal(ours[2], theirs[0])
    assert not torch.equal(ours[1], theirs[2])


def test_grey_images_get_the_sum_of_the_first_convolution(folder: Path) -> None:
    trained, colour = open_trained(folder), small_source()
    grey = replace(
        colour, **{part: Split(s.images[..., :1].copy(), s.labels) for part, s in colour.parts.items()}
    )
    recipe = suggested(named_recipe("quick"), trained, grey, channels=1, batch=8).recipe

    plan, _, _ = plan_finetuning(trained, trained.spec, grey, "small", recipe, CPU)

    assert plan.beginning is not None and plan.spec.in_channels == 1
    theirs = trained.weights.file.tensors["conv1.weight"]
    assert torch.equal(plan.beginning.tensors["conv1.weight"], theirs.sum(1, keepdim=True))


def test_images_are_normalised_as_the_weights_were(folder: Path, tmp_path: Path) -> None:
    trained = open_trained(folder)

    run = train_whole(tmp_path / "run", tuned(trained, steps=1))

    recorded = Normaliser.from_json(run.read("data")["preprocessing"])
    assert recorded.to_json() == trained.preprocessing.normaliser.to_json()


def test_a_mean_image_is_taken_from_the_weights(tmp_path: Path) -> None:
    write_folder(small_artefact(kind="per-pixel-mean", side=16), tmp_path / "net")
    trained = open_trained(tmp_path / "net")

    run = train_whole(tmp_path / "run", tuned(trained, steps=1))

    recorded = Normaliser.from_json(run.read("data")["preprocessing"])
    own = trained.preprocessing.normaliser.mean
    assert recorded.mean is not None and own is not None
    assert np.array_equal(recorded.mean, own)


def test_weights_of_another_network_are_refused_by_name(folder: Path) -> None:
    recipe = override(named_recipe("finetune"), {"batch": 8})

    with pytest.raises(CheckpointError, match=r"holds resnet8.*another network than resnet20"):
        plan_finetuning(open_trained(folder), model_spec("resnet20"), small_source(), "small", recipe, CPU)


def test_patience_ends_the_run_and_the_best_weights_are_kept_apart(folder: Path, tmp_path: Path) -> None:
    plan = tuned(
        open_trained(folder), steps=30, lr=1e-9, patience=2, val=12, keep_checkpoints=1,
        eval_every=Duration(2, "st"), checkpoint_every=2,
    )  # fmt: skip

    result = train_plan(plan, tmp_path / "run", Observer())

    assert (result.stopped_early, result.best_val_step, result.step) == (True, 2, 6)
    kept = {path.name for path in (tmp_path / "run" / "checkpoints").iterdir()}
    assert kept == {"step-00000002", "step-00000006"}
    assert result.best_test_accuracy is not None


def test_patience_without_validation_images_is_refused(folder: Path) -> None:
    with pytest.raises(UsageError, match="patience=2 needs validation images"):
        tuned(open_trained(folder), patience=2, eval_every=Duration(1, "ep"))


def test_balanced_classes_count_alike(folder: Path, tmp_path: Path) -> None:
    """The loss on 9 images of a class and 3 of another is the mean of the two classes' means."""
    source = small_source()
    first, second = (np.flatnonzero(source.train.labels == label) for label in (0, 1))
    few = replace(source, train=source.train.take(np.concatenate([first[:9], second[:3]])), is_partial=True)
    plan = tuned(
        open_trained(folder), few, steps=1, batch=12, label_smoothing=0.0, flip="none", crop_padding=0,
        log_every=1, balance="loss", bn="frozen-statistics",
    )  # fmt: skip

    run = train_whole(tmp_path / "run", plan)

    assert plan.beginning is not None
    model = create_model(plan.spec).eval()
    model.load_state_dict(dict(plan.beginning.tensors))
    normaliser = Normaliser.from_json(run.read("data")["preprocessing"])
    images = normaliser(torch.from_numpy(few.train.images)).permute(0, 3, 1, 2)
    with torch.no_grad():
        each = F.cross_entropy(model(images), torch.from_numpy(few.train.labels), reduction="none")
    expected = (each[:9].mean() + each[9:].mean()) / 2
    assert read_rows(run.metrics)[0]["train_loss"] == pytest.approx(float(expected), rel=1e-5)
    assert float(expected) != pytest.approx(float(each.mean()), rel=1e-3)


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (20, {"bn": "frozen-statistics", "batch": 10, "length": "500st", "eval_every": "50st"}),
        (30, {"bn": "frozen-statistics", "batch": 15, "length": "500st", "eval_every": "50st"}),
        (32, {"bn": "train", "batch": 16, "length": "500st", "eval_every": "50st"}),
        (400, {"bn": "train", "batch": 32, "length": "500st", "eval_every": "50st"}),
        (4_000, {"bn": "train", "batch": 32, "length": "15ep", "eval_every": "1ep"}),
        (50_000, {"bn": "train", "batch": 64, "length": "15ep", "eval_every": "1ep"}),
    ],
)
def test_few_images_get_small_batches_and_enough_steps(
    folder: Path, number: int, expected: dict[str, object]
) -> None:
    source = small_source()
    larger = replace(source, train=source.train.take(np.arange(number) % 60))

    recipe = suggested(named_recipe("finetune"), open_trained(folder), larger).recipe

    found = {
        "bn": recipe.transfer.bn,
        "batch": recipe.run.batch,
        "length": str(recipe.run.length),
        "eval_every": str(recipe.run.eval_every),
    }
    assert found == expected


def test_the_command_on_a_folder_of_files(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Small files of another size than the weights' are resized, in the evaluation too."""
    for name in ("fox", "owl"):
        write_pictures(tmp_path / "photos" / "train" / name, 6, (40, 40))
        write_pictures(tmp_path / "photos" / "test" / name, 3, (40, 40))
    run = tmp_path / "run"
    command = ["finetune", "--weights", str(folder), "--data", str(tmp_path / "photos"), "--steps", "3",
               "--val", "17%", "--freeze", "stem", "--out", str(run), "--workers", "0"]  # fmt: skip

    assert main(command) == 0

    printed = capsys.readouterr().out
    assert "stem    464         kept     0 (frozen)  frozen" in printed
    assert "head    130         new      1           -" in printed
    recorded = RunDirectory(run).read("data")
    assert recorded["image_shape"] == [32, 32, 3] and len(recorded["val_indices"]) == 2
    assert evaluate(run).scores.seen == 6
    assert resume_run(run, Observer()).step == 3


def test_a_recipe_of_another_name_keeps_all_but_its_normalisation(folder: Path) -> None:
    trained = open_trained(folder)
    recipe: Recipe = named_recipe("he2015")

    origins = suggested(recipe, trained, small_source()).origins

    changed = {name for name, origin in origins.items() if not origin.startswith(("default", "recipe"))}
    assert changed == {"normalise", "pixel_range", "channel_mean", "channel_std"}
    assert {origins[name] for name in changed} == {"the weights"}
