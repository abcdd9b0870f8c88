"""By what kernels are made: the compiler, its assembler and the instructions, as they are here and now."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from resnetlab.errors import UsageError
from resnetlab.native import building
from resnetlab.native.measured.rating import _of
from resnetlab.training.choosing.trying import question
from resnetlab.training.choosing.ways import Prospect
from tests.kit.chosen_steps import long_plan

needs_tiles = pytest.mark.skipif(not building.multiplies_tiles(), reason="needs AMX")
KEPT = (building._machine, building._assembles_tiles)


@pytest.fixture
def anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Nothing is known of the compiler, and the cache is empty."""
    monkeypatch.setenv("RESNETLAB_CACHE", str(tmp_path / "cache"))
    forget()
    yield
    forget()


def forget() -> None:
    for each in KEPT:
        each.cache_clear()


@pytest.mark.usefixtures("anew")
def test_what_was_measured_with_another_compiler_is_not_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor that its kernels compute the same as eager steps do."""
    prospect = Prospect.of(long_plan())

    def keys() -> tuple[str, ...]:
        forget()
        facts = _of(torch.device("cpu"), torch.float32)[2]
        return building.kernels_digest(), question(prospect, [], 1)["native"], facts["kernels"]

    first, again = keys(), keys()
    (tmp_path / "c++").symlink_to(os.path.realpath(building.compiler_here()))
    monkeypatch.setattr(shutil, "which", lambda name: str(tmp_path / name) if name == "c++" else None)
    others = keys()

    assert building.compiler_told().startswith("c++ ")
    assert first == again
    assert not {*first} & {*others}


@needs_tiles
@pytest.mark.usefixtures("anew")
def test_an_assembler_that_does_not_know_tiles_costs_tiles_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As binutils' before 2.36. It is asked until it knows them, and no more then."""
    older = tmp_path / "as"
    older.write_text(
        '#!/bin/sh\nfor text; do [ ! -f "$text" ] || ! grep -q tdpbf16ps "$text" || exit 1; done\n'
        f'exec {shutil.which("as")} "$@"\n'
    )
    older.chmod(0o755)
    found = []
    for has_older in (True, False, True):
        monkeypatch.setenv("COMPILER_PATH", str(tmp_path) if has_older else "")
        building._assembles_tiles.cache_clear()
        found.append(building.instructions(is_half=True))

    assert found == ["AVX512-BF16", "AMX", "AMX"]


@pytest.mark.parametrize(("said", "is_off"), [("off", 1), ("0", 1), ("No", 1), ("", 0), ("1", 0), ("on", 0)])
def test_tiles_are_switched_off_by_the_words_for_it(
    said: str, is_off: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = building.multiplies_tiles()
    monkeypatch.setenv("RESNETLAB_AMX", said)

    assert building.multiplies_tiles() == (usual and not is_off)


def test_another_word_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESNETLAB_AMX", "of")

    with pytest.raises(UsageError, match=r"RESNETLAB_AMX is 'of' .*neither on nor off\nOn is 1, on"):
        building.multiplies_tiles()


@pytest.mark.kernels
@pytest.mark.usefixtures("anew")
def test_a_kernel_that_was_changed_in_the_cache_is_not_run(tmp_path: Path) -> None:
    """It would compute other numbers, or take the process with it; it is compiled again."""
    building._library.cache_clear()
    building.library("program.cpp")
    (kept,) = (tmp_path / "cache/native").glob("program-*.so")
    whole = kept.read_bytes()
    changed = tmp_path / "changed.so"  # another file: what is loaded stays as it is
    changed.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    changed.replace(kept)

    building._library.cache_clear()
    again = building.library("program.cpp")
    building._library.cache_clear()

    assert Path(again._name).read_bytes() == whole
    Path(again._name).write_bytes(b"")
    assert Path(building.library("program.cpp")._name).read_bytes() == whole
    building._library.cache_clear()
