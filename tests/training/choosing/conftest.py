"""A cache of the tests' own, in which nothing stays but kernels; processors and cards of some abilities."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from resnetlab.base.machine import processor as processors
from resnetlab.native import building
from resnetlab.training.recorded import deciding

_MULTIPLIES_BF16 = building.multiplies_bf16


@pytest.fixture(scope="session")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def cache(kernels: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    if not any(map(shutil.which, ("g++", "c++", "clang++"))) or not building.suits_processor():
        pytest.skip("needs a C++ compiler and AVX2")
    shutil.rmtree(kernels / "measured", ignore_errors=True)
    monkeypatch.setenv("RESNETLAB_CACHE", str(kernels))
    yield kernels


@pytest.fixture(autouse=True)
def processor(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """A processor of these abilities; at first one that multiplies bf16, which torch can do on any."""

    def describe(abilities: str) -> None:
        told = f"flags : {abilities}\n"
        monkeypatch.setattr(deciding, "abilities", lambda: processors.abilities(told))
        monkeypatch.setattr(building, "multiplies_bf16", lambda: "bf16" in abilities)

    describe("fpu avx2 avx512_bf16 sse")
    return describe


@pytest.fixture
def own_processor(processor: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """The processor that is here, for tests in which kernels in bf16 would be built and run."""
    monkeypatch.setattr(deciding, "abilities", processors.abilities)
    monkeypatch.setattr(building, "multiplies_bf16", _MULTIPLIES_BF16)


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int], None]:
    """A machine with a CUDA device of this capability."""

    def describe(major: int, minor: int) -> None:
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (major, minor))
        monkeypatch.setattr(torch.version, "hip", None)

    return describe
