"""Several values of a flag are a study over them."""

import argparse
import json
from pathlib import Path

import pytest

from resnetlab.cli import main
from resnetlab.cli.resolve import FLAGS
from resnetlab.cli.sweeps import seeds_of, variants
from resnetlab.errors import UsageError


def asked(*settings: str, **flags: str) -> list[tuple[str, list[str], dict[str, str]]]:
    options = argparse.Namespace(set=[*settings], **{flag: flags.get(flag) for flag in FLAGS})
    found = variants(options)
    assert options.set == [*settings]
    return [(label, each.set, {flag: getattr(each, flag) for flag in flags}) for label, each in found]


@pytest.mark.parametrize(
    "setting",
    ["lr=0.1", "milestones=8ep,12ep", "blocks=1,1,1", "normalise=none", "nonsense=1,2", "optimizer=sgd"],
)
def test_one_value_is_no_study(setting: str) -> None:
    assert asked(setting) == [("", [setting], {})]


def test_each_value_is_combined_with_each_of_the_others() -> None:
    found = asked("lr=0.1, 0.2", "cutout=8", "shortcut=A,B", batch="64,128")
    assert [label for label, _, _ in found] == [
        f"lr{lr}-shortcut{shortcut}-batch{batch}"
        for lr in ("0.1", "0.2")
        for shortcut in "AB"
        for batch in ("64", "128")
    ]
    assert found[3] == ("lr0.1-shortcutB-batch128", ["lr=0.1", "cutout=8", "shortcut=B"], {"batch": "128"})


def test_words_that_one_value_could_be_are_taken_apart_too() -> None:
    assert [each for _, each, _ in asked("optimizer=sgd,adamw")] == [["optimizer=sgd"], ["optimizer=adamw"]]


@pytest.mark.parametrize("name", ["seed", "run.seed"])
def test_seeds_have_a_flag_of_their_own(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        asked(f"{name}=1,2")
    assert caught.value.hint == "Write --seeds 1,2"


def test_shares_are_compared_too() -> None:
    assert [flags for _, _, flags in asked(val="10%,20%")] == [{"val": "10%"}, {"val": "20%"}]


@pytest.mark.parametrize("setting", ["lr=0.1,", "lr=0.1,0.10", "lr=1e-1,0.1", "weight_decay=0,0005"])
def test_values_that_are_one_or_none_are_refused(setting: str) -> None:
    with pytest.raises(UsageError):
        asked(setting)


def test_seeds_are_their_number_or_themselves() -> None:
    assert seeds_of("3") == 3
    assert seeds_of("0,5,7") == [0, 5, 7]
    for wrong in ("x", "0", "-1", "1.5", ""):
        with pytest.raises(UsageError, match="--seeds"):
            seeds_of(wrong)


def test_a_study_over_values_is_made_and_told_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "study"
    command = ["train", "resnet8", "digits", "--set", "width=0.25", "--lr", "0.05,0.2", "--seeds", "3,5"]

    assert main([*command, "--steps", "2", "--no-report", "--out", str(out)]) == 0

    names = ["resnet8-lr0.05-seed3", "resnet8-lr0.05-seed5", "resnet8-lr0.2-seed3", "resnet8-lr0.2-seed5"]
    assert sorted(path.parent.name for path in out.glob("*/RESULT.json")) == names
    recipe = json.loads((out / names[1] / "recipe.json").read_text())
    assert (recipe["schedule"]["lr"], recipe["run"]["seed"]) == (0.05, 5)
    shown = capsys.readouterr().out
    assert "lr=0.05 (0.1)" in shown and "lr=0.2 (0.1)" in shown


@pytest.mark.parametrize("given", [["--seed", "3"], ["--set", "seed=3"], ["--set", "run.seed=3"]])
def test_a_seed_beside_seeds_is_refused(given: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "resnet8", "digits", "--seeds", "0,1", *given]) == 2
    assert "seed=3 beside --seeds 0,1" in capsys.readouterr().err
