"""answers.npz and answers.csv: what is written is read back; what is damaged or hostile is told."""

import csv
import io
import pickle
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from resnetlab.base.plaindata import csv_text
from resnetlab.errors import DataError
from resnetlab.evaluation.answers import Answers, make_answers, read_answers, write_answers

COLUMNS = (
    "sample", "place", "truth", "answer", "probability", "probability_of_truth", "loss", "correct",
)  # fmt: skip


def answers(count: int = 4, **changes: Any) -> Answers:
    columns: dict[str, Any] = {
        "sample": np.arange(count),
        "place": [f"cat/{index}.jpg" for index in range(count)],
        "truth": np.arange(count) % 2,
        "answer": np.zeros(count),
        "probability": np.full(count, 0.75),
        "probability_of_truth": np.full(count, 0.25),
        "loss": np.full(count, 1.5),
    }
    return make_answers(("cat", "dog"), **(columns | changes))


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    written = answers(sample=[0, 1, 3, 9], answer=[0, -1, 1, 1], place=["", "a b/ü.png", "x: y", "s.tar: 9"])

    assert write_answers(tmp_path, written) == (("answers.npz", "answers.csv"), "")

    found = read_answers(tmp_path / "answers.npz")
    assert found.class_names == ("cat", "dog")
    for name in COLUMNS:
        ours, theirs = getattr(written, name), getattr(found, name)
        assert (ours == theirs).all() and ours.dtype == theirs.dtype, name
    assert found.correct.tolist() == [True, False, False, True]
    assert [found.class_of(number) for number in found.answer] == ["cat", "(another class)", "dog", "dog"]
    with np.load(tmp_path / "answers.npz", allow_pickle=False) as plain:  # as anybody may read it
        assert {*plain.files} == {*COLUMNS, "class_names"}
        assert plain["place"].tolist() == ["", "a b/ü.png", "x: y", "s.tar: 9"]


def test_the_same_answers_are_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_answers(tmp_path / name, answers())

    contents = [(tmp_path / name / "answers.npz").read_bytes() for name in ("a", "b")]
    assert contents[0] == contents[1]
    with zipfile.ZipFile(io.BytesIO(contents[0])) as archive:  # whose dates would be those of writing
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_the_table_has_names_and_no_formulas(tmp_path: Path) -> None:
    names, places = ("=HYPERLINK(1)", "a\nb"), ["@x.png", "-1+1.png", "plain, with\ncomma.png", "\udcff.png"]
    columns = {name: getattr(answers(), name) for name in COLUMNS if name != "correct"}
    write_answers(tmp_path, make_answers(names, **(columns | {"place": places, "answer": [0, -1, 0, 1]})))

    content = (tmp_path / "answers.csv").read_bytes().decode(errors="surrogateescape")
    header, *rows = csv.reader(io.StringIO(content))
    assert header == [*COLUMNS]
    assert [row[1] for row in rows] == ["'@x.png", "'-1+1.png", "plain, with\\ncomma.png", "\udcff.png"]
    assert rows[0] == ["0", "'@x.png", "'=HYPERLINK(1)", "'=HYPERLINK(1)", "0.75", "0.25", "1.5", "yes"]
    assert [row[2:4] for row in rows[1:3]] == [["a\\nb", "(another class)"], ["'=HYPERLINK(1)"] * 2]


def test_no_formula_and_every_number_stays() -> None:
    assert csv_text([["=1", "+a", "-2.5", "-x", "@", "\ta", -3, 1.5, "a=b"]]) == (
        "'=1,'+a,-2.5,'-x,'@,'\ta,-3,1.5,a=b\n"
    )


def test_above_what_a_spreadsheet_holds_there_is_no_table(tmp_path: Path) -> None:
    write_answers(tmp_path, answers())
    found, note = write_answers(tmp_path, answers(100_001))

    assert (found, (tmp_path / "answers.csv").exists()) == (("answers.npz",), False)
    assert "there is no answers.csv: 100,001 rows are more than the 100,000" in note


def test_few_bytes_that_stand_for_very_many_are_not_read(tmp_path: Path) -> None:
    zeros = {name: np.zeros(0) for name in COLUMNS} | {"class_names": np.zeros(2**25, np.int32)}
    np.savez_compressed(tmp_path / "answers.npz", **zeros)

    with pytest.raises(DataError, match="class_names would take 134,217,"):
        read_answers(tmp_path / "answers.npz")


def test_one_long_name_among_many_files_is_read(tmp_path: Path) -> None:
    """Every name takes as many letters as the longest: 100 MB of which hardly any are letters."""
    count = 60_000
    drawn = np.random.default_rng(0).random((3, count), np.float32)
    numbers = dict(zip(("probability", "probability_of_truth", "loss"), drawn, strict=True))
    many = answers(
        count, **numbers, place=["x" * 400, *(f"images/{index:06}.jpg" for index in range(1, count))]
    )
    write_answers(tmp_path, many)

    assert read_answers(tmp_path / "answers.npz").place[-1] == "images/059999.jpg"


