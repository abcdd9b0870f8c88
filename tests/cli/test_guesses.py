"""What people type who come from other programs is understood, or answered with what to type."""

import re
from pathlib import Path

import pytest

from resnetlab.cli import main
from resnetlab.cli.guesses import _FLAGS, _SAME, instead_of_flag
from resnetlab.cli.parser import build_parser
from resnetlab.errors import UsageError
from resnetlab.network.catalog import model_spec
from resnetlab.network.spec import KNOBS
from resnetlab.recipe import Recipe
from resnetlab.recipe.settings import LENGTHS, OTHER_NAMES, find_leaf, leaves
from tests.kit.pictures import write_pictures

VERBS = build_parser().known_verbs()


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return what a command that is none is answered with."""
    try:
        code = main([*arguments])
    except SystemExit as ended:
        assert isinstance(ended.code, int)
        code = ended.code
    assert code == 2
    return capsys.readouterr().err


def test_the_help_fits_a_terminal_of_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if len(line) > 80] == []
    assert {*VERBS} <= {line.split()[0] for line in lines if line.startswith("  ")}


@pytest.mark.parametrize("verb", [*VERBS])
def test_the_help_of_a_verb_fits_a_terminal_of_80_columns_but_for_commands(
    verb: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        main([verb, "--help"])
    lines = capsys.readouterr().out.splitlines()
    assert [
        line for line in lines if len(line) > 80 and not line.startswith(("  resnetlab ", "  curl "))
    ] == []


@pytest.mark.parametrize(
    "typed",
    [
        ["list"],
        ["show", "resnet20"],
        ["show", "preresnet1001", "--full"],
        ["show", "resnet20", "preresnet110"],
        ["show", "he2015"],
        ["show", "he2015-figure6"],
    ],
)
def test_what_there_is_fits_a_terminal_of_80_columns(
    typed: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(typed) == 0
    assert [line for line in capsys.readouterr().out.splitlines() if len(line) > 80] == []


def test_own_pictures_are_listed_among_the_data(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "data"]) == 0
    assert "CLASS/IMAGE" in (shown := capsys.readouterr().out)
    assert ".zip" in shown and ".csv" in shown and "WebDataset" in shown


def test_the_command_alone_shows_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert "training:\n  train " in refused(capsys)


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        (["help"], "training:\n  train "),
        (["help", "train"], "usage: resnetlab train"),
        (["help", "fit"], "usage: resnetlab train"),
        *(([word, "--help"], "usage: resnetlab lr-find") for word in ("find-lr", "lrfind", "lr_find")),
        (["version"], "resnetlab "),
        (["models"], "resnet20"),
        (["Summary", "resnet20"], "269,722"),
    ],
)
def test_another_word_for_a_verb_is_understood(
    typed: list[str], shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        assert main(typed) == 0
    except SystemExit as ended:
        assert ended.code == 0
    assert shown in capsys.readouterr().out


def test_what_was_understood_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert "'evaluate' is `resnetlab eval` here\n" in refused(capsys, "evaluate", "no/such/run")


def test_words_stand_for_what_there_is() -> None:
    assert {ours[0] for ours in _SAME.values()} <= {*VERBS}
    assert not {*_SAME} & {*VERBS}
    assert {*OTHER_NAMES.values()} <= {*leaves(Recipe()), *LENGTHS}
    assert not OTHER_NAMES.keys() & leaves(Recipe()).keys()
    room = Path("src/resnetlab/cli")
    flags = "".join((room / name).read_text() for name in ("flags.py", "verbs/train.py", "verbs/lr_find.py"))
    assert {ours.split()[0] for ours in _FLAGS.values()} <= {*re.findall(r'"(--[a-z-]+)"', flags)}


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("plot runs", "`resnetlab report RUN -o curves.svg` draws curves of runs"),
        ("config", "`resnetlab show quick` shows every value of a recipe"),
        ("train", "MODEL: names from `resnetlab list models`"),
        ("export runs/x", "--to: one of onnx, "),
        ("data", "VERB: one of fetch, "),
        ("export runs/x --to tflite", "`--to onnx` is what converts to that"),
        ("export runs/x --to PT", "`--to torch-export` is for"),
        ("data fetch", "`resnetlab data fetch --help` ends with examples"),
        ("trian resnet20", "Did you mean train"),
        ("train resnet20 --optimizer adamw", "a value of the recipe: --set optimizer=adamw\n"),
        ("train resnet20 --weight-decay=1e-4", "a value of the recipe: --set weight_decay=1e-4\n"),
        ("train resnet20 --wd 1e-4", "a value of the recipe: --set weight_decay=1e-4\n"),
        ("train resnet20 --shortcut B", "a value of the model: --set shortcut=B\n"),
        ("train resnet20 --batch_size 64", "That is --batch 64 here.\n"),
        ("train resnet20 --gpus 4", "That is --devices 4 here.\n"),
        (
            "train resnet20 --pretrained",
            "`resnetlab finetune --weights FILE --data PATH` begins from trained",
        ),
        ("train --model resnet8 digits", "The model stands alone, before the flags: resnetlab train MODEL"),
        ("train resnet20 --wandb proj", "That is --track wandb here.\n"),
        ("train resnet20 --warmup-epochs 5", "--set warmup=5ep\n"),
        ("train resnet20 --warmup 5", "--set warmup=5ep, or 5st for steps\n"),
        ("lr-find resnet20 --max-lr 3", "That is --high 3 here.\n"),
        ("eval runs/x --threadz 2", "Did you mean --threads"),
    ],
)
def test_what_is_not_understood_is_answered_with_what_to_type(
    typed: str, answer: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert answer in refused(capsys, *typed.split())


def test_every_value_of_the_recipe_and_of_a_model_is_known_as_a_flag() -> None:
    for name in (*leaves(Recipe()), *KNOBS):
        assert f"--set {name}=7" in instead_of_flag(f"--{name.replace('_', '-')}", "7", ["--set"])


@pytest.mark.parametrize(
    ("name", "ours"),
    [("epoch", "epochs"), ("batch_size", "batch"), ("learning_rate", "lr"), ("opt", "optimizer")],
)
def test_another_name_for_a_value_is_answered_with_ours(name: str, ours: str) -> None:
    with pytest.raises(UsageError, match=f"no setting is called '{name}'") as refused:
        find_leaf(leaves(Recipe()), name)
    assert refused.value.hint.startswith(f"Did you mean {ours}")


@pytest.mark.parametrize("name", ["ResNet20", "resnet-20", "RESNET20"])
def test_a_networks_name_in_capitals_or_with_hyphens_is_its_name(name: str) -> None:
    assert model_spec(name) == model_spec("resnet20")


def test_a_network_that_only_sounds_alike_is_not_taken_for_ours() -> None:
    with pytest.raises(UsageError, match="wrn28_10"):
        model_spec("wrn28_10")


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of 40 pictures, where the command is typed; and no network."""
    for name in ("fox", "owl"):
        write_pictures(tmp_path / "photos" / name, 20, (90, 80))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RESNETLAB_OFFLINE", "1")
    monkeypatch.setenv("RESNETLAB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "photos"


def test_images_may_stand_beside_the_network(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--set", "image_size=32", "--batch", "8", "--steps", "2", "--workers", "0", "--dry-run"]
    assert main(["train", "resnet8", "photos/", *given]) == 0
    shown = capsys.readouterr().out
    assert "data       photos: " in shown
    assert "better     `resnetlab finetune --data " in shown and "images are few" in shown


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("train photos/", "`resnetlab finetune photos/` begins from published weights"),
        ("train resnet8 photo/", "no model is called 'photo/', and no path: there is no such path"),
        ("train resnet8 photos digits", "one dataset is trained on, and 2 are given: photos, digits"),
        ("train resnet8 photos --data digits", "2 are given: photos, --data digits"),
        ("finetune", "finetune needs images"),
        ("finetune resnet8 photos", "which weights? Of resnet8 none are published"),
        ("finetune resnet18 resnet34 photos", "one network is trained on, and 2 are given"),
    ],
)
def test_what_stands_beside_it_may_be_wrong(
    photos: Path, typed: str, answer: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert answer in refused(capsys, *typed.split())


@pytest.mark.parametrize(("network", "name"), [("", "resnet18-f37072fd"), ("resnet50", "resnet50-11ad3fa6")])
def test_own_images_take_published_weights_and_say_which(
    photos: Path, network: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["finetune", *filter(None, [network]), "photos"]) != 0  # offline
    said = capsys.readouterr().err
    assert f"https://download.pytorch.org/models/{name}.pth" in said
    assert "BSD 3-Clause" in said and f"Offline: --weights {name}.pth" in said and " MiB" in said


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("predict resnet18 x.png", "resnet18 is a network without weights. Name a run of it, or weights that"
         " others publish: torchvision:resnet18."),
        ("eval ResNet20", "resnet20 is a network without weights. Name a run of it.\n"),
        ("export first --to onnx", "Did you mean runs/first?"),
        ("eval runs", "Runs are in it: first. Folders of runs are in it: both.\n"),
        ("report both", "Did you mean runs/both?"),
        ("resume first", "Did you mean runs/first?"),
        ("train resnet8 digits --recipe runs/frist", "could be taken\nDid you mean runs/first?"),
        ("train resnet8 digits --recipe min.yaml", "no recipe file min.yaml\nDid you mean mine.yaml?"),
        ("finetune --weights imagenet photos", "If published weights are meant: torchvision:resnet18. "),
        ("finetune photos --pretrained", "It is so without that: published weights are taken where"),
        ("train resnet50 --data imagenet", "its terms ask for an account"),
        ("show runs/frist", "no run at runs/frist, and no file\nDid you mean runs/first?"),
        ("finetune --weights runs/frist photos", "there is no file runs/frist\nDid you mean runs/first?"),
        ("eval runs/first --html x.html", "`resnetlab report RUN -o x.html` makes a page."),
        ("report runs/first --html x.html", "That is -o x.html here."),
        ("eval runs/first --mistakes", "shows the worst, answers.csv"),
        ("show WRN40_4", "Of wide networks there are tfresearch_wrn28_10, "),
        ("train wideresnet28_10 digits", "Of wide networks there are tfresearch_wrn28_10, "),
    ],
)  # fmt: skip
def test_a_name_of_something_else_is_answered_with_what_was_meant(
    photos: Path, typed: str, answer: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos.parent / "mine.yaml").touch()
    for run in ("first", "both/resnet8-seed0"):
        (photos.parent / "runs" / run).mkdir(parents=True)
        (photos.parent / "runs" / run / "recipe.json").touch()
    assert answer in refused(capsys, *typed.split())


