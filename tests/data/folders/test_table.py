import hashlib
import json

import pytest

from resnetlab.data.folders.table import open_csv
from resnetlab.data.sources.choices import Choices
from resnetlab.errors import DataError, UsageError
from tests.kit.pictures import write_folder

IMAGES = [f"{name}/{index:03}.jpg" for name in ("cat", "dog") for index in range(5)]


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path, {"": {"cat": 5, "dog": 5}})


def write(folder, rows, **options):
    path = folder / "list.csv"
    path.write_text("\n".join(rows) + "\n", **options)
    return path


def rows(separator=",", splits=("train",) * 4 + ("test",)):
    return [separator.join((name, name[:3], splits[index % 5])) for index, name in enumerate(IMAGES)]


@pytest.mark.parametrize("header", [[], ["path,label,split"], ["Filename,CLASS,subset"]])
def test_splits_and_names_are_read_with_and_without_a_header(folder, header):
    source = open_csv(write(folder, header + rows()))

    assert source.class_names == ("cat", "dog")
    assert source.train.labels.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert source.test.place(1) == "dog/004.jpg"
    assert source.test.read(1).data == (folder / "dog/004.jpg").read_bytes()
    assert (source.name, source.notes) == ("list", ())


def test_a_header_may_name_the_columns_in_any_order_among_others(folder):
    lines = ["id,label,width,image"] + [f"{i},{name[:3]},40,{name}" for i, name in enumerate(IMAGES)]

    source = open_csv(write(folder, lines))

    assert (source.class_names, len(source.train), len(source.test)) == (("cat", "dog"), 8, 2)
    assert "one split only" in source.notes[0]


@pytest.mark.parametrize("separator", [";", "\t"])
def test_separators_quotes_byte_order_marks_and_windows_paths_are_understood(folder, separator):
    lines = [
        line.replace("cat/", "cat\\").replace("dog/000.jpg", '"dog/000.jpg"') for line in rows(separator)
    ]

    source = open_csv(write(folder, lines, encoding="utf-8-sig", newline="\r\n"))

    assert source.train.place(0) == "cat/000.jpg"
    assert len(source.train) + len(source.test) == 10


def test_numbers_are_ordered_as_numbers_and_named(folder):
    labels = [10, 2, 10, 2, 10, 2, 10, 2, 10, 2]

    source = open_csv(write(folder, [f"{name},{label}" for name, label in zip(IMAGES, labels, strict=True)]))

    assert source.class_names == ("2", "10")
    assert "labels are 2 to 10: class 0 is the one called 2" in source.notes


def test_absolute_paths_work(folder, tmp_path):
    lines = [f"{folder / name},{name[:3]}" for name in IMAGES]
    (tmp_path / "elsewhere").mkdir()

    assert len(open_csv(write(tmp_path / "elsewhere", lines)).train) == 8


def test_problems_are_told_with_their_lines_five_of_each(folder):
    bad = [
        *(f"gone{index}.jpg,cat,train" for index in range(7)),
        "cat/000.jpg",
        ",cat,train",
        "cat/001.jpg,,train",
        "cat/002.jpg,-1,train",
        "cat/003.jpg,cat,practice",
        "cat/004.jpg,cat,train",
        "cat/004.jpg,dog,train",
        "dog/004.jpg,dog,train",
        "dog/004.jpg,dog,test",
    ]

    with pytest.raises(DataError) as raised:
        open_csv(write(folder, ["path,label,split", *bad]))

    path = folder / "list.csv"
    assert str(raised.value).splitlines() == [
        f"{path}: line 9: has fewer than 3 columns",
        f"{path}: line 10: has no path",
        f"{path}: line 11: has no label",
        f"{path}: line 12: has a label below 0",
        f"{path}: line 13: has a split that is none of train, val, test",
        f"{path}: lines 2, 3, 4, 5, 6 and 2 more: no such file in {folder}",
        f"{path}: line 15: gives an earlier line's path another label",
        f"{path}: line 17: is an earlier line's path again",
        "Choose the splits with --data-set train_split=A,B and test_split=C, or split_column=none.",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has no rows"),
        (b"path,label\n", "has no rows"),
        (b"caf\xe9.jpg,cat\n", "not UTF-8 at byte 3"),
        (b"cat/000.jpg,cat\ncat/001.jpg,cat\n", "needs at least two classes"),
        (b'"' + b"x" * 200_000 + b'",cat\n', "line 1: field larger"),
    ],
)
def test_each_guard_fires(folder, content, message):
    (folder / "list.csv").write_bytes(content)

    with pytest.raises(DataError, match=message):
        open_csv(folder / "list.csv")


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(DataError, match=r"list\.csv: cannot be read: No such file"):
        open_csv(tmp_path / "list.csv")


def test_a_label_may_hold_what_unicode_calls_a_line_end(folder):
    label = "c\u0085a\u2028t"
    path = write(folder, [row.replace(",cat,", f",{label},") for row in rows()], encoding="utf-8")

    assert open_csv(path).class_names == (label, "dog")


