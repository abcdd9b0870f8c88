"""What a user says of data that its format leaves open."""

import json
from pathlib import Path

import pytest

from resnetlab import evaluate, train
from resnetlab.cli import main
from resnetlab.data.choices import NAMES, Choices
from resnetlab.data.cifar_layouts import COARSE_NAMES
from resnetlab.data.open import open_source
from resnetlab.errors import DataError, UsageError
from resnetlab.plaindata import field_docs


def test_every_choice_is_documented() -> None:
    assert set(NAMES) <= set(field_docs(Choices))


def test_a_choice_that_is_misspelt_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(UsageError, match=r"label_colum: no such choice.*\n.*label_column"):
        Choices.parse(["label_colum=breed"])
    with pytest.raises(UsageError, match="NAME=VALUE"):
        Choices.parse(["label_column"])
    with pytest.raises(UsageError, match="takes a text"):
        Choices.of({"label_column": ["a"]})


def test_a_choice_that_is_given_by_set_is_told_its_flag(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "resnet8", "--data", "digits", "--set", "label_column=x"]) == 2

    assert "It is said of data: --data-set label_column=x" in capsys.readouterr().err


def test_a_choice_that_the_format_does_not_leave_is_refused_with_those_that_it_leaves(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="label_column=x: digits leaves no such choice"):
        open_source("digits", choices=Choices.of({"label-column": "x"}))


def test_choices_of_an_earlier_run_are_passed_over_where_the_format_does_not_know_them() -> None:
    recorded, given = Choices.of({"label_column": "a", "subset": "b"}), Choices.of({"label_column": "c"})

    here, elsewhere = (given.over(recorded, elsewhere=moved) for moved in (False, True))

    assert here.to_json() == elsewhere.to_json() == {"label_column": "c", "subset": "b"}
    assert elsewhere.known_to("a CSV", ["label_column"]).to_json() == {"label_column": "c"}
    with pytest.raises(UsageError, match="subset=b"):
        here.known_to("a CSV", ["label_column"])


@pytest.mark.parametrize("form", ["binary", "python"])
def test_the_coarse_labels_of_cifar100_can_be_chosen(small_cifars, form: str, tmp_path: Path) -> None:
    small_cifars["cifar100"].write(tmp_path, form)

    source = open_source(str(tmp_path), choices=Choices.of({"label_column": "coarse"}))

    assert (source.name, source.class_names) == ("cifar100-coarse", tuple(COARSE_NAMES))
    assert source.train.labels.tolist() == small_cifars["cifar100"].coarse["train"].tolist()
    with pytest.raises(UsageError, match=r"label_column=middle: no such labels.*\n.*fine and coarse"):
        open_source(str(tmp_path), choices=Choices.of({"label_column": "middle"}))


def test_a_run_reads_its_data_as_it_was_chosen_for_evaluation_and_resume(
    small_cifars, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small_cifars["cifar100"].write(tmp_path / "data", "binary")
    monkeypatch.chdir(tmp_path)
    flags = "--steps 2 --batch 8 --checkpoint-every 1 --set width=0.25 --set eval_every=9st".split()  # noqa: SIM905

    assert (
        main(
            [
                "train",
                "resnet8",
                "--data",
                "data",
                "--data-set",
                "label_column=coarse",
                "--out",
                "run",
                *flags,
            ]
        )
        == 0
    )

    recorded = json.loads((tmp_path / "run" / "data.json").read_text())
    assert recorded["choices"] == {"label_column": "coarse"}
    assert len(evaluate("run").class_names) == 20
    (tmp_path / "run" / "RESULT.json").unlink()
    (tmp_path / "data").rename(tmp_path / "moved")
    assert main(["resume", "run", "--data", "moved"]) == 0
    assert main(["eval", "run", "--data", "moved", "--data-set", "label_column=fine"]) == 3
    assert "other classes" in capsys.readouterr().err
    assert (
        main(["eval", "run", "--data", "digits"]) == 3
    )  # which has nothing to choose: no word of the choice
    assert "label_column" not in capsys.readouterr().err


def test_the_python_functions_take_choices_too(small_cifars, tmp_path: Path) -> None:
    small_cifars["cifar100"].write(tmp_path / "data", "binary")

    train(
        "resnet8", data=str(tmp_path / "data"), data_set={"label_column": "coarse"}, out=tmp_path / "run",
        steps=1, batch=4,
    )  # fmt: skip

    assert len(json.loads((tmp_path / "run" / "data.json").read_text())["class_names"]) == 20


def test_data_describe_tells_what_was_chosen(
    small_cifars, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small_cifars["cifar100"].write(tmp_path, "binary")

    assert main(["data", "describe", str(tmp_path), "--data-set", "label_column=coarse", "--json"]) == 0

    assert json.loads(capsys.readouterr().out)["choices"] == {"label_column": "coarse"}


def test_a_folder_that_is_called_as_a_dataset_is_mentioned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESNETLAB_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cifar100").mkdir()
    monkeypatch.chdir(tmp_path)

    with pytest.raises(DataError, match=r"not in the cache.*\n.*folder cifar100.*reached as \./cifar100"):
        open_source("cifar100", download=False)
