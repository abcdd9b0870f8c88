"""Which files this process still has open or mapped."""

import gc
from collections.abc import Callable
from pathlib import Path

import pytest

from resnetlab.errors import DataError


def held_after_refusal(open_it: Callable[[], object], folder: Path) -> list[str]:
    """Return the files of the folder that are held once the DataError of `open_it` is gone.

    The garbage collector is off meanwhile: what only it frees is held.
    """
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("needs /proc")
    gc.disable()
    try:
        try:
            open_it()
        except DataError:
            pass
        else:
            pytest.fail("nothing was refused")
        links = [path.readlink() for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
        maps = Path("/proc/self/maps").read_text().splitlines()
    finally:
        gc.enable()
    return [str(each) for each in (*links, *maps) if str(folder) in str(each)]