def animals(source):
    """Return the classes of all images by their places, those of the test split too."""
    return {
        split.place(i): source.class_names[split.labels[i]]
        for split in source.parts.values()
        for i in range(len(split))
    }


TRUTH = {name: name[:3] for name in IMAGES}


@pytest.mark.parametrize(
    ("header", "line", "choices"),
    [
        ("id,breed", lambda n, k: f"{n.removesuffix('.jpg')},{k}", {}),
        ("Filename;Width;ClassId", lambda n, k: f"{n};40;{k}", {}),
        ("file_name,is_valid,labels", lambda n, k: f"{n},{n.endswith('4.jpg')},{k}", {}),
        ("image_id,cat,dog", lambda n, k: f"{n},{int(k == 'cat')},{int(k == 'dog')}", {}),
        ("image_id,cat,dog", lambda n, k: f"{n},{float(k == 'cat')},{float(k == 'dog')}", {}),
        ("image|category", lambda n, k: f"{n}|{k}", {}),
        ("mask,image,label", lambda n, k: f"{n.replace('cat', 'dog')},{n},{k}", {}),
        ("n,category_id,class_name,image", lambda n, k: f"7,{int(k == 'dog')},{k},{n}", {}),
        ("image,species,keeper", lambda n, k: f"{n},{k},Ann", {"label_column": "species"}),
        ("image,species,keeper", lambda n, k: f"{n},{k},Ann", {"label_column": "2"}),
        ("image,x,label", lambda n, k: f"{n},{k},{n}", {"label_column": "x"}),
        ("", lambda n, k: f"{n},5,{k},Ann", {"label_column": "3", "header": "no"}),
        ("image#label", lambda n, k: f"{n}#{k}", {"separator": "#"}),
        ("path,label", lambda n, k: f"/kaggle/input/pets/{n},{k}", {}),
        ("path,label", lambda n, k: f"C:\\\\pets\\\\{n},{k}".replace("/", "\\"), {}),
    ],
)
def test_tables_of_others_are_read(folder, header, line, choices):
    lines = [header] * bool(header) + [line(name, kind) for name, kind in TRUTH.items()]

    assert animals(open_csv(write(folder, lines), choices=Choices.of(choices))) == TRUTH


def test_is_valid_is_the_split(folder):
    lines = ["path,label,is_valid", *(f"{name},{kind},{name[6] == '4'}" for name, kind in TRUTH.items())]

    source = open_csv(write(folder, lines))

    assert [source.test.place(index) for index in range(len(source.test))] == ["cat/004.jpg", "dog/004.jpg"]


@pytest.mark.parametrize(
    ("header", "line", "message"),
    [
        ("image,a,b", lambda n, k: f"{n},{k},{k}", "no column for the label; the columns are image, a, b"),
        ("image,serial", lambda n, k: f"{n},{hash(n)}", "no column for the label"),
        ("image,class,target", lambda n, k: f"{n},{k},{n[-5]}", "columns class, target could be the label"),
        ("left,right,label", lambda n, k: f"{n},{n},{k}", "columns left, right could be the image"),
        ("image,cat,dog", lambda n, k: f"{n},1,{int(k == 'dog')}", "rows have 1, 2 of the labels cat, dog"),
        ("title,label", lambda n, k: f"portrait,{k}", "no column names images in"),
        ("", lambda n, k: f"{n},{k},7,8", "4 columns without titles"),
        ("image,label,split,is_test", lambda n, k: f"{n},{k},train,0", "columns split, is_test could be the"),
    ],
)  # fmt: skip
def test_where_a_column_is_not_clear_it_is_asked_for(folder, header, line, message):
    lines = [header] * bool(header) + [line(name, kind) for name, kind in TRUTH.items()]

    with pytest.raises(DataError, match=message) as raised:
        open_csv(write(folder, lines))

    assert "--data-set" in raised.value.hint


def test_a_missing_first_image_does_not_make_the_first_row_a_header(folder):
    for first in ("gone.jpg,cat", "gone,cat"):
        with pytest.raises(DataError, match="line 1: no such file"):
            open_csv(write(folder, [first, *(f"{name},{kind}" for name, kind in TRUTH.items())]))


def test_names_alone_are_looked_for_in_the_folders_and_two_of_a_name_are_refused(tmp_path):
    write_folder(tmp_path, {"": {"train": 6, "test": 1}})
    (tmp_path / "test/000.jpg").rename(tmp_path / "test/077.jpg")
    path = write(tmp_path, ["id,breed", *(f"{index:03},{'ab'[index % 2]}" for index in range(6))])

    source = open_csv(path)

    assert set(animals(source)) == {f"train/{index:03}.jpg" for index in range(6)}
    assert any(
        "by their names alone, without their suffix; they are found in train" in n for n in source.notes
    )
    (tmp_path / "test/077.jpg").rename(tmp_path / "test/003.jpg")
    assert set(animals(open_csv(path))) == {f"train/{index:03}.jpg" for index in range(6)}  # where all are
    (tmp_path / "train/000.jpg").rename(tmp_path / "test/000.jpg")
    with pytest.raises(DataError, match=r"line 5: there are several images of that name, e\.g\. test/003"):
        open_csv(path)
    chosen = Choices.of({"image_folder": "train", "suffix": ".jpg"})
    with pytest.raises(DataError, match="line 2: no such file"):
        open_csv(path, choices=chosen)


