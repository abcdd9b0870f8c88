"""What network, data and recipe make of each other before a run, and what they refuse."""

from pathlib import Path
from typing import Any

import pytest

import resnetlab
from resnetlab.base.units import Duration
from resnetlab.cli import main
from resnetlab.cli.parser import build_parser
from resnetlab.cli.resolve import read_asked
from resnetlab.data.sources.source import Source
from resnetlab.errors import UsageError
from resnetlab.recipe.named import named_recipe
from resnetlab.recipe.settings import override
from resnetlab.recipe.timeline import Timeline
from resnetlab.runs.directory import RunDirectory
from resnetlab.training.asking import Asked, plan_training
from resnetlab.training.planning import fit_to_source, make_plan
from resnetlab.training.run import resume_run
from tests.kit.interrupted_runs import StopAt
from tests.kit.pictures import write_pictures
from tests.kit.small_runs import CPU, small_source


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


def complaint(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What a command that cannot be is answered with."""
    capsys.readouterr()
    assert main([*arguments, "--dry-run"]) == 2
    return capsys.readouterr().err


SIDES = ("image_size", "train_size", "resize", "grow_to")


@pytest.mark.parametrize(
    ("recipe", "given", "expected"),
    [
        ("photos", ["image_size=64"], ("64", "50", "0", "0")),
        ("photos", ["image_size=448"], ("448", "352", "0", "0")),
        ("photos", ["preparation.image_size=64", "train_size=64"], ("64", "64", "0", "0")),
        ("torchvision-v2", ["image_size=64"], ("64", "50", "66", "0")),
        ("torchvision-v2", ["image_size=448"], ("448", "352", "464", "0")),
        ("torchvision-v2", ["image_size=64", "resize=80"], ("64", "50", "80", "0")),
        ("ffcv-16", ["image_size=128"], ("128", "80", "146", "96")),
        ("rsb-a3", ["image_size=96"], ("96", "69", "101", "0")),
        ("rsb-a1", ["image_size=96"], ("96", "0", "101", "0")),
        ("torchvision-v1", ["image_size=96"], ("96", "0", "0", "0")),
        ("quick", ["image_size=48"], ("48", "0", "0", "0")),
    ],
)
def test_a_recipes_sides_follow_the_size_that_is_given(
    photos: Path, recipe: str, given: list[str], expected: tuple[str, ...]
) -> None:
    """An accuracy at 64 pixels is one of images that were learnt at 64 or so."""
    settings = [word for value in given for word in ("--set", value)]
    flags = ["train", "resnet8", "--data", str(photos), "--recipe", recipe, "--batch", "4", *settings]
    flags += ["--set", "compile=off"]  # else so long a run would try its steps

    plan, _ = plan_training(resnetlab.model_spec("resnet8"), read_asked(build_parser().parse_args(flags))[0])

    assert tuple(str(getattr(plan.recipe.preparation, name)) for name in SIDES) == expected


def test_all_spellings_of_a_size_mean_the_same(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('name = "torchvision-v2"\n[preparation]\nimage_size = 64\n')
    common = {"data": str(photos), "values": {"batch": 4, "compile": "off"}, "workers": 0}
    spec = resnetlab.model_spec("resnet8")
    asked = [
        Asked(recipe="torchvision-v2", **common | {"values": common["values"] | {"image_size": 64}}),
        Asked(recipe=tmp_path / "mine.toml", **common),
        Asked(recipe=override(named_recipe("torchvision-v2"), {"image_size": 64}), **common),
    ]

    plans = [plan_training(spec, each) for each in asked]

    assert len({plan.recipe for plan, _ in plans}) == 1
    assert {resolution.origins["train_size"] for _, resolution in plans} == {"scaled with image_size"}
    whole = override(named_recipe("torchvision-v2").renamed("mine"), {"image_size": 256, "resize": 292})
    plan, _ = plan_training(spec, Asked(recipe=whole, **common))
    assert plan.recipe.preparation.train_size == 176  # a recipe of one's own is taken as it is


@pytest.mark.parametrize(
    "given", [["image_size=64", "train_size=176"], ["train_size=448"], ["train_size=64"], ["grow_to=400"]]
)
def test_sizes_unlike_each_other_are_refused(
    photos: Path, capsys: pytest.CaptureFixture[str], given: list[str]
) -> None:
    settings = [word for value in given for word in ("--set", value)]

    told = complaint(capsys, "train", "resnet8", "--data", str(photos), "--batch", "4", *settings)

    assert "what is learnt at" in told and "which follows image_size" in told


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (
            ["--set", "schedule.lr=0.2", "--lr", "0.1"],
            "lr is given twice: --lr 0.1 and --set schedule.lr=0.2",
        ),
        (["--set", "lr=.1", "--set", "lr=.2"], "lr is given twice: --set lr=.1 and --set lr=.2"),
        (
            ["--set", "epochs=3", "--set", "steps=5"],
            "length is given twice: --set epochs=3 and --set steps=5",
        ),
        (["--epochs", "3", "--set", "length=9st"], "length is given twice: --epochs 3 and --set length=9st"),
        (["--steps", "3", "--set", "run.length=9st"], "length is given twice"),
        (["--val", "3", "--set", "run.val=9"], "val is given twice"),
        (["--set", "checkpoint-every=3", "--checkpoint-every", "3"], "checkpoint_every is given twice"),
        (["--set", "width=2", "--set", "width=3"], "width is given twice"),
    ],
)
def test_a_value_given_twice_is_refused(
    given: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """However it is named, and even if both are the same: one of them was not meant."""
    told = complaint(capsys, "train", "resnet8", "--data", "digits", *given)

    assert text in told


def test_a_value_given_twice_in_a_file_or_in_python_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("lr = 0.1\n[schedule]\nlr = 0.2\n")
    with pytest.raises(UsageError, match=r"lr is given twice: lr = 0.1 and schedule.lr = 0.2"):
        resnetlab.train("resnet8", data="digits", recipe=tmp_path / "mine.toml")
    with pytest.raises(UsageError, match="length is given twice: epochs=2 and length=3ep"):
        resnetlab.train("resnet8", data="digits", epochs=2, length="3ep")


@pytest.mark.parametrize("spelling", ["flag", "set", "file", "python"])
def test_a_share_is_one_in_every_spelling(spelling: str, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('val = "10%"\nbad_samples = "5%"\n')
    common = ["train", "resnet8", "--data", "digits"]
    options = {
        "flag": [*common, "--val", "10%", "--bad-samples", "5%"],
        "set": [*common, "--set", "run.val=10%", "--set", "bad_samples=5%"],
        "file": [*common, "--recipe", str(tmp_path / "mine.toml")],
    }
    asked = (
        Asked(data="digits", values={"val": "10%", "bad_samples": "5%"})
        if spelling == "python"
        else read_asked(build_parser().parse_args(options[spelling]))[0]
    )

    plan, _ = plan_training(resnetlab.model_spec("resnet8"), asked)

    assert (plan.recipe.run.val, plan.recipe.preparation.bad_samples) == (144, 0.05)


NARROW = {"width": 0.125}


def refused(network: str, data: Source, **values: Any) -> UsageError:
    spec = fit_to_source(resnetlab.model_spec(network).with_(**NARROW), data)
    recipe = override(named_recipe(values.pop("recipe", "quick")), values)
    with pytest.raises(UsageError) as caught:
        make_plan(spec, data, "small", recipe, CPU)
    return caught.value


@pytest.mark.parametrize(
    ("values", "why", "remedies"),
    [
        ({"batch": 1}, "a batch of 1,", ["--batch 2."]),
        ({"batch": 3, "accumulate": 2}, "a batch of 3, cut into 2", ["--batch 4.", "accumulate=1"]),
        ({"batch": 4, "accumulate": 4}, "a batch of 4, cut into 4", ["--batch 8.", "accumulate=1"]),
        ({"batch": 59, "cycle_epochs": 1}, "the last batch of each epoch has 1 of 59", ["--batch 58."]),
        ({"batch": 17, "cycle_epochs": 2}, "the last batch of 2 epochs has 1 of 17", ["--batch 16."]),
        ({"batch": 16, "cycle_epochs": 1, "accumulate": 8}, "the last batch of each epoch has 12", []),
        ({"recipe": "keras", "val": 27}, "the last batch of each epoch has 1 of 32", ["cycle_epochs=0"]),
        ({"batch": 4, "shards": 4}, "a batch of 4, cut into 4 shards, ", ["--batch 8.", "shards=1"]),
        (
            {"batch": 54, "shards": 3, "val": 1, "cycle_epochs": 1},
            "the last batch of each epoch has 5 of 54 samples, cut into 3 shards, ",
            ["--batch 51."],  # of 53 samples the last would have 6
        ),
        (
            {"batch": 12, "shards": 4, "accumulate": 2},
            "a batch of 12, cut into 4 shards of 2 microbatches, ",
            ["--batch 16.", "accumulate=1", "shards=1"],
        ),
    ],
)
def test_single_samples_on_single_pixels_are_refused(
    values: dict[str, Any], why: str, remedies: list[str]
) -> None:
    """Before the run: BN would fail at that step, again after every resume. 60 images of 16 px."""
    error = refused("resnet18", small_source(), **values)

    assert error.args[0].startswith(why) and "of 16x16 px" in error.args[0]
    for remedy in (*remedies, "--set stem=small", "--bn frozen-statistics"):
        assert remedy in error.hint


@pytest.mark.parametrize(
    "values",
    [
        {"batch": 1, "bn": "frozen-statistics"},
        {"batch": 59, "cycle_epochs": 1, "length": Duration(1, "st")},  # it ends before the short batch
        {"batch": 59},
        {"batch": 20, "cycle_epochs": 1, "accumulate": 2},
        {"batch": 8, "shards": 4},
        {"batch": 4, "shards": 4, "shard_bn": "sync"},
    ],
)
def test_what_never_meets_a_single_sample_is_planned(values: dict[str, Any]) -> None:
    source = small_source()
    spec = fit_to_source(resnetlab.model_spec("resnet18").with_(**NARROW), source)

    assert make_plan(spec, source, "small", override(named_recipe("quick"), values), CPU)
    one = override(named_recipe("quick"), {"batch": 1})
    assert make_plan(spec.with_(stem="small"), source, "small", one, CPU)


@pytest.mark.parametrize(
    ("values", "why", "remedy"),
    [
        ({"batch": 50, "shards": 4}, "a batch of 50 cannot be cut into 4 equal shards", "48 and --batch 52."),
        ({"batch": 59, "shards": 8}, "a batch of 59 cannot be cut into 8 equal shards", ": --batch 56."),
        ({"batch": 3, "shards": 4}, "a batch of 3 cannot be cut into 4 shards", ""),
        ({"batch": 8, "shards": 4, "accumulate": 3}, "a shard of 2 cannot be cut into 3 microbatches", ""),
        (
            {"batch": 58, "shards": 29, "cycle_epochs": 1},
            "the last batch of each epoch has 2 of 58 samples, which cannot be cut into 29 shards",
            "--set cycle_epochs=0",
        ),
        ({"batch": 8, "shards": 8, "mixup": 0.2}, "a batch of 8 in 8 shards: mixup and cutmix", "--batch"),
    ],
)  # fmt: skip
def test_batches_that_shards_do_not_divide_are_refused(values: dict[str, Any], why: str, remedy: str) -> None:
    source = small_source()
    spec = fit_to_source(resnetlab.model_spec("resnet8").with_(**NARROW), source)

    with pytest.raises(UsageError) as error:
        make_plan(spec, source, "small", override(named_recipe("quick"), {"mixup": 0.0, **values}), CPU)

    assert error.value.args[0].startswith(why)
    assert remedy in error.value.hint


def test_a_short_batch_is_cut_too_if_it_has_a_sample_for_each_shard() -> None:
    source = small_source()
    spec = fit_to_source(resnetlab.model_spec("resnet8").with_(**NARROW), source)
    values = {"batch": 56, "shards": 4, "cycle_epochs": 1, "shard_bn": "first"}  # 4 of 60 are left

    assert make_plan(spec, source, "small", override(named_recipe("quick"), values), CPU)


@pytest.mark.parametrize(("number", "cycle", "epochs"), [(60, 1, 3), (61, 2, 3), (7, 3, 7), (9, 0, 2)])
def test_the_sizes_of_all_batches_are_known_before(number: int, cycle: int, epochs: int) -> None:
    for batch in range(1, 9):
        timeline = Timeline(
            num_samples=number, batch=batch, length=Duration(epochs, "ep"), cycle_epochs=cycle
        )

        assert timeline.batch_sizes == {len(timeline.positions(s)) for s in range(timeline.num_steps)}


def test_a_study_begins_with_the_seed_that_is_given(tmp_path: Path) -> None:
    done = resnetlab.study(
        resnetlab.model_spec("resnet8").with_(width=0.125), seeds=2, seed=5, data="digits", steps=1, batch=8,
        out=tmp_path / "study", device="cpu",
    )  # fmt: skip

    assert list(done) == ["resnet8-seed5", "resnet8-seed6"]
