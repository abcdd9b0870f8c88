"""The split of those who published a collection is taken where a list of it lies beside the pictures."""

import json
import shutil
import tarfile
import zipfile
from pathlib import Path

import pytest

from resnetlab import evaluate, train
from resnetlab.data.open import open_source, reopen_source
from resnetlab.data.sources.choices import Choices
from resnetlab.errors import DataError, UsageError
from tests.kit.pictures import picture, write_folder

KINDS = ("apple_pie", "001.Black footed", "éclair")
TRAIN, TEST = (0, 2, 3, 5), (1, 4)


def pictures(root: Path, above: str, numbers=range(6)) -> Path:
    """Write root/ABOVE/CLASS/NUMBER.jpg; a number says its class too."""
    for label, kind in enumerate(KINDS):
        for number in numbers:
            path = root / above / kind / f"{label}{number}_x.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(picture(10 * label + number))
    return root


def listed(root: Path, lists: dict[str, object]) -> Path:
    """Write a list of the numbers given, each line by the form "%K" for the class and "%N" for the name."""
    for name, (form, numbers) in lists.items():
        lines = [
            form.replace("%K", kind).replace("%N", f"{label}{number}_x")
            for label, kind in enumerate(KINDS)
            for number in numbers
        ]
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root


def what(path, **choices):
    """Return the names of the pictures in each split."""
    source = open_source(str(path), holds_small=False, choices=Choices.of(choices))
    found = {
        part: sorted(split.place(index).rpartition("/")[2] for index in range(len(split)))
        for part, split in source.parts.items()
    }
    return found, source.notes


def names(numbers):
    return sorted(f"{label}{number}_x.jpg" for label in range(3) for number in numbers)


def cub(root: Path) -> Path:
    pictures(root, "CUB/images")
    places = [(kind, f"{label}{n}_x.jpg", n) for label, kind in enumerate(KINDS) for n in range(6)]
    rows = [*enumerate(places, start=1)]
    (root / "CUB" / "images.txt").write_text("".join(f"{i} {k}/{name}\n" for i, (k, name, _) in rows))
    (root / "CUB" / "train_test_split.txt").write_text(
        "".join(f"{i} {int(n in TRAIN)}\n" for i, (*_, n) in rows)
    )
    (root / "CUB" / "image_class_labels.txt").write_text("".join(f"{i} 1\n" for i, _ in rows))
    (root / "CUB" / "attributes").mkdir()
    (root / "CUB" / "attributes" / "certainties.txt").write_text("1 not visible\n")
    return root