def test_a_list_of_path_and_label_and_an_object_a_line_are_read(folder):
    (folder / "list.txt").write_text("".join(f"{name} {kind}\n" for name, kind in TRUTH.items()))
    rows = [json.dumps({"file_name": name, "label": kind}) for name, kind in TRUTH.items()]
    (folder / "metadata.jsonl").write_text("\n".join(rows))

    assert animals(open_csv(folder / "list.txt")) == TRUTH
    assert animals(open_csv(folder / "metadata.jsonl")) == TRUTH


def test_several_labels_in_a_cell_are_noted(folder):
    kinds = ["clear", "clear water"] * 5
    path = write(folder, ["image,tags", *(f"{n},{k}" for n, k in zip(IMAGES, kinds, strict=True))])

    assert any("'clear water' may be several labels in one cell" in note for note in open_csv(path).notes)


def test_words_for_splits_are_chosen(folder):
    words = ["a", "a", "b", "b", "c"] * 2
    lines = [f"{name},{name[:3]},{word}" for name, word in zip(IMAGES, words, strict=True)]
    path = write(folder, ["image,label,split", *lines])

    source = open_csv(path, choices=Choices.of({"train_split": "a", "test_split": "c"}))

    assert (len(source.train), len(source.test)) == (4, 2)
    assert any("left out: b" in note for note in source.notes)
    with pytest.raises(UsageError, match="no split d"):
        open_csv(path, choices=Choices.of({"train_split": "d"}))


def test_absolute_paths_of_moved_images_make_the_same_fingerprint(folder, tmp_path):
    path = write(folder, [f"{folder / name},{kind}" for name, kind in TRUTH.items()])
    before = open_csv(path).fingerprint
    elsewhere = tmp_path.parent / f"{tmp_path.name}-moved"
    folder.rename(elsewhere)
    path = write(elsewhere, [f"{elsewhere / name},{kind}" for name, kind in TRUTH.items()])

    after = open_csv(path)

    assert after.fingerprint == before
    assert not after.has_fingerprint("of other data")


def test_a_run_of_the_first_version_on_absolute_paths_is_known_again(folder):
    path = write(folder, [f"{folder / name},{kind}" for name, kind in TRUTH.items()])

    source = open_csv(path)

    places = [[str(folder / split.place(i)) for i in range(len(split))] for split in source.parts.values()]
    sizes = [[split.reader.size(int(index)) for index in split.indices] for split in source.parts.values()]
    digest = hashlib.sha256(json.dumps([source.class_names, places, sizes]).encode())
    for split in source.parts.values():
        digest.update(split.labels.astype("<i8").tobytes())
    for split in source.parts.values():
        for index in range(len(split)):
            digest.update(split.read(index).data)
    assert source.has_fingerprint(digest.hexdigest())
    assert source.fingerprint != digest.hexdigest()


def test_objects_in_a_jsonl_are_columns_and_no_labels(tmp_path):
    write_folder(tmp_path, {"": {"cat": 5, "dog": 5}})
    rows = [
        {"image": f"{kind}/{i:03}.jpg", "label": {"name": kind, "id": 1}}
        for kind in ("cat", "dog")
        for i in range(5)
    ]
    path = tmp_path / "list.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))

    with pytest.raises(
        DataError, match=r"no column for the label; the columns are image, label\.name, label\.id"
    ):
        open_csv(path)

    assert open_csv(path, choices=Choices.of({"label_column": "label.name"})).class_names == ("cat", "dog")


@pytest.mark.parametrize("form", ["./{}", "a/../{}", "{absolute}"])
def test_one_picture_by_two_paths_is_found(tmp_path, form):
    write_folder(tmp_path, {"": {"a": 3, "b": 3}})
    rows = [f"{name}/00{n}.jpg,{name}" for name in "ab" for n in range(3)]
    again = form.format("a/000.jpg", absolute=tmp_path / "a" / "000.jpg")

    for label, problem in (
        ("b", "gives an earlier line's path another label"),
        ("a", "earlier line's path again"),
    ):
        (tmp_path / "t.csv").write_text("\n".join(["path,label", *rows, f"{again},{label}"]))
        with pytest.raises(DataError, match=f"line 8: .*{problem}"):
            open_csv(tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("labels", "note"),
    [
        (("0.0", "0.5", "1.5"), "labels are numbers with fractions (0.0, 1.5): each of them is a class"),
        (("cat", "dog", "NaN"), "a class is called 'NaN': are these images whose label is missing?"),
    ],
)  # fmt: skip
def test_labels_that_are_hardly_classes_are_said(tmp_path, labels, note):
    write_folder(tmp_path, {"": {"a": 12}})
    rows = [f"a/{n:03}.jpg,{labels[n % 3]}" for n in range(12)]
    (tmp_path / "t.csv").write_text("\n".join(["path,label", *rows]))

    assert any(each.startswith(note) for each in open_csv(tmp_path / "t.csv").notes)
