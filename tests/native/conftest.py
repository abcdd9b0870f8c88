"""Kernels are compiled into a directory of the tests' own, one for all processes that run them."""

import shutil

import pytest

from resnetlab.native import building


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> object:
    if not any(map(shutil.which, ("g++", "c++", "clang++"))) or not building.suits_processor():
        pytest.skip("needs a C++ compiler and AVX2")
    with pytest.MonkeyPatch.context() as patch:
        own = tmp_path_factory.getbasetemp()
        session = own if worker_id == "master" else own.parent  # pytest-xdist's, the same for each
        patch.setenv("RESNETLAB_CACHE", str(session / "kernels"))
        yield
