"""Which folders are splits and which are classes, as people lay them out."""

import shutil
from pathlib import Path

import pytest

from resnetlab.data.folders.folder import open_folder
from resnetlab.data.open import open_source
from resnetlab.data.sources.choices import Choices
from resnetlab.errors import DataError
from tests.kit.pictures import picture, write_folder

TWO = {"cat": 2, "dog": 2}
FIVE = {"cat": 5, "dog": 5}


def counts(source):
    return {part: len(split) for part, split in source.parts.items()}


def flat(root, folder, names):
    (root / folder).mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(names):
        (root / folder / name).write_bytes(picture(seed))
    return root


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("Training", "Testing"),
        ("Training", "Test"),
        ("seg_train", "seg_test"),
        ("training_set", "test_set"),
        ("train2017", "val2017"),
        ("images_train", "images_dev"),
        ("TrainData", "EvaluationData"),
        ("trn", "tst"),
        ("Train-Set", "hold-out"),
        ("train", "flowers_test"),
        ("flowers-train", "flowers-test"),
        ("training_set/training_set", "test_set/test_set"),
        ("a/b/c/train", "a/b/c/Validation"),
        ("train/images", "test/images"),
    ],
)
def test_splits_are_known_by_their_names_and_their_class_folders(tmp_path, train, test):
    source = open_folder(write_folder(tmp_path, {train: {"cat": 4, "dog": 4}, test: TWO}))

    assert source.class_names == ("cat", "dog")
    assert counts(source) == {"train": 8, "test": 4}


def test_it_is_said_which_folder_is_which_split_and_what_was_looked_into(tmp_path):
    source = open_folder(write_folder(tmp_path, {"x/Training": TWO, "x/dev": TWO, "x/Testing": TWO}))

    assert counts(source) == {"train": 4, "test": 4, "val": 4}
    assert source.notes == (
        "read is x/, the only folder there with pictures",
        "Testing/ is the test split, Training/ is the train split, dev/ is the val split",
    )


@pytest.mark.parametrize(
    ("names", "parts"),
    [
        (("train", "val", "evaluation"), {"val": "val", "evaluation": "test"}),
        (("train", "test", "eval"), {"test": "test", "eval": "val"}),
    ],
)
def test_eval_is_what_is_not_there_yet(tmp_path, names, parts):
    source = open_folder(write_folder(tmp_path, dict.fromkeys(names, TWO)))

    for folder, part in parts.items():
        assert source.parts[part].place(0).startswith(f"{folder}/")


@pytest.mark.parametrize(
    "folders",
    [
        {"": {"bus": 5, "car": 5, "train": 5}},
        {"": {"control": 5, "test": 5}},
        {"": {"valid": 5, "invalid": 5}},
        {"": {"train_station": 5, "test_track": 5}},
        {"": {"beaker": 5, "flask": 5, "test_tube": 5}},
        {"train_station": {"day": 5, "night": 5}, "airport": {"day": 5, "night": 5}},
    ],
)
def test_classes_with_a_splits_word_are_classes_where_the_layout_says_so(tmp_path, folders):
    source = open_folder(write_folder(tmp_path, folders))

    assert source.class_names == tuple(sorted(folders.get("", folders)))


def test_a_folder_of_folders_alone_is_looked_into_and_one_of_pictures_is_a_class(tmp_path):
    assert open_folder(write_folder(tmp_path / "a", {"photos": {"cat": 5, "dog": 5}})).class_names == (
        "cat",
        "dog",
    )
    write_folder(tmp_path / "b", {"": {"cat": 5}, "dog": {"2019": 5}})
    assert open_folder(tmp_path / "b").class_names == ("cat", "dog")


def test_annotations_beside_do_not_hide_the_splits(tmp_path):
    write_folder(tmp_path, {"Data/CLS/train": TWO, "Data/CLS/val": TWO})
    (tmp_path / "Annotations/cat").mkdir(parents=True)
    (tmp_path / "Annotations/cat/000.xml").write_text("<a/>")

    assert counts(open_folder(tmp_path)) == {"train": 4, "test": 4}


