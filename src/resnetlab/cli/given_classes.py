"""The names of classes that --classes gives."""

import os
from pathlib import Path

from resnetlab.base.paths import user_path
from resnetlab.base.reading.plain import MOST_JSON_BYTES, parse_foreign_json, read_pipe, read_text
from resnetlab.data.arrays.cifar import CIFAR10_NAMES, CIFAR100_NAMES
from resnetlab.data.batches.preprocessing import is_whole
from resnetlab.errors import DataError, UsageError
from resnetlab.trained.artefact.places import looking_at

_NAMED = {"cifar10": tuple(CIFAR10_NAMES), "cifar100": tuple(CIFAR100_NAMES)}
"""What --classes takes by the data's name, with the names of its classes."""


def given_class_names(text: str) -> tuple[str, ...]:
    """Return the names that --classes gives: a file's, a dataset's, or those written out, as cat,dog.

    Raises:
        UsageError: If there is no such file, or a name is empty.
        DataError: As `read_class_names`.
    """
    # A list of names may begin with a "~" that is nobody's home.
    path = Path(os.path.expanduser(text)) if "," in text else user_path(text)
    with looking_at(text):
        is_file = path.exists()
    if text in _NAMED and not is_file:
        return _NAMED[text]
    if is_file or "," not in text:
        return read_class_names(path)
    names = tuple(name.strip() for name in text.split(","))
    if "" in names:
        raise UsageError(f"--classes {text}: name {names.index('') + 1} is empty")
    return names


def read_class_names(path: Path) -> tuple[str, ...]:
    """Return the names in a text file or a pipe, one a line; empty lines at the end do not count.

    A .json holds them as a list, or by their numbers: {"0": "ant"}, {"ant": 0}, and as Keras has
    ImageNet's: {"0": ["n01440764", "tench"]}.

    Raises:
        UsageError: If there is no such file.
        DataError: If it is no text, or a line is empty.
    """
    try:
        if path.is_fifo():  # --classes <(cut -f 2 table)
            text = read_pipe(path, most=MOST_JSON_BYTES).decode("utf-8-sig")
        else:
            text = read_text(path, encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(
            f"{path}: {error.strerror or error}",
            hint=f"Names are written out with commas, as cat,dog; known are those of {', '.join(_NAMED)}.",
        ) from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is no text in UTF-8") from error
    except ValueError as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    if path.suffix == ".json":
        return _names_in_json(path, text)
    names = tuple(line.strip() for line in text.rstrip().splitlines())
    if "" in names:
        raise DataError(f"{path}: line {names.index('') + 1} is empty")
    return names


def _names_in_json(path: Path, text: str) -> tuple[str, ...]:
    try:
        found = parse_foreign_json(text)
    except ValueError as error:
        raise DataError(f"{path} is no whole JSON") from error
    if isinstance(found, dict) and found and all(is_whole(value) for value in found.values()):
        numbered = {str(number): name for name, number in found.items()}  # as torchvision's class_to_idx
        found = numbered if len(numbered) == len(found) else {}
    if isinstance(found, dict):
        found = [found.get(str(index)) for index in range(len(found))]
    if isinstance(found, list):
        found = [each[-1] if isinstance(each, list) and each else each for each in found]
        if found and all(isinstance(each, str) and each.strip() for each in found):
            return tuple(each.strip() for each in found)
    raise DataError(f"{path} holds no names of classes", hint='A list of names, or {"0": "ant", "1": "bee"}.')