def test_many_answers_are_quick(tmp_path: Path) -> None:
    count = 200_000
    many = answers(count, place=[f"class-{index % 1000:04}/image-{index:08}.jpg" for index in range(count)])
    start = time.process_time()
    write_answers(tmp_path, many)
    wrote = time.process_time()
    found = read_answers(tmp_path / "answers.npz")

    # seconds of a slow machine that does something else besides
    assert (len(found), wrote - start < 4, time.process_time() - wrote < 2) == (count, True, True)


@pytest.mark.parametrize(
    ("changes", "words"),
    (
        ({"truth": [0, 1]}, "different lengths: sample 4, place 4, truth 2"),
        ({"truth": [0, 1, 2, 0]}, "truth of row 2 is 2, of 2 classes"),
        ({"truth": [0, -1, 0, 0]}, "truth of row 1 is -1"),
        ({"answer": [0, -2, 0, 0]}, "answer of row 1 is -2"),
        ({"loss": [0, 1, np.nan, 0]}, "loss of row 2 is nan"),
        ({"loss": [0, np.inf, 0, 0]}, "loss of row 1 is inf"),
        ({"probability": [0, 1.5, 0, 0]}, "probability of row 1 is 1.5"),
        ({"probability_of_truth": [np.nan, 0, 0, 0]}, "probability_of_truth of row 0 is nan"),
        ({"sample": [0, 2, 1, 3]}, "sample is not rising"),
        ({"sample": [-1, 2, 3, 4]}, "sample is not rising from 0 on"),
        ({"correct": [True, True, True, True]}, "correct of row 1 contradicts"),
        ({name: getattr(answers(), name)[:0] for name in COLUMNS}, "it has no rows"),
        ({"truth": [[0], [1], [0], [1]]}, r"truth is of int64 and shape \(4, 1\), not a row of int32"),
        ({"truth": [0.0, 1.0, 0.0, 1.0]}, "truth is of float64"),
        ({"truth": np.array([{}, 1, 0, 1], object)}, "Object arrays cannot be loaded"),
        ({"place": np.array(["a", {}, "b", "c"], object)}, "Object arrays cannot be loaded"),
        ({"class_names": np.array([1, 2])}, "class_names is of int64"),
        ({"place": np.frombuffer(b"\xff\xff\xff\x7f" * 4, "<U1")}, "place holds what is no text"),
        ({"place": None}, "it has no place"),
    ),
)
def test_what_cannot_be_is_told(changes: dict[str, Any], words: str, tmp_path: Path) -> None:
    whole: dict[str, Any] = {name: getattr(answers(), name) for name in COLUMNS}
    whole |= {"class_names": ["cat", "dog"]} | changes
    path = tmp_path / "answers.npz"
    np.savez(path, **{name: np.asarray(array) for name, array in whole.items() if array is not None})

    with pytest.raises(DataError, match=f"answers.npz is damaged: .*{words}") as refused:
        read_answers(path)
    assert refused.value.hint == "`resnetlab eval` writes it anew."


def test_a_broken_file_is_told_wherever_it_breaks(tmp_path: Path) -> None:
    """Cut at every length and with every byte changed, it is read as it was, or called damaged."""
    write_answers(tmp_path, answers())
    path = tmp_path / "answers.npz"
    whole = path.read_bytes()
    told = 0
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match="is damaged"):
            read_answers(path)
    for place in range(0, len(whole), 3):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        try:
            assert read_answers(path).truth.tolist() == [0, 1, 0, 1], place
        except DataError:
            told += 1
    assert told > 100


def test_what_is_pickled_is_never_run(tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "ran",))

    path = tmp_path / "answers.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for name in (*COLUMNS, "class_names"):
            archive.writestr(f"{name}.npy", pickle.dumps(Hostile()))

    with pytest.raises(DataError, match="is damaged"):
        read_answers(path)
    assert not (tmp_path / "ran").exists()


def test_sizes_that_cannot_be_are_refused_before_they_are_made(tmp_path: Path) -> None:
    write_answers(tmp_path, answers())
    path = tmp_path / "answers.npz"
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["truth.npy"] = members["truth.npy"].replace(b"'shape': (4,), }  ", b"'shape': (10**9,), }", 1)
    members["truth.npy"] = members["truth.npy"].replace(b"(10**9,)", b"(99**99)", 1)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)

    with pytest.raises(DataError, match="is damaged"):
        read_answers(path)


def test_a_missing_file_is_told_with_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no .*answers\.npz") as refused:
        read_answers(tmp_path / "answers.npz")
    assert "resnetlab eval" in refused.value.hint
