"""What lies among pictures and is none of them: of systems and programs, and our own runs."""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from resnetlab.data.images.kinds import PAPERS, has_image_suffix
from resnetlab.errors import UsageError
from resnetlab.runs.directory import is_run

_NAMES = frozenset(
    {
        # Windows
        "thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "$recycle.bin", "recycler",
        "recycled", "system volume information", "msdownld.tmp", "wpsettings.dat", "picasa.ini",
        # macOS
        "__macosx", "icon\r", "network trash folder", "temporary items", "thevolumesettingsfolder",
        # Linux and Python
        "lost+found", "__pycache__",
        # NAS: Synology, QNAP, NetApp
        "@eadir", "#recycle", "#snapshot", "@recycle", "@recently-snapshot", "@tmp", "@sharebin",
        "@sharesnap", "@snapshot", "~snapshot",
    }
)  # fmt: skip
_PATTERNS = re.compile(r"\..*|found\.\d{3}|@gmt-\d.*|@syno.*|~\$.*", re.DOTALL)
_OF_A_STUDY = "study.json"


def is_hidden(name: str) -> bool:
    """Return whether a file or folder is the system's, a program's or its owner's own, which is not read."""
    lower = name.lower()
    return lower in _NAMES or bool(_PATTERNS.fullmatch(lower))


def is_hidden_path(path: str) -> bool:
    """Return whether that is so of a path with "/", or of a folder in it."""
    return any(is_hidden(part) for part in path.split("/") if part not in ("", ".", ".."))


def holds_runs(folder: str | Path) -> bool:
    """Return whether a folder is a run or a study of ours, or holds such ones and nothing else to read.

    Raises:
        OSError: If it cannot be read.
    """
    if _is_ours(folder):
        return True
    found = False
    with os.scandir(folder) as entries:
        for entry in entries:
            if is_hidden(entry.name):
                continue
            if has_image_suffix(entry.name) or (entry.is_dir() and not _is_ours(entry.path)):
                return False
            found = found or entry.is_dir()
    return found


def holds_papers(folder: str | Path) -> bool:
    """Return whether lists, annotations and documents lie in and below a folder, and nothing else."""
    suffixes = {
        os.path.splitext(name)[1].lower()
        for _, _, names in os.walk(folder)
        for name in names
        if not is_hidden(name)
    }
    return bool(suffixes) and suffixes <= PAPERS


def _is_ours(folder: str | Path) -> bool:
    return (is_run(folder) and os.path.isfile(os.path.join(folder, "spec.json"))) or _is_study(folder)


def _is_study(folder: str | Path) -> bool:
    path = os.path.join(folder, _OF_A_STUDY)
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as stream:
        return b'"runs"' in stream.read(4096)


def refuse_within(folders: Iterable[str], out: str | Path, flag: str = "--out") -> None:
    """Raise a UsageError if `out` lies in one of the folders, where it would be read as a part of the data.

    What a study of ours lies in there is passed over already, and may grow.

    Args:
        folders: Folders of which everything is read that lies in them.
        out: What is to be written, a folder or a file.
        flag: How another place is given.
    """
    real = os.path.realpath(out)
    for folder in folders:
        above = os.path.realpath(folder)
        if not os.path.isdir(above) or os.path.commonpath([above, real]) != above:
            continue
        between = [each for each in Path(real).parents if os.path.commonpath([above, each]) == above]
        if not any(map(_is_study, between)):
            raise UsageError(
                f"{out} lies in {folder}, of which it would become a part",
                hint=f"Choose a place outside of the data with {flag}.",
            )