def test_splits_within_the_classes_are_splits(tmp_path):
    source = open_folder(
        write_folder(tmp_path, {"cat": {"train": 3, "test": 1}, "dog": {"train": 2, "test": 1}})
    )

    assert (source.class_names, counts(source)) == (("cat", "dog"), {"train": 5, "test": 2})
    assert source.test.place(1) == "dog/test/000.jpg"
    assert "the splits lie within the class folders" in source.notes


def test_class_folders_that_hold_the_same_folders_are_noted(tmp_path):
    source = open_folder(
        write_folder(tmp_path, {"first": {"cat": 5, "dog": 5}, "second": {"cat": 5, "dog": 5}})
    )

    assert source.class_names == ("first", "second")
    assert source.notes[0].startswith("all of first/, second/ hold the same folders (cat, dog)")


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (
            {"train": {"steam": 5, "diesel": 5}, "": {"bus": 5, "car": 5}},
            "train/, with bus/, car/ beside: these",
        ),
        ({"train_station": TWO, "test_track": TWO}, "train_station/ and test_track/: these can be splits"),
        ({"": {"cat": 5, "dog": 5}, "test": TWO}, "test/ holds cat, dog, which lie beside it too"),
        ({"train": TWO, "training": TWO, "test": TWO}, "train and training both mean the train split"),
        ({"train": TWO, "val": TWO, "test": TWO, "eval": TWO}, "eval beside a validation and a test split"),
        ({"Testing": TWO}, "has no train folder, only test"),
    ],
)
def test_what_can_be_read_in_two_ways_is_refused_with_both(tmp_path, folders, message):
    with pytest.raises(DataError, match=message):
        open_folder(write_folder(tmp_path, folders))


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        ({"train": ("cat.0.jpg", "cat.1.jpg", "dog.0.jpg", "dog.1.jpg"), "test": ("1.jpg",)},
         r"train/ and test/ lie in no class folders\nTheir names seem to say the class \(cat, dog\), e\.g\."),
        ({"train": ("0a1b.jpg", "77.jpg"), "test": ("1.jpg",)}, "Sort them into a folder for each class"),
        ({"train": ("1.jpg",), "test": ("1.jpg",), "extra": ("1.jpg",)}, r"folders \(extra/ beside\)"),
        ({"images/train": ("1.jpg",), "images/val": ("2.jpg",)}, "images/train/ and images/val/ lie in no"),
        ({"train/images": ("1.jpg",)}, "train/ lie in no class folders"),
        ({"": ("cat1.jpg", "cat2.jpg", "dog1.jpg", "dog2.jpg")}, "its pictures lie in no class folders"),
        ({"dogs_train": ("1.jpg",), "dogs_test": ("1.jpg",)}, "dogs_train/ and dogs_test/ lie in no class"),
    ],
)  # fmt: skip
def test_pictures_without_class_folders_are_refused_with_the_way_to_sort_them(tmp_path, folders, message):
    for folder, names in folders.items():
        flat(tmp_path, folder, names)

    with pytest.raises(DataError, match=message):
        open_folder(tmp_path)


@pytest.mark.parametrize("folder", ["val", "validation/ILSVRC2012_img_val", "valid/images", "dev"])
def test_a_validation_split_without_class_folders_is_refused(tmp_path, folder):
    write_folder(tmp_path, {"train": TWO})
    flat(tmp_path, folder, ["ILSVRC2012_val_00000001.JPEG"])

    with pytest.raises(
        DataError, match=r"lie in no class folders.*\nSort them into .*CLASS/IMAGE.*val_annotations"
    ):
        open_folder(tmp_path)


@pytest.mark.parametrize("folder", ["test", "Testing/images"])
def test_a_test_split_without_labels_is_left_out_and_said(tmp_path, folder):
    write_folder(tmp_path, {"train": {"cat": 5, "dog": 5}})
    flat(tmp_path, folder, ["1.jpg", "2.jpg"])

    source = open_folder(tmp_path)

    assert counts(source) == {"train": 8, "test": 2}
    assert any("have no labels: not read" in note for note in source.notes)