FORMS = {
    "Food-101": ("images", {"meta/train.txt": ("%K/%N", TRAIN), "meta/test.txt": ("%K/%N", TEST)}),
    "with suffix and above": (
        "f/images",
        {"f/train.lst": ("images/%K/%N.jpg", TRAIN), "f/test.lst": ("./images/%K/%N.jpg", TEST)},
    ),
    "names alone": (
        "",
        {"annotations/trainval.txt": ("%N 1 1 1", TRAIN), "annotations/test.txt": ("%N 2 1 1", TEST)},
    ),
    "what trains is the rest": ("", {"testing_list.txt": ("%K/%N.jpg", TEST)}),
    "paths with blanks and a label": (
        "my pictures",
        {"train.txt": ("my pictures/%K/%N.jpg 1", TRAIN), "test.txt": ("my pictures/%K/%N.jpg 2", TEST)},
    ),
    "tables": (
        "",
        {
            "train_labels.csv": ("/data/%K/%N.jpg,%K", TRAIN),
            "test_labels.csv": ("/data/%K/%N.jpg,%K", TEST),
        },
    ),
    "the first of several": (
        "images",
        {
            "labels/train1.txt": ("%K/%N.jpg", TRAIN), "labels/test1.txt": ("%K/%N.jpg", TEST),
            "labels/train.csv": ("%K/%N.jpg,%K", range(6)),
            "labels/train2.txt": ("%K/%N.jpg", TEST), "labels/test2.txt": ("%K/%N.jpg", TRAIN),
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize("form", [*FORMS, "CUB-200"])
@pytest.mark.parametrize("kept", ["folder", "zip", "tar", "tgz"])
def test_the_authors_split_is_taken_and_said(form: str, kept: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("RESNETLAB_CACHE", str(tmp_path / "cache"))
    root = tmp_path / "data"
    if form == "CUB-200":
        cub(root)
    else:
        listed(pictures(root, FORMS[form][0]), FORMS[form][1])
    path = root
    if kept == "zip":
        path = tmp_path / "data.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for file in sorted(each for each in root.rglob("*") if each.is_file()):
                archive.write(file, file.relative_to(tmp_path).as_posix())
    elif kept != "folder":
        path = tmp_path / f"data.{kept}"
        with tarfile.open(path, "w:gz" if kept == "tgz" else "w") as packed:
            packed.add(root, "./data")

    found, notes = what(path)

    assert found == {"train": names(TRAIN), "test": names(TEST)}
    assert sum("the splits are those of " in note for note in notes) == 1
    assert not any("a fifth of each class" in note for note in notes)
    fifth, said = what(path, split_list="none")
    assert [len(fifth[part]) for part in ("train", "test")] == [15, 3]
    assert any("a fifth of each class" in note for note in said)


def test_a_list_with_a_word_for_each_picture_divides_them(tmp_path: Path) -> None:
    root = pictures(tmp_path / "data", "")
    rows = [
        f"{label}{n}_x.jpg,{kind},{word}"
        for label, kind in enumerate(KINDS)
        for word, numbers in (("Training", (0, 2, 3)), ("validation", (5,)), ("test", TEST))
        for n in numbers
    ]
    (root / "all.csv").write_text("\n".join(["file,class,split", *rows]))

    found, notes = what(root)

    assert found == {"train": names((0, 2, 3)), "val": names((5,)), "test": names(TEST)}
    assert "the splits are those of all.csv" in notes


def test_lists_beside_the_folder_that_is_given_count_too(tmp_path: Path) -> None:
    listed(pictures(tmp_path / "data", "images"), FORMS["Food-101"][1])

    found, notes = what(tmp_path / "data" / "images")

    assert found == {"train": names(TRAIN), "test": names(TEST)}
    assert "the splits are those of ../meta/train.txt and ../meta/test.txt" in notes


def test_several_lists_of_a_kind_are_chosen_by_number(tmp_path: Path) -> None:
    form = FORMS["the first of several"]
    root = listed(pictures(tmp_path / "data", form[0]), form[1])

    assert what(root, split_list="2")[0] == {"train": names(TEST), "test": names(TRAIN)}
    for wrong in ("3", "x"):
        with pytest.raises(UsageError, match=f"split_list={wrong}"):
            what(root, split_list=wrong)


def test_pictures_and_lines_without_each_other_are_counted(tmp_path: Path) -> None:
    lists = {"train.txt": ("%K/%N", (0, 2, 3, 77)), "test.txt": ("%K/%N", TEST)}
    root = listed(pictures(tmp_path / "data", ""), lists)

    found, notes = what(root)

    assert found == {"train": names((0, 2, 3)), "test": names(TEST)}
    assert any("do not name, left out: 3 (e.g. 001.Black footed/15_x.jpg)" in note for note in notes)
    assert "lines of these lists that name no picture here: 3" in notes


def test_a_list_of_what_trains_alone_is_said(tmp_path: Path) -> None:
    root = listed(pictures(tmp_path / "data", ""), {"train.txt": ("%K/%N", TRAIN)})

    found, notes = what(root)

    assert [len(found[part]) for part in ("train", "test")] == [15, 3]
    assert (
        "train.txt names 12 of the 18 pictures, and no list names what tests: not used to divide them"
        in notes
    )


@pytest.mark.parametrize(
    ("lists", "error"),
    [
        ({"train.txt": ("%K/%N", TRAIN), "test.txt": ("%K/%N", (0, 1))}, "is in two splits by train.txt"),
        ({"train.txt": ("%K/%N", (0, 2, 3)), "test.txt": ("", ())}, "no picture is named for test"),
        ({"train.txt": ("%K/%N", (0,)), "test.txt": ("%K/%N", (1,))}, "divide 6 of the 18 pictures only"),
    ],
)  # fmt: skip
def test_lists_that_do_not_fit_are_refused_with_the_way_to_do_without(
    lists, error: str, tmp_path: Path
) -> None:
    root = listed(pictures(tmp_path / "data", ""), lists)

    with pytest.raises(DataError, match=error) as caught:
        what(root)

    assert caught.value.hint == "--data-set split_list=none does without them."
    assert len(what(root, split_list="none")[0]["test"]) == 3


def test_lists_of_other_things_and_lists_that_are_not_read_are_said(tmp_path: Path) -> None:
    root = listed(
        pictures(tmp_path / "data", "Images"), {"train.txt": ("no", TRAIN), "test.txt": ("no", TEST)}
    )
    (root / "lists").mkdir()
    for name in ("train_list.mat", "test_list.mat", "file_list.mat"):
        (root / "lists" / name).write_bytes(b"MATLAB 5.0")

    found, notes = what(root)

    assert [len(found[part]) for part in ("train", "test")] == [15, 3]
    told = "\n".join(notes)
    assert "none of the pictures is named in train.txt, test.txt: not used to divide them" in told
    assert "lists/test_list.mat, lists/train_list.mat may say which pictures train, and are not read" in told
    assert "a fifth of each class is held out" in told


def test_an_evaluation_takes_the_authors_test_split_and_a_run_of_0_1_0_its_own(tmp_path: Path) -> None:
    root = listed(pictures(tmp_path / "data", "images"), FORMS["Food-101"][1])
    small = {"steps": 1, "batch": 4, "workers": 0, "image_size": 16, "train_size": 16}
    train("resnet8", data=str(root), out=tmp_path / "run", **small)
    record = json.loads((tmp_path / "run" / "data.json").read_text())
    of_0_1_0 = {name: value for name, value in record.items() if name != "choices"}

    evaluation = evaluate(tmp_path / "run", workers=0)

    assert evaluation.scores.seen == 6
    assert "the splits are those of meta/train.txt and meta/test.txt" in evaluation.notes
    assert "the splits are those of meta/train.txt and meta/test.txt" in record["notes"]
    assert len(reopen_source(record).test) == 6
    assert len(reopen_source(of_0_1_0).test) == 3, "the fifth that it held out"


def test_a_list_that_was_chosen_where_the_folders_are_the_splits_is_said_to_have_no_use(tmp_path):
    root = write_folder(tmp_path / "p", {"train": {"a": 2, "b": 2}, "test": {"a": 1, "b": 1}})
    archive = shutil.make_archive(str(root), "zip", root)

    found = [what(path, split_list="2")[1] for path in (root, archive)]

    assert found == [("--data-set split_list=2 is not used: the folders are the splits",)] * 2
