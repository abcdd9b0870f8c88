"""Small images of one size, which are held in memory: grey if all are, files if one is broken."""

import json

import numpy as np
import pytest
from PIL import Image

from resnetlab.cli import main
from resnetlab.data.open import open_data, open_source, reopen_source
from resnetlab.data.sources.encoded import EncodedSource
from resnetlab.data.sources.wanted import Wanted
from tests.kit.pictures import picture, write_folder

COUNTS = {"train": {"a": 4, "b": 4}, "test": {"a": 2, "b": 2}}
SHORT = ("--steps", "2", "--batch", "4", "--set", "width=0.25", "--device", "cpu")


def small(root, modes=("RGB",), form="PNG"):
    """Write 12 pictures whose modes are these, the last again and again."""
    write_folder(root, COUNTS, suffix=f".{form.lower()}")
    for index, path in enumerate(sorted(root.rglob(f"*.{form.lower()}"), key=lambda path: path.parts[-3:])):
        path.write_bytes(picture(index, mode=modes[min(index, len(modes) - 1)], form=form))
    return root


def sixteen_bit(path):
    Image.fromarray(np.arange(1280, dtype=np.uint16).reshape(32, 40) * 40).save(path)


@pytest.mark.parametrize(
    "modes", [("L", "RGB"), ("RGB", "L", "RGB"), ("LA", "RGBA"), ("1", "P"), ("L", "P", "L")]
)
def test_images_are_rgb_if_any_has_colours_whichever_comes_first(tmp_path, modes):
    source = open_source(str(small(tmp_path / "data", modes)))

    grey = sum(mode in ("1", "L", "LA") for mode in (*modes, *[modes[-1]] * (12 - len(modes))))
    assert source.train.images.shape == (8, 32, 40, 3)
    assert f"{grey} of 12 images are grey, read as RGB" in source.notes


@pytest.mark.parametrize("modes", [("L",), ("1",), ("LA",), ("L", "LA", "1", "L")])
def test_images_are_grey_if_all_are(tmp_path, modes):
    root = small(tmp_path / "data", modes)
    sixteen_bit(root / "train/a/001.png")

    source = open_source(str(root))

    assert source.train.images.shape == (8, 32, 40, 1)
    assert not any("grey" in note for note in source.notes)
    assert abs(int(source.train.images[1].max()) - 199) <= 1  # of 65535, the high byte


def test_what_a_run_recorded_decides_the_channels(tmp_path):
    mixed, grey = small(tmp_path / "mixed", ("L", "RGB")), small(tmp_path / "grey", ("L",))
    recorded = {
        "class_names": ["a", "b"],
        "reads_files": False,
        "image_shape": [32, 40, 3],
        "source": str(mixed),
    }

    in_colour = reopen_source(recorded, str(grey))
    assert in_colour.train.images.shape[-1] == 3
    assert "12 of 12 images are grey, read as RGB" in in_colour.notes
    in_grey = reopen_source(recorded | {"image_shape": [32, 40, 1]})
    assert in_grey.train.images.shape[-1] == 1
    assert "11 of 12 images are in colour, read as grey" in in_grey.notes


def test_a_run_in_colour_scores_a_folder_in_which_the_first_picture_is_grey(tmp_path, capsys):
    colour, mixed = small(tmp_path / "colour"), small(tmp_path / "mixed", ("L", "RGB"))
    assert main(["train", "resnet8", "--data", str(colour), "--out", str(tmp_path / "run"), *SHORT]) == 0

    assert main(["eval", str(tmp_path / "run"), "--data", str(mixed), "--json"]) == 0
    assert "grey, read as RGB" in capsys.readouterr().out


def test_finetuning_from_rgb_weights_keeps_the_first_convolution_where_one_picture_is_grey(tmp_path, capsys):
    colour, mixed = small(tmp_path / "colour"), small(tmp_path / "mixed", ("L", "RGB"))
    assert main(["train", "resnet8", "--data", str(colour), "--out", str(tmp_path / "run"), *SHORT]) == 0
    capsys.readouterr()

    line = ["finetune", "--weights", str(tmp_path / "run"), "--data", str(mixed), "--dry-run", "--json"]
    assert main([*line, "--steps", "2", "--batch", "4"]) == 0

    told = json.loads(capsys.readouterr().out)
    assert told["model"]["in_channels"] == 3
    assert "summed over the channels" not in json.dumps(told["weights"])


