"""Every answer of a network, a row per image: answers.npz, and answers.csv for a spreadsheet. No torch."""

import io
import sys
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from resnetlab.base import files
from resnetlab.base.lettering import in_a_line
from resnetlab.base.plaindata import csv_text
from resnetlab.base.reading.plain import open_plain, refuse_more
from resnetlab.base.units import format_bytes
from resnetlab.errors import DataError

NAME = "answers.npz"
CSV_NAME = "answers.csv"
MOST_CSV_ROWS = 100_000
"""Above it, answers.npz alone is written: a spreadsheet would not hold them."""

NO_CLASS = -1
"""The answer that is none of the data's classes."""

_NO_CLASS_NAME = "(another class)"
_COLUMNS: dict[str, npt.DTypeLike] = {
    "sample": np.int64, "place": np.str_, "truth": np.int32, "answer": np.int32, "probability": np.float32,
    "probability_of_truth": np.float32, "loss": np.float32, "correct": np.bool_,
}  # fmt: skip
"""The arrays with a value per image, in the order of the CSV."""

_MOST_BYTES = 2**33  # of one array: a place of 500 letters for each of 4 million images
_DATE = (1980, 1, 1, 0, 0, 0)  # so that the same answers are the same bytes

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False, kw_only=True)
class Answers:
    """What a network answered to each image, in the order of the split; all arrays have shape (N,).

    Images that were left out, broken ones, have no row.
    """

    class_names: tuple[str, ...]
    """The classes of the data that were scored."""
    sample: Array
    """Int64: the image's number in the split, from 0 on, rising."""
    place: Array
    """Text: the file's path relative to its source, "shard.tar: name", or "" of an image in memory."""
    truth: Array
    """Int32: the number of its class among `class_names`."""
    answer: Array
    """Int32: likewise of the most probable class; -1 if that is none of these."""
    probability: Array
    """Float32: of the answer."""
    probability_of_truth: Array
    """Float32: of its class."""
    loss: Array
    """Float32, in nats."""
    correct: Array
    """Bool: whether the answer is the truth."""

    def __len__(self) -> int:
        return len(self.sample)

    def class_of(self, number: int) -> str:
        """Return the name of a class, or what stands for a class that the data has not."""
        return self.class_names[number] if number >= 0 else _NO_CLASS_NAME


def make_answers(class_names: tuple[str, ...], **columns: npt.ArrayLike) -> Answers:
    """Return answers of these columns, each in its type; `correct` follows from truth and answer.

    Raises:
        ValueError: If their lengths differ, or a value cannot be.
    """
    arrays = {name: np.asarray(columns[name], _COLUMNS[name]) for name in _COLUMNS if name != "correct"}
    arrays["correct"] = arrays["truth"] == arrays["answer"]
    if problem := next(_problems(class_names, arrays), ""):
        raise ValueError(problem)
    return Answers(class_names=class_names, **arrays)


def write_answers(out: Path, answers: Answers) -> tuple[tuple[str, ...], str]:
    """Write answers.npz and answers.csv into the directory `out`, which is there.

    Returns:
        The names of the files, and a note if there is no CSV, as there are too many rows.

    Raises:
        WriteError: If a file could not be written.
    """
    files.write_file(out / NAME, _npz(answers))
    if len(answers) > MOST_CSV_ROWS:
        files.remove_file(out / CSV_NAME)  # of an evaluation before
        return (NAME,), (
            f"{NAME} has every answer; there is no {CSV_NAME}: {len(answers):,} rows are more than the"
            f" {MOST_CSV_ROWS:,} that spreadsheets take well"
        )
    files.write_file(out / CSV_NAME, csv_text(_csv_rows(answers)))
    return (NAME, CSV_NAME), ""


