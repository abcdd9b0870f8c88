"""Scenes into files: SVG, PDF or PNG by the name's suffix."""

import os
from collections.abc import Sequence
from pathlib import Path

from resnetlab.base.files import write_file
from resnetlab.errors import UsageError, WriteError
from resnetlab.show.drawing.scene import Scene
from resnetlab.show.drawing.svg import to_svg

SUFFIXES = (".svg", ".pdf", ".png")


def check_target(path: Path) -> None:
    """Raise if no drawing can be saved there, before one is made.

    Raises:
        UsageError: If the suffix is none of .svg, .pdf, .png.
        WriteError: If the directory is missing or does not take files, or `path` is a directory.
    """
    refuse_target(path, SUFFIXES, "picture")


def refuse_target(path: Path, suffixes: Sequence[str], what: str) -> None:
    """Raise if no such thing can be saved there; see `check_target`.

    Args:
        path: The file.
        suffixes: Those that it may have.
        what: What is to be saved, in a word.
    """
    if path.suffix.lower() not in suffixes:
        kind = f"no such kind of {what}: {path.suffix}" if path.suffix else f"no kind of {what}"
        *others, last = suffixes
        raise UsageError(f"{path}: {kind}", hint=f"Name the file {', '.join(others)} or {last}.")
    reason = ""
    if not os.path.isdir(path.parent):  # Path.is_dir raises for names that are too long
        reason = f"{path.parent} is no directory"
    elif os.path.isdir(path):
        reason = "it is a directory"
    elif not os.access(path.parent, os.W_OK | os.X_OK):
        reason = f"{path.parent} takes no files from you"
    if reason:
        raise WriteError(f"could not write {path}: {reason}", hint="Name another file.")


def save(scenes: Sequence[Scene], path: Path) -> list[Path]:
    """Write the pages and return their files: x.pdf; x.svg, or for several pages x-01.svg, x-02.svg ...

    Raises:
        UsageError: If the suffix is none of .svg, .pdf, .png.
        WriteError: If a file could not be written.
    """
    check_target(path)
    kind = path.suffix.lower()
    if kind == ".pdf":
        from resnetlab.show.drawing.raster import to_pdf

        contents: list[bytes | str] = [to_pdf(scenes)]
    elif kind == ".png":
        from resnetlab.show.drawing.raster import to_png

        contents = [to_png(scene) for scene in scenes]
    else:
        contents = [to_svg(scene) for scene in scenes]
    paths = [path]
    if len(contents) > 1:
        digits = max(2, len(str(len(contents))))
        paths = [path.with_stem(f"{path.stem}-{page:0{digits}}") for page in range(1, len(contents) + 1)]
    for target, content in zip(paths, contents, strict=True):
        write_picture(target, content)
    return paths


def write_picture(path: Path, content: bytes | str) -> None:
    """Write a picture's file.

    Raises:
        WriteError: If it could not be written.
    """
    try:
        write_file(path, content)
    except WriteError as error:  # whose own hint speaks of runs
        raise WriteError(str(error).partition("\n")[0], hint="Mend that, or name another file.") from error