@pytest.mark.parametrize(
    ("folder", "name", "lines"),
    [
        ("val/images", "val/val_annotations.txt", "{}\t{}\t0\t0\t62\t62\n"),
        ("val", "val_labels.txt", "{} {}\n"),
        ("val", "val/labels.csv", "{},{}\n"),
    ],
)
def test_a_list_beside_them_sorts_validation_pictures(tmp_path, folder, name, lines):
    write_folder(tmp_path, {"train": TWO})
    flat(tmp_path, folder, ["a.jpg", "b.jpg", "c.jpg"])
    (tmp_path / name).write_text(
        "".join(lines.format(f"{x}.jpg", y) for x, y in (("a", "cat"), ("b", "dog"), ("c", "cat")))
    )

    source = open_folder(tmp_path)

    assert source.test.labels.tolist() == [0, 0, 1]
    assert [source.test.place(n)[-5:] for n in range(3)] == ["a.jpg", "c.jpg", "b.jpg"]
    assert f"{folder.split('/')[0]}/ is sorted into classes by {name}" in source.notes


def test_a_list_that_lacks_a_picture_or_knows_another_class_sorts_nothing(tmp_path):
    for number, text in enumerate(
        ("a.jpg cat\n", "a.jpg cat\nb.jpg emu\n", "a.jpg cat\na.jpg dog\nb.jpg dog\n")
    ):
        root = write_folder(tmp_path / str(number), {"train": TWO})
        flat(root, "val", ["a.jpg", "b.jpg"])
        (root / "val/list.txt").write_text(text)

        with pytest.raises(DataError, match="no list says which class"):
            open_folder(root)


@pytest.mark.parametrize(
    "name",
    ["@eaDir", "#recycle", "@Recycle", "$RECYCLE.BIN", "System Volume Information", "lost+found", "__MACOSX",
     ".ipynb_checkpoints", "#snapshot", "found.000", "Network Trash Folder", "Temporary Items",
     ".stversions"],
)  # fmt: skip
def test_what_systems_leave_is_passed_over_wherever_it_lies_and_said(tmp_path, name):
    write_folder(tmp_path, {"": {"cat": 5, "dog": 5}})
    for folder in (tmp_path / name, tmp_path / "cat" / name):
        write_folder(folder, {"": {"000.jpg": 2}})
    for stray in ("Thumbs.db", "ehthumbs.db", "desktop.ini", "Icon\r", "._000.jpg", ".picasa.ini"):
        (tmp_path / "cat" / stray).write_bytes(picture(1))

    source = open_folder(tmp_path)

    assert (source.class_names, counts(source)) == (("cat", "dog"), {"train": 8, "test": 2})
    left = ", ".join(sorted((name, f"cat/{name}")))
    assert source.notes[0] == f"left by the system or a program, with pictures in it, not read: {left}"


def test_runs_and_studies_among_the_classes_are_no_classes(tmp_path):
    write_folder(tmp_path, {"": {"cat": 5, "dog": 5}})
    for run in ("runs/a", "runs/b", "dog/run", "study/resnet8-seed0"):
        write_folder(tmp_path / run, {"eval": {"step": 1}})
        for name in ("recipe.json", "spec.json"):
            (tmp_path / run / name).write_text("{}")
    (tmp_path / "study/study.json").write_text('{"runs": []}')

    source = open_folder(tmp_path)

    assert (source.class_names, counts(source)) == (("cat", "dog"), {"train": 8, "test": 2})
    assert source.notes[0] == "runs of resnetlab, not read: dog/run, runs, study"


