"""Kernels are compiled into a directory of the tests' own."""

import shutil

import pytest

from resnetlab.native import building


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> object:
    if not any(map(shutil.which, ("g++", "c++", "clang++"))) or not building.suits_processor():
        pytest.skip("needs a C++ compiler and AVX2")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RESNETLAB_CACHE", str(tmp_path_factory.mktemp("kernels")))
        building._place.cache_clear()
        yield
    building._place.cache_clear()
