"""What an export may not destroy, and the names that it makes."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from resnetlab.base import files
from resnetlab.cli import _typeable, main
from resnetlab.cli.parser import build_parser
from resnetlab.errors import UsageError, WriteError
from resnetlab.network.catalog import list_models
from resnetlab.trained.artefact import load_artefact, write_folder
from resnetlab.trained.artefact.places import default_name, refuse_taken
from resnetlab.trained.export.exporting import export_model
from tests.kit.artefacts import small_artefact

LONG = "n" * 300
RUN = Path(__file__).parents[2] / "old_files/0.1.0/run"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("places") / "net"
    write_folder(small_artefact(), path)
    return path


@pytest.fixture
def net(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "net"))


def test_a_file_that_is_there_is_replaced_only_with_force(
    net: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that is named and the default alike."""
    monkeypatch.chdir(tmp_path)
    for name, flags in {"resnet8.safetensors": [], "other.safetensors": ["-o", "other.safetensors"]}.items():
        Path(name).write_bytes(b"precious")
        command = ["export", str(net), "--to", "safetensors", *flags]

        assert main(command) == 2
        assert f"{name} is there already\nChoose another with -o, or replace it with --force" in (
            capsys.readouterr().err
        )
        assert Path(name).read_bytes() == b"precious"
        assert main([*command, "--force"]) == 0
        assert load_artefact(name).class_names == ("ant", "bee", "cat")


@pytest.mark.parametrize("name", ["model.safetensors", "more.safetensors"])
def test_nothing_is_written_into_a_checkpoint_or_a_model_folder(net: Path, name: str) -> None:
    before = {path.name: path.read_bytes() for path in net.iterdir()}

    with pytest.raises(UsageError, match="lies in a checkpoint or a model folder"):
        export_model(load_artefact(net), "safetensors", net / name, replaces=True)

    assert {path.name: path.read_bytes() for path in net.iterdir()} == before


@pytest.mark.parametrize(
    ("name", "expected"),
    [("../../evil", "-..-evil"), ("/etc/passwd", "-etc-passwd"), ("..", "model"), (".hidden", "hidden"),
     ("C:\\x", "C--x"), ("a\0\ud800b", "a--b"), ("x" * 300, "x" * 100), ("", "model")],
)  # fmt: skip
def test_a_networks_name_from_a_file_of_others_is_no_path(name: str, expected: str) -> None:
    assert default_name(name) == expected


def test_the_catalogs_names_stay_as_they_are() -> None:
    assert [default_name(name) for name in list_models()] == list_models()


def test_a_crafted_name_does_not_lead_out_of_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    artefact = small_artefact()
    crafted = replace(artefact, spec=replace(artefact.spec, name="../evil"))

    done = export_model(crafted, "safetensors")

    assert os.listdir(tmp_path) == ["here"]
    assert os.listdir(tmp_path / "here") == [done.path]


def test_a_file_without_a_name_is_named_after_the_run_or_else_the_network(
    net: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two runs of one network do not meet in one file; nor does --force put one in the other's place."""
    for name in ("first", "second.run"):
        shutil.copytree(RUN, tmp_path / "runs" / name)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    second = "../runs/second.run/checkpoints/step-00000008"
    for place in ("../runs/first", "../runs/first/checkpoints/..", "../runs/second.run", second, net):
        main(["export", str(place), "--to", "safetensors", "--force"])
    monkeypatch.chdir(tmp_path / "runs/first")
    main(["export", ".", "--to", "folder", "-o", "../../here/kept"])
    assert export_model(load_artefact("."), "safetensors").path == "first.safetensors"

    assert {*os.listdir(tmp_path / "here")} == {
        "first.safetensors", "second.run.safetensors", "resnet8.safetensors", "kept",
    }  # fmt: skip


def test_a_link_that_leads_nowhere_is_something_too(tmp_path: Path) -> None:
    (tmp_path / "net").symlink_to(tmp_path / "nowhere")

    with pytest.raises(UsageError, match="is there already"):
        refuse_taken(tmp_path / "net")


@pytest.mark.parametrize(
    "arguments",
    [["predict", LONG, "photo.jpg"], ["predict", f"{LONG}.onnx", "photo.jpg"], ["import", LONG],
     ["export", "NET", "--to", "folder", "-o", LONG], ["export", "NET", "--to", "onnx", "-o", f"{LONG}.onnx"],
     ["import", "NET/model.safetensors", "-o", LONG], ["eval", LONG, "--data", "digits"],
     ["predict", "NET", "photo.jpg", "--csv", LONG], ["import", "x.pth", "--classes", LONG]],
)  # fmt: skip
def test_a_name_that_no_file_can_have_is_told(
    made: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([each.replace("NET", str(made)) for each in arguments]) == 2
    assert f"{LONG[:200]}" in capsys.readouterr().err


def test_only_in_a_run_a_failed_writing_speaks_of_resuming(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for expected in (False, True):
        with pytest.raises(WriteError, match="do it again") as raised:
            files.write_file(tmp_path / "file" / "x", b"")
        assert (f"resnetlab resume {tmp_path}" in str(raised.value)) == expected
        (tmp_path / "recipe.json").touch()


def test_every_verb_in_a_hint_is_typed_as_this_user_types_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/opt/lab/bin/resnetlab"])
    verbs = build_parser().known_verbs()
    text = "`resnetlab data check` and `resnetlab finetune`, with the version of resnetlab that wrote it"

    assert _typeable(text, verbs) == (
        "`/opt/lab/bin/resnetlab data check` and `/opt/lab/bin/resnetlab finetune`, "
        "with the version of resnetlab that wrote it"
    )