@pytest.mark.parametrize("paper", ["annotations/list.txt", "meta/a/b.json", "labels/train/1.xml"])
def test_a_folder_of_lists_beside_the_classes_is_no_class(tmp_path, paper):
    root = write_folder(tmp_path / "photos", {"": {"cat": 5, "dog": 5}})
    (root / paper).parent.mkdir(parents=True)
    (root / paper).write_text("cat 1")

    source = open_folder(root)

    assert source.class_names == ("cat", "dog")
    assert f"lists and documents only, and no class: {paper.split('/')[0]}/" in source.notes


@pytest.mark.parametrize("other", ["dog/1.dcm", "dog/1.npy"])
def test_a_class_of_files_that_may_be_pictures_is_still_asked_for(tmp_path, other):
    root = write_folder(tmp_path / "photos", {"": {"cat": 5, "owl": 5}})
    (root / other).parent.mkdir()
    (root / other).write_bytes(b"x")

    with pytest.raises(DataError, match="class folders without an image in train: dog"):
        open_folder(root)


@pytest.mark.parametrize(
    ("pictures", "table"),
    [
        ("", "labels.csv"),
        ("images/", "train.csv"),
        ("train/", "train/_classes.csv"),
        ("", "my labels.csv"),
    ],
)
def test_a_table_beside_loose_pictures_is_named_with_what_to_type(tmp_path, monkeypatch, pictures, table):
    monkeypatch.chdir(tmp_path)
    for index in range(20):
        flat(tmp_path / "leaves", pictures, [f"{index}.jpg"])
    for name, rows in ((table, 20), ("sample.csv", 3)):
        file = tmp_path / "leaves" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text("image,label\n" + "".join(f"{i}.jpg,{'ab'[i % 2]}\n" for i in range(rows)))

    with pytest.raises(DataError, match=f"or give a table: --data '?leaves/{table}'?( |[.])"):
        open_folder(Path("leaves"))


def test_loose_pictures_in_the_only_folder_are_not_one_class(tmp_path):
    flat(tmp_path, "images", ["Bombay_1.jpg", "Bombay_2.jpg", "pug_1.jpg", "pug_2.jpg"])

    with pytest.raises(
        DataError, match=r"images/ lie in no class folders\nTheir names seem to say the class"
    ):
        open_folder(tmp_path)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("fold0", "fold1", "fold2"), "parts of one data set"),
        (("batch_1", "batch_2"), "parts of one data set"),
        (
            ("color", "grayscale", "segmented"),
            "kinds of the same pictures, not classes\nGive one of them: --data",
        ),
        (("images", "masks"), "kinds of the same pictures"),
    ],
)
def test_parts_and_kinds_of_one_collection_are_no_classes(tmp_path, names, message):
    root = write_folder(tmp_path, dict.fromkeys(names, FIVE))

    with pytest.raises(DataError, match=message):
        open_folder(root)


def test_classes_that_hold_the_same_folders_are_classes_and_it_is_said(tmp_path):
    source = open_folder(
        write_folder(tmp_path, {"cat": {"day": 5, "night": 5}, "dog": {"day": 5, "night": 5}})
    )

    assert source.class_names == ("cat", "dog")
    assert "hold the same folders" in source.notes[0]


def test_classes_that_are_spelt_alike_are_said(tmp_path):
    source = open_folder(write_folder(tmp_path, {"": {"Sea-lion": 5, "sea lion": 5, "dog": 5}}))

    assert (
        "classes whose names are spelt alike, read as different ones: 'Sea-lion' and 'sea lion'"
        in source.notes
    )


def test_a_split_whose_classes_are_spelt_otherwise_says_how(tmp_path):
    root = write_folder(tmp_path, {"train": {"Cat": 5, "dog": 5}, "test": {"cat": 1, "dog ": 1}})

    with pytest.raises(DataError, match=r"Capitals or blanks differ: 'cat' and 'Cat', 'dog ' and 'dog'\."):
        open_folder(root)


