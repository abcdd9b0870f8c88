import pytest

from resnetlab.data.table import open_csv
from resnetlab.errors import DataError
from tests.data.pictures import write_folder

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
