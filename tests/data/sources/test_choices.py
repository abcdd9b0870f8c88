"""What a user says of data that its format leaves open."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from resnetlab import evaluate, train
from resnetlab.base.plaindata import field_docs
from resnetlab.cli import main
from resnetlab.data.arrays.cifar import COARSE_NAMES
from resnetlab.data.open import open_source, reopen_source
from resnetlab.data.sources.choices import NAMES, Choices
from resnetlab.errors import DataError, UsageError
from resnetlab.trained.artefact import load_artefact
from resnetlab.trained.export.exporting import export_model
from tests.kit.artefacts import small_artefact
from tests.kit.pictures import write_folder


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


def write_table(folder: Path) -> Path:
    """Two columns of labels, of numbers; the second is the other way round."""
    write_folder(folder, {"": {"photos": 16}})
    rows = [f"photos/{n:03}.jpg,{n % 2},{1 - n % 2}" for n in range(16)]
    (folder / "table.csv").write_text("path,fruit,colour\n" + "\n".join(rows))
    (folder / "names.txt").write_text("red\nblue\n")
    return folder / "table.csv"


@pytest.mark.parametrize("target", ["folder", "safetensors", "onnx"])
def test_an_exported_network_reads_data_as_its_run_does(target: str, tmp_path: Path) -> None:
    if target == "onnx":
        pytest.importorskip("onnxruntime", reason="the extra `export` is not installed")
        pytest.importorskip("onnx", reason="the extra `export` is not installed")
    table = write_table(tmp_path / "data")
    chosen = {"label_column": "colour", "class_names": str(tmp_path / "data" / "names.txt")}
    size: dict[str, Any] = {"image_size": 16, "train_size": 16}
    train(
        "resnet8", data=str(table), data_set=chosen, out=tmp_path / "run", steps=1, batch=4, workers=0, **size
    )
    net = tmp_path / {"folder": "net", "safetensors": "net.safetensors", "onnx": "net.onnx"}[target]
    export_model(load_artefact(tmp_path / "run"), target, net)
    expected = evaluate(tmp_path / "run", workers=0)
    (tmp_path / "data" / "names.txt").unlink()  # the names are known without it

    of_run, of_net = (evaluate(each, data=str(table), workers=0) for each in (tmp_path / "run", net))

    assert expected.scores.seen == 3, "the fifth that was held out, not all of it"
    for found in (of_run, of_net):
        assert found.class_names == expected.class_names == ("red", "blue")
        assert found.scores.confusion_KK.tolist() == expected.scores.confusion_KK.tolist()
        told = "--data-set label_column=colour --data-set class_names=names.txt"
        assert f"read as the network's own data was: {told}" in found.notes
    assert str(tmp_path) not in str(load_artefact(tmp_path / "run").facts)
    other = evaluate(net, data=str(table), data_set={"label_column": "fruit"}, workers=0)
    assert other.scores.seen == 16, "other labels are other data"
    assert evaluate(tmp_path / "run", workers=0).scores.loss == expected.scores.loss


def test_choices_in_a_file_that_are_no_texts_are_damage() -> None:
    for choices in (["label_column"], {"label_column": 3}):
        with pytest.raises(UsageError, match="are no texts by name"):
            replace(small_artefact(), facts={"choices": choices})


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


@pytest.mark.parametrize("given", ["label_column=breed", ["label_column=breed"]])
def test_choices_in_python_are_a_mapping(given: Any) -> None:
    with pytest.raises(UsageError, match=r"data_set is a mapping.*\n.*label_column"):
        Choices.of(given)


def test_a_choice_that_is_refused_is_not_told_as_data_that_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_folder(tmp_path / "data", {"": {"a": 5, "b": 5}})
    monkeypatch.chdir(tmp_path)
    train("resnet8", data="data", out="run", steps=1, batch=2, recipe="photos", image_size=8)

    assert main(["eval", "run", "--data-set", "label_column=x"]) == 2

    said = capsys.readouterr().err
    assert "an image folder leaves no such choice" in said
    assert "--data." not in said


@pytest.mark.parametrize("choice", ["label_column=fruit", "split_list=2"])
def test_a_choice_of_the_run_that_other_data_does_not_fit_is_told_as_the_runs(
    choice: str, tmp_path: Path
) -> None:
    name, _, value = choice.partition("=")
    data = write_table(tmp_path / "data")
    if name == "split_list":
        data = write_folder(tmp_path / "other", {"": {"a": 2, "b": 2}})
    else:
        data.write_text(data.read_text().replace("fruit", "label"))
    recorded = {
        "source": "gone", "choices": {name: value}, "class_names": ["a", "b"], "image_shape": [40, 32, 3],
        "reads_files": True,
    }  # fmt: skip

    with pytest.raises(UsageError) as refused:
        reopen_source(recorded, str(data), for_scoring=True)

    assert f"--data-set {choice} is how the network's own data was read" in refused.value.hint
    other = Choices.of({name: "label" if name == "label_column" else "none"})
    assert len(reopen_source(recorded, str(data), other, for_scoring=True).class_names) == 2