def test_a_split_whose_classes_are_composed_otherwise_says_so(tmp_path):
    """As macOS' older file systems write é: e and an accent, which look the same."""
    nfc, nfd = "caf\u00e9", "cafe\u0301"
    root = write_folder(tmp_path / "a", {"train": {nfc: 5, "dog": 5}, "test": {nfd: 1, "dog": 1}})
    both = write_folder(tmp_path / "b", {"": {nfc: 5, nfd: 5, "dog": 5}})

    with pytest.raises(DataError, match=f"{nfd}: the letters are composed in another way there"):
        open_folder(root)
    assert any("spelt alike" in note and nfc in note for note in open_folder(both).notes)


def test_class_folders_that_are_one_by_links_are_said(tmp_path):
    root = write_folder(tmp_path / "photos", {"train": {"cat": 5, "dog": 5}})
    (root / "test").mkdir()
    (root / "test" / "cat").symlink_to(root / "train" / "cat")
    (root / "train" / "kitten").symlink_to(root / "train" / "cat")

    notes = "\n".join(open_folder(root).notes)

    assert "class folders that are one and the same by links, read as different ones: " in notes
    for other in ("train/kitten", "train/cat"):
        assert f"test/cat and {other}" in notes or f"{other} and" in notes


@pytest.mark.parametrize("names", [("labeled", "unlabeled"), ("Support", "Query")])
def test_parts_for_other_tasks_are_no_classes(tmp_path, names):
    root = write_folder(tmp_path, {names[0]: {"cat": 5, "dog": 5}, names[1]: {"x": 5}})

    with pytest.raises(DataError, match="its only classes would be"):
        open_folder(root)


def test_a_table_whose_columns_must_be_chosen_is_named_too(tmp_path):
    flat(tmp_path, "images", [f"{index}.jpg" for index in range(4)])
    (tmp_path / "birds.csv").write_text(
        "id,species,colour\n" + "".join(f"{i}.jpg,a{i % 2},b\n" for i in range(4))
    )

    with pytest.raises(DataError, match=r"or give a table: --data .*/birds\.csv\."):
        open_folder(tmp_path)


def test_lists_elsewhere_of_loose_pictures_are_named_with_what_to_type(tmp_path, monkeypatch):
    """As Oxford's pets come: pictures in images/, and in annotations/ lists of name, class and more."""
    names = [f"{kind}_{n}" for kind in ("Abyssinian", "beagle") for n in range(1, 7)]
    for seed, name in enumerate(names):
        (tmp_path / "images").mkdir(exist_ok=True)
        (tmp_path / "images" / f"{name}.jpg").write_bytes(picture(seed))
    (tmp_path / "annotations").mkdir()
    rows = [f"{name} {1 + (name[0] == 'b')} 1 2" for name in names]
    (tmp_path / "annotations" / "trainval.txt").write_text("\n".join(rows))

    with pytest.raises(DataError) as caught:
        open_folder(tmp_path)

    line = caught.value.hint.partition("or give a table: ")[2]
    place, image_folder, label_column = (
        line.removesuffix(".").removeprefix("--data ").replace(" --data-set ", " ").split()
    )
    assert place == str(tmp_path / "annotations" / "trainval.txt")
    made = dict(each.split("=") for each in (image_folder, label_column))
    assert made == {"image_folder": "../images", "label_column": "2"}
    source = open_source(place, choices=Choices.of(made))
    assert (len(source.train) + len(source.test), source.class_names) == (12, ("1", "2"))


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_one_folder_of_pictures_beside_a_table_is_told_with_the_way(tmp_path, kind):
    """Its name, unlike "images", could be a class's."""
    write_folder(tmp_path / "birds", {"": {"leaves": 4}})
    (tmp_path / "birds" / "kinds.csv").write_text(
        "path,label\n" + "\n".join(f"leaves/{number:03}.jpg,{'ab'[number % 2]}" for number in range(4))
    )
    path = tmp_path / "birds"
    if kind == "zip":
        path = Path(shutil.make_archive(str(path), "zip", path))

    with pytest.raises(DataError, match=r"needs at least two classes, has 1 \(leaves\)") as caught:
        open_source(str(path))

    assert ("kinds.csv" if kind == "folder" else "If a table in it says the classes") in caught.value.hint