def _npz(answers: Answers) -> bytes:
    """Return the arrays as NumPy's own format, compressed quickly: a million rows take about a second."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for field in fields(answers):
            array = np.asarray(getattr(answers, field.name), _COLUMNS.get(field.name, np.str_))
            entry = zipfile.ZipInfo(f"{field.name}.npy", _DATE)
            member = io.BytesIO()
            np.lib.format.write_array(member, array, allow_pickle=False)
            archive.writestr(entry, member.getbuffer(), zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def _csv_rows(answers: Answers) -> Iterator[list[object]]:
    """Yield a line for each image; classes by name, numbers with the digits that float32 has."""
    yield [*_COLUMNS]
    names = {
        number: in_a_line(answers.class_of(number)) for number in range(NO_CLASS, len(answers.class_names))
    }
    columns = [getattr(answers, name).tolist() for name in _COLUMNS]
    for sample, place, truth, answer, *numbers, correct in zip(*columns, strict=True):
        told = [f"{number:.6g}" for number in numbers]
        yield [sample, in_a_line(place), names[truth], names[answer], *told, "yes" if correct else "no"]


def read_answers(path: Path) -> Answers:
    """Return the answers in an answers.npz; nothing that is in it is executed.

    Raises:
        DataError: If it is not there, or damaged.
    """
    try:
        arrays = _read(path)
    except FileNotFoundError as error:
        raise DataError(f"there is no {path}", hint="`resnetlab eval` writes it.") from error
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error, MemoryError,
            NotImplementedError, RuntimeError) as error:  # fmt: skip
        raise _damaged(path, str(error) or type(error).__name__) from error
    names = (*map(str, arrays.pop("class_names").tolist()),)
    if problem := next(_problems(names, arrays), ""):
        raise _damaged(path, problem)
    return Answers(class_names=names, **arrays)


def _damaged(path: Path, problem: str) -> DataError:
    return DataError(f"{path} is damaged: {in_a_line(problem)}", hint="`resnetlab eval` writes it anew.")


def _read(path: Path) -> dict[str, Array]:
    """Return the arrays by name, each of its type and a row."""
    found = {}
    with open_plain(path) as stream, zipfile.ZipFile(stream) as archive:
        stored = path.stat().st_size
        members = {entry.filename: entry for entry in archive.infolist()}
        if missing := [name for name in ("class_names", *_COLUMNS) if f"{name}.npy" not in members]:
            raise ValueError(f"it has no {' and no '.join(missing)}")
        for name in ("class_names", *_COLUMNS):
            entry = members[f"{name}.npy"]
            if entry.file_size > _MOST_BYTES:
                raise ValueError(f"{name} would take {format_bytes(entry.file_size)}")
            refuse_more(entry.file_size, stored, name)  # of all: places alone may be zeros for the most part
            with archive.open(entry) as member:
                array = _array(member)
                if member.read(1):  # which also checks the sum of what was read
                    raise ValueError(f"{name} is longer than it says")
            found[name] = _as_it_must_be(name, array)
    return found


def _array(stream: IO[bytes]) -> Array:
    try:
        return np.lib.format.read_array(stream, allow_pickle=False)
    except (SyntaxError, tokenize.TokenError) as error:  # of what NumPy has for a header Python's own
        raise ValueError(f"its header is none ({error})") from error


def _as_it_must_be(name: str, array: Array) -> Array:
    wanted = np.dtype(_COLUMNS.get(name, np.str_))
    if array.ndim != 1 or array.dtype.kind != wanted.kind:
        raise ValueError(f"{name} is of {array.dtype} and shape {array.shape}, not a row of {wanted.name}")
    if wanted.kind != "U":
        return array.astype(wanted, copy=False)
    letters = np.ascontiguousarray(array).view(np.dtype(np.uint32).newbyteorder(array.dtype.byteorder))
    if letters.size and letters.max() > sys.maxunicode:  # which Python's own texts cannot hold
        raise ValueError(f"{name} holds what is no text")
    return array


def _problems(class_names: tuple[str, ...], arrays: Mapping[str, Array]) -> Iterator[str]:
    """Yield what cannot be."""
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        yield f"columns of different lengths: {', '.join(f'{n} {count:,}' for n, count in lengths.items())}"
        return
    if not lengths["sample"]:
        yield "it has no rows"
        return
    sample, truth, answer = arrays["sample"], arrays["truth"], arrays["answer"]
    if sample[0] < 0 or (np.diff(sample) <= 0).any():
        yield "sample is not rising from 0 on"
    for name, array, least in (("truth", truth, 0), ("answer", answer, NO_CLASS)):
        if (wrong := (array < least) | (array >= len(class_names))).any():
            row = int(wrong.argmax())
            yield f"{name} of row {row:,} is {array[row]}, of {len(class_names):,} classes"
    for name, most in (
        ("probability", 1.0001),
        ("probability_of_truth", 1.0001),
        ("loss", np.finfo(np.float32).max),
    ):
        if (wrong := ~((arrays[name] >= -0.0001) & (arrays[name] <= most))).any():
            row = int(wrong.argmax())
            yield f"{name} of row {row:,} is {arrays[name][row]}"
    if (wrong := arrays["correct"] != (truth == answer)).any():
        yield f"correct of row {int(wrong.argmax()):,} contradicts its truth and answer"