@pytest.mark.parametrize("verb", ["train resnet20", "finetune"])
def test_nothing_is_downloaded_for_a_recipe_that_is_none(
    photos: Path, verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(capsys, *verb.split(), "--data", "cifar10", "--recipe", "fast")
    assert "no recipe is called 'fast'" in said
    assert not (photos.parent / "cache").exists()


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("show runs/frist", "runs/first"),
        ("resume runs/frist", "runs/first"),
        ("report runs/frist", "runs/first"),
        ("predict runs/frist photos/fox/0.png", "runs/first"),
        ("train resnet8 --data photo", "photos"),
        ("train resnet8 --data ./photo", "photos"),
    ],
)
def test_a_path_that_is_almost_one_is_answered_with_it(
    photos: Path, typed: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos.parent / "runs" / "first").mkdir(parents=True)
    assert main(typed.split()) in (2, 3)
    assert f"Did you mean {meant}?" in capsys.readouterr().err


def test_several_devices_are_told_by_their_number(capsys: pytest.CaptureFixture[str]) -> None:
    assert "Several together are --devices 4." in refused(
        capsys, *["train", "resnet8", "digits", "--device", "cuda:0,1,2,3"]
    )


def test_several_networks_are_drawn_side_by_side(photos: Path) -> None:
    assert main(["draw", "plain8", "resnet8", "-o", str(photos / "both.svg")]) == 0
    assert main(["draw", "plain8", "resnet8", "--style", "overview", "-o", str(photos / "o.svg")]) == 0
    assert (photos / "both.svg").read_bytes() == (photos / "o.svg").read_bytes()


@pytest.mark.parametrize(
    "typed", [["train", "resnet8", ""], ["train", "resnet8", "--data", ""], ["finetune", ""]]
)
def test_an_empty_name_is_no_data(photos: Path, typed: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert "empty" in refused(capsys, *typed)
    assert not (photos.parent / "cache").exists()


def test_a_folder_called_like_another_spelling_of_a_network_is_asked_about(
    photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos.rename(photos.parent / "ResNet-50")
    assert "The folder is ./ResNet-50, the network resnet50." in refused(
        capsys, "train", "resnet18", "ResNet-50"
    )