def test_a_number_of_channels_that_is_asked_for_is_given(tmp_path, capsys):
    grey = small(tmp_path / "grey", ("L",))

    line = ["train", "resnet8", "--data", str(grey), "--set", "in_channels=3", "--dry-run", "--json"]
    assert main([*line, "--steps", "2", "--batch", "4"]) == 0
    assert json.loads(capsys.readouterr().out)["model"]["in_channels"] == 3


@pytest.fixture
def broken(tmp_path):
    root = write_folder(tmp_path / "small", {"": {"a": 20, "b": 20}}, suffix=".png")
    (root / "a/017.png").write_bytes(b"")
    whole = (root / "b/005.png").read_bytes()
    (root / "b/005.png").write_bytes(whole[:60])
    return root


def test_where_one_is_broken_all_stay_files_and_it_is_said(broken):
    source = open_source(str(broken))

    assert isinstance(source, EncodedSource)
    assert len(source.train) + len(source.test) == 40
    assert "the images stay files, small as they are, because one is broken: " in source.notes[-1]
    assert source.broken in source.notes[-1]
    whole = write_folder(broken.parent / "whole", {"": {"a": 5, "b": 5}})
    assert not open_source(str(whole)).reads_files


def test_a_network_of_their_size_gets_small_images_from_memory_any_other_from_files(tmp_path):
    root = str(write_folder(tmp_path, {"train": {"a": 4, "b": 4}, "test": {"a": 2, "b": 2}}))
    shape = open_data(root, Wanted()).train.image_shape

    assert not open_data(root, Wanted(fits=shape[:2])).reads_files
    assert open_data(root, Wanted(fits=(24, 24))).reads_files
    assert open_data("synthetic", Wanted(fits=(24, 24))).train.image_shape == (24, 24, 3)


def test_bad_samples_leaves_out_broken_small_images_however_it_is_said(broken, tmp_path, capsys):
    import resnetlab

    sizes = ("--set", "image_size=32", "--set", "train_size=32", "--set", "width=0.25", "--device", "cpu")
    line = ["train", "resnet8", "--data", str(broken), *sizes, "--epochs", "1", "--batch", "8"]
    for number, more in enumerate((["--bad-samples", "10%"], ["--set", "bad_samples=0.1"])):
        assert main([*line, *more, "--out", str(tmp_path / str(number))]) == 0
        assert "Left out, a broken" in capsys.readouterr().out
    own = {"image_size": 32, "train_size": 32, "batch": 8}
    done = resnetlab.train("resnet8", data=str(broken), bad_samples=0.1, epochs=1, out=tmp_path / "x", **own)
    assert done.bad_samples


def test_without_it_the_error_names_the_data_and_the_way_on(broken, tmp_path, capsys):
    assert main(["train", "resnet8", "--data", str(broken), *SHORT, "--out", str(tmp_path / "run")]) == 3

    said = capsys.readouterr().err
    assert f"{broken}: a broken image: " in said
    assert f"`resnetlab data check {broken}` lists all of them; --bad-samples" in said
    assert not (tmp_path / "run").exists()


def test_describe_show_and_check_work_and_check_names_the_broken_first(broken, tmp_path, capsys):
    assert main(["data", "describe", str(broken)]) == 0
    assert main(["data", "show", str(broken), "-o", str(tmp_path / "x.png"), "-n", "16"]) == 0
    for path in broken.rglob("*.png"):
        if path.stat().st_size > 100:
            path.write_bytes(
                picture(int(path.stem) + 100 * (path.parent.name == "b"), size=(28, 28), form="PNG")
            )
    capsys.readouterr()

    assert main(["data", "check", str(broken)]) == 3
    assert capsys.readouterr().out.index("corrupt: 2") < 600
