"""Splits and classes of images in an archive, by the folders in their paths."""

from collections.abc import Sequence
from typing import NamedTuple

from resnetlab.data.labelling import first_of
from resnetlab.data.parts import part_in
from resnetlab.errors import DataError

_EXPECTED = "Expected SPLIT/CLASS/IMAGE or CLASS/IMAGE in the archive, or a label beside each image."


class ByFolder(NamedTuple):
    """What the folders of an archive say of each of its images."""

    parts: list[str]
    """The split; empty for an image that is left out."""

    labels: list[str]
    """The class; of an image that is left out any."""

    notes: list[str]


def by_folder(places: Sequence[str], where: str) -> ByFolder:
    """Return the split and the class of each image, as SPLIT/CLASS/... or CLASS/... says.

    Folders that hold everything are passed over, images of a test split without class folders are left
    out.

    Args:
        places: Paths with "/" between the folders.
        where: The archive, for errors.

    Raises:
        DataError: If an image lies in no class folder, or some of the top folders are splits and others
            are not.
    """
    folders = [place.removeprefix("./").split("/")[:-1] for place in places]
    while all(len(path) > 1 for path in folders) and len({path[0] for path in folders}) == 1:
        folders = [path[1:] for path in folders]
    tops = sorted({path[0] for path in folders if path})
    parts = {top: part for top in tops if (part := part_in(top))}
    if len(set(parts.values())) < 2:
        parts = {}
    if parts and len(parts) < len(tops):
        others = first_of([top for top in tops if top not in parts])
        raise DataError(
            f"{where}: {others} beside {first_of([*parts])}: splits or classes?",
            hint="Unpack it, and keep either splits or classes at the top.",
        )
    depth = 1 if parts else 0
    loose = [index for index, path in enumerate(folders) if len(path) <= depth]
    unsorted = {parts.get(folders[index][0]) if folders[index] else None for index in loose}
    if loose and (unsorted != {"test"} or len(loose) == len(places)):
        shown = first_of([places[index] for index in loose])
        raise DataError(f"{where}: images without a label: {shown}", hint=_EXPECTED)
    note = (
        f"test images in no class folder, left out: {len(loose):,} (e.g. {places[loose[0]]})" if loose else ""
    )
    left_out = frozenset(loose)
    some_class = next(path[depth] for path in folders if len(path) > depth)
    return ByFolder(
        ["" if n in left_out else parts.get(path[0], "train") for n, path in enumerate(folders)],
        [some_class if n in left_out else path[depth] for n, path in enumerate(folders)],
        [note] if note else [],
    )
